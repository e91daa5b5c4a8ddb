"""What can be wrong with remote service at a DS8000's terminal, as mutations of true runs."""

from __future__ import annotations

import re
from collections.abc import Callable

from scapy.layers.inet import IP, TCP

from lab.service.challenge import response
from lab.service.events import CalledIn, HostScanned, InboundRefused, LoggedOut
from lab.telephony.events import CallAnswered, CallRings
from lab.topology.terminal import TerminalAccount
from lab.wire import ppp
from lab.wire.calls import Carried
from lab.wire.dialled import FrameFault
from tests.recordings.true_run import TrueRun, ppp_packet
from tests.unit.verify.mutation import SYN, Change, mutation
from tests.unit.verify.service_mutations import (
    ATTACK,
    HMC,
    answered,
    back,
    changed,
    said,
    used_again,
    without,
    without_number,
)

RUN = "service-ds8000"
LOCKED_OUT = "service-ds8000.third-wrong-try"
FIRST, SECOND = 2, 4
"""The exchange's numbers of the two calls that were sessions."""
_RESPONSE = re.compile(rb"[0-9a-f]{32}\r")


def pieces(run: TrueRun, call: int, text: bytes, *, typed: bool = False) -> list[Carried]:
    """What a call carried with a text in it."""
    return run.lines(lambda i: i.call == call and i.outgoing == typed and text in i.frame.data)


def put(run: TrueRun, like: Carried, text: bytes, time: float = 0.0) -> None:
    """Text on the line, as a piece like another."""
    run.say(like, text, time or like.frame.time, fault=FrameFault.outside)


def shown(
    call: int, text: bytes, instead: bytes, number: int = 0, *, typed: bool = False
) -> Change:
    """The console showed, or the representative typed, something else."""

    def change(run: TrueRun) -> None:
        piece = pieces(run, call, text, typed=typed)[number]
        run.unsay([piece])
        put(run, piece, piece.frame.data.replace(text, instead))

    return change


def responses(run: TrueRun, call: int) -> list[Carried]:
    """What was typed as responses; the last one was right."""
    return run.lines(lambda i: i.call == call and i.outgoing and _RESPONSE.fullmatch(i.frame.data))


def wrong_response_accepted(run: TrueRun) -> None:
    last = responses(run, SECOND)[-1]
    first = last.frame.data[:1]
    run.unsay([last])
    put(run, last, (b"0" if first != b"0" else b"1") + last.frame.data[1:])


def replay_accepted(run: TrueRun) -> None:
    last = responses(run, SECOND)[-1]
    run.unsay([last])
    put(run, last, responses(run, FIRST)[-1].frame.data)


def no_replay(run: TrueRun) -> None:
    first = responses(run, SECOND)[0]
    run.unsay([first])
    put(run, first, b"0" * 32 + b"\r")


def account(run: TrueRun) -> TerminalAccount:
    service = run.topology.service
    assert service is not None
    assert service.terminal_account is not None
    return service.terminal_account


def wrong_password_accepted(run: TrueRun) -> None:
    password = account(run).password.reveal().encode()
    shown(SECOND, password, password[:-1], 1, typed=True)(run)


def right_response_denied(run: TrueRun) -> None:
    asked = pieces(run, FIRST, b"Challenge: ")[0].frame.data
    challenge = asked.split(b"Challenge: ")[1][:32].decode()
    first = responses(run, FIRST)[0]
    run.unsay([first])
    put(run, first, response(account(run).key, challenge).encode() + b"\r")


def same_challenge(run: TrueRun) -> None:
    """The second challenge of a call is the first one, and all else is right."""
    asked = pieces(run, SECOND, b"Challenge: ")
    one, other = (each.frame.data.split(b"Challenge: ")[1][:32] for each in asked)
    shown(SECOND, other, one, typed=False)(run)
    last = responses(run, SECOND)[-1]
    run.unsay([last])
    put(run, last, response(account(run).key, one.decode()).encode() + b"\r")


def password_shown(run: TrueRun) -> None:
    password = account(run).password.reveal().encode()
    shown(FIRST, b"\r\nChallenge: ", password + b"\r\nChallenge: ")(run)


def three_more_tries(run: TrueRun) -> None:
    """After a wrong response the console goes on asking."""
    denied = pieces(run, SECOND, b"Access denied")[0]
    typed = run.lines(lambda i: i.call == SECOND and i.outgoing)[0]
    time = denied.frame.time
    for _ in range(3):
        put(run, typed, b"root\r", time := time + 0.001)
        put(run, denied, b"root\r\nPassword: ", time := time + 0.001)
        put(run, typed, b"x\r", time := time + 0.001)
        put(run, denied, b"\r\n\r\nAccess denied\r\n\r\nUser ID: ", time := time + 0.001)


def call_after_lock_out(run: TrueRun) -> None:
    rang = [event for event in run.events if isinstance(event, CallRings)][-1]
    taken = CallAnswered(source=rang.source, time=rang.time + 5, call=rang.call, line="hmc")
    run.events.insert(run.events.index(rang) + 1, taken)


def ppp_on_the_line(fault: FrameFault | None, content: bytes) -> Change:
    """A frame of the console's in a session, or the beginning of one."""

    def change(run: TrueRun) -> None:
        like = run.lines(lambda i: i.call == FIRST and not i.outgoing)[-1]
        run.say(like, content, like.frame.time + 0.1, fault=fault)

    return change


def caller_speaks_first(run: TrueRun) -> None:
    prompt = run.lines(lambda i: i.call == FIRST)[0]
    like = run.lines(lambda i: i.call == FIRST and i.outgoing)[0]
    put(run, like, b"\n", prompt.frame.time - 0.01)


def in_session(segment: str, sender: str, receiver: str, packet: IP) -> Change:
    """A packet on a wire while the first session stands."""

    def change(run: TrueRun) -> None:
        moment = pieces(run, FIRST, b"uname -n\r", typed=True)[0].frame.time
        run.put(segment, sender, receiver, bytes(packet), moment)

    return change


def scanned_when(state: str, **fields: object) -> Change:
    def change(run: TrueRun) -> None:
        number = next(
            n for n, e in enumerate(e for e in run.events if isinstance(e, HostScanned))
            if e.state == state
        )  # fmt: skip
        changed(HostScanned, number, **fields)(run)

    return change


def of_state(state: str) -> Callable[[object], bool]:
    return lambda event: isinstance(event, HostScanned) and event.state == state


def leaves_on_refusal(run: TrueRun) -> None:
    """A SYN to the call-home server when a way in is refused."""
    refused = next(event for event in run.events if isinstance(event, InboundRefused))
    packet = IP(src=HMC, dst="129.42.56.189") / TCP(sport=4000, dport=443, flags="S")
    run.put("fw-inet", "firewall", "internet", bytes(packet), refused.time + 0.001)


LCP_REQUEST = ppp_packet(ppp.LCP, 1)
MUTATIONS = (
    mutation("I-01", "the modem answers", RUN, answered, seen="hmc's modem answered call 1"),
    mutation("I-02", "the enabling is used twice", RUN, used_again,
             seen="hmc's modem answered call 3 of ibm-dial"),
    mutation("I-02", "nobody called in between", RUN, without_number(CalledIn, 2),
             seen="ibm-dial has not called hmc"),
    mutation("I-03", "the modem stays set", RUN, said("S0=0", 0, "S0=1"),
             seen="after enabling 1 the modem was not set to S0=0"),
    mutation("I-22", "a packet to a partition", RUN,
             in_session("images", "hmc", "image-1", IP(src="192.168.1.1", dst="192.168.1.10") / SYN),
             seen="1 packet on images during a session"),
    mutation("I-22", "a network interface", RUN, shown(FIRST, b"    lo:", b"  eth0: 0\r\n    lo:"),
             seen="the session has the network interface eth0"),
    mutation("I-22", "a partition answers", RUN,
             shown(FIRST, b"bash: connect: Network", b"This is port tcp/22 of image-1"),
             seen="a port answered in a session: call 2 of ibm-dial"),
    mutation("I-22", "no partition tried", RUN, shown(FIRST, b"192.168.1.10", b"192.168.1.11", typed=True),
             seen="image-1 was not tried"),
    mutation("I-22", "another machine", RUN, shown(FIRST, b"hmc\r\nhmc> ", b"image-1\r\nhmc> "),
             seen="the session does not say where it is"),
    mutation("I-22", "a program goes on", RUN, changed(LoggedOut, left=1), seen="1 programs go on"),
    mutation("I-22", "the Internet gets in meanwhile", RUN, scanned_when("session", tcp="22"),
             seen="internet scans 203.0.113.10: TCP 22"),
    mutation("I-22", "an answer on the wire", RUN, back(TCP(sport=22, dport=ATTACK, flags="SA")), "OUT-02",
             seen="1 packet in answer to a scan on lan"),
    mutation("I-22", "nobody looks meanwhile", RUN, without(of_state("session")),
             seen="nobody tried to get in from outside during a session"),
    mutation("I-22", "nobody looks afterwards", RUN, without(of_state("over")),
             seen="internet has not tried to get in"),
    mutation("I-23", "a wrong response is accepted", RUN, wrong_response_accepted,
             seen="call 4 of ibm-dial was let in by a wrong response"),
    mutation("I-23", "a replay is accepted", RUN, replay_accepted,
             seen="call 4 of ibm-dial was let in by a wrong response"),
    mutation("I-23", "a wrong password is accepted", RUN, wrong_password_accepted,
             seen="call 4 of ibm-dial was let in by a wrong user ID or password"),
    mutation("I-23", "a wrong user is accepted", RUN,
             shown(SECOND, b"ibmservice", b"root", 1, typed=True),
             seen="call 4 of ibm-dial was let in by a wrong user ID or password"),
    mutation("I-23", "no challenge", RUN, shown(SECOND, b"Challenge: ", b"Welcome: ", 1),
             seen="call 4 of ibm-dial was let in by no challenge"),
    mutation("I-23", "the right response is denied", RUN, right_response_denied,
             seen="call 2 of ibm-dial was denied though all was right"),
    mutation("I-23", "a challenge is given again", RUN, same_challenge, seen="a challenge was given twice"),
    mutation("I-23", "the password is shown", RUN, password_shown,
             seen="a password is shown to call 2 of ibm-dial"),
    mutation("I-23", "more than three tries", RUN, three_more_tries, seen="4 wrong tries by one enabling"),
    mutation("I-23", "no replay was tried", RUN, no_replay,
             seen="no response was tried again"),
    mutation("I-23", "a call after three wrong tries", LOCKED_OUT, call_after_lock_out,
             seen="the modem took a call after three wrong tries"),
    mutation("I-24", "a frame of PPP", RUN, ppp_on_the_line(None, LCP_REQUEST),
             seen="call 2 of ibm-dial carried PPP"),
    mutation("I-24", "PPP with escapes", RUN,
             ppp_on_the_line(FrameFault.checksum, b"\xff\x7d\x23\xc0\x21\x7d\x21\x7d\x21\x7d\x20\x7d\x24"),
             seen="call 2 of ibm-dial carried PPP"),
    mutation("I-24", "a caller's PPP", RUN,
             lambda run: run.say(run.lines(lambda i: i.call == FIRST and i.outgoing)[-1], LCP_REQUEST,
                                 run.lines(lambda i: i.call == FIRST)[-1].frame.time),
             seen="call 2 of ibm-dial carried PPP"),
    mutation("I-24", "no prompt", RUN, shown(FIRST, b"User ID: ", b"Name: "), "I-23",
             seen="call 2 of ibm-dial was not asked for a user ID"),
    mutation("I-24", "bytes that are no text", RUN, shown(FIRST, b"nobody", b"nobody\xff\xfd\x18"),
             seen="call 2 of ibm-dial: the console sent what is no text"),
    mutation("I-24", "the caller speaks first", RUN, caller_speaks_first, "I-23",
             seen="call 2 of ibm-dial: the console did not speak first"),
    mutation("I-29", "a way is not refused", "service-ds8880",
             without(lambda e: isinstance(e, InboundRefused) and e.by == "vpn"), "I-30 I-31",
             seen="by vpn was not refused"),
    mutation("I-29", "a packet leaves", "service-ds8880", leaves_on_refusal,
             seen="1 packet left the customer when a way was refused"),
)  # fmt: skip
