"""A modem as whoever calls uses it: set up, told to dial, heard out. V.250 from the terminal's side.

Driven by pexpect over its serial port, as any modem would be. What goes over the line then is not known here.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from lab.errors import ProtocolError
from lab.linux.nodes import Node
from lab.record.cause import DialCause
from lab.record.dial_event import ModemProbed
from lab.wire.dialled import FLAG
from tunnels._serial import heed_carrier, open_port

if TYPE_CHECKING:
    from pexpect.fdpexpect import fdspawn

COMMAND_S = 5.0
CALL_S = 360.0
"""Longer than S7 can be, with pauses in the number: the modem gives up first, and says why."""
LINK_S = 120.0
"""LCP, PAP and IPCP: pppd itself gives up on each after ten requests, three seconds apart."""

GREETING = "AT"
SET_UP = "ATE1V1Q0&C1&D2"
"""Words, and the two circuits as they are: what the table below relies on. What the modem hears on the
line (X) is the init string's: behind a PBX there may be no dial tone."""

_RESULTS: Mapping[bytes, DialCause | None] = {
    rb"\r\n(OK)\r\n": DialCause.not_dialled,
    rb"\r\n(CONNECT(?: (\d+)[^\r\n]*)?)\r\n": None,
    rb"\r\n(BUSY)\r\n": DialCause.busy,
    rb"\r\n(NO ANSWER)\r\n": DialCause.no_answer,
    rb"\r\n(NO CARRIER)\r\n": DialCause.no_carrier,
    rb"\r\n(NO DIAL ?TONE)\r\n": DialCause.no_dialtone,
    rb"\r\n(ERROR)\r\n": DialCause.not_dialled,
}
"""Final result codes in words (V.250 5.7.1), and what went wrong if the modem was to dial."""
OTHER_NUMBER_MAY_DO = (DialCause.busy, DialCause.no_answer, DialCause.no_carrier)


class FinalResult(NamedTuple):
    """What a modem said at last."""

    said: str
    """Empty if it failed before that."""
    cause: DialCause | None
    """What went wrong if the modem was to dial; None if nothing did."""
    rate_bit_s: int
    command: str = ""
    """Which it did not take."""
    detail: str = ""
    """With what it answered the command."""


class ModemFailed(ProtocolError):
    """A modem is not there, or does not do what it is told."""

    def __init__(self, cause: DialCause, *, command: str = "", detail: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.command = command
        self.detail = detail


class CallingModem:
    """A modem at a serial port of a node; the port is open from ``greet`` or ``call`` to ``close``."""

    def __init__(self, node: Node, device: str) -> None:
        self._node = node
        self._device = device
        self._port = -1

    def greet(self) -> FinalResult:
        """What the modem says to AT; raises ModemFailed if it says nothing that a modem says."""
        return _ask(self._open(), GREETING, COMMAND_S)

    def call(self, number: str, init: str) -> FinalResult:
        """Set the modem up, and dial; raises ModemFailed."""
        modem = self._open()
        for command in (init, SET_UP):
            said = _ask(modem, command, COMMAND_S).said
            if said != "OK":
                raise ModemFailed(DialCause.command_refused, command=command, detail=said)
        return _ask(modem, f"ATDT{number}", CALL_S)

    def send_when_ppp_begins(self, data: bytes) -> None:
        """Send bytes once the other end's pppd is there to take them or leave them."""
        import pexpect

        modem = self._spawned()
        try:
            modem.expect_exact(bytes((FLAG,)), timeout=LINK_S)
        except (pexpect.TIMEOUT, pexpect.EOF):
            raise ModemFailed(DialCause.no_ppp) from None
        modem.send(data)

    def give_up(self) -> None:
        """Have the modem give up a number that another thread has told it in ``call`` (V.250 5.6.1)."""
        with contextlib.suppress(OSError):
            os.write(self._port, b"\r")

    def heed_carrier(self) -> int:
        """The port of a call that is connected, for a terminal: it is hung up when the carrier goes."""
        heed_carrier(self._port)
        return self._port

    def close(self) -> None:
        """Let go of the port; if nobody else has it open, DTR goes off, and the modem hangs up."""
        if self._port >= 0:
            os.close(self._port)
            self._port = -1

    def _open(self) -> fdspawn[bytes]:
        """The port, raw, with CLOCAL: without a carrier a command must get through, too."""
        self.close()
        try:
            self._port = self._node.call(open_port, self._device)
        except OSError as error:
            raise ModemFailed(DialCause.port_shut, detail=error.strerror or "") from error
        os.set_blocking(self._port, True)
        return self._spawned()

    def _spawned(self) -> fdspawn[bytes]:
        from pexpect.fdpexpect import fdspawn

        modem: fdspawn[bytes] = fdspawn(self._port, timeout=COMMAND_S, use_poll=True)
        modem.delaybeforesend = None
        return modem


def probe_modem(node: Node, device: str) -> ModemProbed:
    """Ask a node's serial port for a modem (OUT-24); the port is closed again."""
    modem = CallingModem(node, device)
    try:
        answer = modem.greet().said
        cause = None if answer == "OK" else DialCause.command_refused
        detail = "" if answer == "OK" else answer
    except ModemFailed as error:
        answer, cause, detail = "", error.cause, error.detail
    finally:
        modem.close()
    return ModemProbed(
        source=node.name,
        device=device,
        answer=answer,
        command=GREETING,
        cause=cause,
        detail=detail,
    )


def _ask(modem: fdspawn[bytes], command: str, deadline_s: float) -> FinalResult:
    """Send a command line and wait for its final result code (V.250 5.7); raises ModemFailed."""
    import pexpect

    # What the modem said unasked (RING, NO CARRIER) is no answer to this.
    with contextlib.suppress(pexpect.TIMEOUT):
        modem.expect(r".+", timeout=0)
    try:
        modem.send(f"{command}\r")
        place = modem.expect(list(_RESULTS), timeout=deadline_s)
    except pexpect.TIMEOUT:
        # Its echo is no answer.
        said = (modem.before or b"").removeprefix(f"{command}\r".encode()).strip()
        cause = DialCause.modem_garbage if said else DialCause.modem_silent
        detail = f"{len(said) or deadline_s:g}"
        raise ModemFailed(cause, command=command, detail=detail) from None
    except (pexpect.EOF, OSError):
        raise ModemFailed(DialCause.modem_gone, command=command) from None
    found = modem.match
    assert isinstance(found, re.Match)
    rate = found[2] if found.re.groups > 1 else None
    return FinalResult(found[1].decode(), [*_RESULTS.values()][place], int(rate or 0))
