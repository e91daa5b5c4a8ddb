"""PPP channels of the kernel (ppp_generic(4)): L2TP sessions and asynchronous lines, and how two are joined.

A channel carries PPP frames. Two channels that are joined (``PPPIOCBRIDGECHAN``, Linux 5.11) pass every frame
on to each other within the kernel; no process sees one. All functions concern the network namespace of the
thread that calls. Nothing here is told what a call is, or who placed it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
import termios
from typing import NamedTuple

from lab.linux import syscalls

DEVICE = "/dev/ppp"

_AF_PPPOX = 24
_PX_PROTO_OL2TP = 1
_N_TTY, _N_PPP = 0, 3
_IOW, _IOR = 1, 2


def _ioctl(direction: int, number: int) -> int:
    """The number of a request for an int, of ioctl(2)'s type ``t``."""
    return direction << 30 | struct.calcsize("i") << 16 | ord("t") << 8 | number


_PPPIOCATTCHAN = _ioctl(_IOW, 56)
_PPPIOCGCHAN = _ioctl(_IOR, 55)
_PPPIOCBRIDGECHAN = _ioctl(_IOW, 53)


class TunnelIds(NamedTuple):
    """An L2TP tunnel, or a session: the number that its own end gave it, and the peer's number."""

    own: int
    peer: int


def open_tunnel(carrier: socket.socket, peer: tuple[str, int], tunnel: TunnelIds) -> socket.socket:
    """Have the kernel take the L2TP data packets that a UDP socket receives; close the result to end that.

    ``carrier`` is bound and connected, and carries one tunnel. Control messages go on to its owner. Raises
    OSError.
    """
    return _open_l2tp(carrier, peer, tunnel, TunnelIds(0, 0))


def open_session(
    carrier: socket.socket, peer: tuple[str, int], tunnel: TunnelIds, session: TunnelIds
) -> socket.socket:
    """A session in a tunnel of ``open_tunnel``, which is a PPP channel; close the result to end it."""
    return _open_l2tp(carrier, peer, tunnel, session)


def _open_l2tp(
    carrier: socket.socket, peer: tuple[str, int], tunnel: TunnelIds, session: TunnelIds
) -> socket.socket:
    """A socket that is connected to a struct sockaddr_pppol2tp (linux/if_pppol2tp.h)."""
    address, port = peer
    name = b"".join(
        (
            struct.pack("=HI", _AF_PPPOX, _PX_PROTO_OL2TP),
            struct.pack("=ii", 0, carrier.fileno()),
            struct.pack("=H", socket.AF_INET),
            struct.pack("!H4s8x", port, socket.inet_aton(address)),
            struct.pack("=HHHH", tunnel.own, session.own, tunnel.peer, session.peer),
        )
    )
    opened = socket.socket(_AF_PPPOX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, _PX_PROTO_OL2TP)
    try:
        syscalls.connect(opened, name)
    except OSError:
        opened.close()
        raise
    return opened


def frame_line(port: int) -> None:
    """Make an open serial port, at which a call is connected, a PPP channel of asynchronous framing.

    Such a line begins as RFC 1662 7.1 has it: every control character is escaped that is sent, and one that
    comes unescaped is noise. When an LCP packet with another map goes by, the kernel heeds it.
    Raises OSError.
    """
    fcntl.ioctl(port, termios.TIOCSETD, struct.pack("i", _N_PPP))


def unframe_line(port: int) -> None:
    """Make a serial port what it was before ``frame_line``, unless it was hung up."""
    with contextlib.suppress(OSError):
        fcntl.ioctl(port, termios.TIOCSETD, struct.pack("i", _N_TTY))


def number_of(channel: int) -> int:
    """The kernel's number of a channel, given by the descriptor of its session or its port."""
    (number,) = struct.unpack("i", fcntl.ioctl(channel, _PPPIOCGCHAN, bytes(4)))
    return int(number)


def join(one: int, other: int, device: int) -> None:
    """Join the channels of two descriptors; ``device`` is an open /dev/ppp that nothing else has used.

    ``device`` hears of the end of the first channel: it is then hung up (poll(2), POLLHUP). The channels part
    when either of them ends. Raises OSError: EINVAL or ENOTTY of a kernel that cannot join channels.
    """
    fcntl.ioctl(device, _PPPIOCATTCHAN, struct.pack("i", number_of(one)))
    fcntl.ioctl(device, _PPPIOCBRIDGECHAN, struct.pack("i", number_of(other)))


def try_join() -> None:
    """Join two lines of nobody, which are gone at once; raises OSError if this kernel cannot."""
    opened: list[int] = []
    try:
        for _ in range(2):
            opened += os.openpty()
        one, other = opened[1], opened[3]
        opened.append(device := os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC))
        frame_line(one)
        frame_line(other)
        join(one, other, device)
    finally:
        for descriptor in opened:
            os.close(descriptor)
