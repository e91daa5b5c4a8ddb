"""Flow control by DC1 and DC3 between a terminal and its modem, in data state (V.250 6.2.12).

Both directions of ``+IFC``; its other values need nothing here: whoever owns the port does not read it.
"""

from __future__ import annotations

import re

DC1, DC3 = b"\x11", b"\x13"
"""Go on; stop."""
STOP_AT_BYTES = 3072
"""So much waits for the line when the terminal is told to stop; our choice, as the next one."""
GO_ON_AT_BYTES = 1024

_HEEDED, _PASSED_ON = 1, 3
_CONTROL = re.compile(b"[\x11\x13]")


class FlowControl:
    """Who has stopped whom."""

    def __init__(self) -> None:
        self.stopped = False
        """The terminal wants no data for now."""
        self.stopping = False
        """The terminal has been told to send none."""

    def split(self, data: bytes, by_terminal: int) -> tuple[bytes, bytes, int]:
        """What of it is for the line up to the next DC1 or DC3, that one, and the length of both.

        ``by_terminal`` is the first value of ``+IFC``. To be heeded by ``heed``.
        """
        found = _CONTROL.search(data) if by_terminal in (_HEEDED, _PASSED_ON) else None
        if found is None:
            return data, b"", len(data)
        end = found.end()
        return data[: end if by_terminal == _PASSED_ON else end - 1], found[0], end

    def heed(self, control: bytes) -> None:
        if control:
            self.stopped = control == DC3

    def weigh(self, waiting: int, by_modem: int) -> bytes:
        """What to tell the terminal when so much waits; ``by_modem`` is the second value of ``+IFC``."""
        if self.stopping and waiting <= GO_ON_AT_BYTES:
            self.stopping = False
            return DC1
        if by_modem == _HEEDED and not self.stopping and waiting >= STOP_AT_BYTES:
            self.stopping = True
            return DC3
        return b""
