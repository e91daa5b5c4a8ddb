"""charon by VICI: the only module that imports ``vici``; typed values in and out.

The protocol's strings and bytes end here. Which connections there are, and what to do with what is
learned, belongs to ``ipsec``.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lab.errors import DaemonError
from lab.secret import Secret

Settings = Mapping[str, Any]
"""A VICI message: strings, lists of strings, and messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSa:
    """An ESP SA pair as ``list-sas`` gives it; names are strongSwan's (``3DES_CBC``)."""

    name: str
    state: str
    mode: str
    udp_encapsulation: bool
    encryption: str
    integrity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IkeSa:
    """An IKE SA as ``list-sas`` gives it."""

    name: str
    version: int
    state: str
    local_address: str
    remote_address: str
    encryption: str
    integrity: str
    dh_group: str
    children: tuple[ChildSa, ...]

    @property
    def established(self) -> bool:
        return self.state == "ESTABLISHED" and any(c.state == "INSTALLED" for c in self.children)


class Vici:
    """Speaks with one charon by a socket, which stays the caller's."""

    def __init__(self, connected: socket.socket) -> None:
        # Here and not above: whoever only renders configurations need not have it.
        import vici  # type: ignore[import-untyped]

        self._session = vici.Session(connected)
        self._failures = (vici.exception.CommandException, vici.exception.SessionException)

    def load_connections(self, connections: Settings) -> None:
        self._request("load-conn", connections)

    def load_psk(self, name: str, secret: Secret, owners: list[str]) -> None:
        """A pre-shared key for the given identities; it goes through the socket and no file."""
        self._request(
            "load-shared", {"id": name, "type": "IKE", "data": secret.reveal(), "owners": owners}
        )

    def initiate(self, connection: str, child: str, deadline_s: float) -> tuple[str, list[str]]:
        """Bring up a child of a connection: charon's complaint (or "") and what it said."""
        return self._control(
            "initiate", {"ike": connection, "child": child, **_patience(deadline_s, "1")}
        )

    def ike_sas(self) -> tuple[IkeSa, ...]:
        return tuple(
            parse_ike_sa(name, body)
            for event in self._told("list-sas", "list-sa", {})
            for name, body in event.items()
        )

    def terminate(self, connection: str, deadline_s: float) -> None:
        """Delete a connection's IKE SAs, telling the peer."""
        self._control("terminate", {"ike": connection, **_patience(deadline_s, "0")})

    def _control(self, command: str, request: Settings) -> tuple[str, list[str]]:
        said: list[str] = []
        try:
            for event in self._told(command, "control-log", request):
                said.append(_text(event.get("msg")))
        except self._failures as failure:
            return str(failure).removeprefix("Command failed: "), said
        return "", said

    def _request(self, command: str, message: Settings) -> None:
        try:
            with _answered(command):
                self._session.request(command, message)
        except self._failures as failure:
            raise DaemonError("charon", f"refuses {command}: {failure}") from failure

    def _told(self, command: str, kind: str, message: Settings) -> Iterator[Mapping[str, Any]]:
        """The events of a request, until its answer."""
        with _answered(command):
            yield from self._session.streamed_request(command, kind, message)


def _patience(deadline_s: float, log_level: str) -> dict[str, str]:
    return {"timeout": str(int(deadline_s * 1000)), "loglevel": log_level}


@contextlib.contextmanager
def _answered(command: str) -> Iterator[None]:
    """A charon that does not talk to us is of our own: its peer has no part in that."""
    try:
        yield
    except OSError as broken:
        raise DaemonError("charon", f"does not answer {command}: {broken}") from broken


def parse_ike_sa(name: str, body: Mapping[str, Any]) -> IkeSa:
    """One ``list-sa`` event."""
    return IkeSa(
        name=name,
        version=_number(body.get("version")),
        state=_text(body.get("state")),
        local_address=_text(body.get("local-host")),
        remote_address=_text(body.get("remote-host")),
        encryption=_text(body.get("encr-alg")),
        integrity=_text(body.get("integ-alg")) or _text(body.get("prf-alg")),
        dh_group=_text(body.get("dh-group")),
        children=tuple(_children(body.get("child-sas", {}))),
    )


def _children(bodies: Mapping[str, Any]) -> Iterator[ChildSa]:
    for body in bodies.values():
        yield ChildSa(
            name=_text(body.get("name")),
            state=_text(body.get("state")),
            mode=_text(body.get("mode")),
            udp_encapsulation=_text(body.get("encap")) == "yes",
            encryption=_text(body.get("encr-alg")),
            integrity=_text(body.get("integ-alg")),
        )


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")


def _number(value: object) -> int:
    return int(_text(value) or "0")
