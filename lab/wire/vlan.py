"""Tags of VLANs in Ethernet frames (IEEE 802.1Q 9)."""

from __future__ import annotations

import struct

_BEHIND_ADDRESSES = 12
_TAG_BYTES = 4
_LEAST_BYTES = 18
"""Of a frame with a tag: two addresses, the tag, and the type."""
_PROTOCOLS = (0x8100, 0x88A8)
"""Of customers' tags, and of providers'."""


def tagged(frame: memoryview | bytes, control: int, protocol: int) -> bytes:
    """A frame with a tag: the tag's control information, 16 bits of it, and its protocol identifier."""
    tag = struct.pack("!HH", protocol, control & 0xFFFF)
    return b"".join((frame[:_BEHIND_ADDRESSES], tag, frame[_BEHIND_ADDRESSES:]))


def untagged(frame: bytes) -> bytes:
    """A frame without tags, of which there may be several."""
    while len(frame) >= _LEAST_BYTES and (frame[12] << 8 | frame[13]) in _PROTOCOLS:
        frame = frame[:_BEHIND_ADDRESSES] + frame[_BEHIND_ADDRESSES + _TAG_BYTES :]
    return frame


def tags(frame: bytes) -> tuple[int, ...]:
    """The VLANs that the tags of a frame name, the outermost first; none of a frame without a tag."""
    found: list[int] = []
    while len(frame) >= _LEAST_BYTES and (frame[12] << 8 | frame[13]) in _PROTOCOLS:
        found.append((frame[14] & 0x0F) << 8 | frame[15])
        frame = frame[:_BEHIND_ADDRESSES] + frame[_BEHIND_ADDRESSES + _TAG_BYTES :]
    return tuple(found)
