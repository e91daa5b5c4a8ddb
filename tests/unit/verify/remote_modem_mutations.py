"""What can be wrong with a call home by a partition's modem, as mutations of true runs."""

from __future__ import annotations

import struct
from dataclasses import replace

from scapy.layers.inet import IP, UDP
from scapy.packet import Raw

from lab.i5.events import PartitionDialled
from lab.record.cause import DialCause
from lab.telephony.events import TerminalSaid
from lab.verify.passed_on import ClearL2tp
from lab.verify.telephone_calls import dials
from lab.ways.dial.plan import dialers
from lab.wire import ppp
from lab.wire.l2tp import Avp, ControlType
from lab.wire.ppp import Code
from tests.recordings.true_run import TrueRun, ppp_packet
from tests.unit.verify.dial_mutations import (
    SAS,
    first,
    numbers,
    other_user,
    with_a_rule,
)
from tests.unit.verify.mutation import (
    RANDOM,
    SYN,
    Change,
    crosses,
    facts,
    judged_by,
    leaves,
    mutation,
    noted,
)
from tests.unit.verify.pass_through_mutations import clear, rewritten, same

RUN, IN_VAIN = "pass-through-modem", "pass-through-modem.no-answer"
HMC, I5 = "192.168.10.10", "192.168.10.20"
SOON_S = 0.000001


def lose(kind: ControlType) -> Change:
    """Every control message of a type is missing, also its repetitions."""

    def change(run: TrueRun) -> None:
        gone = [s for s in run.case().clear if s.l2tp.control_type == kind]
        run.drop("i5-lan", [same(run, seen.frame) for seen in gone])

    return change


def rewrite(seen: ClearL2tp, avp: Avp, value: bytes, *, number: int | None = None) -> bytes:
    """A message whose AVP has another value of the same length, and another number if one is given."""
    old = seen.l2tp.avp(avp)
    assert len(old) == len(value)
    message, head = seen.packet.payload, struct.pack("!HH", 0, avp)
    assert head + old in message
    kind = avp if number is None else number
    return message.replace(head + old, struct.pack("!HH", 0, kind) + value)


def says(kind: ControlType, avp: Avp, value: bytes, *, number: int | None = None) -> Change:
    """The first control message of a type has another value in an AVP."""

    def change(run: TrueRun) -> None:
        seen = clear(run, kind)
        run.change(
            same(run, seen.frame), rewritten(seen.frame, rewrite(seen, avp, value, number=number))
        )

    return change


def early_occn(run: TrueRun) -> None:
    """OCCN comes before the modem has said CONNECT."""
    asked, connected = clear(run, ControlType.OCRP), clear(run, ControlType.OCCN)
    run.change(same(run, connected.frame), time=asked.frame.time + SOON_S)


def to_another_port(run: TrueRun) -> None:
    seen = clear(run, ControlType.OCRQ)
    run.change(same(run, seen.frame), rewritten(seen.frame, seen.packet.payload, dport=1702))


def in_clear(run: TrueRun, protocol: int, code: int, *, outgoing: bool) -> ClearL2tp:
    """The first PPP frame of a kind between HMC and partition."""
    return next(
        s
        for s in run.case().clear
        if s.ppp and (s.ppp.protocol, s.ppp.code, s.outgoing) == (protocol, code, outgoing)
    )


def speaks_itself(*, to_hmc: bool) -> Change:
    """The partition says something by PPP itself."""
    words = ppp_packet(ppp.LCP, Code.echo_request, RANDOM[:8])

    def change(run: TrueRun) -> None:
        if to_hmc:
            like = in_clear(run, ppp.IPCP, Code.configure_ack, outgoing=False)
            head = like.packet.payload[: -len(like.l2tp.ppp)]
            run.add("i5-lan", rewritten(like.frame, head + words), like.frame.time + SOON_S)
        else:
            spoken = first(run, ppp.IPCP, Code.configure_ack, outgoing=True)
            run.say(spoken, words, spoken.frame.time + SOON_S)

    return change


def swallows(*, of_hmc: bool) -> Change:
    """The partition does not pass a frame on by which PPP is agreed on."""

    def change(run: TrueRun) -> None:
        if of_hmc:
            run.unsay([first(run, ppp.LCP, Code.configure_ack, outgoing=True)])
        else:
            ack = in_clear(run, ppp.IPCP, Code.configure_ack, outgoing=False)
            run.drop("i5-lan", [same(run, ack.frame)])

    return change


def unasked_call(run: TrueRun) -> None:
    """The partition dials a configured number once more, for an HMC that is not waiting."""
    said = next(e for e in run.events if dials(e))
    assert isinstance(said, TerminalSaid)
    told = next(e for e in run.events if isinstance(e, PartitionDialled))
    at = run.end
    run.events += [
        replace(said, time=at),
        replace(told, started=at - 1, time=at + 1, result="NO DIALTONE"),
    ]
    run.record.dialled.append(
        replace(
            run.record.dialled[0],
            started=at - 2,
            time=at + 2,
            result="NO DIALTONE",
            cause=DialCause.no_dialtone,
        )
    )


def tell_password(run: TrueRun) -> None:
    """The password is in clear beside PPP's PAP."""
    secret = dialers(run.topology)[0].account.secret.reveal()
    packet = IP(src=HMC, dst=I5) / UDP(sport=9, dport=9) / Raw(secret.encode())
    run.put("i5-lan", "hmc", "i5", bytes(packet), run.end)


def tell_password_by_ipcp(run: TrueRun) -> None:
    """The password is in clear in L2TP, and not in PAP."""
    secret = dialers(run.topology)[0].account.secret.reveal()
    seen = in_clear(run, ppp.IPCP, Code.configure_request, outgoing=True)
    run.change(same(run, seen.frame), rewritten(seen.frame, seen.packet.payload + secret.encode()))


MUTATIONS = (
    mutation("OUT-30", "another number asked for", RUN,
             says(ControlType.OCRQ, Avp.called_number, b"18005550198"), seen="not configured"),
    mutation("OUT-30", "no number", RUN,
             says(ControlType.OCRQ, Avp.called_number, b"18005550100", number=Avp.calling_number),
             seen="no Called Number"),
    mutation("OUT-30", "OCRQ to another port", RUN, to_another_port, seen="another port"),
    mutation("OUT-30", "no OCRQ", RUN, lose(ControlType.OCRQ), seen="asked i5 for no call"),
    mutation("OUT-30", "no OCRP", RUN, lose(ControlType.OCRP), seen="OCRP did not come about"),
    mutation("OUT-30", "no OCCN", RUN, lose(ControlType.OCCN), seen="no OCCN says"),
    mutation("OUT-30", "OCCN before CONNECT", RUN, early_occn, seen="before CONNECT"),
    mutation("OUT-30", "OCCN with another speed", RUN,
             says(ControlType.OCCN, Avp.tx_connect_speed, struct.pack("!I", 28800)), seen="28800"),
    mutation("OUT-30", "dialled unasked", RUN, unasked_call, "OUT-25 R-08", seen="had asked"),
    mutation("OUT-30", "PPP of the partition's own, to the HMC", RUN, speaks_itself(to_hmc=True),
             seen="on i5-lan is not on the other side"),
    mutation("OUT-30", "PPP of the partition's own, on the line", RUN, speaks_itself(to_hmc=False),
             seen="on pstn is not on the other side"),
    mutation("OUT-30", "the HMC's PPP is not passed on", RUN, swallows(of_hmc=True),
             seen="does not get through"),
    mutation("OUT-30", "PPP is not passed on to the HMC", RUN, swallows(of_hmc=False),
             seen="does not get through"),
    mutation("OUT-30", "CDN says another thing than the modem", IN_VAIN,
             says(ControlType.CDN, Avp.result_code, b"\0\x08\0\0NO ANSWER"), seen="CDN says"),
    mutation("OUT-30", "no CDN after NO ANSWER", IN_VAIN, lose(ControlType.CDN), seen="no CDN says so"),
    judged_by("OUT-30", "numbers that are not configured", RUN, numbers("18005550111", "18005550122"),
              "OUT-23 OUT-25 R-08", seen="not configured"),
    mutation("OUT-23", "past the telephone", RUN, leaves(SAS, SYN), "F-18 g4"),
    mutation("OUT-24", "the partition looked for no modem", RUN, noted(lambda r: r.modems.clear())),
    mutation("OUT-24", "the partition's modem said ERROR", RUN, facts("modems", answer="ERROR")),
    judged_by("P-11", "another user", RUN, other_user, "L-02 L-08"),
    judged_by("F-18", "a rule is there", RUN, with_a_rule),
    mutation("g5", "the PAP password beside PAP", RUN, tell_password),
    mutation("g5", "the PAP password in IPCP", RUN, tell_password_by_ipcp, "OUT-30"),
    mutation("g4", "ESP on the wire of HMC and partition", RUN,
             crosses("i5-lan", "hmc", "i5", IP(src=HMC, dst=I5, proto=50) / Raw(RANDOM))),
)  # fmt: skip
