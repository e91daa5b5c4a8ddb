"""What the receiver's operations do, one function each, by the names in the document (``operationId``).

Each is called inside a transaction, with a request that fits the document and whose sender is known.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.ibm import errands
from lab.ibm.receiver import configuration, credentials, document, reports, uploads
from lab.ibm.receiver.credentials import DAY_S, Peer
from lab.ibm.receiver.identity import MachineName, access_key
from lab.ibm.receiver.refused import NotDone
from lab.ibm.receiver.store import Store

KEY_LIVES_S = 180 * DAY_S
"""An access key (E-19); the papers name no time: lab's choice."""
KEY_RENEWED_S = 30 * DAY_S
"""Before the end of a key: whoever asks then gets the next one."""

Given = tuple[int, Any]
"""A status, and what the JSON says or the bytes of another content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCall:
    """A request that fits the document."""

    path: Mapping[str, str]
    """The parameters of the path."""
    fields: Mapping[str, str]
    content: Any
    """Of JSON the value, else bytes."""
    text: str
    """JSON in one form, whatever blanks it came with."""
    peer: Peer
    now: float

    @property
    def digest(self) -> str:
        """By which the same content is known again."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def upload(self) -> tuple[str, str, str]:
        """Machine, report and name of an upload."""
        return self.peer.id, self.path["report"], self.path["name"]


class Operations:
    """Over one store."""

    def __init__(self, store: Store, signing_key: Path, configured: configuration.Servers) -> None:
        self._store = store
        self._signing_key = signing_key
        self._configured = configured
        self.key_lives_s = KEY_LIVES_S
        """Of access keys that are given from now on."""
        self._do: dict[str, Callable[[ServiceCall], Given]] = {
            "enrolment": self._enrol,
            "reset": self._ask_reset,
            "password": self._acknowledge_password,
            "heartbeat": self._report("heartbeat"),
            "inventory": self._report("inventory"),
            "performance": self._report("performance"),
            "problem": self._report(reports.PROBLEM),
            "problem_state": self._problem_state,
            "upload_declaration": self._declare_upload,
            "upload_state": lambda call: (200, uploads.state(self._store, *call.upload)),
            "upload": self._upload,
            "configuration": self._configuration,
            "fixes": self._fixes,
            "fix": self._fix,
            "updates": self._updates,
            "update": self._update,
            "access_key": self._access_key,
            "openapi": lambda call: (200, document.text()),
        }

    def do(self, operation: str, call: ServiceCall) -> Given:
        """NotDone if it is not done."""
        return self._do[operation](call)

    def _enrol(self, call: ServiceCall) -> Given:
        call.peer.about = str(MachineName(**call.content["machine"]))
        fresh, said = credentials.enrol(
            self._store, call.path["report"], call.digest, call.content, call.now
        )
        return (201 if fresh else 200), said

    def _ask_reset(self, call: ServiceCall) -> Given:
        call.peer.about = str(MachineName(**call.content["machine"]))
        return 202, credentials.ask_reset(self._store, call.content, call.now)

    def _acknowledge_password(self, call: ServiceCall) -> Given:
        row = self._store.one("SELECT since FROM systems WHERE id = ?", call.peer.id)
        assert row is not None, "it has authenticated"
        return 200, {"since": row["since"]}

    def _report(self, kind: str) -> Callable[[ServiceCall], Given]:
        def put(call: ServiceCall) -> Given:
            fresh, row = reports.put(
                self._store,
                call.peer.id,
                kind,
                call.path["report"],
                call.digest,
                call.text,
                call.now,
            )
            if fresh and "contact" in call.content:
                reports.note_contact(self._store, call.peer.id, call.content["contact"])
            return (201 if fresh else 200), reports.acknowledgement(row)

        return put

    def _problem_state(self, call: ServiceCall) -> Given:
        return 200, reports.state(reports.problem(self._store, call.peer.id, call.path["report"]))

    def _declare_upload(self, call: ServiceCall) -> Given:
        fresh, said = uploads.declare(self._store, *call.upload, call.content)
        return (201 if fresh else 200), said

    def _upload(self, call: ServiceCall) -> Given:
        offset = int(call.fields["upload-offset"])
        return 200, uploads.take(self._store, *call.upload, offset, call.content, call.now)

    def _configuration(self, call: ServiceCall) -> Given:
        text = configuration.newest(self._store)
        if text is None:
            _, text = configuration.publish(
                self._store, self._signing_key, self._configured, call.now
            )
        return 200, text.encode()

    def _fixes(self, call: ServiceCall) -> Given:
        row = self._store.one("SELECT fix_order FROM systems WHERE id = ?", call.peer.id)
        assert row is not None, "it has authenticated"
        digest = hashlib.sha256(errands.fix(errands.FIX)).hexdigest()
        return 200, {"fixes": {f"{row['fix_order']}/{errands.FIX}": digest}}

    def _fix(self, call: ServiceCall) -> Given:
        order, name = call.path["order"], call.path["fix"]
        row = self._store.one("SELECT type, model, serial FROM systems WHERE fix_order = ?", order)
        if row is None:
            raise NotDone(
                403, "no enrolled machine has this order: a machine enrols before it gets a fix"
            )
        call.peer.about = str(MachineName(row["type"], row["model"], row["serial"]))
        if name != errands.FIX:
            raise NotDone(404, f"there is no fix {name}")
        return 200, errands.fix(name)

    def _updates(self, call: ServiceCall) -> Given:
        found = {n: hashlib.sha256(errands.fix(n)).hexdigest() for n in errands.UPDATES}
        return 200, {"updates": found}

    def _update(self, call: ServiceCall) -> Given:
        if (name := call.path["update"]) not in errands.UPDATES:
            raise NotDone(404, f"there is no update {name}")
        return 200, errands.fix(name)

    def _access_key(self, call: ServiceCall) -> Given:
        row = self._store.one(
            "SELECT key_number, key_expires FROM systems WHERE id = ?", call.peer.id
        )
        assert row is not None, "it has authenticated"
        number, expires = row["key_number"], row["key_expires"]
        if expires - call.now < KEY_RENEWED_S:
            number, expires = number + 1, math.floor(call.now + self.key_lives_s)
            self._store.write(
                "UPDATE systems SET key_number = ?, key_expires = ? WHERE id = ?",
                number,
                expires,
                call.peer.id,
            )
        key = access_key(self._store.key, call.peer.id, number)
        return 200, {"key": key.reveal(), "expires": expires}
