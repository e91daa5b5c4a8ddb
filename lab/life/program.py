"""The agent's program on its host, as a service: started, killed, started again, ended, and seen to end."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from lab.inside.running import RunningLab
from lab.life.chronicle import MOST_ENDS
from lab.life.events import AgentEnded, AgentStarted
from lab.linux import process
from lab.linux.process import Popen, how_ended

LOG = "agent.log"
INVOKED = "LAB_INVOKED"
END_S = 60.0
"""On the lab's clock, for an agent that is told to end."""
AGAIN_S = 60.0
"""After an end that nobody wanted, until the agent is started again."""


class AgentProgram:
    """Made once; started as often as needed."""

    def __init__(
        self, lab: RunningLab, node: str, argv: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        self._lab = lab
        self._node = node
        self._argv = argv
        self._environment = dict(environment)
        self._called: list[Popen[bytes]] = []
        self._popen: Popen[bytes] | None = None
        self._pidfd = -1
        self._wanted = False
        self._ends = 0
        self.due: float | None = None
        """On the lab's clock: when it is to be started; None while it runs, or never again."""

    @property
    def fd(self) -> int:
        """Can be read once the program has ended; -1 while none runs."""
        return self._pidfd

    def start(self) -> None:
        """Start it; the log is ``logs/<node>/agent.log``. Raises LabError if there is no such program."""
        self.due = None
        with self._log() as output:
            node = self._lab.node(self._node)
            popen = node.start(self._argv, self._environment, stdout=output, stderr=output)
        self._popen, self._wanted = popen, False
        self._pidfd = os.pidfd_open(popen.pid)
        self._lab.story.tell(AgentStarted(source=self._node, pid=popen.pid))

    def call(self, argv: Sequence[str], reason: str) -> None:
        """Start it once more beside whatever runs, for one thing: ``LAB_INVOKED`` says for what."""
        self._called = [each for each in self._called if each.poll() is None]
        environment = {**self._environment, INVOKED: reason}
        with self._log() as output:
            node = self._lab.node(self._node)
            self._called.append(node.start(argv, environment, stdout=output, stderr=output))

    def kill(self, again_s: float) -> None:
        """SIGKILL, for it and what it has started; it is started again after a while."""
        self._wanted = True
        self._signal(signal.SIGKILL)
        self._reap()
        self.due = time.time() + again_s

    def note_end(self) -> None:
        """It has ended by itself: start it again after a while, as a service manager does."""
        self._signal(signal.SIGKILL)
        self._reap()
        self._ends += 1
        if self._ends < MOST_ENDS:
            self.due = time.time() + AGAIN_S

    def stop(self) -> None:
        """Tell it to end, and see to that."""
        self.due = None
        for called in self._called:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(called.pid, signal.SIGKILL)
            called.wait()
        if self._popen is None:
            return
        self._wanted = True
        self._popen.terminate()
        with contextlib.suppress(process.TimeoutExpired):
            self._popen.wait(END_S)
        self._signal(signal.SIGKILL)
        self._reap()

    def _log(self) -> IO[bytes]:
        log = self._lab.run_dir / "logs" / self._node / LOG
        log.parent.mkdir(parents=True, exist_ok=True)
        return log.open("ab")

    def tail(self) -> str:
        """The last lines of the log."""
        log: Path = self._lab.run_dir / "logs" / self._node / LOG
        return "\n".join(log.read_text(errors="replace").splitlines()[-10:])

    def _signal(self, number: signal.Signals) -> None:
        if self._popen is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._popen.pid, number)

    def _reap(self) -> None:
        if self._popen is None:
            return
        how = how_ended(self._popen.wait())
        os.close(self._pidfd)
        self._popen, self._pidfd = None, -1
        self._lab.story.tell(AgentEnded(source=self._node, how=how, wanted=self._wanted))
