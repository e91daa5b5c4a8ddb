"""The section of requests: what reached IBM's servers, and what did not, each as a curl command."""

from __future__ import annotations

import shlex

from lab.markup import Markup, fill, join
from lab.names import count, place
from lab.record.call_event import CallHomeTried
from lab.record.record import Transaction
from lab.report.material import Material
from lab.report.parts import copied, fold, seconds, section, size

MOST = 60
"""Requests that are shown; the ledger has all of them."""
_HTTP, _HTTPS = 80, 443


def make(material: Material) -> Markup:
    """Empty where nothing came to a server and nothing was tried."""
    case = material.case
    if case is None:
        return Markup("")
    asked = [entry for entry in case.ledger if entry.method]
    broken = [entry for entry in case.ledger if not entry.method]
    unanswered = [
        attempt
        for call in case.record.calls
        for attempt in call.attempts
        if attempt.cause is not None
    ]
    if not asked and not broken and not unanswered:
        return Markup("")
    parts = [_served(material, entry, n) for n, entry in enumerate(asked[:MOST], 1)]
    if len(asked) > MOST:
        told = f"{count(len(asked) - MOST, 'request')} more are in logs/NODE/ledger.jsonl of the servers"
        parts.append(fill('<p class="left-out">{told}.</p>', told=told))
    if broken:
        items = join(_broken(material, entry) for entry in broken[:MOST])
        told = f"{count(len(broken), 'connection')} without a request"
        parts.append(fold(told, fill("<ul>{items}</ul>", items=items), prints=True))
    if unanswered:
        items = join(_unanswered(material, each) for each in unanswered[:MOST])
        parts.insert(
            0,
            fill("<h3>✕ Without an acknowledgement</h3><ul>{items}</ul>", items=items),
        )
    introduction = (
        "What IBM's servers were asked, from their ledger. Each request is a command for a node of this lab "
        "while it is up (lab up, lab exec), where $LAB_CA_FILE is the lab's own authority; bodies and "
        "credentials are not kept."
    )
    return section("requests", "Requests", fill("<p>{i}</p>{p}", i=introduction, p=join(parts)))


def curl(entry: Transaction) -> str:
    """The command that makes a request again, as a shell takes it."""
    name = entry.server or entry.sni or entry.server_ip
    plain = entry.server_port == _HTTP
    port = entry.server_port
    url = f"{'http' if plain else 'https'}://{name}"
    url += "" if port in (_HTTP, _HTTPS) else f":{port}"
    target = entry.target if entry.target.startswith("/") else f"/{entry.target}"
    words = ["curl", "--silent", "--show-error", "--include"]
    if not plain:
        words += ["--cacert", "$LAB_CA_FILE"]
    address = f"[{entry.server_ip}]" if ":" in entry.server_ip else entry.server_ip
    words += ["--resolve", f"{name}:{port}:{address}", "--request", entry.method]
    if entry.authenticated_as:
        words += ["--user", f"{entry.authenticated_as}:PASSWORD"]
    if entry.key:
        words += ["--header", f"Idempotency-Key: {entry.key}"]
    if entry.body_bytes:
        words += ["--data-binary", "@body"]
    quoted = ['"$LAB_CA_FILE"' if word == "$LAB_CA_FILE" else shlex.quote(word) for word in words]
    return " ".join([*quoted, shlex.quote(url + target)])


def _served(material: Material, entry: Transaction, number: int) -> Markup:
    bad = entry.status >= 400 or entry.status == 0
    mark = fill(
        '<span class="mark {kind}">{sign} {status}</span>',
        kind="fail" if bad else "pass",
        sign="✕" if bad else "✓",
        status=str(entry.status),
    )
    facts = [f"{entry.kind} of {entry.system}" if entry.system else entry.kind]
    facts.append(f"from {place(entry.peer_ip, entry.peer_port)}")
    if entry.tls_version:
        facts.append(f"{entry.tls_version}, {entry.cipher}")
    if entry.body_bytes:
        digest = f", SHA-256 {entry.body_sha256}" if entry.body_sha256 else ""
        facts.append(f"a body of {size(entry.body_bytes)}{digest}, which is not kept")
    if entry.rows:
        facts.append(f"listed in {', '.join(entry.rows)}")
    if entry.detail:
        facts.append(entry.detail)
    shown = f"{entry.method} {entry.target}"
    return fill(
        "<h3>{mark} {shown}</h3><p>{when}, at {server}: {facts}.</p>{command}",
        mark=mark,
        shown=shown,
        when=seconds(entry.time - material.start),
        server=entry.server or place(entry.server_ip, entry.server_port),
        facts="; ".join(facts),
        command=copied(f"request-{number}", f"curl command of request {number}", curl(entry)),
    )


def _broken(material: Material, entry: Transaction) -> Markup:
    where = entry.server or entry.server_ip
    told = (
        f"{seconds(entry.time - material.start)}: {entry.kind} at {place(where, entry.server_port)}"
    )
    told += f", from {place(entry.peer_ip, entry.peer_port)}"
    return fill("<li>{told}{why}</li>", told=told, why=f": {entry.detail}" if entry.detail else "")


def _unanswered(material: Material, attempt: CallHomeTried) -> Markup:
    when = seconds(attempt.time - material.start)
    return fill(
        "<li>{when}, {who}: {told}</li>", when=when, who=attempt.source, told=attempt.outcome
    )
