"""Who may log in: asked of PAM (``pam(3)``), service ``login``, at every log-in (E-03)."""

from __future__ import annotations

from typing import Protocol

from lab.errors import PrerequisiteError

SERVICE = "login"
"""S0, "ESA Web User Interface Authentication": the service definition of log-ins."""


class Accounts(Protocol):
    """Whoever knows users and passwords."""

    def refusal(self, user: str, password: str) -> str:
        """Why they are not let in; empty if they are. May take seconds; any thread may ask."""


class PamAccounts:
    """This system's accounts, as PAM knows them."""

    def __init__(self, service: str = SERVICE) -> None:
        """Raises PrerequisiteError where there is no PAM."""
        try:
            from pam import PamAuthenticator

            PamAuthenticator()
        except (ImportError, AttributeError, OSError) as error:  # also a libpam without a symbol
            raise PrerequisiteError(
                f"the web user interface cannot ask PAM who may log in: {error}",
                hint="install libpam0g and the Python package python-pam, or leave [web] out of the settings",
            ) from error
        self._authenticator = PamAuthenticator
        self._service = service

    def refusal(self, user: str, password: str) -> str:
        # A handle of PAM is for one thread. Credentials are not taken on: this process stays what it is.
        asked = self._authenticator()
        try:
            if asked.authenticate(user, password, self._service, resetcreds=False):
                return ""
        except ValueError as error:  # a NUL, or what no encoding has
            return str(error)
        return str(asked.reason or f"PAM says {asked.code}")
