"""What can be wrong at a DS8000's terminal in a session by VPN, and with what a generation has."""

from __future__ import annotations

import re
from collections.abc import Callable

from scapy.layers.inet import IP, TCP, UDP
from scapy.packet import Raw

from lab.service.events import InboundRefused, LoggedOut
from lab.topology.terminal import TERMINAL_PORT
from lab.verify.sightings import Inside
from tests.recordings.true_run import TrueRun
from tests.unit.verify.mutation import Change, mutation
from tests.unit.verify.service_mutations import HMC, changed, without
from tests.unit.verify.service_vpn_mutations import CALLER, OWN, VPN1, in_packet, lose_session
from tests.unit.verify.terminal_mutations import account
from tests.unit.verify.vpn_mutations import inner

RUN, LOCKED_OUT = "service-ds8000-vpn", "service-ds8000-vpn.third-wrong-try"
MAIN_MODE = bytes(range(8)) + bytes(8) + b"\x01\x10\x02\x00" + bytes(4) + (28).to_bytes(4, "big")
"""The header of a first message of phase 1: no cookie of a responder (RFC 2408 3.1)."""
TO_TERMINAL = TCP(sport=4000, dport=TERMINAL_PORT)
_RESPONSE = re.compile(rb"[0-9a-f]{32}\r")


def with_text(text: bytes, *, typed: bool) -> Callable[[Inside], object]:
    """Segments of the terminal's connections with a text in them."""

    def chooses(item: Inside) -> object:
        if item.data is None or item.outgoing == typed or text not in item.data.payload:
            return False
        ports = item.data.source_port, item.data.destination_port
        return ports[typed] == TERMINAL_PORT

    return chooses


def shown(text: bytes, instead: bytes, number: int = 0, *, typed: bool = False) -> Change:
    """The console showed, or the representative typed, something else of the same length."""
    assert len(text) == len(instead)

    def change(run: TrueRun) -> None:
        item = run.inside_session(with_text(text, typed=typed))[number]
        run.reseal(item, in_packet(text, instead)(inner(item)))

    return change


def responses(run: TrueRun) -> list[bytes]:
    """What was typed as responses, in order: wrong, right; then the first session's, right."""
    typed = run.inside_session(with_text(b"\r", typed=True))
    return [i.data.payload for i in typed if i.data and _RESPONSE.fullmatch(i.data.payload)]


def wrong_response_accepted(run: TrueRun) -> None:
    last = responses(run)[-1]
    shown(last, (b"0" if last[:1] != b"0" else b"1") + last[1:], typed=True)(run)


def replay_accepted(run: TrueRun) -> None:
    _, right, _, last = responses(run)
    shown(last, right, typed=True)(run)


def wrong_password_accepted(run: TrueRun) -> None:
    password = account(run).password.reveal().encode()
    shown(password, password[:-1] + b"_", 1, typed=True)(run)


def connection_again(run: TrueRun) -> None:
    """The console speaks to one more connection, after it has locked somebody out."""
    end = run.inside_session(with_text(b"Too many tries", typed=False))[0].frame.time
    greeting = with_text(b"User ID: ", typed=False)
    for number, chooses in enumerate((handshake(0x02), handshake(0x12), greeting), 1):
        first = run.inside_session(chooses)[0]
        assert first.data is not None
        port = first.data.destination_port if first.outgoing else first.data.source_port
        other = inner(first).replace(port.to_bytes(2, "big"), (1000).to_bytes(2, "big"))
        run.seal(first, other, end + 0.001 * number)


def handshake(flags: int) -> Callable[[Inside], object]:
    """Segments of the terminal's connections with exactly these flags."""

    def chooses(item: Inside) -> object:
        data = item.data
        ports = (data.source_port, data.destination_port) if data else ()
        return data is not None and TERMINAL_PORT in ports and data.tcp_flags == flags

    return chooses


def again(run: TrueRun) -> None:
    """Every segment of the terminal's is on the wire twice, as after a loss (RFC 9293 3.8.1)."""
    for item in run.inside_session(with_text(b"", typed=False)):
        run.seal(item, inner(item), item.frame.time + 0.0001)


def password_on(segment: str, sender: str, receiver: str, packet: IP) -> Change:
    """The terminal's password in a packet of a wire."""

    def change(run: TrueRun) -> None:
        password = account(run).password.reveal().encode()
        run.put(segment, sender, receiver, bytes(packet / Raw(password)), run.end)

    return change


def ike_on_refusal(run: TrueRun) -> None:
    """The console begins phase 1 when a way in is refused."""
    refused = next(event for event in run.events if isinstance(event, InboundRefused))
    packet = IP(src=HMC, dst=VPN1) / UDP(sport=500, dport=500) / Raw(MAIN_MODE)
    run.put("fw-inet", "firewall", "internet", bytes(packet), refused.time + 0.001)


def refuses_own(run: TrueRun) -> None:
    """The panel refuses a way that the generation has."""
    refused = next(event for event in run.events if isinstance(event, InboundRefused))
    own = InboundRefused(source=refused.source, time=refused.time, by="vpn", reason="no")
    run.events.insert(run.events.index(refused), own)


def not_refused(by: str) -> Change:
    return without(lambda event: isinstance(event, InboundRefused) and event.by == by)


MUTATIONS = (
    mutation("I-22", "a network interface", RUN, shown(b"    lo:", b"  eth0:"),
             seen="the session has the network interface eth0"),
    mutation("I-22", "another machine", RUN, shown(b"hmc\r\nhmc> ", b"img\r\nhmc> "),
             seen="the session does not say where it is"),
    mutation("I-22", "no partition tried", RUN, shown(b"192.168.1.10", b"192.168.1.11", typed=True),
             seen="image-1 was not tried"),
    mutation("I-22", "a program goes on", RUN, changed(LoggedOut, left=1), seen="1 programs go on"),
    mutation("I-23", "a wrong response is accepted", RUN, wrong_response_accepted,
             seen="was let in by a wrong response"),
    mutation("I-23", "a replay is accepted", RUN, replay_accepted, seen="was let in by a wrong response"),
    mutation("I-23", "a wrong password is accepted", RUN, wrong_password_accepted,
             seen="was let in by a wrong user ID or password"),
    mutation("I-23", "no challenge", RUN, shown(b"Challenge: ", b"Welcome:   ", 1),
             seen="was let in by no challenge"),
    mutation("I-23", "a connection after three wrong tries", LOCKED_OUT, connection_again,
             seen="the terminal spoke to a connection after three wrong tries"),
    mutation("g5", "the password to another port", RUN,
             password_on("core", "service", "vpn1",
                         IP(src=CALLER, dst=OWN) / TCP(sport=4000, dport=22)),
             seen="terminal_account.password is in clear on core"),
    mutation("g5", "the password on the intranet", RUN,
             password_on("intranet", "intranet", "service", IP(src=CALLER, dst=OWN) / TO_TERMINAL), "I-20",
             seen="terminal_account.password is in clear on intranet"),
    mutation("g5", "the password of somebody else", RUN,
             password_on("core", "service", "vpn1", IP(src="10.1.0.30", dst=OWN) / TO_TERMINAL), "I-19",
             seen="terminal_account.password is in clear on core"),
    mutation("g5", "the password to somebody else", RUN,
             password_on("core", "service", "sdc", IP(src=CALLER, dst="10.1.0.20") / TO_TERMINAL),
             seen="terminal_account.password is in clear on core"),
    mutation("I-30", "nothing of a session", RUN, lose_session, "I-02 I-18 I-21 I-22 P-21",
             seen="nothing of session 1 is on fw-inet"),
    mutation("I-30", "a VPN is not refused", "service-ds8880", not_refused("vpn"), "I-29 I-31",
             seen="by vpn was not refused"),
    mutation("I-30", "IKE begins", "service-ds8880", ike_on_refusal,
             "F-03 I-29 I-31 OUT-01 g1 g4",
             seen="1 packet began IKE"),
    mutation("I-31", "a terminal is not refused", "service-modem", not_refused("terminal"),
             seen="by terminal was not refused"),
    mutation("I-31", "an own way is refused", "service-modem", refuses_own, seen="by vpn was refused"),
    mutation("I-31", "IKE begins", "service-vpn", ike_on_refusal,
             seen="1 packet began IKE when a way was refused"),
)  # fmt: skip
