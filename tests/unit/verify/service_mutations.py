"""What can be wrong with remote service, off and in a session, as mutations of true runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from scapy.layers.inet import IP, TCP, UDP

from lab.record.event import Event
from lab.record.record import LigCall
from lab.service.events import (
    CalledIn,
    ConsoleUsed,
    CustomerRules,
    HostScanned,
    InboundDisabled,
    InboundEnabled,
    LockedDown,
    ServiceTried,
    SessionUp,
)
from lab.service.marks import Purpose
from lab.service.server.events import Audited, ToolTried
from lab.telephony.events import CallAnswered, CallRings
from lab.wire import ppp
from lab.wire.ppp import ChapCode
from tests.recordings.true_run import TrueRun
from tests.unit.verify.mutation import SYN, Change, crosses, mutation, noted

HMC, INTERNET = "203.0.113.10", "198.51.100.1"


def scanned(purpose: Purpose, **fields: object) -> Change:
    """The first scan for a purpose came out otherwise."""

    def change(run: TrueRun) -> None:
        first = next(
            e for e in run.events if isinstance(e, HostScanned) and e.purpose == purpose.name
        )
        run.events = [replace(e, **fields) if e is first else e for e in run.events]  # type: ignore[arg-type]

    return change


def without(chooses: Callable[[object], bool]) -> Change:
    return lambda run: run.unhear(chooses)


def changed(kind: type[Event], number: int = 0, **fields: object) -> Change:
    """The event of a kind, in order, was otherwise."""

    def change(run: TrueRun) -> None:
        chosen = [event for event in run.events if isinstance(event, kind)][number]
        run.events = [replace(e, **fields) if e is chosen else e for e in run.events]  # type: ignore[arg-type]

    return change


def all_changed(kind: type[Event], **fields: object) -> Change:
    """Every event of a kind was otherwise."""

    def change(run: TrueRun) -> None:
        run.events = [replace(e, **fields) if isinstance(e, kind) else e for e in run.events]  # type: ignore[arg-type]

    return change


def session_scan(target: str, **fields: object) -> Change:
    """The representative's scan of an address came out otherwise."""

    def change(run: TrueRun) -> None:
        run.events = [
            replace(e, **fields)  # type: ignore[arg-type]
            if isinstance(e, HostScanned) and (e.state, e.target) == ("session", target)
            else e
            for e in run.events
        ]

    return change


def not_scanned(target: str) -> Change:
    return without(
        lambda e: isinstance(e, HostScanned) and (e.state, e.target) == ("session", target)
    )


def used_again(run: TrueRun) -> None:
    """The modem takes the call after the session, though nobody has let it in again."""
    rang = [event for event in run.events if isinstance(event, CallRings)][2]
    taken = CallAnswered(source=rang.source, time=rang.time + 5, call=rang.call, line="hmc")
    run.events.insert(run.events.index(rang) + 1, taken)


def without_number(kind: type[Event], number: int) -> Change:
    def change(run: TrueRun) -> None:
        chosen = [event for event in run.events if isinstance(event, kind)][number]
        run.unhear(lambda event: event is chosen)

    return change


def of_stranger(run: TrueRun) -> None:
    """A line that is not IBM's server's calls, and the modem answers."""
    run.events = [
        replace(e, line="lpar-1") if isinstance(e, CallRings) and e.call == 2 else e
        for e in run.events
    ]


def said(text: str, number: int, instead: str) -> Change:
    """The console's terminal said something else to the modem."""

    def change(run: TrueRun) -> None:
        chosen = [said for said in run.dialogue if text in said.text and said.line == "hmc"][number]
        run.reword(lambda each: each is chosen, chosen.text.replace(text, instead))

    return change


def chap(code: ChapCode, edit: Callable[[bytes], bytes]) -> Change:
    """The first CHAP packet of a code had other bytes."""

    def change(run: TrueRun) -> None:
        item = run.lines(lambda i: i.ppp and i.ppp.protocol == ppp.CHAP and i.ppp.code == code)[0]
        run.resay(item, edit(item.frame.data))

    return change


def lcp_of_console(edit: Callable[[bytes], bytes]) -> Change:
    """What the console asked for by LCP in the first session was otherwise."""

    def change(run: TrueRun) -> None:
        for item in run.lines(
            lambda i: i.call == 2 and i.ppp and i.ppp.protocol == ppp.LCP and not i.outgoing
        ):
            run.resay(item, edit(item.frame.data))

    return change


def early_ipcp(run: TrueRun) -> None:
    """IPCP begins before CHAP has come to its end."""
    item = run.lines(lambda i: i.ppp and i.ppp.protocol == ppp.IPCP)[0]
    success = run.lines(lambda i: i.ppp and i.ppp.protocol == ppp.CHAP)[-1]
    first = run.lines(lambda i: i.ppp and i.ppp.protocol == ppp.CHAP)[0]
    assert success.frame.time > first.frame.time
    run.resay(item, time=first.frame.time)


def early_packet(run: TrueRun) -> None:
    """A packet of the representative's comes before the lock-down stands."""
    item = run.lines(lambda i: i.data and i.outgoing)[0]
    run.resay(item, time=next(e.time for e in run.events if isinstance(e, LockedDown)) - 0.001)


def bare_answer(run: TrueRun) -> None:
    """A partition's answer goes out with the partition's own address."""
    item = run.lines(lambda i: i.data and not i.outgoing and i.data.source == "10.253.0.3")[0]
    packet = IP(item.frame.data[4:])
    packet.src = "192.168.1.10"
    del packet.chksum
    run.resay(item, item.frame.data[:4] + bytes(packet))


def to_lpar_2(packet: IP) -> Change:
    return crosses("lpar-2", "hmc", "lpar-2", packet)


def more_rules(text: str) -> Callable[[str], str]:
    return lambda rules: rules.replace("tcp dport 22 drop", text)


def rules(moment: str, edit: Callable[[str], str]) -> Change:
    """The customer's rules were otherwise at a moment."""

    def change(run: TrueRun) -> None:
        run.events = [
            replace(e, rules=edit(e.rules))
            if isinstance(e, CustomerRules) and e.moment in moment.split()
            else e
            for e in run.events
        ]

    return change


def of_sdc(event: object) -> bool:
    return isinstance(event, HostScanned) and event.source == "sdc"


def of_console(event: object) -> bool:
    return isinstance(event, HostScanned) and event.purpose == Purpose.control.name


def answered(run: TrueRun) -> None:
    """The HMC's modem takes the call."""
    rang = next(event for event in run.events if isinstance(event, CallRings))
    taken = CallAnswered(source=rang.source, time=rang.time + 5, call=rang.call, line="hmc")
    run.events.insert(run.events.index(rang) + 1, taken)


def back(payload: TCP | UDP) -> Change:
    return crosses("lan", "hmc", "firewall", IP(src=HMC, dst=INTERNET) / payload)


def answer_of_console(port: int) -> Change:
    """A SYN/ACK of a port on the line, whatever the scan says."""

    def change(run: TrueRun) -> None:
        like = run.lines(lambda i: i.data and not i.outgoing and i.data.source == "10.253.0.1")[0]
        packet = IP(src="10.253.0.1", dst="10.253.0.2") / TCP(sport=port, dport=ATTACK, flags="SA")
        run.say(like, like.frame.data[:4] + bytes(packet), like.frame.time)

    return change


def closed_scan(**fields: object) -> Change:
    """The scan of the console in the session that may not reach it came out otherwise."""

    def change(run: TrueRun) -> None:
        run.events = [
            replace(e, **fields) if isinstance(e, HostScanned) and e.state == "closed" else e  # type: ignore[arg-type]
            for e in run.events
        ]

    return change


def answer_in_closed_session(run: TrueRun) -> None:
    """The console answers on a listed port, by the line, and no scan says so."""
    scan = next(e for e in run.events if isinstance(e, HostScanned) and e.state == "closed")
    like = run.lines(lambda i: i.data and not i.outgoing and i.call == 4)[0]
    packet = IP(src="10.253.0.1", dst="10.253.0.2") / TCP(sport=22, dport=ATTACK, flags="SA")
    run.say(like, like.frame.data[:4] + bytes(packet), scan.started + 1)


def between_partitions(**fields: object) -> Change:
    """The scan from one partition to another came out otherwise."""

    def change(run: TrueRun) -> None:
        run.events = [
            replace(e, **fields) if isinstance(e, HostScanned) and e.source == "lpar-2" else e  # type: ignore[arg-type]
            for e in run.events
        ]

    return change


def own_try(**fields: object) -> Change:
    """The console's own connection came out otherwise."""

    def change(run: TrueRun) -> None:
        run.events = [
            replace(e, **fields) if isinstance(e, ServiceTried) and e.source == "hmc" else e  # type: ignore[arg-type]
            for e in run.events
        ]

    return change


def lose_answers(run: TrueRun) -> None:
    """Nothing answers the console's own connection on the line."""
    run.unsay(run.lines(lambda i: i.data and i.data.source_port == 4000))


def recorded(reason: str, verb: str = "call") -> Callable[[object], bool]:
    """Whether an event is the server's record of an attempt with a reason."""
    return lambda e: isinstance(e, Audited) and (e.verb, e.reason) == (verb, reason)


def record_changed(chooses: Callable[[object], bool], number: int = 0, **fields: object) -> Change:
    """The chosen record of the server's, in order, was otherwise."""

    def change(run: TrueRun) -> None:
        chosen = [event for event in run.events if chooses(event)][number]
        run.events = [replace(e, **fields) if e is chosen else e for e in run.events]  # type: ignore[arg-type]

    return change


def without_one(chooses: Callable[[object], bool]) -> Change:
    """The first of the chosen events is missing."""

    def change(run: TrueRun) -> None:
        first = next(event for event in run.events if chooses(event))
        run.unhear(lambda event: event is first)

    return change


def never_expired(run: TrueRun) -> None:
    """Nobody has tried an authorization that has expired."""
    (record,) = [e for e in run.events if recorded("expired")(e)]
    (tried,) = [
        e for e in run.events
        if isinstance(e, ToolTried) and e.started <= record.time <= e.time
    ]  # fmt: skip
    run.unhear(lambda event: event in (record, tried))


def dials_all_the_same(run: TrueRun) -> None:
    """The server dials while it refuses an authorization that has expired."""
    (record,) = [e for e in run.events if recorded("expired")(e)]
    said = next(s for s in run.dialogue if s.line == "ibm-dial" and "ATD" in s.text)
    run.events.insert(run.events.index(record), replace(said, time=record.time - 0.001))


def not_logged_in(run: TrueRun) -> None:
    """Nobody has logged in before the first number is dialled."""
    said = next(s for s in run.dialogue if s.line == "ibm-dial" and "ATD" in s.text)
    last = [
        e for e in run.events
        if isinstance(e, Audited) and e.verb == "log-in" and e.time <= said.time
    ][-1]  # fmt: skip
    run.unhear(lambda event: event is last)


def not_permitted_by(verb: str) -> Change:
    """No attempt of a verb was recorded as done."""
    return lambda run: run.unhear(
        lambda e: isinstance(e, Audited) and (e.verb, e.outcome) == (verb, "done")
    )


def logged_in_from(address: str) -> Change:
    """Every log-in came from another PC than what was asked for afterwards."""

    def change(run: TrueRun) -> None:
        run.events = [
            replace(e, address=address) if isinstance(e, Audited) and e.verb == "log-in" else e
            for e in run.events
        ]

    return change


def authorized(event: object) -> bool:
    return isinstance(event, Audited) and event.verb == "authorize"


ATTACK = int(Purpose.attack)
LISTED = "22-23, 2125, 2300, 9090, 9735, 9940, 30000-30009"
MUTATIONS = (
    mutation("I-18", "a SYN/ACK to the Internet meanwhile", "service-modem",
             back(TCP(sport=22, dport=ATTACK, flags="SA")), "OUT-02",
             seen="1 packet in answer to a scan on lan"),
    mutation("I-32", "an answer is let through", "service-modem", own_try(answer="This is port"),
             seen="hmc to ibm-dial (10.253.0.2:4000): says 'This is port'"),
    mutation("I-32", "not tried", "service-modem",
             without(lambda e: isinstance(e, ServiceTried) and e.source == "hmc"),
             seen="the console opened no connection of its own in a session"),
    mutation("I-32", "nobody answered", "service-modem", lose_answers,
             seen="no answer to it was on the line, so this proves nothing"),
    mutation("I-09", "a port answers", "service-modem", closed_scan(tcp="22"),
             seen="ibm-dial scans 10.253.0.1: TCP 22"),
    mutation("I-09", "a ping is answered", "service-modem", closed_scan(protocols=(1,)),
             seen="ibm-dial scans 10.253.0.1: IP protocols 1"),
    mutation("I-09", "not tried", "service-modem",
             without(lambda e: isinstance(e, HostScanned) and e.state == "closed"),
             seen="the console was not tried in a session that may not reach it"),
    mutation("I-09", "an answer on the line", "service-modem", answer_in_closed_session,
             seen="1 packet of the console on the line meanwhile"),
    mutation("I-01", "a SYN/ACK to the Internet", "service-off",
             back(TCP(sport=22, dport=ATTACK, flags="SA")), "OUT-02",
             seen="1 packet in answer to a scan on lan"),
    mutation("I-01", "a datagram to the Internet", "service-off", back(UDP(sport=2300, dport=ATTACK)),
             seen="1 packet in answer to a scan on lan"),
    mutation("I-01", "the modem answers", "service-off", answered,
             seen="hmc's modem answered call 1 of ibm-dial"),
    mutation("I-01", "a port answers", "service-off", scanned(Purpose.attack, tcp="22"),
             seen="internet scans 203.0.113.10: TCP 22"),
    mutation("I-01", "a ping is answered", "service-off", scanned(Purpose.attack, protocols=(1,)),
             seen="internet scans 203.0.113.10: IP protocols 1"),
    mutation("I-01", "a packet was lost", "service-off",
             scanned(Purpose.attack, at_firewall=(65_535, 65_534, 254)),
             seen="of 131324 packets of the scan by internet 131323 came to firewall"),
    mutation("I-01", "a port without a listener", "service-off", scanned(Purpose.control, udp="2-65535"),
             seen="UDP 2-65535 of hmc answered console, so a port that is closed proves nothing"),
    mutation("I-01", "IBM has not tried", "service-off", without(of_sdc),
             seen="sdc has not tried to get in"),
    mutation("I-01", "nobody looked from the wire", "service-off", without(of_console),
             seen="console has not looked whether hmc's ports are open"),
    mutation("I-01", "nobody called", "service-off",
             without(lambda event: isinstance(event, CalledIn)), seen="ibm-dial has not called hmc"),
    mutation("I-01", "it did not ring", "service-off",
             without(lambda event: isinstance(event, CallRings)),
             seen="a call of ibm-dial did not ring at hmc, so it proves nothing"),
    mutation("I-02", "the enabling is used twice", "service-modem", used_again,
             seen="hmc's modem answered call 3 of ibm-dial"),
    mutation("I-02", "no second enabling", "service-modem",
             without_number(InboundEnabled, 1), seen="a session was not let in a second time"),
    mutation("I-02", "not used up", "service-modem", all_changed(InboundDisabled, reason="disabled"),
             seen="enabling 1 was not used up by its session"),
    mutation("I-02", "nobody called in between", "service-modem", without_number(CalledIn, 2),
             seen="ibm-dial has not called hmc"),
    mutation("I-03", "the modem is not set", "service-modem", said("S0=1", 0, "S0=0"),
             seen="enabling 1 did not set S0=1"),
    mutation("I-03", "the modem stays set", "service-modem", said("S0=0", 0, "S0=1"),
             seen="after enabling 1 the modem was not set to S0=0"),
    mutation("I-04", "somebody else calls", "service-modem", of_stranger, "g4", seen="the modem took call 2"),
    mutation("I-04", "by AT&T", "service-modem",
             noted(lambda r: r.lig.append(LigCall(line="lig", number=1, rang=r.started))),
             seen="AT&T's gateway heard of calls"),
    mutation("I-04", "nobody logged in", "service-modem", not_logged_in,
             seen="number 1 that ibm-dial dialled: representative had not logged in"),
    mutation("I-04", "logged in from elsewhere", "service-modem", logged_in_from("10.2.0.99"),
             seen="representative had not logged in"),
    mutation("I-04", "no authorization", "service-modem",
             lambda run: run.unhear(authorized), "I-21",
             seen="number 1 that ibm-dial dialled: no officer had authorized representative"),
    mutation("I-04", "dialled though refused", "service-modem", dials_all_the_same, "I-21",
             seen="number 1 that ibm-dial dialled: nobody was permitted to call"),
    mutation("I-21", "dialled though refused", "service-modem", dials_all_the_same, "I-04",
             seen="representative was refused (expired), and yet hmc was called"),
    mutation("I-21", "no record of a refusal", "service-modem", without(recorded("no-token")),
             seen="no record of this: representative at intranet to ibm-dial: call: refused"),
    mutation("I-21", "the record says otherwise", "service-modem",
             record_changed(recorded("other-user"), outcome="done"),
             seen="and the record says done"),
    mutation("I-21", "expired was not tried", "service-modem", never_expired,
             seen="nobody was refused for this: expired"),
    mutation("I-21", "the beginning is not recorded", "service-modem",
             without(recorded("begun", "session")),
             seen="2 sessions, and the records have 0 beginnings and 2 ends"),
    mutation("I-21", "an end is not recorded", "service-modem",
             without_one(recorded("ended", "session")),
             seen="2 sessions, and the records have 2 beginnings and 1 end"),
    mutation("I-21", "one authorization for both", "service-modem",
             record_changed(recorded("begun", "session"), 1, authorization=2),
             seen="two sessions had one authorization, or one had none"),
    mutation("I-05", "a wrong response", "service-modem",
             chap(ChapCode.response, lambda data: data[:9] + bytes([data[9] ^ 1]) + data[10:]),
             seen="call 2 of ibm-dial: no response by ibm.10.253.0.1"),
    mutation("I-05", "another user", "service-modem",
             chap(ChapCode.response, lambda data: data.replace(b"ibm.10", b"ibm.11")),
             seen="call 2 of ibm-dial: no response by ibm.10.253.0.1"),
    mutation("I-05", "no challenge by MD5", "service-modem",
             lcp_of_console(lambda data: data.replace(b"\x03\x05\xc2\x23\x05", b"\x03\x04\xc0\x23\x05")),
             seen="call 2 of ibm-dial: the console did not demand CHAP with MD5"),
    mutation("I-05", "not accepted", "service-modem",
             chap(ChapCode.success, lambda data: data[:4] + b"\x04" + data[5:]),
             seen="call 2 of ibm-dial: the console accepted no response"),
    mutation("I-05", "IPCP too early", "service-modem", early_ipcp,
             seen="IPCP began before the response was accepted"),
    mutation("I-06", "no alias", "service-modem", changed(SessionUp, aliases=()), seen="lpar-1 has no alias"),
    mutation("I-06", "an alias too many", "service-modem",
             changed(SessionUp, aliases=("10.253.0.3", "10.253.0.4")),
             seen="there is an alias 10.253.0.4, which no allowed partition has"),
    mutation("I-06", "another address", "service-modem", changed(SessionUp, address=""),
             seen="the console has not the address 10.253.0.1"),
    mutation("I-07", "the wrong partition", "service-modem",
             changed(ServiceTried, 5, answer="This is port tcp/1 of lpar-2"),
             seen="(10.253.0.3:1): says 'This is port tcp/1 of lpar-2'"),
    mutation("I-07", "the answer has another source", "service-modem", bare_answer,
             seen="an answer of lpar-1 comes by 192.168.1.10, not by its alias"),
    mutation("I-07", "somebody else on the partition's wire", "service-modem",
             crosses("lpar-1", "hmc", "lpar-1", IP(src="10.253.0.2", dst="192.168.1.77") / SYN),
             seen="1 packet of the session on lpar-1 and not for lpar-1"),
    mutation("I-08", "a packet comes through", "service-modem",
             to_lpar_2(IP(src="10.253.0.2", dst="192.168.2.10") / SYN),
             seen="1 packet of the session on lpar-2"),
    mutation("I-08", "another partition answers it", "service-modem",
             between_partitions(tcp="22"), seen="lpar-2 scans 192.168.1.10: TCP 22"),
    mutation("I-08", "it has not tried another partition", "service-modem",
             without(lambda e: isinstance(e, HostScanned) and e.source == "lpar-2"),
             seen="lpar-2 has not tried to get to another partition"),
    mutation("I-08", "it answers", "service-modem", session_scan("10.253.0.4", tcp="1-65535"),
             seen="ibm-dial scans 10.253.0.4: TCP 1-65535"),
    mutation("I-08", "not tried", "service-modem", not_scanned("192.168.2.10"),
             seen="192.168.2.10 of lpar-2 was not tried"),
    mutation("I-08", "lost on the way", "service-modem",
             session_scan("10.253.0.4", at_host=(65_535, 0, 254)), seen="so it proves nothing"),
    mutation("I-10", "a port more", "service-modem",
             session_scan("10.253.0.1", tcp=f"{LISTED}, 30010"), seen=f"TCP {LISTED}, 30010 answered"),
    mutation("I-10", "a port less", "service-modem",
             session_scan("10.253.0.1", tcp=LISTED.removeprefix("22-")), "I-11",
             seen="TCP 23, 2125"),
    mutation("I-10", "UDP forgotten", "service-modem", session_scan("10.253.0.1", udp=""),
             seen="UDP nothing answered"),
    mutation("I-10", "all of UDP", "service-modem", session_scan("10.253.0.1", udp="1-65535"),
             seen="UDP 1-65535 answered"),
    mutation("I-10", "a ping is answered", "service-modem", session_scan("10.253.0.1", protocols=(1,)),
             seen="IP protocols 1"),
    mutation("I-10", "not scanned", "service-modem", not_scanned("10.253.0.1"), "I-11",
             seen="the console was not scanned in a session"),
    mutation("I-10", "SSH fails", "service-modem",
             changed(ConsoleUsed, status=255, answer="Connection refused"),
             seen="ibm-dial to hmc (10.253.0.1:22): ssh ends with 255"),
    mutation("I-10", "SSH leads elsewhere", "service-modem", changed(ConsoleUsed, answer="lpar-1"),
             seen="SSH leads to lpar-1"),
    mutation("I-10", "SSH is not used", "service-modem",
             without(lambda event: isinstance(event, ConsoleUsed)),
             seen="nobody used TCP 22 in a session"),
    mutation("I-10", "an answer from another port", "service-modem", answer_of_console(30_010),
             seen="TCP 30010 of the console answered on the line"),
    mutation("I-11", "a rule is gone", "service-modem", rules("after", more_rules("")),
             seen="the customer's rules are not what they were"),
    mutation("I-11", "nothing was denied", "service-modem",
             rules("before during after", more_rules("tcp dport 5 drop")),
             seen="the customer denied no listed port"),
    mutation("I-11", "the denied port is closed", "service-modem",
             session_scan("10.253.0.1", tcp=LISTED.removeprefix("22-")), "I-10",
             seen="TCP 22, which the customer denied, did not answer"),
    mutation("I-11", "the admitted port is open", "service-modem",
             session_scan("10.253.0.1", tcp=f"{LISTED}, 9999"), "I-10",
             seen="TCP 9999, which the customer admitted, answered"),
    mutation("I-18", "a packet too early", "service-modem", early_packet,
             seen="packets came before the lock-down"),
    mutation("I-18", "a session without a lock-down", "service-modem", without_number(LockedDown, 1),
             seen="2 sessions, and 1 lock-down"),
    mutation("I-18", "the Internet gets in meanwhile", "service-modem",
             session_scan("203.0.113.10", tcp="22"), seen="internet scans 203.0.113.10: TCP 22"),
    mutation("I-18", "nobody looks afterwards", "service-modem",
             without(lambda e: isinstance(e, HostScanned) and e.state == "over"),
             seen="internet has not tried to get in"),
)  # fmt: skip
