"""Why an operation of the receiver is not done: a status and a problem, which becomes the answer."""

from __future__ import annotations


class NotDone(Exception):
    """Ends an operation; what it has changed in the store so far stays.

    Not a LabError: a peer's mistake never leaves the conversation.
    """

    def __init__(
        self, status: int, problem: str, *, fields: tuple[tuple[str, str], ...] = ()
    ) -> None:
        """``fields``: further fields of the answer's head."""
        super().__init__(problem)
        self.status = status
        self.problem = problem
        self.fields = fields
        self.members: dict[str, object] = {}
        """Further members of the answer's JSON."""
