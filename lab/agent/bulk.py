"""Bulk data of a problem, which goes on where a broken transfer ended: IBM's side knows how far it came.

The content type and the field are those of resumable uploads for HTTP (draft-ietf-httpbis-resumable-upload).
"""

from __future__ import annotations

import hashlib
import json

from lab.agent.session import ReceiverSession, ServiceReply
from lab.agent.spool import Queued

PART_BYTES = 64 * 1024
"""What one request carries: what a modem takes in a quarter of a minute."""
_PARTIAL = "application/offset+octet-stream"
_STARTS = 2
"""How often a transfer begins in one session: a SHA-256 that is wrong has it begin again."""


def upload(session: ReceiverSession, entry: Queued) -> ServiceReply:
    """Send what IBM's side has not got yet; its last answer. Raises Unanswered.

    The answer is a success only if the data is there to its last byte, and has its SHA-256.
    """
    path = f"/service/problems/{entry.about}/data/{entry.name}"
    content = entry.content
    whole = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    reply = session.ask("PUT", path, json.dumps(whole).encode())
    starts = 1
    while reply.done and not session.over and not reply.members.get("complete"):
        offset = reply.members.get("offset")
        if not isinstance(offset, int) or not 0 <= offset <= len(content):
            return _senseless(reply)
        part = content[offset : offset + PART_BYTES]
        reply = session.ask(
            "PATCH", path, part, content_type=_PARTIAL, fields={"Upload-Offset": str(offset)}
        )
        if (
            reply.status == 409 and not session.over
        ):  # Somebody has sent more, or less, than we knew.
            reply, before = session.ask("GET", path), offset
            if reply.members.get("offset") == before:
                return _senseless(reply)
        elif reply.status == 422 and not session.over and starts < _STARTS:
            starts += 1
            reply = session.ask("GET", path)
    if reply.done and not reply.members.get("complete"):
        return _unfinished(reply)
    return reply


def _senseless(reply: ServiceReply) -> ServiceReply:
    return ServiceReply(502, "the server's offset makes no sense", reply.fields, b"")


def _unfinished(reply: ServiceReply) -> ServiceReply:
    """The server ended the session: the rest goes over the next one."""
    return ServiceReply(503, "the server ended the transfer", reply.fields, b"")
