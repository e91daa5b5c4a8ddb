"""One of IBM's people, who asks the service server for something, logged in by ``ssh`` from a PC or not."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from lab.linux import process
from lab.linux.nodes import Node
from lab.linux.process import PIPE, Ended
from lab.record.event import Tell
from lab.service.server import tool
from lab.service.server.events import ToolTried

PATH = f"/run/lab/{tool.PROGRAM}"
"""Of the program in the server's node."""
DEADLINE_S = 600.0
"""Lab time: a call may ring for minutes."""
TOKEN = "--token"
TELLS_SECRETS = frozenset({"authorize", "call", "invite"})
"""Verbs whose words are for nobody else."""


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks which server from where."""

    pc: Node
    """A node that ``accounts.equip`` has equipped."""
    server: Node
    tell: Tell

    def log_in(self, user: str, words: Sequence[str]) -> Ended:
        """``ssh USER@SERVER WORDS``, on the PC."""
        argv = ["ssh", f"{user}@{self.server.name}", *words]
        return self._run(self.pc, argv, user, words)

    def at_the_console(self, words: Sequence[str]) -> Ended:
        """``lab-service WORDS`` at the server's own console, without a log-in: there an officer works."""
        return self._run(self.server, [PATH, *words], "officer", words)

    def _run(self, node: Node, argv: Sequence[str], user: str, words: Sequence[str]) -> Ended:
        started = time.time()
        popen = node.start(argv, stdin=PIPE, stdout=PIPE, stderr=PIPE)
        ended = process.await_end(popen, DEADLINE_S)
        asked = " ".join(without_token(words))
        self.tell(
            ToolTried(
                source=node.name,
                started=started,
                user=user,
                server=self.server.name,
                words=asked,
                status=ended.status,
                # What authorize says is the token, and what call says by Internet is the code.
                answer=""
                if {*words[:1]} & TELLS_SECRETS and not ended.status
                else self.words(ended),
            )
        )
        return ended

    @staticmethod
    def words(ended: Ended) -> str:
        """The first line of what was said."""
        said = (ended.stdout if ended.status == 0 else ended.stderr).strip()
        return said.partition("\n")[0].strip().removeprefix(f"{tool.PROGRAM}: ")


def without_token(words: Sequence[str]) -> list[str]:
    """The words of a command, with ``--token ...`` in the place of a token."""
    shown = list(words)
    for place, word in enumerate(shown[:-1]):
        if word == TOKEN:
            shown[place + 1] = "..."
    return shown
