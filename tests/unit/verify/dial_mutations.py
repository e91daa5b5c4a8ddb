"""What can be wrong with a call home by telephone, but for AT&T's fence, as mutations of true runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from socket import inet_aton

from scapy.layers.inet import IP, TCP, UDP
from scapy.packet import Raw

from lab.record.cause import DialCause
from lab.record.event import Event
from lab.record.record import LigCall, Record
from lab.secret import Secret
from lab.telephony.events import HungUp, TerminalSaid
from lab.topology.model import Topology
from lab.verify.telephone_calls import Utterance, answer, dials
from lab.ways.dial.plan import dialers
from lab.wire import ppp
from lab.wire.calls import Carried
from lab.wire.decode import Packet
from lab.wire.ppp import Code, PapCode
from tests.recordings.true_run import ETHERNET, TrueRun, ppp_frame, ppp_packet, with_sums
from tests.unit.verify.changes import change_dialers
from tests.unit.verify.mutation import (
    CLEAR_LCP,
    SYN,
    UNLISTED,
    Believed,
    Change,
    crosses,
    enters,
    facts,
    judged_by,
    leaves,
    mutation,
    noted,
    set_counter,
)
from tests.unit.verify.stage import topology

SAS, HMC, NAME_SERVER, LIG = "129.42.160.48", "192.168.10.10", "203.0.113.53", "203.0.113.2"
OPTION_PAP, OPTION_CHAP = b"\x03\x04\xc0\x23", b"\x03\x05\xc2\x23\x05"


# -- what the line carries ------------------------------------------------------------------------


def of_ppp(item: Carried, protocol: int, *codes: int) -> bool:
    frame = item.ppp
    return frame is not None and frame.protocol == protocol and (not codes or frame.code in codes)


def first(run: TrueRun, protocol: int, *codes: int, outgoing: bool) -> Carried:
    """The first packet of a protocol in the first call that carries anything."""
    return run.lines(lambda i: of_ppp(i, protocol, *codes) and i.outgoing is outgoing)[0]


def in_first_call(content: Callable[[TrueRun], bytes], *, outgoing: bool) -> Change:
    """One more frame in the first call, shortly before it ends."""

    def change(run: TrueRun) -> None:
        call = run.record.lig[0]
        of_call = run.lines(lambda i: i.outgoing is outgoing and i.frame.time < call.closed)[0]
        run.say(of_call, content(run), call.closed - 0.5)

    return change


def arrives(packet: IP) -> Change:
    """An IP packet comes to the first caller by the line, and nobody had let it through."""

    def content(run: TrueRun) -> bytes:
        packet.dst = run.record.lig[0].address
        return ppp_frame(ppp.IP, bytes(packet))

    return in_first_call(content, outgoing=False)


def speaks(packet: IP) -> Change:
    """The gateway itself says something on the Internet's wire."""

    def change(run: TrueRun) -> None:
        run.put("lig-inet", "lig", "internet", bytes(packet), run.end)

    return change


def early_syn(run: TrueRun) -> None:
    """The HMC calls home before IPCP is open."""
    request = first(run, ppp.IPCP, Code.configure_request, outgoing=True)
    packet = IP(src=run.record.lig[0].address, dst=SAS, id=9) / SYN
    run.say(request, ppp_frame(ppp.IP, bytes(packet)), request.frame.time)


def lose_call_home(run: TrueRun) -> None:
    """The agent's connection is not on the line, nor beyond."""
    entry = run.record.ledger[0]
    end = entry.peer_ip, entry.peer_port

    def is_of(packet: Packet | None) -> bool:
        return packet is not None and end in (
            (packet.source, packet.source_port), (packet.destination, packet.destination_port)
        )  # fmt: skip

    run.unsay(run.lines(lambda item: is_of(item.data)))
    for segment in ("lig-inet", "dmz"):
        run.drop(segment, run.find(segment, is_of))


def end_meanwhile(run: TrueRun) -> None:
    """PPP on the first call ends while the HMC's own rule is tried."""
    tried = run.record.trials[0]
    like = first(run, ppp.LCP, Code.configure_request, outgoing=False)
    run.say(like, ppp_packet(ppp.LCP, Code.terminate_request), tried.started + 1)


def pass_rule(run: TrueRun) -> None:
    """TCP goes over the line while the HMC's own rule is tried."""
    tried, call = run.record.trials[0], run.record.lig[0]
    packet = IP(src=call.address, dst=tried.destination, id=9) / SYN
    like = first(run, ppp.LCP, Code.configure_request, outgoing=True)
    run.say(like, ppp_frame(ppp.IP, bytes(packet)), tried.started + 1)


def demanding(option: bytes) -> Change:
    """The gateway asks the first caller to authenticate by something else, or by nothing."""

    def change(run: TrueRun) -> None:
        demand = first(run, ppp.LCP, Code.configure_request, outgoing=False)
        assert demand.ppp is not None
        content = demand.ppp.content
        assert OPTION_PAP in content
        other = content.replace(OPTION_PAP, option)
        ident = demand.ppp.identifier
        run.resay(demand, ppp_packet(ppp.LCP, Code.configure_request, other, ident=ident))

    return change


def demand_twice(run: TrueRun) -> None:
    like = first(run, ppp.LCP, Code.configure_request, outgoing=False)
    run.say(like, ppp_packet(ppp.CHAP, ppp.ChapCode.challenge), like.frame.time)


def early_ipcp(run: TrueRun) -> None:
    ack = first(run, ppp.PAP, PapCode.ack, outgoing=False)
    ipcp = first(run, ppp.IPCP, outgoing=False)
    run.resay(ipcp, time=ack.frame.time - 0.001)


def refuse(run: TrueRun) -> None:
    """The gateway says Nak to a right password, before it says Ack."""
    ack = first(run, ppp.PAP, PapCode.ack, outgoing=False)
    assert ack.ppp is not None
    nak = ppp_packet(ppp.PAP, PapCode.nak, b"\0", ident=ack.ppp.identifier)
    run.say(ack, nak, ack.frame.time - 0.001)


def ask_for(address: str) -> Change:
    """What the caller first asks IPCP for."""

    def change(run: TrueRun) -> None:
        request = first(run, ppp.IPCP, Code.configure_request, outgoing=True)
        content = request.frame.data
        assert inet_aton("0.0.0.0") in content
        run.resay(request, content.replace(inet_aton("0.0.0.0"), inet_aton(address), 1))

    return change


def unname(run: TrueRun) -> None:
    run.unsay([first(run, ppp.IPCP, Code.configure_nak, outgoing=False)])


def other_address(run: TrueRun) -> None:
    """The gateway names an address that is not of the pool, before the right one."""
    nak = first(run, ppp.IPCP, Code.configure_nak, outgoing=False)
    assert nak.ppp is not None
    named = inet_aton(nak.ppp.ip_address)
    run.say(nak, nak.frame.data.replace(named, inet_aton("10.9.9.9")), nak.frame.time - 0.001)


def never_free(run: TrueRun) -> None:
    """The next call gets another address of the pool, though the first has ended."""
    last = run.record.lig[-1]
    old, last.address = last.address, "203.0.113.140"
    ends = inet_aton(old), inet_aton(last.address)
    for item in run.lines(lambda i: i.frame.time > last.answered):
        said = item.frame.data.replace(*ends)
        run.resay(item, said[:4] + with_sums(said[4:]) if item.data else said)
    for frame in run.find("lig-inet", lambda p: old in (p.source, p.destination)):
        if frame.time > last.answered:
            sent = frame.data.replace(*ends)
            run.change(frame, sent[:ETHERNET] + with_sums(sent[ETHERNET:]))
    for number, trial in enumerate(run.record.fence_trials):
        if trial.sent > run.record.lig[0].closed:
            run.record.fence_trials[number] = replace(
                trial,
                source=last.address if trial.source == old else trial.source,
                destination=last.address if trial.destination == old else trial.destination,
            )


# -- what terminals, modems and exchange say ------------------------------------------------------


def connects(said: Utterance) -> bool:
    """The modem of an HMC is connected."""
    return said.line.startswith("hmc") and answer(said).startswith("CONNECT")


def hangs_up(event: Event) -> bool:
    return isinstance(event, HungUp)


def greets(event: Event) -> bool:
    """A terminal asks for a modem."""
    return isinstance(event, TerminalSaid) and event.text == "AT<CR>"


def unheard(chooses: Callable[[Event], object]) -> Change:
    return lambda run: run.unhear(chooses)


def other_words(chooses: Callable[[Utterance], object], text: str) -> Change:
    return lambda run: run.reword(chooses, text)


def another_number(run: TrueRun) -> None:
    """The terminal dials a number that is not configured."""
    run.reword(dials, "ATDT18005550177<CR>")


def no_answer_to_at(run: TrueRun) -> None:
    """No modem says OK before anybody dials."""
    before = next(n for n, event in enumerate(run.events) if dials(event))
    early = {id(event) for event in run.events[:before]}
    run.unhear(lambda event: id(event) in early and answer(event) == "OK")


def not_hung_up_on(run: TrueRun) -> None:
    run.unhear(hangs_up)


# -- the record -----------------------------------------------------------------------------------


def late_modem(run: TrueRun) -> None:
    facts("modems", time=run.end)(run)


def ask_elsewhere(run: TrueRun) -> None:
    probe = replace(run.record.modems[0], device="/dev/modem5", cause=DialCause.modem_silent)
    run.record.modems.insert(0, probe)


def dial_elsewhere(run: TrueRun) -> None:
    run.record.dialled = [replace(a, device="/dev/modem7") for a in run.record.dialled]


def swap_numbers(record: Record) -> None:
    one, other = record.dialled[:2]
    record.dialled[:2] = replace(one, number=other.number), replace(other, number=one.number)


def at_once(record: Record) -> None:
    one, other = record.dialled[:2]
    record.dialled[1] = replace(other, started=one.started)


def forget_error(record: Record) -> None:
    record.blame, record.error = None, ""
    for tried in record.tries:
        tried.up = True


def give_up_early(record: Record) -> None:
    """The second number was never dialled."""
    del record.dialled[1:]


def ring_for_nothing(record: Record) -> None:
    record.lig.append(LigCall(line=record.lig[0].line, number=0, rang=record.ended))


def same_address(record: Record) -> None:
    """Two calls that stand have one address."""
    record.lig[1].address = record.lig[0].address


# -- the model ------------------------------------------------------------------------------------


def numbers(*dialled: str) -> Believed:
    return lambda model: change_dialers(model, lambda d: replace(d, numbers=dialled))


def other_user(model: Topology) -> Topology:
    return change_dialers(
        model, lambda d: replace(d, account=replace(d.account, user="usibm.other"))
    )


def other_password(model: Topology) -> Topology:
    """What the gateway knows of its users, and not what they say."""
    assert model.lig is not None
    accounts = tuple(replace(a, secret=Secret("another")) for a in model.lig.ppp.accounts)
    return replace(model, lig=replace(model.lig, ppp=replace(model.lig.ppp, accounts=accounts)))


def with_pool(*addresses: str) -> Believed:
    def changed(model: Topology) -> Topology:
        assert model.lig is not None
        return replace(model, lig=replace(model.lig, ppp=replace(model.lig.ppp, pool=addresses)))

    return changed


def with_a_rule(model: Topology) -> Topology:
    direct = topology("direct-snat").firewall
    assert direct is not None
    assert model.firewall is not None
    return replace(model, firewall=replace(model.firewall, rules=direct.rules[:1]))


def pap_password(run: TrueRun) -> bytes:
    secret = dialers(run.topology)[0].account.secret.reveal()
    packet = IP(src=SAS, dst=run.record.lig[0].address) / UDP(sport=9, dport=9)
    return ppp_frame(ppp.IP, bytes(packet / Raw(secret.encode())))


MUTATIONS = (
    mutation("OUT-23", "SYN before IPCP opens", "dial", early_syn),
    mutation("OUT-23", "past the telephone", "dial", leaves(SAS, SYN), "F-18 g4"),
    mutation("OUT-23", "IBM on the uplink", "dial",
             crosses("lan", "hmc", "firewall", IP(src=HMC, dst=SAS) / SYN)),
    mutation("OUT-23", "names asked for on the uplink", "dial",
             crosses("lan", "hmc", "firewall", IP(src=HMC, dst=NAME_SERVER) / UDP(dport=53))),
    judged_by("OUT-23", "another number", "dial", numbers("18005550111", "18005550122"), "OUT-25 R-08"),
    mutation("OUT-23", "nobody dialled", "dial", unheard(dials), "OUT-25 R-08"),
    mutation("OUT-23", "another number dialled", "dial", another_number, "OUT-25 R-08"),
    mutation("OUT-23", "no CONNECT", "dial",
             other_words(connects, "<CR><LF>NO CARRIER<CR><LF>"), "OUT-25 R-08"),
    mutation("OUT-23", "no TCP connection", "dial", lose_call_home, "OUT-02 L-06",
             untested="OUT-46"),
    mutation("OUT-24", "AT without an answer", "dial", no_answer_to_at),
    mutation("OUT-24", "no AT", "dial-two-hmcs", unheard(greets)),
    mutation("OUT-24", "another's port asked", "dial", ask_elsewhere),
    mutation("OUT-24", "another answer than OK", "dial", facts("modems", answer="ERROR")),
    mutation("OUT-24", "dialled without a modem", "dial", facts("modems", cause=DialCause.modem_silent)),
    mutation("OUT-24", "dialled by another port", "dial", dial_elsewhere, "OUT-25 R-08"),
    mutation("OUT-24", "looked for when it was late", "dial", late_modem),
    mutation("OUT-25", "another number dialled", "dial-two-hmcs", another_number, "OUT-23 R-08"),
    mutation("OUT-25", "wrong order", "dial-two-hmcs", noted(swap_numbers), "R-08"),
    mutation("OUT-25", "two at a time", "dial-two-hmcs", noted(at_once), "R-08"),
    mutation("OUT-25", "another result", "dial.busy", facts("dialled", result="NO ANSWER"), "R-08"),
    mutation("OUT-25", "no error in the end", "dial.lines-taken", noted(forget_error), "R-08"),
    mutation("R-08", "nobody dialled", "dial-two-hmcs", unheard(dials), "OUT-25 OUT-23"),
    mutation("R-08", "given up after one", "dial.busy", noted(give_up_early), "OUT-25"),
    mutation("R-08", "given up by the dialler", "dial.lines-taken", noted(give_up_early), "OUT-25"),
    mutation("OUT-26", "TCP gets through", "dial", facts("trials", connected=True)),
    mutation("OUT-26", "the call ends", "dial", facts("trials", sessions_open=False)),
    mutation("OUT-26", "the rule counts nothing", "dial", facts("trials", dropped=0)),
    mutation("OUT-26", "the uplink sees it", "dial", facts("trials", counted_on_uplink=1)),
    mutation("OUT-26", "PPP ends meanwhile", "dial", end_meanwhile),
    mutation("OUT-26", "one HMC only", "dial-two-hmcs", noted(lambda r: r.trials.pop())),
    mutation("OUT-26", "TCP on the line all the same", "dial-two-hmcs", pass_rule, "L-06 L-07"),
    mutation("P-11", "CHAP", "dial", demanding(OPTION_CHAP)),
    mutation("P-11", "nothing demanded", "dial", demanding(b"")),
    mutation("P-11", "CHAP as well", "dial", demand_twice),
    mutation("P-11", "IPCP before PAP", "dial-two-hmcs", early_ipcp),
    mutation("P-11", "taken for nobody", "dial", facts("lig", user="")),
    mutation("P-11", "a right password refused", "dial", refuse),
    mutation("P-11", "not hung up on", "dial.wrong-pap-password", not_hung_up_on),
    judged_by("P-11", "another user", "dial", other_user, "L-02 L-08"),
    judged_by("P-11", "a wrong password let in", "dial", other_password),
    mutation("P-12", "never free again", "dial", never_free),
    mutation("P-12", "another address in the record", "dial",
             facts("lig", -1, address="203.0.113.140"), "L-04 L-06 L-07"),
    mutation("P-12", "unknown to the gateway", "dial", noted(lambda r: r.lig.pop()), "L-04 L-06 L-07"),
    mutation("P-12", "its own address asked for", "dial", ask_for(HMC)),
    mutation("P-12", "no Nak", "dial", unname),
    mutation("P-12", "another address named first", "dial", other_address,
             seen="no Nak named an address of the pool to call 1 of hmc"),
    judged_by("P-12", "another pool", "dial", with_pool("203.0.113.140", "203.0.113.141"),
              "OUT-47 L-01 L-06"),
    mutation("P-12", "one address for two", "dial-two-hmcs",
             noted(same_address), "L-04 L-05 L-06 L-07 L-09"),
    mutation("P-12", "left to ring", "dial", noted(ring_for_nothing)),
    mutation("F-18", "a rule let something through", "dial", set_counter("firewall", "allow-F-03-1", 1)),
    judged_by("F-18", "a rule is there", "dial", with_a_rule),
    mutation("F-18", "something enters", "dial", enters(IP(src=UNLISTED) / UDP(sport=53, dport=5353))),
    mutation("F-18", "no capture", "dial", lambda run: run.wire.pop("lan"), "g2"),
    mutation("F-18", "counters not read", "dial", noted(lambda r: r.counters.clear()), "L-06"),
    mutation("g1", "unlisted by telephone", "dial",
             speaks(IP(src=LIG, dst=UNLISTED) / UDP()), "L-06 g4"),
    mutation("g2", "SYN by telephone", "dial",
             arrives(IP(src=SAS) / TCP(sport=443, dport=22, flags="S")), "L-07"),
    mutation("g3", "PPP beyond the gateway", "dial",
             speaks(IP(src=LIG, dst=SAS) / CLEAR_LCP), "L-06 g4"),
    mutation("g5", "the PAP password", "dial", in_first_call(pap_password, outgoing=False), "L-07"),
)  # fmt: skip
