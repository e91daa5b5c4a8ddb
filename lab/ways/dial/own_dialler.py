"""How it is told why a dialler of the user's own did not get through: by the lines, and what went over them.

The lab's own dialler notes every attempt; of another one only the dialogue with the modem, the exchange and
the frames of the calls tell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cached_property
from math import inf

from lab.names import all_of, count
from lab.telephony import command_line
from lab.telephony.command_line import Command, CommandError
from lab.telephony.events import HungUp, LineDropped, NoDialTone, TerminalSaid
from lab.topology.modem_family import ModemFamily, find
from lab.verify.symptom import Diagnosis, DialTrail
from lab.verify.telephone_calls import ERROR, TelephoneCall, answer
from lab.ways.dial import call_symptoms, telephone_symptoms
from lab.ways.dial.paper_fence import DNS_PORT
from lab.wire import ppp
from lab.wire.decode import UDP
from lab.wire.ppp import Code

_AT = re.compile(r"\s*[Aa][Tt](?P<body>.*)<CR>")


class OwnDialTrail(DialTrail):
    """One client's way by telephone, where a dialler of the user's own calls."""

    @cached_property
    def calls(self) -> list[TelephoneCall]:
        """Every call from the client's lines, in order."""
        placed = self.case.telephone_calls
        return [call for call in placed if call.client == self.client and call.attempt is None]

    @property
    def modem_node(self) -> str:
        """The client, or the partition that dials for it."""
        return telephone_symptoms.plan_of(self).modem_node

    @cached_property
    def lines(self) -> set[str]:
        """Those of that node."""
        return {line.name for line in self.case.topology.lines_of(self.modem_node)}

    @property
    def family(self) -> ModemFamily | None:
        """Whose modems they are; None: the lab's own."""
        return find(self.case.topology.modem_families, self.modem_node)

    @property
    def since(self) -> float:
        """When the first command of a user's began: what a modem was told before was the lab's doing."""
        return min((command.started for command in self.case.record.commands), default=inf)

    @cached_property
    def exchanges(self) -> list[tuple[TerminalSaid, str]]:
        """Every line that a user's command gave to the client's modems, and the modem's last word on it."""
        found: list[tuple[TerminalSaid, str]] = []
        for said in self.case.dialogue:
            if said.line not in self.lines or said.time < self.since:
                continue
            if isinstance(said, TerminalSaid):
                found.append((said, ""))
            elif found and (word := answer(said).removeprefix(words_of(found[-1][0]))):
                found[-1] = found[-1][0], word
        return found


def words_of(said: TerminalSaid) -> str:
    """A line without the ends of line."""
    return said.text.replace("<CR>", "").replace("<LF>", "")


def _commands(said: TerminalSaid, family: ModemFamily | None) -> Iterator[Command]:
    """The commands of a line, as far as they can be told apart."""
    own = family.own_names if family is not None else ()
    found = _AT.fullmatch(said.text)
    rest = command_line.tidy(found["body"]) if found else ""
    while rest:
        try:
            command, rest = command_line.next_command(rest, own)
        except CommandError:
            return
        yield command


def find_refused_line(trail: OwnDialTrail) -> Diagnosis | None:
    """The last line that the modem was given is none that it takes, and nothing was dialled."""
    if trail.calls or not trail.exchanges or trail.exchanges[-1][1] != ERROR:
        return None
    said, family = words_of(trail.exchanges[-1][0]), trail.family
    whose = f", a {family.name}," if family is not None else ""
    return Diagnosis(
        "modem-refuses-setup",
        f"the modem of {trail.modem_node}{whose} answers {said} with ERROR, and nothing was dialled",
        f"a {family.name} is set up by {family.init}: docs/modem.md"
        if family is not None
        else "docs/at-commands.md has the commands that the modem takes",
    )


def find_no_results(trail: OwnDialTrail) -> Diagnosis | None:
    """The modem was told to say nothing, and the dialler waits for what it does not say."""
    if trail.calls or not trail.exchanges or trail.exchanges[-1][1]:
        return None
    said = trail.exchanges[-1][0]
    quiet = [c for c in _commands(said, trail.family) if c.name == "Q"]
    if not quiet or quiet[-1].number != 1:
        return None
    return Diagnosis(
        "modem-quiet",
        f"the modem of {trail.modem_node} was told {words_of(said)}, after which it gives no result codes "
        f"(V.250 6.2.5), and nothing was dialled",
        "leave Q1 out, or wait for no OK",
    )


def find_no_dial_tone(trail: OwnDialTrail) -> Diagnosis | None:
    """The last line dialled, and the modem heard no dial tone."""
    lines, since = trail.lines, trail.since
    silent = [e for e in trail.case.told(NoDialTone) if e.line in lines and e.time > since]
    placed = [call.command.time for call in trail.calls if call.command]
    if not silent or any(time > silent[-1].time for time in placed):
        return None
    return Diagnosis(
        "no-dialtone",
        f"the telephone line of {trail.modem_node} is dead: its modem went off hook to dial and heard no "
        "dial tone",
        "see whether the telephone cable is in, and have the line repaired",
    )


def find_given_up(trail: OwnDialTrail) -> Diagnosis | None:
    """The caller hung up while it rang, or while the modems trained."""
    last = trail.calls[-1] if trail.calls else None
    if last is None or last.connected or last.fate is not None or last.command is None:
        return None
    ends = last.noted(HungUp)
    if ends is None or ends.line != last.caller or not ends.time:
        return None
    waited_s = ends.time - last.command.time
    if last.noted(LineDropped) or telephone_symptoms.fate_of(last) not in ("", "no-answer"):
        return None
    return Diagnosis(
        "hung-up-early",
        f"{trail.client} hung up {waited_s:.1f} s after it had dialled {last.dialled}, before the modems "
        "were connected",
        "have the dialler wait longer for CONNECT (chat: TIMEOUT 60): it rings, and then the modems train",
    )


def find_unlisted_number(trail: OwnDialTrail) -> Diagnosis | None:
    """A number that is out of service, and none of those that the topology gives to the client."""
    if not trail.calls or any(call.connected for call in trail.calls):
        return None
    dialled, own = trail.calls[-1].dialled, telephone_symptoms.plan_of(trail).numbers
    if telephone_symptoms.fate_of(trail.calls[-1]) != "unobtainable" or dialled in own:
        return None
    return Diagnosis(
        "unlisted-number",
        f"{trail.client} dialled {dialled}, which is out of service",
        f"the numbers of {trail.case.lig.node} are {all_of(list(own))}: LAB_NUMBERS has them",
    )


def find_own_demand(trail: OwnDialTrail) -> Diagnosis | None:
    """The client asks AT&T's gateway to prove who it is, which the gateway does not (P-11)."""
    call = call_symptoms.failed_call(trail)
    if call is None:
        return None
    option = ppp.OPTION_AUTHENTICATION
    asked = call.in_ppp(ppp.LCP, Code.configure_request, outgoing=True)
    demands = [frame for _, frame in asked if frame.option(option) is not None]
    refusals = call.in_ppp(ppp.LCP, Code.configure_reject, Code.configure_nak, outgoing=False)
    if not demands or not any(frame.option(option) is not None for _, frame in refusals):
        return None
    return Diagnosis(
        "gateway-asked-to-authenticate",
        f"the PPP of {trail.client} asks {trail.lig} to authenticate itself, and {trail.lig} refuses that: "
        "only the caller has a user id and a password (P-11)",
        "give pppd the option noauth",
    )


def find_no_ppp(trail: OwnDialTrail) -> Diagnosis | None:
    """The modems were connected, and the client sent no PPP."""
    call = call_symptoms.failed_call(trail)
    if call is None:
        return None
    if any(item.outgoing and item.ppp for item in call.frames):
        return None
    return Diagnosis(
        "no-ppp",
        f"the modems of {trail.client} and {trail.lig} were connected at {call.rate_bit_s} bit/s, and "
        f"{trail.client} sent no PPP",
        "start pppd on the port once the dialler has CONNECT",
    )


def find_other_wire(trail: OwnDialTrail) -> Diagnosis | None:
    """PPP was up, and lookups for AT&T's name server went out by a wire."""
    if not any(call.came_up for call in trail.calls) or not trail.exchanges:
        return None
    since, server = trail.exchanges[0][0].time, trail.case.lig.utility
    for interface in trail.case.topology.node(trail.client).interfaces:
        asked = [
            packet
            for frame, packet in trail.case.packets(interface.segment)
            if packet.protocol == UDP
            and (packet.destination, packet.destination_port) == (server, DNS_PORT)
            and packet.source in interface.ips
            and frame.time > since
        ]
        if asked:
            return Diagnosis(
                "not-by-telephone",
                f"PPP is up, and {trail.client} sends what is for the name server {server} by "
                f"{interface.name}, not by telephone: {count(len(asked), 'query', 'queries')}",
                "take the default route of the wire away first (ip route del default), or give pppd the "
                "options defaultroute and replacedefaultroute",
            )
    return None


Symptom = Callable[[OwnDialTrail], Diagnosis | None]

FAILURE: tuple[Symptom, ...] = (
    find_refused_line,
    find_no_results,
    find_no_dial_tone,
    find_unlisted_number,
    find_given_up,
    telephone_symptoms.find_unreached,
    call_symptoms.find_refused_protocol,
    call_symptoms.find_wrong_password,
    find_own_demand,
    find_no_ppp,
    find_other_wire,
    call_symptoms.find_silent_name_server,
)
"""In the order of the path: an earlier step that fails explains all later ones."""
