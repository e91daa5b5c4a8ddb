"""The local interface of a service: what its settings (``[web]``) say, and everything that belongs to it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.agent.settings import AgentSettings, SettingsError
from lab.agent.state import AgentState
from lab.agent.web import certificate, listening
from lab.agent.web.accounts import PamAccounts
from lab.agent.web.administered import AdministeredAgent
from lab.agent.web.desk import Desk
from lab.agent.web.sheet import PATH
from lab.names import did_you_mean

_KEYS = ("port", "address", "users", "certificate", "key")


@dataclass(frozen=True, slots=True)
class InterfacePlan:
    """What ``[web]`` says."""

    port: int
    address: str
    """Empty: all of the system's."""
    users: tuple[str, ...]
    """Who may log in; none: whomever PAM lets in."""
    files: tuple[str, str] | None
    """Certificate and key; None: the agent makes its own."""


def plan(settings: AgentSettings) -> InterfacePlan | None:
    """None without ``[web]``. Raises SettingsError with everything that is wrong in it."""
    if settings.web is None:
        return None
    more, problems = settings.web.more, []
    for key in more:
        if key not in _KEYS:
            problems.append(f"web.{key} is not known; {did_you_mean(key, _KEYS)}")
    users = more.get("users", [])
    if not isinstance(users, list) or not all(isinstance(each, str) and each for each in users):
        problems.append('web.users is no list of names; write users = ["root"]')
        users = []
    address = more.get("address", "")
    if not isinstance(address, str) or not _is_address(address):
        problems.append(f'web.address {address!r} is no address; write address = "127.0.0.1"')
    files = _files(more, settings.source.parent, problems)
    if problems:
        raise SettingsError(str(settings.source), problems)
    return InterfacePlan(settings.web.port, address, tuple(users), files)


@contextlib.contextmanager
def interface(state: AgentState) -> Iterator[None]:
    """Serve the pages while the ``with`` block runs, if the settings have ``[web]``.

    Inside it the process has to take SIGHUP for the wish to send what is queued. Raises LabError.
    """
    planned = plan(state.settings)
    if planned is None:
        yield
        return
    with (
        AgentState(state.settings, state.tell) as own,
        listening.listener(planned.address, planned.port) as listener,
    ):
        desk = Desk(
            AdministeredAgent(own, _wake, lambda: state.settings),
            PamAccounts(),
            planned.users,
            time.monotonic,
            state.tell,
        )
        tls = listening.context(*(planned.files or certificate.own(state.folder)))
        with listening.serving(desk, tls, listener):
            host = planned.address or socket.gethostname()
            shown = f"[{host}]" if ":" in host else host
            state.tell(f"the web user interface is at https://{shown}:{planned.port}{PATH}")
            yield


def _wake() -> None:
    os.kill(os.getpid(), signal.SIGHUP)


def _is_address(text: str) -> bool:
    if not text:
        return True
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError, ValueError):
            socket.inet_pton(family, text)
            return True
    return False


def _files(more: Mapping[str, Any], folder: Path, problems: list[str]) -> tuple[str, str] | None:
    """Relative to the configuration file's folder."""
    given = [more.get(key) for key in ("certificate", "key")]
    if given == [None, None]:
        return None
    if not all(isinstance(each, str) and each for each in given):
        problems.append("web.certificate and web.key belong together; write both as paths")
        return None
    return str(folder / str(given[0])), str(folder / str(given[1]))
