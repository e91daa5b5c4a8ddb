"""The signed configuration (R-04), read by somebody else's library, and which servers it names."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from lab.ibm.answers import Answer
from lab.topology import load, receiving
from lab.topology.errand_kinds import ErrandKind
from lab.topology.resolve import resolve
from tests.unit.ibm.receiver.asking import Desk, server


def unpacked(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def verified(desk: Desk, answer: Answer) -> dict[str, Any]:
    """The content, if the signature is right (RFC 7515 5.2)."""
    key = serialization.load_pem_public_key(
        (desk.folder / "keys" / "configuration.pub").read_bytes()
    )
    assert isinstance(key, Ed25519PublicKey)
    head, content, signature = answer.content.decode().split(".")
    key.verify(unpacked(signature), f"{head}.{content}".encode())
    assert json.loads(unpacked(head)) == {"alg": "EdDSA"}
    told: dict[str, Any] = json.loads(unpacked(content))
    return told


def test_it_is_signed_and_has_a_version(desk: Desk) -> None:
    first = desk.connection().get("configuration")
    assert dict(first.fields or ())["Content-Type"] == "application/jose"
    assert verified(desk, first) == {
        "version": 1,
        "issued": desk.now,
        "servers": {"problem": ["https://one.example"]},
    }
    desk.days(1)
    assert desk.connection(1).get("configuration").content == first.content


def test_a_new_one_has_the_next_version(desk: Desk) -> None:
    desk.connection().get("configuration")
    desk.days(1)
    assert desk.receiver.publish({"problem": ["https://192.0.2.7"]}) == 2
    told = verified(desk, desk.connection().get("configuration"))
    assert (told["version"], told["issued"]) == (2, desk.now)
    assert told["servers"] == {"problem": ["https://192.0.2.7"]}

    desk.receiver.close()
    desk.open()
    assert verified(desk, desk.connection().get("configuration")) == told


def test_what_was_changed_on_the_way_is_noticed(desk: Desk) -> None:
    answer = desk.connection().get("configuration")
    head, content, signature = answer.content.decode().split(".")
    forged = unpacked(content).replace(b"one.example", b"two.example")
    text = base64.urlsafe_b64encode(forged).rstrip(b"=").decode()
    with pytest.raises(InvalidSignature):
        verified(
            desk,
            Answer(status=200, content=f"{head}.{text}.{signature}".encode(), kind=""),
        )


def test_without_a_key_it_says_so(desk: Desk) -> None:
    (desk.folder / "keys" / "configuration.key").unlink()
    answer = desk.connection().get("configuration")
    assert answer.status == 503
    assert b"configuration.key" in answer.content


def served(name: str) -> set[str]:
    return set(receiving.urls(resolve(load.load(name), b"seed").servers, "ssl"))


def test_every_profile_with_errands_has_servers_for_them() -> None:
    """Electronic Service Agent's papers list no server for enrolments: who reports inventory, enrols."""
    assert served("esa-linux") == set(receiving.STAND_INS)
    assert served("direct") == served("simplified") == served("traditional") == served("esa-linux")


def test_the_tables_say_which_servers_do_what() -> None:
    servers = resolve(load.load("traditional"), b"seed").servers
    ssl, ursf = receiving.urls(servers, "ssl"), receiving.urls(servers, "ursf")

    assert ssl["enrolment"] == [
        "https://eccgw01.boulder.ibm.com",
        "https://eccgw02.rochester.ibm.com",
    ]
    assert ssl["problem"] == ["https://www-945.ibm.com"]
    assert ursf["problem"][0].endswith(":19285")
    assert all(url.startswith("http://") for url in ssl["fix"])
    assert any(url.startswith("http://") for url in ssl["configuration"])
    assert not [u for kind in ("problem", "upload") for u in ssl[kind] if "http:" in u]
    assert "configuration" not in ursf
    front = receiving.urls(resolve(load.load("simplified"), b"seed").servers)
    https, http = "https://esupport.ibm.com", "http://esupport.ibm.com"
    assert (front["fix"], front["configuration"]) == ([http, https], [https, http]), (
        "OUT-41, OUT-32"
    )
    assert set(ursf["enrolment"]).isdisjoint(ssl["enrolment"])


def test_every_errand_of_the_document_has_servers() -> None:
    from lab.ibm.receiver import document

    wanted = {each.errand for each in document.operations()} - {""}
    assert wanted == set(receiving.STAND_INS)
    assert wanted <= set(ErrandKind)
    assert receiving.does(server("all"), "enrolment", ())


def test_stand_ins_are_asked_only_where_nobody_is_listed() -> None:
    inventory, problem = server("a", "inventory"), server("b", "problem")
    enrolment = server("c", "enrolment")

    assert receiving.does(inventory, "enrolment", (inventory, problem))
    assert not receiving.does(problem, "enrolment", (inventory, problem))
    assert not receiving.does(inventory, "enrolment", (inventory, enrolment))
    assert receiving.does(enrolment, "enrolment", (inventory, enrolment))


def test_what_the_key_is_lies_where_agents_are_told(desk: Desk, tmp_path: Path) -> None:
    assert (tmp_path / "keys" / "configuration.pub").read_text().startswith("-----BEGIN PUBLIC KEY")
