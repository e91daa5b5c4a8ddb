"""The customer's administrator: has an account that PAM knows on the agent's host, and looks at the pages.

PAM's service ``login`` in the agent's node asks a small program, which lets one user in and notes whom PAM
was asked about (pam_exec(8)). The machine's own PAM is never touched.
"""

from __future__ import annotations

import http.client
import socket
from pathlib import Path

from lab.life.browser import PATIENCE_S, Browser
from lab.life.events import PagesSeen
from lab.life.machine import FOLDER
from lab.linux.nodes import Node

USER, PASSWORD, GUESS = "administrator", "opensesame-5024", "guessed"
DEFAULT_PORT = 5024
SERVICE = "/etc/pam.d/login"
ASKED = f"{FOLDER}/pam-asked"
_PROGRAM = f"{FOLDER}/pam"
_RULES = f"""auth required pam_exec.so expose_authtok quiet {_PROGRAM}
account required pam_permit.so
session required pam_permit.so
password required pam_deny.so
"""
_DECIDES = f"""#!/bin/sh
echo "$PAM_USER" >>{ASKED}
[ "$PAM_USER" = {USER} ] && [ "$(tr -d '\\000')" = {PASSWORD} ]
"""


class Administrator:
    """Made for one life, on the agent's host."""

    def __init__(self, node: Node, address: str, port: int) -> None:
        self._node = node
        self._address = address
        self._port = port
        node.write(_PROGRAM, _DECIDES, 0o755)
        node.write(SERVICE, _RULES, 0o644)

    def look(self) -> PagesSeen:
        """Look at the pages once: in clear, by TLS, with a wrong password and with the right one."""
        try:
            self._connect().close()
        except OSError as error:
            return self._seen(
                detail=f"nobody listens at port {self._port}: {error.strerror or error}"
            )
        try:
            clear = Browser(self._connect, self._address).in_clear()
        except OSError:
            clear = 0
        try:
            return self._log_in(clear)
        except (OSError, http.client.HTTPException) as error:
            return self._seen(reached=True, clear=clear, detail=f"no page by TLS: {error}")

    def _log_in(self, clear: int) -> PagesSeen:
        stranger = Browser(self._connect, self._address)
        first = stranger.page()
        asks = first.form is not None or first.asks_basic
        if not asks:
            why = f"status {first.status}, and no form for a log-in"
            return self._seen(
                reached=True, clear=clear, tls=stranger.tls, open_to_all=first.is_inside, detail=why
            )
        before = self._asked()
        guessed = stranger.log_in(first, USER, GUESS)
        between = self._asked()
        own = Browser(self._connect, self._address)
        inside = own.log_in(own.page(), USER, PASSWORD)
        return self._seen(
            reached=True,
            clear=clear,
            tls=own.tls,
            asks=True,
            guessed=guessed.is_inside,
            let_in=inside.is_inside,
            asked_at_guess=between - before,
            asked_at_log_in=self._asked() - between,
        )

    def _seen(
        self,
        *,
        reached: bool = False,
        clear: int = 0,
        tls: str = "",
        asks: bool = False,
        open_to_all: bool = False,
        guessed: bool = False,
        let_in: bool = False,
        asked_at_guess: int = 0,
        asked_at_log_in: int = 0,
        detail: str = "",
    ) -> PagesSeen:
        return PagesSeen(
            source=self._node.name,
            port=self._port,
            reached=reached,
            default_open=self._port != DEFAULT_PORT and self._is_open(DEFAULT_PORT),
            clear_status=clear,
            tls=tls,
            asks=asks,
            open_to_all=open_to_all,
            guessed=guessed,
            let_in=let_in,
            asked_at_guess=asked_at_guess,
            asked_at_log_in=asked_at_log_in,
            detail=detail,
        )

    def _connect(self, port: int = 0) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        wire = self._node.socket(family, socket.SOCK_STREAM)
        try:
            wire.settimeout(PATIENCE_S)
            wire.connect((self._address, port or self._port))
        except OSError:
            wire.close()
            raise
        return wire

    def _is_open(self, port: int) -> bool:
        try:
            self._connect(port).close()
        except OSError:
            return False
        return True

    def _asked(self) -> int:
        """How often PAM has asked the program so far."""

        def read() -> int:
            try:
                return len(Path(ASKED).read_text().splitlines())
            except FileNotFoundError:
                return 0

        return self._node.call(read)
