"""A serial port with a modem at it, as a program opens that talks to the modem itself."""

from __future__ import annotations

import os
import termios
import tty

_CFLAG = 2


def open_port(device: str) -> int:
    """As a getty does: no terminal of ours, raw, not blocking, and open whether or not there is a carrier."""
    port = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        tty.setraw(port, termios.TCSANOW)
        attributes = termios.tcgetattr(port)
        attributes[_CFLAG] |= termios.CLOCAL | termios.CREAD | termios.HUPCL
        termios.tcsetattr(port, termios.TCSANOW, attributes)
    except BaseException as error:
        os.close(port)
        if isinstance(error, termios.error):
            raise OSError(*error.args) from error
        raise
    return port


def heed_carrier(port: int) -> None:
    """From now on an open port is hung up when the carrier goes, as a terminal's is (termios(3), CLOCAL).

    Raises OSError if it is hung up already.
    """
    try:
        attributes = termios.tcgetattr(port)
        attributes[_CFLAG] &= ~termios.CLOCAL
        termios.tcsetattr(port, termios.TCSANOW, attributes)
    except termios.error as gone:
        raise OSError(*gone.args) from gone
