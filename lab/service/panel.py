"""A console's panel *Customize Inbound Connectivity*: off, one session let in, a session (S4 2.2).

Off by default (I-01); each enabling serves one session (I-02). From the enabling to the end of the session a
thread attends the entrance by which the customer lets the session in.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from enum import StrEnum
from functools import partial
from typing import Protocol

from lab.errors import ProtocolError, UsageError
from lab.linux.worker import Broke, start_worker
from lab.record.event import Tell
from lab.service.events import InboundDisabled, InboundEnabled
from lab.topology.model import RemoteService
from lab.topology.service import Inbound
from lab.wait import wait_until
from tunnels.answering import ToldToEnd

READY_S = 300.0
"""Longer than any entrance takes to be ready, or to give up."""


class PanelState(StrEnum):
    """Of the panel."""

    off = "off"
    enabled = "enabled"
    session = "session"


class CannotLetIn(Exception):
    """An entrance cannot be opened; ``reason`` is for ``InboundDisabled``, ``words`` for people."""

    def __init__(self, reason: str, words: str) -> None:
        super().__init__(words)
        self.reason = reason
        self.words = words


class Entrance(Protocol):
    """A way in to a console, by one of ``Inbound``."""

    def prepare(self, settings: RemoteService) -> None:
        """What comes before the thread begins; what is raised here is told to whoever enables."""

    def serve(self, panel: Panel, settings: RemoteService, told: int) -> str:
        """Attend the entrance until a session has ended; why nobody is let in any more, such as ``used``.

        Tells the panel by ``note_enabled`` when a session can come in, and by ``note_session`` when one may
        have come. Raises ToldToEnd when ``told`` is readable, and CannotLetIn where it cannot be opened.
        """

    def shut(self) -> None:
        """As it is where nobody is let in, whatever became of ``serve``; by default nothing is left."""
        return

    def unused(self) -> bool:
        """Whether nobody has come in by a session that stands; by default somebody has."""
        return False


class Panel:
    """The panel of one HMC; ``stop`` ends whatever it has set in motion."""

    def __init__(self, console: str, entrances: Mapping[Inbound, Entrance], tell: Tell) -> None:
        self.state = PanelState.off
        self.settings: RemoteService | None = None
        """What was enabled last; of a session that stands, with the addresses that it has."""
        self.interfaces: tuple[str, ...] = ()
        """Of a session by VPN: the console's own interface, and one for each allowed partition."""
        self._console = console
        self._entrances = entrances
        self._tell = tell
        self._attending = contextlib.ExitStack()
        self._ready = False
        self._refused: CannotLetIn | None = None
        self._broke = Broke(f"remote service of {console}")
        self.check = self._broke.check

    def enable(self, settings: RemoteService) -> None:
        """Let one session in; returns when it can come.

        Raises UsageError if one is let in already or the console has no such entrance, ProtocolError if the
        entrance cannot be opened.
        """
        if self.state is not PanelState.off:
            raise UsageError(
                f"remote service of {self._console} is enabled already", hint="lab-inbound disable"
            )
        entrance = self._entrances.get(settings.by)
        if entrance is None:
            raise UsageError(f"{self._console} cannot let anybody in by {settings.by} here")
        self._attending.close()
        self.settings, self._ready, self._refused = settings, False, None
        entrance.prepare(settings)
        attend = partial(self._attend, entrance, settings)
        self._attending.enter_context(start_worker(attend, "remote service"))
        wait_until(
            f"a session can come in to {self._console}",
            lambda: self._ready or self._refused or self._broke.error,
            READY_S,
        )
        self.check()
        if self._refused is not None:
            raise ProtocolError(self._refused.words)

    def disable(self) -> None:
        """Let nobody in any more; a session that stands ends. Does nothing if it is off."""
        self._attending.close()
        self.check()

    def disable_unused(self) -> None:
        """The same, if nobody has come in: the time is up."""
        settings, state = self.settings, self.state
        if settings is None or state is PanelState.off:
            return
        if state is PanelState.enabled or self._entrances[settings.by].unused():
            self._attending.close()

    stop = disable

    # What an entrance says.

    def note_enabled(self, *, ready: bool = True) -> None:
        """A session is let in; it can come now, unless the entrance is not ``ready`` yet."""
        settings = self.settings
        assert settings is not None, "enable has set it"
        if self.state is PanelState.off:
            names = tuple(partition.name for partition in settings.allowed)
            self._tell(
                InboundEnabled(
                    source=self._console,
                    by=settings.by,
                    console_allowed=settings.console_allowed,
                    partitions=names,
                )
            )
        self.state = PanelState.enabled
        self._ready = self._ready or ready

    def note_session(self, interfaces: tuple[str, ...] = ()) -> None:
        """Somebody has come to the entrance; by which of the console's interfaces, if there are several."""
        self.state, self.interfaces = PanelState.session, interfaces
        self._ready = True

    # The thread of one enabling.

    def _attend(self, entrance: Entrance, settings: RemoteService, told: int) -> None:
        """From the enabling to the end of the session."""
        reason = "disabled"
        try:
            reason = entrance.serve(self, settings, told)
        except ToldToEnd:
            pass
        except CannotLetIn as refused:
            reason, self._refused = refused.reason, refused
        # It belongs to who asks in ``check``.
        except BaseException as error:  # noqa: BLE001
            reason, self._broke.error = "broke", error
        finally:
            with self._broke:
                entrance.shut()
            was, self.state = self.state, PanelState.off
            if was is not PanelState.off or self._refused is not None:
                self._tell(InboundDisabled(source=self._console, reason=reason))
