"""A peer whose messages are written by hand."""

from __future__ import annotations

from random import Random

from lab.l2tp.avps import AvpValue
from lab.l2tp.control_plane import ControlPlane
from lab.l2tp.messages import (
    ControlMessage,
    read_message,
    write_datagram,
    write_message,
)
from lab.l2tp.outputs import (
    CallAsked,
    ConnectionUp,
    L2tpOutput,
    Peer,
    SendDatagram,
)
from lab.wire import l2tp
from lab.wire.l2tp_codes import Avp, ControlType
from tests.unit.l2tp.wire import LAC, settings


class HandMade:
    """A peer whose messages are written by hand, against one control plane."""

    def __init__(self, **others: object) -> None:
        self.plane = ControlPlane(settings("node", **others), Random(1))
        self.now = 0.0
        self.ns = self.nr = 0
        self.tunnel_id = 0
        self.told: list[L2tpOutput] = []
        self.raw: list[bytes] = []

    def say(self, octets: bytes, session_id: int = 0, source: Peer = LAC) -> list[ControlMessage]:
        """Send a body in order; what the plane answers, without acknowledgements alone."""
        data = write_datagram(self.tunnel_id, session_id, self.ns, self.nr, octets)
        self.ns += bool(octets)
        self.plane.receive(data, source, self.now)
        return self.hear()

    def hear(self) -> list[ControlMessage]:
        messages = []
        for output in self.plane.take():
            if not isinstance(output, SendDatagram):
                self.told.append(output)
                continue
            self.raw.append(output.data)
            head = l2tp.control_datagram(output.data)
            assert head is not None
            if not head.body:
                continue
            self.nr = head.ns + 1
            message = read_message(head.body).message
            assert message is not None
            messages.append(message)
        return messages

    def send(
        self, kind: ControlType, avps: dict[Avp, AvpValue] | None = None, session_id: int = 0
    ) -> list[ControlMessage]:
        return self.say(write_message(ControlMessage(kind, avps or {})), session_id)

    def sccrq(self, **others: AvpValue) -> bytes:
        avps: dict[Avp, AvpValue] = {
            Avp.protocol_version: 0x0100,
            Avp.framing_capabilities: 3,
            Avp.host_name: "hmc",
            Avp.assigned_tunnel_id: 9,
        }
        avps |= {Avp[name]: value for name, value in others.items()}
        return write_message(ControlMessage(ControlType.SCCRQ, avps))

    def establish(self, **others: AvpValue) -> None:
        (reply,) = self.say(self.sccrq(**others))
        assert reply.kind is ControlType.SCCRP
        self.tunnel_id = reply.number(Avp.assigned_tunnel_id)
        assert self.send(ControlType.SCCCN) == []
        assert isinstance(self.told[-1], ConnectionUp)

    @property
    def session_id(self) -> int:
        """What the plane calls the newest call."""
        return [e.call.local_id for e in self.told if isinstance(e, CallAsked)][-1]


def only_result(messages: list[ControlMessage], kind: ControlType) -> tuple[int, int | None]:
    (message,) = messages
    assert message.kind is kind
    return message.result.result, message.result.error
