"""Which of IBM's servers does what: IBM's own configuration file, and before there is one the settings.

An operation of the service has servers of its own, or those of a kind that the papers' tables have.
"""

from __future__ import annotations

import json
from binascii import Error as NotBase64
from binascii import a2b_base64
from collections.abc import Mapping
from typing import Any

from lab.agent.message import ServerUrl, wrong_servers
from lab.agent.settings import AgentSettings
from lab.topology.errand_kinds import DOWNLOADS

FILE = "configuration.jws"

INSTEAD = {
    "heartbeat": ("inventory",),
    "performance": ("inventory",),
    "inventory": ("call-home", "enrolment"),
    "problem": ("enrolment",),
    "upload": ("problem",),
    "access-key": ("problem",),
    "password": ("enrolment",),
    "reset": ("enrolment",),
    "fixes": ("inventory",),
    "updates": ("inventory",),
    "enrolment": ("authentication",),
}
"""Whose servers do an operation that has no list of its own, the first that has one (S3 Appendix)."""


class Directory:
    """Where operations are done."""

    def __init__(self, settings: AgentSettings) -> None:
        self._settings = settings
        self.path = settings.state / FILE

    def stored(self) -> dict[str, Any]:
        """IBM's configuration file, whose signature was good when it was stored; empty without one."""
        try:
            return payload(self.path.read_text())
        except (OSError, ValueError):
            return {}

    def lists(self) -> Mapping[str, tuple[str, ...]]:
        """Every errand's URLs: IBM's, and the settings' where IBM names none."""
        told = self.stored().get("servers")
        own = {
            errand: tuple(urls)
            for errand, urls in (told.items() if isinstance(told, dict) else ())
            if not wrong_servers(errand, urls)
        }
        first = self._settings.servers
        # Where the addresses come from: the settings' servers stay behind IBM's own ones.
        for errand in own.keys() & {"configuration"}:
            own[errand] = tuple(dict.fromkeys((*own[errand], *first.get(errand, ()))))
        return {**first, **own}

    def servers(self, operation: str) -> list[ServerUrl]:
        """The servers of an operation, in the order of trying; none if nothing is known."""
        lists = self.lists()
        wanted = [operation]
        for errand in wanted:
            if urls := lists.get(errand):
                clear = operation in DOWNLOADS
                return [ServerUrl(url, may_be_clear=clear) for url in urls]
            wanted += (each for each in INSTEAD.get(errand, ()) if each not in wanted)
        return []


def payload(jws: str) -> dict[str, Any]:
    """What a compact JWS (RFC 7515 7.1) says, whoever signed it; raises ValueError if it is none."""
    parts = jws.strip().split(".")
    if len(parts) != 3:
        raise ValueError("it is no compact JWS")
    try:
        members = json.loads(decoded(parts[1]))
    except (ValueError, RecursionError) as error:
        raise ValueError("its payload is no JSON") from error
    if not isinstance(members, dict):
        raise ValueError("its payload is no JSON object")
    return members


def decoded(text: str) -> bytes:
    """base64url without padding (RFC 7515 2); raises ValueError."""
    try:
        return a2b_base64(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))
    except (NotBase64, UnicodeEncodeError) as error:
        raise ValueError(str(error)) from error
