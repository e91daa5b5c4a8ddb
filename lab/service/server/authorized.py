"""A representative who logs in to the service server first, and whom an officer authorizes (I-04, I-19)."""

from __future__ import annotations

from lab.errors import LabBroke
from lab.linux.nodes import Node
from lab.service.representative import Representative
from lab.service.server.accounts import REPRESENTATIVE
from lab.service.server.client import TOKEN, Client
from lab.service.server.office import Office
from lab.topology.model import RemoteService
from lab.wait import let_pass

MINUTES = 24 * 60
"""Longer than any life of remote service."""
SHORT_MINUTES = 1


class Authorized:
    """Around a ``Representative``: each call and hang-up is asked for by ``ssh`` from a PC, by a token.

    What authenticates the session is typed at the tool, and goes to the way in as it is.
    """

    def __init__(self, way_in: Representative, office: Office, client: Client) -> None:
        self.client = client
        self.said = ""
        self.way_in = way_in
        """The one that is used by this."""
        self._office = office
        self._token = ""
        self.spent = ""
        """The token of the last session."""

    @property
    def place(self) -> Node:
        return self.way_in.place

    def knock(self) -> bool:
        """Log in, and get to the console's entrance by a token; an officer gives one where there is none."""
        token = self._token or self.get_token()
        ended = self.client.log_in(REPRESENTATIVE.name, ["call", TOKEN, token])
        self.said = "" if ended.status == 0 else self.client.words(ended)
        return ended.status == 0

    def authenticate(self, service: RemoteService) -> bool:
        """Be let in; the token is used up by that."""
        if not self.way_in.authenticate(service):
            return False
        self._office.note_begun()
        self.spent, self._token = self._token, ""
        return True

    def leave(self) -> None:
        self._office.look()
        if self._office.visited:
            self.client.log_in(REPRESENTATIVE.name, ["hang-up"])
        self._office.leave()

    def stop(self) -> None:
        self._office.leave()

    # Authorizations.

    def get_token(self, minutes: float = MINUTES) -> str:
        """Have an officer authorize the representative; the token is the one of the next calls."""
        words = ["authorize", "--user", REPRESENTATIVE.name, "--minutes", f"{minutes:g}"]
        ended = self.client.at_the_console(words)
        if ended.status:
            raise LabBroke(f"no authorization is given: {ended.stderr.strip()}")
        self._token = ended.stdout.strip()
        return self._token

    def let_token_expire(self) -> str:
        """Have no other authorization than one that has expired; its token."""
        token = self.get_token(SHORT_MINUTES)
        let_pass(60.0 * SHORT_MINUTES)
        return token
