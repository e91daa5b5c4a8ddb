"""TLS that is broken open on the way: what is told of it, and where nothing may be told."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from scapy.layers.inet import IP, TCP

from lab.linux import firewall
from lab.topology import load
from lab.topology.resolve import resolve
from lab.verify.symptom import Trail
from lab.ways import faults
from lab.ways.direct import inspection_symptoms
from lab.wire.decode import Frame, Packet
from tests.recordings.true_run import Recordings, TrueRun

INSPECTED = "direct.tls-inspection"
HANDSHAKE, CLIENT_HELLO, SERVER_HELLO, ALERT = 22, 1, 2, 21
FATAL, PROTOCOL_VERSION = 2, 70
ETHERNET, HTTPS_PORT = 14, 443
FIREWALL = "198.51.100.2"
SOON_S = 0.05
"""Less than the agent waits before it tries again."""
Change = Callable[[TrueRun], None]


def says(kind: int) -> Callable[[Packet], bool]:
    """Whether a packet begins with a message of TLS's handshake."""
    return lambda p: p.payload[:1] == bytes([HANDSHAKE]) and p.payload[5:6] == bytes([kind])


def find(run: TrueRun) -> str:
    """The sentence; empty if the symptom keeps silent."""
    found = inspection_symptoms.find_inspection(Trail(run.case(), "hmc", None))
    assert found is None or found.cause == "tls-inspected"
    return found.sentence if found else ""


def with_payload(frame: Frame, payload: bytes) -> bytes:
    """The frame with another payload of TCP."""
    packet = IP(frame.data[ETHERNET:])
    packet[TCP].remove_payload()
    del packet.len, packet.chksum, packet[TCP].chksum
    return frame.data[:ETHERNET] + bytes(packet / payload)


def numbered(frame: Frame, sequence: int) -> bytes:
    """The frame with another sequence number of TCP."""
    packet = IP(frame.data[ETHERNET:])
    packet[TCP].seq = sequence
    del packet[TCP].chksum
    return frame.data[:ETHERNET] + bytes(packet)


def pass_on(run: TrueRun, *segments: str) -> None:
    """What is on these wires is what the HMC has said, to the byte: whoever is between has only looked."""
    said = [frame.ip.payload for frame in run.find("lan", says(CLIENT_HELLO)) if frame.ip]
    for segment in segments:
        own = [f for f in run.find(segment, says(CLIENT_HELLO)) if f.ip and f.ip.source == FIREWALL]
        for frame, payload in zip(own, said, strict=True):
            run.change(frame, data=with_payload(frame, payload))


def pass_on_everywhere(run: TrueRun) -> None:
    pass_on(run, "fw-inet", "dmz")


def begin_late(run: TrueRun) -> None:
    """What is passed on is on fw-inet without the beginning of its connection."""
    pass_on_everywhere(run)
    run.drop("fw-inet", run.find("fw-inet", lambda p: p.is_bare_syn or p.is_syn_ack))


def answer_instead(run: TrueRun, payload: Callable[[bytes], bytes]) -> None:
    """From the ServerHello on the firewall says something else, and no more."""
    for frame in run.find("lan", says(SERVER_HELLO)):
        assert frame.ip is not None
        data = with_payload(frame, payload(frame.ip.payload))
        back = run.find("lan", lambda p: p.source_port == HTTPS_PORT)
        run.drop("lan", [f for f in back if frame.time <= f.time <= frame.time + SOON_S])
        run.add("lan", data, frame.time)


def not_answer(run: TrueRun) -> None:
    """The ClientHello is lost, and nobody answers it."""
    run.drop("lan", run.find("lan", lambda p: p.source_port == 443 and bool(p.payload)))


def lose_frames(run: TrueRun) -> None:
    run.record.frames_lost = 1


def lose_others(run: TrueRun) -> None:
    """Nothing goes to the server there: what was on fw-inet was lost."""
    run.drop(
        "fw-inet", run.find("fw-inet", lambda p: HTTPS_PORT in (p.destination_port, p.source_port))
    )


def be_the_same(run: TrueRun) -> None:
    """The connection on fw-inet is the HMC's own, by the number of its SYN, and its data was lost."""
    syns = run.find("lan", lambda p: p.is_bare_syn)
    others = run.find("fw-inet", lambda p: p.is_bare_syn)
    lose_others(run)
    for near, far in zip(syns, others, strict=True):
        assert near.ip is not None
        run.add("fw-inet", numbered(far, near.ip.tcp_sequence), far.time)


def miss_wire(run: TrueRun) -> None:
    """fw-inet was not captured."""
    del run.wire["fw-inet"]


def not_begin(run: TrueRun) -> None:
    """The connections were there before the capture."""
    run.drop("lan", run.find("lan", lambda p: p.is_bare_syn or p.is_syn_ack))


@pytest.mark.parametrize(
    "change",
    [
        pass_on_everywhere,
        not_answer,
        lose_frames,
        miss_wire,
        lose_others,
        be_the_same,
        not_begin,
        begin_late,
    ],
)
def test_it_keeps_silent(change: Change, recordings: Recordings) -> None:
    run = recordings(INSPECTED)
    assert find(run)

    change(run)

    assert not find(run)


@pytest.mark.parametrize(
    "name",
    [
        "direct", "direct-snat", "direct-ipv6", "dual-stack", "direct-names", "direct-ranges", "ds8000",
        "simplified", "traditional", "esa-linux", "upload",
        "direct.unknown-authority", "direct.expired-certificate", "direct.old-tls-only",
        "direct.server-resets", "direct.server-503", "direct.slow-server", "direct.server-down",
        "direct.small-mtu", "direct.blocked-443", "direct-ipv6.small-mtu",
    ],
)  # fmt: skip
def test_nothing_is_inspected_elsewhere(name: str, recordings: Recordings) -> None:
    """Not in a good run either, and not where the servers' own certificates are refused."""
    run = recordings(name)
    case = run.case()
    for agent in run.topology.agents:
        assert inspection_symptoms.find_inspection(Trail(case, agent, None)) is None


def test_who_breaks_it_open_is_told_with_whose_certificate(recordings: Recordings) -> None:
    found = recordings(INSPECTED).diagnose()

    assert found.sentence == (
        "TLS to esupport.ibm.com is broken open between hmc and the Internet, by firewall: the ClientHello "
        "of hmc to 129.42.56.189:443 is answered on lan with a certificate of customer.test, TLS inspection, "
        "and is not on fw-inet, where 198.51.100.2 opens a connection of its own to the same server; hmc "
        "ends it with the alert unknown_ca"
    )
    assert found.hint.startswith("exempt IBM's servers from inspection at firewall")


def test_the_node_beyond_the_last_wire_of_the_client_hello_is_to_blame(
    recordings: Recordings,
) -> None:
    """Here the firewall passes the ClientHello on, and the Internet does not."""
    run = recordings(INSPECTED)
    pass_on(run, "fw-inet")
    for frame in run.find("dmz", lambda p: p.is_bare_syn and p.source == FIREWALL):
        run.change(frame, data=numbered(frame, 1))

    assert "by internet: the ClientHello" in find(run)
    assert "is answered on fw-inet with" in find(run)


def test_tls_1_3_hides_the_certificate_and_not_who_answers(recordings: Recordings) -> None:
    run = recordings(INSPECTED)
    answer_instead(run, lambda said: said[: 5 + int.from_bytes(said[3:5], "big")])

    assert "is answered on lan with a certificate that TLS 1.3 hides" in find(run)


def test_an_alert_is_an_answer_too(recordings: Recordings) -> None:
    """A client that speaks TLS 1.3 only is refused by a firewall that speaks TLS 1.2 at most."""
    run = recordings(INSPECTED)
    answer_instead(run, lambda _: bytes([ALERT, 3, 3, 0, 2, FATAL, PROTOCOL_VERSION]))

    assert "is answered on lan with the alert protocol_version" in find(run)


def test_a_connection_that_says_nothing_is_another_one_by_its_syn(recordings: Recordings) -> None:
    """The firewall gets to the server, and the server's TLS is not to its liking."""
    run = recordings(INSPECTED)
    run.drop("fw-inet", run.find("fw-inet", says(CLIENT_HELLO)))

    assert "opens a connection of its own" in find(run)


def damage(run: TrueRun) -> None:
    """The line has changed each ClientHello that the firewall passed on."""
    for frame in run.find("fw-inet", says(CLIENT_HELLO)):
        assert frame.ip is not None
        said = bytearray(frame.ip.payload)
        said[20] ^= 1
        run.change(frame, data=with_payload(frame, bytes(said)))


@pytest.mark.parametrize("name", ["direct", "direct-snat"])
def test_a_client_hello_that_a_line_has_damaged_is_nobody_elses(
    name: str, recordings: Recordings
) -> None:
    run = recordings(name)
    damage(run)

    assert not find(run)


def test_only_what_the_rules_let_pass_is_taken() -> None:
    """Each rule for HTTPS has one beside it; the default deny stays for all else."""
    plain = resolve(load.load("direct-ipv6"), b"seed")
    rules = firewall.render(faults.apply("tls-inspection", plain), "firewall")

    assert plain.firewall is not None
    wanted = [r for r in plain.firewall.rules if r.protocol == "tcp" and r.admits(HTTPS_PORT)]
    taken = [line for line in rules.splitlines() if " dnat ip" in line]
    assert len(taken) == len(wanted)
    assert all(f"daddr {rule.destination} " in "".join(taken) for rule in wanted)
    assert rules.count("policy drop;") == 3
    assert "dnat" not in firewall.render(plain, "firewall")
