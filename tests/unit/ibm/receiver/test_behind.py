"""Operations of the receiver that servers behind the front end do (OUT-37): what goes over, who is known."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest

from lab.ibm import authority, back_end
from lab.ibm.answers import HttpRequest
from lab.ibm.back_ends import BackEnds
from lab.ibm.receiver.credentials import Peer
from lab.ibm.receiver.reception import ConnectionDesk
from lab.ibm.server import Server
from lab.linux.nodes import Node
from lab.record.record import Transaction
from lab.topology.servers import BackEnd, Speaks
from tests.ports import free_port
from tests.unit.ibm.receiver.asking import (
    HEARTBEAT,
    INVENTORY,
    JSON,
    PART,
    PROBLEM,
    Connection,
    Desk,
    enrolment,
    offered,
    said,
    server,
)
from tests.unit.ibm.sites import ADDRESSES, HostNode, Site, entries

OWN = BackEnd(
    node="systems", segment="core", address=ADDRESSES[0], serves=("enrolment", "inventory", "upload", "fix")
)  # fmt: skip


@dataclass
class FrontEnd:
    """A receiver, and a server behind it that does some of its operations."""

    desk: Desk
    back_ends: BackEnds
    server: Server

    def connection(self) -> Connection:
        made = self.desk.connection()
        made.back_ends = self.back_ends
        return made

    def enrolled(self) -> tuple[str, str]:
        told = said(self.connection().put("enrolments/e1", enrolment()))
        return told["id"], told["password"]

    def ledger(self, count: int) -> list[tuple[str, int, str]]:
        """Of the server behind: what it was asked, how it answered, and who it knew was there."""
        return [(e.kind, e.status, e.authenticated_as) for e in entries(self.server, count)]


@pytest.fixture
def front(tmp_path: Path) -> Iterator[FrontEnd]:
    site = Site(tmp_path, lambda topology: replace(topology, back_ends=(OWN,)))
    authority.issue(site.topology, site.keys_dir)
    desk, port = Desk(tmp_path), free_port()
    node = cast(Node, HostNode())
    with back_end.serving(OWN, node, tmp_path, port, lambda: desk.receiver) as standing:
        yield FrontEnd(desk, BackEnds(node, (OWN,), site.ca_file, port), standing)


def test_what_a_server_behind_does_is_handed_on(front: FrontEnd) -> None:
    """The rest the front end does itself: a heartbeat, which any server does, and problems."""
    auth = front.enrolled()
    inventory = front.connection().put("inventories/i1", INVENTORY, auth)
    again = front.connection().put("inventories/i1", INVENTORY, auth)
    heartbeat = front.connection().put("heartbeats/h1", HEARTBEAT, auth)
    problem = front.connection().put("problems/p1", PROBLEM, auth)

    found = [(a.status, a.back_end) for a in (inventory, again, heartbeat, problem)]
    assert found == [(201, "systems"), (200, "systems"), (201, ""), (201, "")]
    assert inventory.content == again.content
    assert (inventory.kind, inventory.report, inventory.authenticated_as) == (
        "service: inventory", "i1", auth[0],
    )  # fmt: skip
    assert inventory.system == "8284-22A*21ABCDE"
    assert inventory.understood
    assert front.ledger(3) == [
        ("service: enrolment", 201, ""),
        ("service: inventory", 201, auth[0]),
        ("service: inventory", 200, auth[0]),
    ]
    assert inventory.back_end_port == front.server.transactions[1].peer_port
    assert all(isinstance(e, Transaction) and e.tls_version for e in front.server.transactions)


def test_who_is_on_a_connection_is_known_on_both_sides(front: FrontEnd) -> None:
    """E-08: the first request authenticates, wherever it is done; another ID is refused, wherever that is."""
    auth = front.enrolled()
    first_behind, first_here = front.connection(), front.connection()
    assert first_behind.put("inventories/i1", INVENTORY, auth).status == 201
    assert first_behind.put("heartbeats/h1", HEARTBEAT).status == 201
    assert first_here.put("heartbeats/h2", HEARTBEAT, auth).status == 201
    assert first_here.put("inventories/i2", INVENTORY).status == 201
    assert first_here.peer == first_behind.peer

    other = first_here.put("inventories/i3", INVENTORY, ("ANOTHER", "x"))
    assert (other.status, other.back_end) == (403, "systems")
    assert "this one began with another" in other.detail

    nobody = front.connection().put("inventories/i4", INVENTORY)
    assert (nobody.status, nobody.authenticated_as) == (401, "")
    assert dict(nobody.fields or ())["WWW-Authenticate"].startswith("Basic realm=")


def test_a_password_that_is_used_behind_is_the_one_in_use(front: FrontEnd) -> None:
    """E-09: the offer comes through, and the connection lives on by the new password."""
    auth = front.enrolled()
    front.desk.receiver.change_password_now(auth[0])
    new = offered(front.connection().put("inventories/i1", INVENTORY, auth))
    assert new
    connection = front.connection()
    assert connection.put("inventories/i2", INVENTORY, (auth[0], new)).status == 201
    assert connection.peer.number == 2
    assert connection.put("heartbeats/h1", HEARTBEAT).status == 201
    assert front.connection().put("inventories/i3", INVENTORY, auth).status == 401


def test_an_upload_goes_on_behind(front: FrontEnd) -> None:
    auth, data = front.enrolled(), b"abcdef"
    front.connection().put("problems/p1", PROBLEM, auth)
    at, connection = "problems/p1/data/a.tgz", front.connection()
    declared = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    assert connection.put(at, declared, auth).status == 201

    def patch(offset: int, part: bytes) -> tuple[int, str]:
        answer = connection.ask("PATCH", at, part, content_type=PART, upload_offset=str(offset))
        assert answer.back_end == "systems"
        return answer.status, dict(answer.fields or ()).get("Upload-Offset", "")

    assert patch(0, data[:4]) == (200, "")
    assert patch(2, data[2:]) == (409, "4")
    assert patch(4, data[4:]) == (200, "")
    state = connection.ask("HEAD", at)
    assert (state.status, json.loads(state.content)["complete"]) == (200, True)


def test_what_came_of_a_part_that_broke_off_is_kept_behind(front: FrontEnd) -> None:
    auth, at = front.enrolled(), "problems/p1/data/a.tgz"
    front.connection().put("problems/p1", PROBLEM, auth)
    connection = front.connection()
    connection.put(at, {"bytes": 6, "sha256": hashlib.sha256(b"abcdef").hexdigest()}, auth)
    caller = ConnectionDesk(front.desk.receiver, server(), front.back_ends)
    log_in = base64.b64encode(":".join(auth).encode()).decode()
    fields = {"authorization": f"Basic {log_in}", "content-type": PART, "upload-offset": "0"}
    part = HttpRequest(method="PATCH", target=f"/service/{at}", body=b"abc", body_bytes=3)
    caller.cut_off(part, fields)
    assert said(connection.get(at))["offset"] == 3
    assert front.ledger(4)[2] == ("service: upload", 200, auth[0])


def test_a_fix_comes_from_behind_without_a_log_in(front: FrontEnd) -> None:
    """OUT-41; the list is of any server, and the front end's own."""
    auth = front.enrolled()
    fixes = front.connection().get("fixes", auth)
    (name,) = said(fixes)["fixes"]
    fix = front.connection().get(f"fixes/{name}")
    assert (fix.status, fix.back_end, fixes.back_end) == (200, "systems", "")
    assert hashlib.sha256(fix.content).hexdigest() == fixes.promised
    assert (fix.system, fix.authenticated_as) == ("8284-22A*21ABCDE", "")


def test_what_a_caller_says_of_itself_is_not_believed(front: FrontEnd) -> None:
    """The front end alone says who is known."""
    identity, _ = front.enrolled()
    content = json.dumps(INVENTORY).encode()
    answer = front.connection().ask(
        "PUT", "inventories/i1", content, content_type=JSON, authenticated_as=identity,
        password_number="1",
    )  # fmt: skip
    assert (answer.status, answer.authenticated_as) == (401, "")


def test_nothing_is_handed_on_that_the_front_end_refuses(front: FrontEnd) -> None:
    auth = front.enrolled()
    in_clear = front.desk.connection(encrypted=False)
    in_clear.back_ends = front.back_ends
    assert in_clear.put("inventories/i1", INVENTORY, auth).status == 403
    assert front.connection().get("inventories/i1").status == 405
    assert front.ledger(1) == [("service: enrolment", 201, "")]


def test_a_server_behind_does_what_it_is_there_for_alone(front: FrontEnd) -> None:
    inner = ConnectionDesk(front.desk.receiver, server("systems", *OWN.serves, speaks=Speaks.inner))
    request = HttpRequest(method="PUT", target="/service/problems/p1", body=b"{}", body_bytes=2)
    answer = inner.answer(request, {"content-type": JSON})
    assert (answer.status, answer.detail) == (
        421, "systems does not do problem, but enrolment, inventory, upload, fix",
    )  # fmt: skip


def test_a_server_behind_that_is_down_is_told_of(front: FrontEnd) -> None:
    auth = front.enrolled()
    down = front.connection()
    down.back_ends = BackEnds(
        cast(Node, HostNode()), (OWN,), f"{front.desk.folder}/keys/ca.pem", free_port()
    )
    answer = down.put("inventories/i1", INVENTORY, auth)
    assert (answer.status, answer.back_end, answer.back_end_port) == (503, "systems", 0)
    assert (answer.kind, answer.report) == ("service: inventory", "i1")
    assert answer.detail == "systems, which does inventory, does not answer: connection refused"
    assert not answer.served
    assert down.peer == Peer(encrypted=True), "nobody has authenticated"
    assert front.connection().put("inventories/i1", INVENTORY, auth).status == 201, (
        "once, afterwards"
    )
