"""Subscribing at the management module: HTTPS first, HTTP only where there is no HTTPS (E-04, E-05, R-06)."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from lab.agent.imm import subscribing
from lab.agent.imm.cim_xml import MESSAGE_BYTES
from lab.agent.imm.subscribing import ImmAccess, NoSubscription, subscribe
from lab.secret import Secret
from tests.ports import free_port
from tests.unit.imm.module import PASSWORD, USER, ManagementModule, created, listening

DESTINATION = "https://192.0.2.7:5990/imm"


class Rack:
    """A module with its two ports, on loopback."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.ca_file = str(folder / "ca.pem")
        authority.cert_pem.write_to_path(self.ca_file)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(self.tls)
        self.secure, self.clear = ManagementModule(), ManagementModule()
        self.told: list[str] = []

    def subscribe(self, password: str = PASSWORD, ca_file: str = "") -> int:
        access = ImmAccess("127.0.0.1", USER, Secret(password), ca_file or self.ca_file)
        return subscribe(access, "8284-22A*21ABCDE", self._url, self.told.append)

    def _url(self, address: str) -> str:
        assert address == "127.0.0.1"
        return DESTINATION


@pytest.fixture
def rack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rack]:
    rack = Rack(tmp_path)
    with listening(rack.secure, rack.tls) as https, listening(rack.clear, None) as http:
        monkeypatch.setattr(subscribing, "HTTPS_PORT", https)
        monkeypatch.setattr(subscribing, "HTTP_PORT", http)
        yield rack


def _closed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Nobody listens at that port."""
    monkeypatch.setattr(subscribing, name, free_port())


@contextlib.contextmanager
def _silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Somebody listens at the port of HTTPS, and says nothing."""
    monkeypatch.setattr(subscribing, "CONNECT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as there:
        monkeypatch.setattr(subscribing, "HTTPS_PORT", there.getsockname()[1])
        yield


def test_the_ports_are_those_of_the_paper() -> None:
    assert (subscribing.HTTPS_PORT, subscribing.HTTP_PORT) == (5989, 5988)


def test_https_is_asked_and_http_is_not(rack: Rack) -> None:
    assert rack.subscribe() == subscribing.HTTPS_PORT
    assert rack.clear.fields == []
    made = {each.classname: each for each in rack.secure.created}
    assert list(made) == [
        "CIM_IndicationFilter", "CIM_ListenerDestinationCIMXML", "CIM_IndicationSubscription",
    ]  # fmt: skip
    assert made["CIM_IndicationFilter"]["Query"] == "SELECT * FROM CIM_AlertIndication"
    destination = made["CIM_ListenerDestinationCIMXML"]
    assert destination["Destination"] == DESTINATION
    subscription = made["CIM_IndicationSubscription"]
    for reference, target in (
        ("Filter", "CIM_IndicationFilter"),
        ("Handler", destination.classname),
    ):
        path = subscription[reference]
        assert path.classname == target
        assert path.namespace == "root/interop"
        assert dict(path.keybindings) == {
            key: made[target][key]
            for key in ("SystemCreationClassName", "SystemName", "CreationClassName", "Name")
        }
    fields = rack.secure.fields[0]
    assert fields["CIMOperation"] == "MethodCall"
    assert fields["CIMMethod"] == "CreateInstance"
    assert fields["CIMObject"] == "root%2Finterop"


def test_another_destination_has_other_names() -> None:
    """What a module has already is left as it is: a new address of the agent must not meet the old one."""
    one, other = (
        {str(each.properties[3]) for each in subscribing.instances("system", url)[:2]}
        for url in ("https://192.0.2.7:5990/imm", "https://192.0.2.8:5990/imm")
    )
    assert not one & other


def test_http_is_next_where_https_is_refused(rack: Rack, monkeypatch: pytest.MonkeyPatch) -> None:
    _closed(monkeypatch, "HTTPS_PORT")
    assert rack.subscribe() == subscribing.HTTP_PORT
    assert len(rack.clear.created) == 3
    assert "Connection refused" in rack.told[0]


def test_http_is_next_where_https_is_silent(rack: Rack, monkeypatch: pytest.MonkeyPatch) -> None:
    with _silent(monkeypatch):
        assert rack.subscribe() == subscribing.HTTP_PORT
    assert len(rack.clear.created) == 3
    assert "no answer" in rack.told[0]


def test_a_certificate_that_is_not_trusted_is_no_reason_for_http(
    rack: Rack, tmp_path: Path
) -> None:
    stranger = str(tmp_path / "stranger.pem")
    trustme.CA().cert_pem.write_to_path(stranger)
    with pytest.raises(NoSubscription, match=r"not trusted: .*\[imm\], ca_file"):
        rack.subscribe(ca_file=stranger)
    assert rack.clear.fields == []


def test_a_refused_log_in_is_no_reason_for_http(rack: Rack) -> None:
    with pytest.raises(NoSubscription, match=r"refuses user and password .*\[imm\]"):
        rack.subscribe(password="wrong")
    assert rack.clear.fields == []
    assert rack.secure.created == []


def test_a_peer_without_tls_is_no_reason_for_http(
    rack: Rack, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(ManagementModule(), None) as port:
        monkeypatch.setattr(subscribing, "HTTPS_PORT", port)
        with pytest.raises(NoSubscription):
            rack.subscribe()
    assert rack.clear.fields == []


def test_nobody_at_either_port(rack: Rack, monkeypatch: pytest.MonkeyPatch) -> None:
    _closed(monkeypatch, "HTTPS_PORT")
    _closed(monkeypatch, "HTTP_PORT")
    with pytest.raises(NoSubscription, match=f"{subscribing.HTTP_PORT}: Connection refused"):
        rack.subscribe()


def test_what_is_there_already_is_left(rack: Rack) -> None:
    rack.secure.refusing = (11, "it exists")
    assert rack.subscribe() == subscribing.HTTPS_PORT
    assert len(rack.secure.fields) == 3


def test_another_refusal_is_told(rack: Rack) -> None:
    rack.secure.refusing = (2, "<access> denied")
    with pytest.raises(NoSubscription, match="CIM error 2: <access> denied"):
        rack.subscribe()


def test_a_status_that_is_not_200(rack: Rack) -> None:
    rack.secure.status = 503
    with pytest.raises(NoSubscription, match="answers 503"):
        rack.subscribe()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not XML"),
        (b"<html/>", "not CIM-XML"),
        (b"\xff\xfe", "not UTF-8"),
        (created("<IRETURNVALUE/>"), "0 of IRETURNVALUE/INSTANCENAME"),
        (created("", "DeleteInstance"), "something else"),
        (b"<CIM>" + b" " * MESSAGE_BYTES + b"</CIM>", "more than"),
        (b'<!DOCTYPE CIM [<!ENTITY a "x">]><CIM>&a;</CIM>', "document type"),
        (b"<CIM>" + b"<A>" * 100 + b"</A>" * 100 + b"</CIM>", "nested deeper"),
    ],
)
def test_an_answer_that_is_none(rack: Rack, content: bytes, why: str) -> None:
    rack.secure.content = content
    with pytest.raises(NoSubscription, match=why):
        rack.subscribe()


def test_a_module_that_leaves_in_the_middle(rack: Rack, monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(there: socket.socket) -> None:
        for _ in range(1):
            connection, _ = there.accept()
            with rack.tls.wrap_socket(connection, server_side=True) as wrapped:
                wrapped.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as there:
        monkeypatch.setattr(subscribing, "HTTPS_PORT", there.getsockname()[1])
        thread = threading.Thread(target=leave, args=(there,))
        thread.start()
        with pytest.raises(NoSubscription):
            rack.subscribe()
        thread.join(60)
    assert rack.clear.fields == []
