"""What a modem could train with at a time, by what its terminal had told it until then. Judges nothing."""

from __future__ import annotations

from collections.abc import Iterable

from lab.telephony.command_line import CommandError, tidy
from lab.telephony.commands import Interpreter
from lab.telephony.events import TerminalSaid
from lab.telephony.modulation import Offer
from lab.topology.modem_family import ModemFamily
from lab.verify.telephone_calls import Utterance

_LEAD_AWAY = ("A", "D", "O")
"""Commands after which a line has no settings any more: answer, dial, back to data."""


def find_offer(
    dialogue: Iterable[Utterance], line: str, until: float, family: ModemFamily | None
) -> Offer:
    """The offer of a line's modem, its commands carried out on its settings once more."""
    modem = Interpreter({}, family)
    for said in dialogue:
        if said.line == line and isinstance(said, TerminalSaid) and said.time <= until:
            _obey(modem, said.text)
    return modem.settings.offer


def _obey(modem: Interpreter, text: str) -> None:
    """A command line, up to what is no command or no setting."""
    text = text.replace("<LF>", "").removesuffix("<CR>").strip()
    if text[:2].upper() != "AT":
        return
    rest = tidy(text[2:])
    while rest:
        try:
            command, rest = modem.next(rest)
            if command.name in _LEAD_AWAY or modem.execute(command).last:
                return
        except CommandError:
            return
