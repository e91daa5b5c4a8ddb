"""Enrolment, authentication, and the change of passwords (E-06 to E-10), on the store.

A machine has one password in use, and perhaps a next one that is offered with each answer. Both hold until
the next one is used: that is how the receiver knows that it arrived. From then on the former one is wrong.

    enrolled --150 d, or "change it now"--> offered --the next one is used--> enrolled, with the age 0
       |                                      |
       +---------------- 183 d ---------------+--> nothing is served but the offer, by 403
"""

from __future__ import annotations

import base64
import json
import os
import sqlite3
from dataclasses import dataclass
from typing import Any

from lab.ibm.receiver.identity import NOBODY, MachineName, SaltedHash, password
from lab.ibm.receiver.refused import NotDone
from lab.ibm.receiver.store import MOST_SYSTEMS, Store
from lab.secret import Secret

DAY_S = 86400.0
CHANGED_AFTER_S = 150 * DAY_S
"""From this age of a password on, the next one is offered."""
OLDEST_S = 183 * DAY_S
"""Six months: a password of this age serves for nothing but its own change (E-09)."""
CHALLENGE = ("WWW-Authenticate", 'Basic realm="callhome-lab receiver", charset="UTF-8"')
_ORDER_BYTES = 8


@dataclass(slots=True)
class Peer:
    """Who is on a connection, by the password in the first request of it (E-08)."""

    encrypted: bool
    id: str = ""
    """Empty until somebody has authenticated."""
    number: int = 0
    """Which of the machine's passwords it was."""
    system: str = ""
    """The machine, as ``MachineName`` writes it."""
    about: str = ""
    """The machine that a request is about, where nobody authenticates."""


def enrol(
    store: Store, report: str, digest: str, content: Any, now: float
) -> tuple[bool, dict[str, str]]:
    """Whether the machine was enrolled just now, and the answer: ID, password, transaction (E-06)."""
    machine = MachineName(**content["machine"])
    row = store.one("SELECT * FROM systems WHERE id = ?", machine.id)
    if row is not None and not row["reset"]:
        if row["report"] == report and row["digest"] == digest and not row["used"]:
            return False, _enrolled(store, row)
        same = row["report"] == report and row["digest"] != digest
        raise NotDone(
            409,
            f"the report {report} of {machine} had other content"
            if same
            else f"{machine} is enrolled: if its password is lost, ask for a reset (POST /service/resets),"
            " and enrol again once it is carried out",
        )
    if row is None and store.one("SELECT count(*) FROM systems")[0] >= MOST_SYSTEMS:  # type: ignore[index]
        raise NotDone(507, f"{MOST_SYSTEMS} machines are enrolled, and there is room for no more")
    number = (
        row["number"] + 2 if row is not None else 1
    )  # one may have been offered before the reset
    hashed = SaltedHash.of(password(store.key, machine.id, number))
    values = {
        "agent": content["agent"],
        "ibm_ids": json.dumps(content["ibm_ids"]),
        "contact": json.dumps(content["contact"]) if "contact" in content else "",
        "enrolled": now,
        "report": report,
        "digest": digest,
        "transaction_n": store.number(),
        "number": number,
        "salt": hashed.salt,
        "hash": hashed.digest,
        "since": now,
        "used": 0,
        "reset": 0,
        "reset_asked": None,
    }
    if row is None:
        order = os.urandom(_ORDER_BYTES).hex()
        named = {
            "id": machine.id,
            "type": machine.type,
            "model": machine.model,
            "serial": machine.serial,
        }
        store.insert("systems", **named, fix_order=order, **values)
    else:
        marks = ", ".join(f"{name} = ?" for name in values)
        store.write(f"UPDATE systems SET {marks} WHERE id = ?", *values.values(), machine.id)
    fresh = store.one("SELECT * FROM systems WHERE id = ?", machine.id)
    assert fresh is not None, "it has just been written"
    return True, _enrolled(store, fresh)


def ask_reset(store: Store, content: Any, now: float) -> dict[str, str]:
    """Note that a reset is asked for; asked again, it is asked for once (E-10)."""
    machine = MachineName(**content["machine"])
    changed = store.write(
        "UPDATE systems SET reset_asked = coalesce(reset_asked, ?) WHERE id = ?", now, machine.id
    )
    if not changed:
        raise NotDone(
            404, f"{machine} is not enrolled: it has no password to be reset, and can enrol"
        )
    return {"id": machine.id, "state": "asked"}


def reset(store: Store, identity: str) -> None:
    """Carry a reset out: no password of the machine holds any more, and it may enrol again (E-10)."""
    held = "UPDATE systems SET reset = 1, reset_asked = NULL WHERE id = ?"
    if not store.write(held, identity):
        raise NotDone(404, f"no machine with the ID {identity} is enrolled")
    _withdraw_offer(store, identity)


def change_now(store: Store, identity: str) -> None:
    """Offer the next password from now on, however old the one in use is."""
    if not store.write("UPDATE systems SET wanted = 1 WHERE id = ?", identity):
        raise NotDone(404, f"no machine with the ID {identity} is enrolled")


def authenticate(store: Store, peer: Peer, authorization: str, now: float) -> sqlite3.Row:
    """The machine that a request is from; NotDone with 401 or 403. The connection remembers the machine.

    A next password that is used for the first time becomes the one in use.
    """
    if not authorization and peer.id:
        row = store.one("SELECT * FROM systems WHERE id = ?", peer.id)
        if row is None or row["reset"] or peer.number not in _numbers(row):
            raise _unauthenticated("the password by which this connection began holds no more")
        return row

    identity, given = _read(authorization)
    if peer.id and identity != peer.id:
        raise NotDone(403, "a connection is for one ID, and this one began with another")
    row = store.one("SELECT * FROM systems WHERE id = ? AND NOT reset", identity)
    in_use = SaltedHash(row["salt"], row["hash"]) if row is not None else NOBODY
    offered = (
        SaltedHash(row["offered_salt"], row["offered_hash"])
        if row is not None and row["offered_hash"] is not None
        else NOBODY
    )
    old, new = in_use.fits(given), offered.fits(given)
    if row is None or not (old or new):
        raise _unauthenticated("the ID or the password is wrong")
    if new:
        store.write(
            "UPDATE systems SET number = number + 1, salt = offered_salt, hash = offered_hash, since = ?,"
            " used = 1, wanted = 0 WHERE id = ?",
            now,
            identity,
        )
        _withdraw_offer(store, identity)
    elif not row["used"]:
        store.write("UPDATE systems SET used = 1 WHERE id = ?", identity)
    row = store.one("SELECT * FROM systems WHERE id = ?", identity)
    assert row is not None, "it was there"
    peer.id, peer.number, peer.system = identity, row["number"], str(_machine(row))
    return row


def offer(store: Store, peer: Peer, now: float) -> tuple[Secret | None, bool]:
    """The next password, if it is time for one, and whether the one in use is too old for anything else."""
    row = store.one("SELECT * FROM systems WHERE id = ?", peer.id)
    assert row is not None, "it has authenticated"
    age_s = now - row["since"]
    if age_s < CHANGED_AFTER_S and not row["wanted"] and row["offered_hash"] is None:
        return None, False
    next_one = password(store.key, peer.id, row["number"] + 1)
    if row["offered_hash"] is None:
        hashed = SaltedHash.of(next_one)
        store.write(
            "UPDATE systems SET offered_salt = ?, offered_hash = ?, offered = ? WHERE id = ?",
            hashed.salt,
            hashed.digest,
            now,
            peer.id,
        )
    return next_one, age_s >= OLDEST_S


def _withdraw_offer(store: Store, identity: str) -> None:
    store.write(
        "UPDATE systems SET offered_salt = NULL, offered_hash = NULL, offered = NULL WHERE id = ?",
        identity,
    )


def _numbers(row: sqlite3.Row) -> tuple[int, ...]:
    """Of the passwords that hold."""
    return (row["number"],) if row["offered_hash"] is None else (row["number"], row["number"] + 1)


def _machine(row: sqlite3.Row) -> MachineName:
    return MachineName(row["type"], row["model"], row["serial"])


def _enrolled(store: Store, row: sqlite3.Row) -> dict[str, str]:
    return {
        "id": row["id"],
        "password": password(store.key, row["id"], row["number"]).reveal(),
        "transaction": transaction_of(row["transaction_n"]),
    }


def transaction_of(number: int) -> str:
    """How the receiver writes the number of a transaction."""
    return f"SDR{number:07d}"


def _read(authorization: str) -> tuple[str, Secret]:
    """ID and password of a field (RFC 7617)."""
    scheme, _, token = authorization.strip().partition(" ")
    if not authorization:
        raise _unauthenticated("an ID and a password are missing (HTTP Basic, RFC 7617)")
    if scheme.lower() != "basic":
        raise _unauthenticated("authentication is by HTTP Basic (RFC 7617)")
    try:
        text = base64.b64decode(token.strip(), validate=True).decode()
    except ValueError:
        raise _unauthenticated("what follows Basic is not the Base64 of ID:PASSWORD") from None
    identity, _, given = text.partition(":")
    return identity, Secret(given)


def _unauthenticated(problem: str) -> NotDone:
    fix = (
        "a machine that never enrolled does so by PUT /service/enrolments/REPORT, and one whose password is"
        " lost asks for a reset by POST /service/resets"
    )
    return NotDone(401, f"{problem}; fix: {fix}", fields=(CHALLENGE,))
