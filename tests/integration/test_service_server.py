"""IBM's service server in true namespaces: log-in by OpenSSH, authorization, separation of networks."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab.errors import DaemonError, ProtocolError
from lab.linux import firewall, links
from lab.linux.nodes import Node
from lab.linux.process import Ended, Popen
from lab.record.event import Event
from lab.service.server import login, reception, separation, workplace
from lab.service.server.client import Client
from lab.service.server.events import Audited, ToolTried
from lab.service.server.login import LogInServer
from lab.service.server.office import Verb
from lab.service.server.separation import Separation
from lab.wait import wait_until

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root and namespaces"),
]

SERVER, PC = "10.1.0.30", "10.1.0.40"
REPRESENTATIVE, CLERK = "representative", "clerk"


@dataclass
class PlayedWayIn:
    """A console that is reached at once, or not at all."""

    place: Node
    connected: bool = False
    answers: bool = True
    lets_in: bool = True
    seen: list[str] = field(default_factory=list)

    @property
    def verbs(self) -> Mapping[str, Verb]:
        return {}

    def knock(self, options: Mapping[str, Any]) -> str:
        self.seen.append("knock")
        if not self.answers:
            raise ProtocolError("hmc lets nobody in: NO ANSWER")
        return "hmc answers"

    def authenticate(self, options: Mapping[str, Any]) -> str:
        self.seen.append(f"authenticate {options['ppp_address']}")
        if not self.lets_in:
            raise ProtocolError("hmc does not take the credentials")
        self.connected = True
        return "connected: hmc is 10.253.0.1"

    def leave(self) -> None:
        self.seen.append("leave")
        self.connected = False

    def run(self, argv: Sequence[str], uid: int, streams: Sequence[int]) -> Popen[bytes]:
        return workplace.start_as(self.place, argv, uid, streams)


@dataclass
class Site:
    """The server, a PC that can log in to it, and what was told."""

    server: Node
    pc: Node
    way_in: PlayedWayIn
    running: LogInServer
    client: Client
    told: list[Event]

    def as_user(self, user: str, *words: str) -> Ended:
        return self.client.log_in(user, words)

    def as_officer(self, *words: str) -> Ended:
        return self.client.at_the_console(words)

    def token(self, *options: str) -> str:
        given = self.as_officer("authorize", "--user", REPRESENTATIVE, *options)
        assert given.status == 0, given.stderr
        return given.stdout.strip()

    @property
    def records(self) -> list[tuple[str, str, str, str]]:
        """User, verb, outcome and reason of each record, by the story."""
        heard = (event for event in self.told if isinstance(event, Audited))
        return [(e.user, e.verb, e.outcome, e.reason) for e in heard]

    @property
    def attempts(self) -> list[tuple[str, str, str, str]]:
        """The same without log-ins that succeeded."""
        return [record for record in self.records if record[1:3] != ("log-in", "done")]


def wire(one: Node, address: str, other: Node, other_address: str) -> None:
    """A wire between two nodes, named as the other node."""
    links.join(one, other.name, other, one.name)
    for node, name, own in ((one, other.name, address), (other, one.name, other_address)):
        node.run(["ip", "address", "add", f"{own}/24", "dev", name])
        node.run(["ip", "link", "set", name, "up"])


@contextlib.contextmanager
def two_nodes(run_dir: Path) -> Iterator[tuple[Node, Node]]:
    with (
        Node.create_bare("service", run_dir) as server,
        Node.create_bare("intranet", run_dir, [(SERVER, "service")]) as pc,
    ):
        wire(server, SERVER, pc, PC)
        yield server, pc


@contextlib.contextmanager
def started_site(run_dir: Path) -> Iterator[Site]:
    told: list[Event] = []
    with two_nodes(run_dir) as (server, pc):
        way_in = PlayedWayIn(server)
        with login.start(server, SERVER, [pc], ["hmc"], way_in, told.append) as running:
            yield Site(server, pc, way_in, running, Client(pc, server, told.append), told)
            running.check()
        assert server.strays() == ()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with started_site(tmp_path) as made:
        yield made


def test_a_session_from_the_authorization_to_its_end(site: Site) -> None:
    token = site.token("--minutes", "30")
    begun = site.as_user(REPRESENTATIVE, "connect", "--token", token, "--ppp-address", "10.253.0.1")
    assert (begun.status, begun.stdout) == (0, "connected: hmc is 10.253.0.1\n")
    assert (
        site.as_user(REPRESENTATIVE, "status").stdout == "representative is in a session with hmc\n"
    )
    ran = site.as_user(REPRESENTATIVE, "run", "--", "sh", "-c", "'id -un; exit 3'")
    assert (ran.status, ran.stdout) == (3, "representative\n")
    assert site.as_user(REPRESENTATIVE, "hang-up").stdout == "no session stands\n"
    assert site.way_in.seen == ["knock", "authenticate 10.253.0.1", "leave"]
    assert site.attempts == [
        ("officer", "authorize", "done", "representative, 30 minutes"),
        (REPRESENTATIVE, "connect", "done", ""),
        (REPRESENTATIVE, "session", "done", "begun"),
        (REPRESENTATIVE, "status", "done", ""),
        (REPRESENTATIVE, "run", "done", "sh"),
        (REPRESENTATIVE, "session", "done", "ended"),
        (REPRESENTATIVE, "hang-up", "done", ""),
    ]
    assert site.records.count((REPRESENTATIVE, "log-in", "done", "")) == 4


def test_records_are_in_the_run_directory_and_have_no_token(site: Site, tmp_path: Path) -> None:
    token = site.token()
    site.as_user(REPRESENTATIVE, "connect", "--token", token)
    site.as_user(REPRESENTATIVE, "connect", "--token", f"{token}X")
    text = (tmp_path / "audit.jsonl").read_text()
    records = [json.loads(line) for line in text.splitlines()]
    assert token not in text
    assert token not in "".join(str(vars(event)) for event in site.told)
    assert records[2] | {"time": 0} == {
        "server": "service", "time": 0, "user": REPRESENTATIVE, "address": PC, "console": "hmc",
        "verb": "connect", "outcome": "done", "reason": "", "authorization": 1,
    }  # fmt: skip
    printed = site.as_officer("audit").stdout.splitlines()
    assert len(printed) == len(records) + 1
    assert next(event.answer for event in site.told if isinstance(event, ToolTried)) == ""


@pytest.mark.parametrize(
    ("user", "words", "reason"),
    [
        (REPRESENTATIVE, ["connect"], "no-token"),
        (REPRESENTATIVE, ["call"], "no-token"),
        (REPRESENTATIVE, ["connect", "--token", "AAAAA-AAAAA"], "unknown-token"),
        (CLERK, ["connect", "--token", "TOKEN"], "other-user"),
        (CLERK, ["run", "--", "id"], "no-session"),
        (CLERK, ["hang-up"], "no-session"),
        (REPRESENTATIVE, ["authorize", "--user", REPRESENTATIVE], "no-officer"),
        (REPRESENTATIVE, ["audit"], "no-officer"),
        (REPRESENTATIVE, ["bash", "-i"], "no-tool"),
        ("officer", ["connect", "--token", "TOKEN"], "no-login"),
        ("officer", ["run", "--", "id"], "no-login"),
    ],
)
def test_what_is_refused_reaches_no_console_and_is_recorded(
    site: Site, user: str, words: list[str], reason: str
) -> None:
    token = site.token()
    words = [token if word == "TOKEN" else word for word in words]
    ended = site.as_officer(*words) if user == "officer" else site.as_user(user, *words)
    assert ended.status == (2 if reason == "no-tool" else 1)
    assert site.way_in.seen == []
    verb = "unknown" if reason == "no-tool" else words[0]
    assert site.attempts[-1] == (user, verb, "refused", reason)


def test_who_has_no_key_or_no_account_is_recorded(site: Site) -> None:
    """By the server alone: this machine's own records are not touched."""
    machines = [path for path in map(Path, ("/var/log/btmp", "/var/log/wtmp")) if path.exists()]
    before = [path.stat().st_mtime_ns for path in machines]
    assert site.as_user("visitor", "status").status == 255
    assert site.as_user("root", "status").status == 255
    with pytest.raises(DaemonError, match="Permission denied"):
        site.pc.run(["ssh", "-F", "/dev/null", "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes",
                     "-o", "UserKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes",
                     "-i", "/run/lab/ssh/clerk", f"{REPRESENTATIVE}@service", "status"])  # fmt: skip
    # Of somebody who is refused sshd says so when the connection has ended.
    wait_until("all three are recorded", lambda: len(site.attempts) == 3, 60.0)
    assert [path.stat().st_mtime_ns for path in machines] == before
    assert site.attempts == [
        ("visitor", "log-in", "refused", "unknown-user"),
        ("root", "log-in", "refused", "unknown-user"),
        (REPRESENTATIVE, "log-in", "refused", "wrong-key"),
    ]


def test_who_says_to_have_logged_in_has_not(site: Site) -> None:
    """A user's program at the server, past sshd: what it says of a log-in is not believed."""
    token = site.token()
    script = (
        f"SSH_CONNECTION='{PC} 4000 {SERVER} 22' SSH_ORIGINAL_COMMAND='connect --token {token}' $0"
    )
    argv = ["setpriv", "--reuid=59001", "--regid=59001", "--clear-groups", "sh", "-c", script,
            "/run/lab/lab-service"]  # fmt: skip
    with pytest.raises(DaemonError, match="nobody has logged in by SSH"):
        site.server.run(argv)
    assert site.attempts[-1] == (REPRESENTATIVE, "connect", "refused", "no-login")
    assert site.way_in.seen == []


def test_a_call_that_nobody_answers_leaves_the_token(site: Site) -> None:
    token = site.token()
    site.way_in.answers = False
    failed = site.as_user(REPRESENTATIVE, "call", "--token", token)
    assert (failed.status, failed.stderr) == (1, "lab-service: hmc lets nobody in: NO ANSWER\n")
    site.way_in.answers, site.way_in.lets_in = True, False
    assert site.as_user(REPRESENTATIVE, "connect", "--token", token).status == 1
    assert site.way_in.seen[-1] == "leave"
    site.way_in.lets_in = True
    assert site.as_user(REPRESENTATIVE, "connect", "--token", token).status == 0
    again = site.as_user(REPRESENTATIVE, "connect", "--token", token)
    assert again.stderr.startswith("lab-service: refused: the authorization was used already")
    assert [record[2:] for record in site.attempts if record[1] in ("call", "connect")] == [
        ("failed", "hmc lets nobody in: NO ANSWER"),
        ("failed", "hmc does not take the credentials"),
        ("done", ""),
        ("refused", "used-up"),
    ]


def test_a_session_that_ends_by_itself_is_recorded(site: Site) -> None:
    site.as_user(REPRESENTATIVE, "connect", "--token", site.token())
    site.way_in.connected = False
    ended = (REPRESENTATIVE, "session", "done", "ended")
    wait_until("the end is recorded", lambda: ended in site.attempts, 60.0 + reception.LOOKS_S)
    assert site.as_user(REPRESENTATIVE, "status").stdout == "no session stands\n"


def test_nobody_gets_a_shell_a_terminal_or_a_forward(site: Site) -> None:
    assert site.as_user(REPRESENTATIVE).stdout == "no session stands\n"
    refused = site.pc.start(["ssh", "-N", "-o", "ExitOnForwardFailure=yes", "-R", "4000:127.0.0.1:22",
                             f"{REPRESENTATIVE}@service"], {})  # fmt: skip
    assert refused.wait(60) == 255
    with pytest.raises(DaemonError, match="PTY allocation request failed"):
        site.pc.run(["ssh", "-tt", f"{REPRESENTATIVE}@service", "connect"])


def test_log_ins_that_stand_end_with_the_server(tmp_path: Path) -> None:
    """``started_site`` looks for what is left on the server."""
    with contextlib.ExitStack() as stack:
        site = stack.enter_context(started_site(tmp_path))
        site.as_user(REPRESENTATIVE, "connect", "--token", site.token())
        words = (["-N"], ["run", "--", "sleep", "1000"])
        there = f"{REPRESENTATIVE}@service"
        commands = (["ssh", *w, there] if w == ["-N"] else ["ssh", there, *w] for w in words)
        clients = [site.pc.start(argv, {}) for argv in commands]
        runs, came = (
            (REPRESENTATIVE, "run", "done", "sleep"),
            (REPRESENTATIVE, "log-in", "done", ""),
        )
        wait_until(
            "both are there", lambda: runs in site.records and site.records.count(came) == 3, 60.0
        )
        assert [client.poll() for client in clients] == [None, None]
        site.running.check()
    for client in clients:
        client.wait(60)
    without_command, with_command = (client.returncode for client in clients)
    # The PC goes after the server, perhaps before a client has heard of the server's end.
    with_the_pc = -signal.SIGKILL
    assert without_command in (255, with_the_pc)
    # The end of the program may come to the client before the end of the connection does.
    assert with_command in (255, 128 + signal.SIGKILL, with_the_pc)


# Separation.

SESSION, TOOLS, GATEWAY, TOWARDS_GATEWAY = "10.253.0.1", "10.253.0.2", "10.2.0.1", "10.2.0.30"
LISTENER = """
import socket
listener = socket.create_server(("0.0.0.0", 22))
print("up")
while True:
    listener.accept()
"""


@dataclass
class Networks:
    """The intranet, the server, and a session behind a gateway."""

    intranet: Node
    server: Node
    gateway: Node
    separation: Separation

    def reaches(self, node: Node, address: str, port: int) -> bool:
        return node.call(connects, address, port)


def connects(address: str, port: int) -> bool:
    """Whether a connection comes about, for which both kernels need no program to get a processor."""
    try:
        socket.create_connection((address, port), timeout=1.0).close()
    except OSError:
        return False
    return True


@pytest.fixture
def networks(tmp_path: Path) -> Iterator[Networks]:
    with two_nodes(tmp_path) as (server, pc), Node.create_bare("gateway", tmp_path) as gateway:
        wire(server, TOWARDS_GATEWAY, gateway, GATEWAY)
        gateway.run(["ip", "address", "add", f"{SESSION}/32", "dev", "lo"])
        for tools in (TOOLS, "10.253.0.12"):
            gateway.run(["ip", "route", "add", tools, "via", TOWARDS_GATEWAY, "src", SESSION])
        gateway.run(["ip", "route", "add", "10.1.0.0/24", "via", TOWARDS_GATEWAY, "src", SESSION])
        server.run(["ip", "route", "add", "default", "via", GATEWAY])
        pc.run(["ip", "route", "add", "10.253.0.0/24", "via", SERVER])
        pc.run(["ip", "route", "add", "10.2.0.0/24", "via", SERVER])
        for node in (pc, gateway, server):
            node.spawn(["/usr/bin/python3", "-u", "-c", LISTENER], name="listener").expect_line(
                "up", 60.0
            )
        with separation.start(server) as made:
            yield Networks(pc, server, gateway, made)
        assert "service-server" not in server.run(["nft", "list", "tables"])


def test_only_a_sessions_tools_reach_it(networks: Networks) -> None:
    made = networks.separation
    with workplace.opened(made, 1, TOOLS, {SESSION: GATEWAY}) as place:
        assert networks.reaches(place, SESSION, 22)
        for node in (networks.intranet, networks.server):
            assert not networks.reaches(node, SESSION, 22)
        # Nor do tools get anywhere else, and nothing comes from the session's side.
        for address in (GATEWAY, SERVER, PC, "192.168.255.5"):
            assert not networks.reaches(place, address, 22)
        assert not networks.reaches(networks.gateway, PC, 22)
        counted = firewall.counters({"service": networks.server})["service"]
    assert counted["session-1-out"] >= 3
    assert counted["session-1-back"] >= 2
    assert {name: counted[name] > 0 for name in separation.COUNTERS} == {
        separation.TO_SESSION: True,
        separation.FROM_SESSION: True,
        separation.OWN_TO_SESSION: True,
        separation.FROM_TOOLS: True,
        separation.THROUGH: False,
    }


def test_with_a_session_all_of_it_goes(networks: Networks) -> None:
    made, server = networks.separation, networks.server
    before = server.run(["nft", "-s", "list", "ruleset"])
    for number in (1, 2):
        with workplace.opened(made, number, TOOLS, {SESSION: GATEWAY}) as place:
            sleeper = workplace.start_as(place, ["sleep", "1000"], 59_001, (0, 1, 2))
            assert networks.reaches(place, SESSION, 22)
        assert sleeper.wait(60) == -9
        assert not networks.reaches(networks.intranet, SESSION, 22)
        assert server.run(["nft", "-s", "list", "ruleset"]) == before
        assert "tools" not in server.run(["ip", "link"])
        assert server.run(["ip", "rule"]).count("\n") == 3
        assert server.run(["cat", "/proc/sys/net/ipv4/conf/gateway/forwarding"]) == "0\n"
    assert not Path("/run/netns/service-tools-1").is_symlink()


def test_two_sessions_do_not_reach_each_other(networks: Networks) -> None:
    made, other = networks.separation, "10.253.0.9"
    networks.gateway.run(["ip", "address", "add", f"{other}/32", "dev", "lo"])
    with workplace.opened(made, 1, TOOLS, {SESSION: GATEWAY}) as one:
        with workplace.opened(made, 2, "10.253.0.12", {f"{other}/32": GATEWAY}) as two:
            assert networks.reaches(one, SESSION, 22)
            assert networks.reaches(two, other, 22)
            assert not networks.reaches(one, other, 22)
            assert not networks.reaches(two, SESSION, 22)
        assert networks.reaches(one, SESSION, 22)
