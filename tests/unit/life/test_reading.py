"""What the chronicle takes from a run directory: events, IBM's store, the ledger, the agent's own wire."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.utils import PcapNgWriter

from lab.ibm.receiver import alone
from lab.imm.events import FailureRaised, ModuleSubscribed, NoticeSent
from lab.life import reading
from lab.life.chronicle import Chronicle
from lab.life.events import AgentEnded, LifeBegun, LifeEnded, LifeHappened, ProblemCame
from lab.life.machine import CANARY, PRINTED
from lab.record.record import Record, Transaction
from lab.record.story import Story
from lab.topology.load import load
from lab.topology.model import Topology
from lab.topology.resolve import resolve

HMC, PROXY, SERVER, CLEAR = "192.168.10.10", "192.168.10.20", "207.25.252.197", "204.146.30.17"
SDR = "eccgw01.boulder.ibm.com"
BEGAN = 1_000_000.0
ON_LAN = Path(__file__).parents[2] / "data" / "topologies" / "imm-on-lan.yaml"
REQUEST = (
    b"PUT /service/heartbeats/1 HTTP/1.1\r\nHost: x\r\nAuthorization: Basic eA==\r\n"
    b"Content-Length: 2\r\n\r\n{}"
)


@pytest.fixture(scope="module")
def topology() -> Topology:
    return resolve(load("two-sites"), b"life")


def frame(source: str, target: str, ports: tuple[int, int], flags: str, data: bytes = b"") -> Ether:
    return (
        Ether()
        / IP(src=source, dst=target)
        / TCP(sport=ports[0], dport=ports[1], flags=flags)
        / data
    )


def capture(folder: Path, frames: list[tuple[float, Ether]], segment: str = "lan") -> None:
    (folder / "wire").mkdir()
    writer = PcapNgWriter(str(folder / "wire" / f"{segment}.pcapng"))
    for time, each in frames:
        each.time = BEGAN + time
        writer.write(each)
    writer.close()


def lived(
    folder: Path,
    topology: Topology,
    *,
    ledger: list[Transaction] | None = None,
    hosts: tuple[str, ...] = (),
) -> Chronicle:
    folder.mkdir(exist_ok=True)
    story = Story(folder, silent=True)
    story.tell(
        LifeBegun(
            source=topology.agents[0], time=BEGAN, program="p", own=True, lasts_s=100.0, hosts=hosts
        )
    )
    story.tell(LifeHappened(source="hmc", time=BEGAN + 1, deed="problem", subject="life problem 1"))
    story.tell(
        ProblemCame(source="sdc", time=BEGAN + 2, number="PMH0000001", text="life problem 1")
    )
    story.tell(AgentEnded(source="hmc", time=BEGAN + 3, how="with exit status 1", wanted=False))
    story.tell(AgentEnded(source="hmc", time=BEGAN + 4, how="by SIGKILL", wanted=True))
    story.tell(LifeEnded(source="hmc", time=BEGAN + 100))
    found = reading.read(topology, Record(ledger=ledger or []), folder, "mine")
    assert found is not None
    return found


def test_a_run_without_a_life_has_no_chronicle(topology: Topology, tmp_path: Path) -> None:
    assert reading.read(topology, Record(), tmp_path, "mine") is None


def test_events(topology: Topology, tmp_path: Path) -> None:
    life = lived(tmp_path, topology)
    assert (life.began, life.ended, life.ways) == (BEGAN, BEGAN + 100, 2)
    assert life.told == ["life problem 1"]
    assert life.ends == ["with exit status 1"]
    assert SERVER in life.places


def test_notices_of_a_module(tmp_path: Path) -> None:
    model = resolve(load("esa-imm"), b"life")
    story = Story(tmp_path, silent=True)
    host = model.modules[0].agent_address
    for time, client in ((1, "169.254.95.1"), (2, host)):
        story.tell(
            ModuleSubscribed(
                source="imm", time=BEGAN + time, client=client, port=5989, destination="https://x/"
            )
        )
    for number, (address, problem) in enumerate(
        [(host, "no answer"), (host, ""), ("169.254.95.1", "")]
    ):
        text = f"life problem {number}: Fan"
        happened = LifeHappened(source="imm", time=BEGAN + 3, deed="imm", subject=text)
        raised = FailureRaised(
            source="imm", time=BEGAN + 3, identifier=f"{number}", reference_code="B1817201",
            severity="critical", text=text,
        )  # fmt: skip
        sent = NoticeSent(
            source="imm", time=BEGAN + 4, identifier=f"{number}", address=address, port=5990,
            own_port=4000, attempt=1, began=BEGAN + 3, problem=problem,
        )  # fmt: skip
        for event in (happened, raised, sent):
            story.tell(event)
    life = lived(tmp_path, model)
    assert life.subscriptions == [BEGAN + 2]
    assert life.noticed == ["life problem 1: Fan"]
    assert life.told == [*(f"life problem {n}: Fan" for n in range(3)), "life problem 1"]
    assert [each.subject for each in life.failures] == ["life problem 1", "life problem 1: Fan"]


def test_calls_to_a_module_on_the_agents_wire_are_none(tmp_path: Path) -> None:
    """They are no calls home, and what the module sends is no call from outside."""
    model = resolve(load(str(ON_LAN)), b"life")
    host, module = model.modules[0].agent_address, model.modules[0].address
    capture(tmp_path, [
        (1, frame(host, module, (1000, 5989), "S")),
        (2, frame(module, host, (1000, 5990), "S")),
        (3, frame(host, SERVER, (1001, 443), "S")),
    ])  # fmt: skip
    life = lived(tmp_path, model)
    assert [call.address for call in life.calls] == [SERVER]
    assert life.inbound == []


def test_what_the_module_was_asked_is_on_their_own_wire(tmp_path: Path) -> None:
    """A refusal, then HTTP; HTTPS that is silent; HTTPS that serves. What was before the life is no part."""
    model = resolve(load("esa-imm"), b"life")
    host, module = model.modules[0].agent_address, model.modules[0].address

    def both(time: float, own: int, port: int, data: bytes) -> list[tuple[float, Ether]]:
        there, back = (own, port), (port, own)
        return [
            (time, frame(host, module, there, "S")),
            (time + 0.1, frame(module, host, back, "SA")),
            (time + 0.2, frame(host, module, there, "PA", data)),
            (time + 0.3, frame(module, host, back, "PA", b"answer")),
            (time + 0.4, frame(host, module, there, "FA")),
        ]

    capture(tmp_path, [
        *both(-5, 1000, 5989, b"\x16\x03\x01"),
        (1, frame(host, module, (1001, 5989), "S")),
        (1.1, frame(module, host, (5989, 1001), "RA")),
        *both(2, 1002, 5988, b"POST / HTTP/1.1"),
        (10, frame(host, module, (1003, 5989), "S")),
        *both(20, 1004, 5989, b"\x16\x03\x01"),
        (30, frame(host, module, (1005, 5989), "S")),
        (30.1, frame(module, host, (5989, 1005), "SA")),
    ], "module")  # fmt: skip
    found = [
        (
            round(c.time - BEGAN), c.port, round(max(0.0, c.unavailable - BEGAN), 1),
            round(max(0.0, c.served - BEGAN), 1), c.asked, c.tls, round(c.last - BEGAN, 1),
        )
        for c in lived(tmp_path, model).module_calls
    ]  # fmt: skip
    assert found == [
        (1, 5989, 1.1, 0.0, False, False, 1.0),
        (2, 5988, 0.0, 2.3, True, False, 2.2),
        (10, 5989, 11.0, 0.0, False, False, 10.0),
        (20, 5989, 0.0, 20.3, True, True, 20.2),
        # Taken, and asked for nothing: no silence of the module's.
        (30, 5989, 0.0, 0.0, False, False, 30.0),
    ]


def test_calls_on_the_agents_wire(topology: Topology, tmp_path: Path) -> None:
    capture(tmp_path, [
        (-5, frame(HMC, SERVER, (999, 443), "S")),
        (1, frame(HMC, SERVER, (1000, 443), "S")),
        (2, frame(HMC, SERVER, (1000, 443), "S")),
        (4, frame(HMC, SERVER, (1001, 443), "S")),
        (4.1, frame(SERVER, HMC, (443, 1001), "SA")),
        (5, frame(HMC, PROXY, (1002, 3128), "S")),
        (6, frame("198.51.100.1", HMC, (5, 22), "S")),
        (7, frame("192.168.10.1", HMC, (5, 22), "S")),
        (8, frame(HMC, CLEAR, (1003, 80), "PA", REQUEST)),
        # The same port again, much later, is another call.
        (90, frame(HMC, SERVER, (1001, 443), "S")),
    ])  # fmt: skip
    life = lived(tmp_path, topology)
    found = [(round(c.time - BEGAN), c.address, c.answered, c.proxied) for c in life.calls]
    assert found == [
        (1, SERVER, False, False),
        (4, SERVER, True, False),
        (5, PROXY, False, True),
        (90, SERVER, False, False),
    ]
    assert [time - BEGAN for time in life.inbound] == [pytest.approx(6)]
    (clear,) = life.clear
    assert (clear.method, clear.target, clear.body_bytes, clear.logged_in) == (
        "PUT", "/service/heartbeats/1", 2, True,
    )  # fmt: skip


def test_what_a_proxy_answers_to_connect_is_on_the_wire(topology: Topology, tmp_path: Path) -> None:
    """The last answer before the tunnel: what is in the tunnel is none."""
    frames: list[tuple[float, Ether]] = []
    for n, answers in enumerate(([b"503 Busy"], [b"407 Log in", b"200 OK"], []), 1):
        frames.append((n, frame(HMC, PROXY, (1000 + n, 3128), "S")))
        frames.append((n + 0.1, frame(PROXY, HMC, (3128, 1000 + n), "SA")))
        for k, answer in enumerate(answers, 2):
            data = b"HTTP/1.1 " + answer + b"\r\n\r\n"
            frames.append((n + k / 10, frame(PROXY, HMC, (3128, 1000 + n), "PA", data)))
        frames.append(
            (n + 0.5, frame(PROXY, HMC, (3128, 1000 + n), "PA", b"\x17\x03\x03HTTP/1.1 500 "))
        )
    capture(tmp_path, frames)
    calls = lived(tmp_path, topology).calls
    assert [(c.answered, c.status, c.failed) for c in calls] == [
        (True, 503, True), (True, 200, False), (True, 0, True),
    ]  # fmt: skip


def test_connections_and_names_are_those_of_the_agent(tmp_path: Path) -> None:
    """An empty slot is no proxy; where a server is to go is none of a name's first addresses."""
    two = lived(tmp_path / "two", resolve(load("proxy-failover"), b"life"))
    assert [(c.name, c.place) for c in two.connections] == [
        ("proxy-2", "192.168.10.22:3128"), ("proxy-3", "192.168.10.23:8080"),
    ]  # fmt: skip
    assert (two.direct, two.endpoints) == ([], {})
    both = lived(tmp_path / "both", resolve(load("two-sites"), b"life"), hosts=("192.0.2.1", SDR))
    assert [c.name for c in both.connections] == ["internet", "proxy"]
    assert both.endpoints == {SDR: [SERVER]}
    assert lived(tmp_path / "vpn", resolve(load("vpn-dial"), b"life")).connections == []
    name = "esupport.ibm.com"
    named = lived(tmp_path / "named", resolve(load("direct-names"), b"life"), hosts=(name,))
    assert named.endpoints == {name: ["129.42.56.189", "129.42.60.189", "129.42.54.189"]}


def test_the_ledger_says_who_asked_what(topology: Topology, tmp_path: Path) -> None:
    entry = Transaction(
        time=BEGAN + 1, kind="service: heartbeat", system="8284-22A/21ABCDE", peer_ip="198.51.100.2",
        peer_port=5, server_ip=SERVER, server_port=443, tls_version="TLSv1.3", cipher="x", sni="",
        status=201, bytes_in=1, server="eccgw01.boulder.ibm.com", report="r", authenticated_as="ID",
    )  # fmt: skip
    (asked,) = lived(tmp_path, topology, ledger=[entry]).asked
    assert (asked.kind, asked.identity, asked.encrypted, asked.served) == (
        "heartbeat",
        "ID",
        True,
        True,
    )
    assert asked.authenticates


def test_the_store_says_what_came(topology: Topology, tmp_path: Path) -> None:
    """Also of a problem that has been deleted: what it said was told when it came."""
    with alone.receiving(tmp_path) as site, site.receiver.store.transaction() as store:
        for n, content in ((1, None), (2, '{"text": "life problem 2"}')):
            store.insert(
                "reports", n=n, system="ID", kind="problem", report=f"r{n}", digest="", received=n,
                content=content, bytes=1, closed=5.0 if n == 1 else None,
            )  # fmt: skip
    life = lived(tmp_path, topology)
    assert [(p.number, p.text, p.kept, p.closed) for p in life.problems] == [
        ("PMH0000001", "life problem 1", False, 5.0),
        ("PMH0000002", "life problem 2", True, 0.0),
    ]


def test_the_store_says_what_was_in_it(topology: Topology, tmp_path: Path) -> None:
    """Reasons, files, the machine's own output; and what is the customer's, in a message or a file."""
    printed = "".join(f"$ {command}\n{text}\n" for command, text in PRINTED.items())
    contents = [
        {"reason": "inventory", "files": {"hmc.eed": printed}},
        {"reason": "inventory", "files": {"hmc.eed": printed.partition("\n$")[0]}},
        {"reason": "inventory", "files": {"iqyvpd.dat": printed}},
        {"reason": "performance", "files": {"stats.send": f"a {CANARY}"}},
        None,
    ]
    with alone.receiving(tmp_path) as site, site.receiver.store.transaction() as store:
        for n, content in enumerate(contents, 1):
            store.insert(
                "reports", n=n, system="ID", kind="inventory", report=f"r{n}", digest="", received=n,
                content=json.dumps(content) if content else None, bytes=1,
            )  # fmt: skip
        for n, name in ((1, "acuppd.tgz"), (2, "iqyylog.log")):
            store.insert(
                "uploads",
                n=n,
                system="ID",
                report="r9",
                name=name,
                bytes=1,
                sha256="",
                complete=n - 1,
            )
        half = len(CANARY) // 2
        for start, part in ((0, CANARY[:half]), (half, CANARY[half:])):
            store.insert("parts", upload=1, start=start, content=part.encode())
    life = lived(tmp_path, topology)
    assert [(m.reason, m.files, m.printed) for m in life.messages] == [
        ("inventory", ("hmc.eed",), True),
        ("inventory", ("hmc.eed",), False),
        ("inventory", ("iqyvpd.dat",), False),
        ("performance", ("stats.send",), False),
        ("", (), False),
    ]
    assert life.uploaded == ["acuppd.tgz", "iqyylog.log"]
    assert life.uploads == ["r9"]
    assert life.leaks == ["inventory r4", "acuppd.tgz"]


def test_what_an_agent_wrote_of_its_tests(topology: Topology, tmp_path: Path) -> None:
    """A file that makes no sense is no result."""
    folder = tmp_path / "logs" / "hmc"
    folder.mkdir(parents=True)
    result = [{"way": "internet", "server": "x", "address": SERVER, "reached": True}]
    (folder / "test-1.json").write_text(json.dumps(result))
    (folder / "test-2.json").write_text("{")
    (folder / "test-3.json").write_text('["internet"]')
    story = Story(tmp_path, silent=True)
    story.tell(
        LifeBegun(source="hmc", time=BEGAN, program="p", own=True, lasts_s=100.0, vendor="Bull")
    )
    for number in (1, 2, 3, 4):
        story.tell(
            LifeHappened(
                source="hmc", time=BEGAN + number, deed="test", subject=f"{number}.json",
                addresses=(SERVER,),
            )
        )  # fmt: skip
    life = reading.read(topology, Record(), tmp_path, "mine")
    assert life is not None
    assert [test.told for test in life.tests] == [True, False, False, False]
    (path,) = life.tests[0].results
    assert (path.way, path.address, path.reached) == ("internet", SERVER, True)
    assert (life.vendor, life.direct) == ("Bull", ["internet"])
    assert life.stand_ins == ["129.42.160.51", SERVER]


def test_packets_that_leave(topology: Topology, tmp_path: Path) -> None:
    """Beyond the agent's network, or to a proxy: E-17."""
    capture(tmp_path, [
        (-5, frame(HMC, SERVER, (999, 443), "S")),
        (1, frame(HMC, "192.168.10.1", (1000, 53), "S")),
        (2, frame(HMC, PROXY, (1000, 22), "S")),
        (3, Ether() / IP(src=HMC, dst="224.0.0.1")),
        (4, frame(HMC, PROXY, (1000, 3128), "S")),
        (5, Ether() / IP(src=HMC, dst=SERVER, proto=50)),
        (6, frame(SERVER, HMC, (443, 1001), "SA")),
    ])  # fmt: skip
    assert lived(tmp_path, topology).sent == 2
