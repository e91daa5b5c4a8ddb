"""A DS8000's terminal by hand: the representative's commands, and callers who are no representative."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shlex
import sysconfig
from collections.abc import Iterator

import pytest

from lab.errors import LabError
from lab.run.handle import Lab
from lab.scenarios.test_remote_service import by_hand, by_ssh, connect
from lab.service.terminal import ASK_USER, TOO_LATE, TOO_MANY
from lab.service.typist import Typist
from lab.wait import let_pass, wait_until
from tunnels.calling import CallingModem

CALL_S = 300.0
"""Lab time for a command that dials."""
NUMBER, DEVICE, RESET = "15075550101", "/dev/modem0", "ATZ"
HANGS_UP_S = 30.0
"""Lab time in which a call ends that is to end."""
PPPD = "/usr/sbin/pppd"
LCP = bytes.fromhex("7eff7d23c0217d217d217d207d347d227d267d207d207d207d207d257d26b6557e")
"""A Configure-Request, as an asynchronous line carries it (RFC 1662 4)."""

TELNET = bytes.fromhex("fffd18fffb1f")
"""IAC DO and IAC WILL (RFC 854)."""


def typed(lab: Lab, command: str) -> str:
    words = ["ssh", "representative@ibm-dial", f"type {shlex.quote(command)}"]
    return lab.node("intranet").run(words, deadline_s=CALL_S).strip()


def status(lab: Lab) -> str:
    return by_hand(lab, "hmc", "lab-inbound status")


def programs(lab: Lab) -> list[str]:
    """What runs on the lab's computer as nobody: sessions, and nothing else does."""
    return lab.node("hmc").run(["sh", "-c", "ps -o args= -u nobody || true"]).split("\n")[:-1]


def wait_for_off(lab: Lab) -> None:
    wait_until("remote service is off", lambda: status(lab).startswith("off"), HANGS_UP_S)


@contextlib.contextmanager
def calling(lab: Lab) -> Iterator[int]:
    """A stranger's call that is connected, for whatever is sent there."""
    modem = CallingModem(lab.node("ibm-dial"), DEVICE)
    assert modem.call(NUMBER, RESET).said.startswith("CONNECT")
    try:
        yield modem.heed_carrier()
    finally:
        modem.close()


def send(port: int, data: bytes) -> None:
    """As much of it as the line takes before it is hung up."""
    view = memoryview(data)
    with contextlib.suppress(OSError):
        while view:
            view = view[os.write(port, view[:512]) :]


def heard(port: int, seconds: float, until: str = "") -> str:
    """What the console says until it hangs up, has said ``until``, or is silent for so long."""
    poller = select.poll()
    poller.register(port, select.POLLIN)
    found = b""
    while not (until and until.encode() in found):
        if not poller.poll(seconds * 1000):
            break
        try:
            data = os.read(port, 4096)
        except OSError:
            break
        if not data:
            break
        found += data
    return found.decode("latin-1")


@pytest.mark.topology("service-ds8000")
class TestTerminalByHand:
    """A life, in this order."""

    @pytest.mark.parametrize(
        ("options", "problem"),
        [
            ("--access image-1", "reaches hmc only, and not image-1"),
            ("--access hmc image-1", "reaches hmc only, and not image-1"),
            ("--ppp-address 10.9.0.1", "has no PPP address"),
            ("--by modem", "no remote service by modem"),
            ("--by vpn", "cannot let anybody in by vpn here"),
        ],
    )
    def test_what_makes_no_sense_lets_nobody_in(self, lab: Lab, options: str, problem: str) -> None:
        with pytest.raises(LabError, match=problem):
            by_hand(lab, "hmc", f"lab-inbound enable {options}")
        assert status(lab).startswith("off")

    def test_nothing_can_be_typed_before(self, lab: Lab) -> None:
        with pytest.raises(LabError, match="no session stands"):
            typed(lab, "id")
        with pytest.raises(LabError, match="hmc lets nobody in"):
            connect(lab)

    def test_a_wrong_password_is_denied_and_the_call_ends(self, lab: Lab) -> None:
        words = by_hand(lab, "hmc", "lab-inbound enable")
        assert words == "one session is let in by terminal: to hmc"
        with pytest.raises(LabError, match="hmc does not let ibmservice in"):
            connect(lab, "--password wrong")
        let_pass(HANGS_UP_S)
        assert status(lab).startswith("one session is let in")

    def test_a_session_is_a_shell_on_the_console_without_a_network(self, lab: Lab) -> None:
        said = connect(lab)
        assert said == "connected: ibmservice is let in to hmc"
        assert status(lab) == "a session stands by terminal: to hmc"
        assert typed(lab, "uname -n; id -un; echo $TERM") == "hmc\nnobody\nvt100"
        assert typed(lab, "ip -o link | wc -l") == "1"
        for address in ("192.168.1.10", "203.0.113.20", "203.0.113.10"):
            # curl 8.9 has no contractions any more.
            said = typed(lab, f"curl -s -S telnet://{address}:22")
            assert re.search("Could(n't| not) connect", said)

    def test_the_panel_is_out_of_reach(self, lab: Lab) -> None:
        program = f"{sysconfig.get_path('scripts')}/lab-inbound"
        said = typed(lab, f"{program} disable")
        # Debian 13's homes are out of reach for others, and so is a program in one.
        assert "there is no remote service" in said or "ermission denied" in said
        assert "Permission denied" in typed(lab, "cat < /run/lab/inbound.sock")
        assert status(lab).startswith("a session stands")

    def test_what_goes_on_ends_with_the_session(self, lab: Lab) -> None:
        typed(lab, "nohup sleep 86400 >/dev/null 2>&1 &")
        assert [each for each in programs(lab) if "sleep 86400" in each]
        assert by_ssh(lab, "hang-up") == "no session stands"
        wait_for_off(lab)
        assert programs(lab) == []

    def test_the_session_was_the_only_one(self, lab: Lab) -> None:
        with pytest.raises(LabError, match="hmc lets nobody in"):
            connect(lab)

    def test_the_customer_ends_a_session(self, lab: Lab) -> None:
        by_hand(lab, "hmc", "lab-inbound enable")
        connect(lab)
        typed(lab, "sleep 86400 &")
        assert by_hand(lab, "hmc", "lab-inbound disable").startswith("off")
        assert programs(lab) == []
        with pytest.raises(LabError, match=r"no session stands|the line has gone"):
            typed(lab, "id")
        let_pass(HANGS_UP_S)
        assert by_ssh(lab, "status") == "no session stands"

    def test_an_enabling_that_nobody_uses_ends_by_itself(self, lab: Lab) -> None:
        by_hand(lab, "hmc", "lab-inbound enable --minutes 30")
        let_pass(1_900)
        assert status(lab).startswith("off")


@pytest.mark.topology("service-ds8000")
class TestStrangersAtTheTerminal:
    """Whoever calls and is no representative: nothing opens, and nothing stays open."""

    @pytest.fixture(autouse=True)
    def enabled(self, lab: Lab) -> Iterator[None]:
        by_hand(lab, "hmc", "lab-inbound enable")
        yield
        by_hand(lab, "hmc", "lab-inbound disable")
        assert programs(lab) == []
        assert lab.node("hmc").strays() == ()

    @pytest.mark.parametrize(
        "garbage",
        [b"A" * 20_000, LCP * 500, bytes(range(256)) * 50, TELNET * 2_000, b"\r" * 5_000],
        ids=["endless-line", "ppp", "binary", "telnet", "returns"],
    )  # fmt: skip
    def test_garbage_locks_out(self, lab: Lab, garbage: bytes) -> None:
        with calling(lab) as port:
            heard(port, 10.0, ASK_USER)
            send(port, garbage)
            assert TOO_MANY in heard(port, 10.0)
        wait_for_off(lab)

    def test_silence_is_hung_up_on_and_leaves_it_enabled(self, lab: Lab) -> None:
        with calling(lab) as port:
            said = heard(port, 90.0)
        assert ASK_USER in said
        assert TOO_LATE in said
        let_pass(HANGS_UP_S)
        assert status(lab).startswith("one session is let in")

    def test_tries_add_up_over_calls(self, lab: Lab) -> None:
        for number in range(3):
            assert status(lab).startswith("one session is let in"), number
            with calling(lab) as port:
                heard(port, 10.0, ASK_USER)
                send(port, b"ibmservice\r")
                heard(port, 10.0, "Password: ")
            let_pass(HANGS_UP_S)
        assert status(lab).startswith("off")

    def test_a_real_ppp_gets_nowhere(self, lab: Lab) -> None:
        """The caller's pppd asks for LCP ten times, and hears text."""
        node = lab.node("ibm-dial")
        with calling(lab):
            options = ["modem", "nocrtscts", "noauth", "nodetach", "lcp-max-configure", "10"]
            argv = [PPPD, DEVICE, *options]
            with pytest.raises(LabError):
                node.run(argv, deadline_s=CALL_S)
        let_pass(HANGS_UP_S)
        assert "ppp0" not in lab.node("hmc").run(["ip", "link"])
        assert not status(lab).startswith("a session stands")

    def test_the_line_goes_in_a_session(self, lab: Lab) -> None:
        """Without good-bye: the caller's modem hangs up."""
        service = lab.topology.service
        assert service is not None
        assert service.terminal_account is not None
        with calling(lab) as port:
            typist = Typist(port, "hmc")
            assert typist.log_in(service.terminal_account)
            typist.run("(trap '' HUP; sleep 86400) & (setsid sleep 86400 &)")
            assert len([each for each in programs(lab) if each == "sleep 86400"]) == 2
        wait_for_off(lab)
        assert programs(lab) == []
