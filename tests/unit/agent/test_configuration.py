"""IBM's file of addresses: signature, age, form, and HTTP in clear for nothing else."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.agent import configuration
from lab.agent.configuration import ConfigurationFile
from lab.agent.directory import decoded
from lab.agent.inquiry import NotGiven, NotTaken
from lab.agent.session import ServiceReply
from lab.agent.settings import SettingsError
from tests.unit.agent.lives import AgentLife, LiveAgent


def refresh(agent: LiveAgent) -> int:
    with agent.courier.trip() as trip:
        return ConfigurationFile(agent.state).refresh(trip.roads)


def targets(alive: AgentLife, port: str) -> list[str]:
    return [t.target for t in alive.site.transactions if str(t.server_port) == port]


def clear_port(alive: AgentLife) -> str:
    return alive.site.clear_url.rpartition(":")[2]


def test_a_new_address_is_used_by_the_next_session(alive: AgentLife) -> None:
    """R-04."""
    agent = alive.agent()
    agent.beat()
    assert refresh(agent) == 1
    moved = {errand: [alive.site.urls[1]] for errand in ("enrolment", "inventory", "problem")}
    version = alive.site.receiver.publish(moved)
    assert refresh(agent) == version == 2
    agent.beat()
    assert alive.site.transactions[-1].server_ip == "127.0.0.2"
    assert agent.state.directory.lists()["upload"] == alive.site.urls, "IBM named none"
    assert refresh(agent) == 2
    assert len(agent.events("configuration-stored")) == 2, "the same again changes nothing"


def test_https_that_works_leaves_http_alone(alive: AgentLife) -> None:
    """OUT-32."""
    refresh(alive.agent())
    assert targets(alive, clear_port(alive)) == []


def test_http_gives_the_configuration_alone_and_only_without_https(alive: AgentLife) -> None:
    """OUT-32, OUT-33: then the queue is sent by the new addresses."""
    shut = ["https://127.0.0.1:9", "https://127.0.0.2:9"]
    agent = alive.agent(alive.settings(urls=shut))
    assert agent.beat().kept == 2
    assert targets(alive, clear_port(alive)) == []
    assert refresh(agent) == 1
    assert targets(alive, clear_port(alive)) == ["/service/configuration"]
    assert agent.courier.send().kept == 0
    assert targets(alive, clear_port(alive)) == ["/service/configuration"]
    assert [
        t.body_bytes for t in alive.site.transactions if str(t.server_port) == clear_port(alive)
    ] == [0]


def test_a_server_by_https_that_refuses_is_no_reason_for_http(alive: AgentLife) -> None:
    agent = alive.agent()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(configuration, "PATH", "/service/nothing")
        with pytest.raises(NotGiven, match="404"):
            refresh(agent)
    assert targets(alive, clear_port(alive)) == []


KEY = Ed25519PrivateKey.generate()


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(
    content: Any, *, key: Ed25519PrivateKey = KEY, header: Any = None, cut: int | None = None
) -> str:
    head = {"alg": "EdDSA"} if header is None else header
    text = f"{encoded(json.dumps(head).encode())}.{encoded(json.dumps(content).encode())}"
    return f"{text}.{encoded(key.sign(text.encode())[:cut])}"


GOOD = {"version": 3, "issued": 1.0, "servers": {"problem": ["https://a"]}}


@pytest.fixture
def check(alive: AgentLife) -> Callable[[str], None]:
    """What the agent says of a file, when it has one of version 3."""
    path = alive.folder / "own.pub"
    path.write_bytes(
        KEY.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    agent = alive.agent(alive.settings(configuration_key=str(path)))
    agent.state.folder.mkdir()
    agent.state.directory.path.write_text(signed(GOOD))
    file = ConfigurationFile(agent.state)
    return lambda jws: file._check(ServiceReply(200, "OK", {}, jws.encode()))


@pytest.mark.parametrize(
    ("jws", "why"),
    [
        (signed(GOOD, key=Ed25519PrivateKey.generate()), "signature is not IBM's"),
        (signed(GOOD, cut=32), "signature is not IBM's"),
        (signed(GOOD, header={"alg": "none"}), "not signed by EdDSA"),
        (signed(GOOD, header={"alg": "EdDSA", "crit": ["x"]}), "not signed by EdDSA"),
        (signed({**GOOD, "version": 2}), "version 2 is older than 3"),
        (signed({**GOOD, "version": True}), "no version"),
        (signed({**GOOD, "servers": {}}), "names no servers"),
        (signed({**GOOD, "servers": {"problem": ["http://a"]}}), "servers.problem"),
        (signed({**GOOD, "servers": {"problem": "https://a"}}), "servers.problem"),
        (signed([]), "no JSON object"),
        ("a.b", "no compact JWS"),
        ("", "no compact JWS"),
        ("%%%.%%%.%%%", "no JSON"),
        ("é", "ascii"),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused(check: Callable[[str], None], jws: str, why: str) -> None:
    with pytest.raises(NotTaken, match=why):
        check(jws)


def test_a_good_file_is_taken(check: Callable[[str], None]) -> None:
    check(signed(GOOD))
    check(signed({**GOOD, "version": 4}))


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=60,
)
@given(st.data())
def test_no_change_of_a_file_is_taken(check: Callable[[str], None], data: st.DataObject) -> None:
    jws = signed({**GOOD, "version": 4})
    at = data.draw(st.integers(0, len(jws) - 1))
    other = data.draw(st.sampled_from("ABCxyz019-_."))
    changed = jws[:at] + other + jws[at + 1 :]
    if base64_of(changed) != base64_of(jws):
        with pytest.raises(NotTaken):
            check(changed)


def base64_of(jws: str) -> object:
    """What the parts say: base64 has several spellings of one last byte."""
    parts = jws.split(".")
    try:
        return parts[:2], decoded(parts[2]) if len(parts) == 3 else b""
    except ValueError:
        return jws


def test_a_bad_signature_keeps_the_former_file_and_is_told(alive: AgentLife) -> None:
    agent = alive.agent()
    refresh(agent)
    before = agent.state.directory.path.read_bytes()
    alive.site.receiver.publish({"problem": ["https://192.0.2.1"]})
    other = alive.folder / "other.pub"
    other.write_bytes(
        KEY.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    wrong = alive.agent(alive.settings(configuration_key=str(other)))
    with pytest.raises(NotGiven, match="signature is not IBM's"):
        refresh(wrong)
    assert agent.state.directory.path.read_bytes() == before
    alert = wrong.state.alerts.all()["configuration"]
    assert "the former configuration stays in use" in alert["message"]
    refresh(alive.agent())
    assert wrong.state.alerts.all() == {}


@pytest.mark.parametrize("content", [None, b"no PEM"])
def test_a_key_that_is_none_is_a_mistake_of_the_settings(
    alive: AgentLife, content: bytes | None
) -> None:
    path: Path = alive.folder / "key.pem"
    if content:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match="configuration_key"):
        refresh(alive.agent(alive.settings(configuration_key=str(path))))
