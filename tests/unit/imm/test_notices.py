"""Alerts of the management module, as ``pywbem`` sends them: each failure becomes a problem (E-05)."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest
import pywbem

from lab.agent.imm.cim_xml import MESSAGE_BYTES, cim_time, create_instance
from lab.agent.imm.notices import PATH, HardwareFailure, NoticeDesk
from lab.agent.imm.subscribing import instances
from lab.agent.web import certificate, listening
from lab.agent.web.exchange import WebRequest
from tests.unit.imm.module import alert

NOW = 1_764_500_000.0


class Cabinet:
    """A desk for notices, on loopback, and what it reported."""

    def __init__(self, folder: Path) -> None:
        self.senders: tuple[str, ...] = ("127.0.0.1",)
        self.reported: list[HardwareFailure] = []
        self.told: list[str] = []
        self.error: OSError | None = None
        self.desk = NoticeDesk(lambda: self.senders, self._report, lambda: NOW, self.told.append)
        self.files = certificate.kept(folder, ("127.0.0.1",))
        self.port = 0

    def _report(self, failure: HardwareFailure) -> None:
        if self.error:
            raise self.error
        self.reported.append(failure)

    def export(self, instance: pywbem.CIMInstance) -> None:
        url = f"https://127.0.0.1:{self.port}"
        with pywbem.WBEMConnection(url, ca_certs=self.files[0]) as module:
            module.ExportIndication(instance)

    def send(self, body: bytes, method: str = "POST", **fields: str) -> tuple[int, str]:
        request = WebRequest(method, PATH, fields, body, "127.0.0.1")
        reply = self.desk.answer(request)
        return reply.status, reply.content.decode()


@pytest.fixture
def cabinet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cabinet]:
    # What pywbem builds on would rather trust what the environment names.
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    cabinet = Cabinet(tmp_path)
    opened = listening.listener("127.0.0.1", 0)
    cabinet.port = opened.getsockname()[1]
    with listening.serving(cabinet.desk, listening.context(*cabinet.files), opened):
        yield cabinet


def test_an_alert_becomes_a_problem(cabinet: Cabinet) -> None:
    cabinet.export(alert())
    (failure,) = cabinet.reported
    occurred = datetime.datetime(2026, 11, 30, 5, 40, tzinfo=datetime.UTC).timestamp()
    assert failure[1:] == ("B1817201", "critical", "Fan 3 has failed", occurred)
    assert len(failure.identifier) == 32
    assert cabinet.told == ["imm: B1817201 (critical): Fan 3 has failed"]


def test_the_same_failure_is_the_same_however_often_it_is_told(cabinet: Cabinet) -> None:
    """A module sends again what was not answered; the queue knows a failure by its identifier."""
    cabinet.export(alert())
    cabinet.export(alert(Description="Fan 3 has failed, still"))
    cabinet.export(alert(IndicationIdentifier="IBM:fan:4712"))
    one, again, other = (failure.identifier for failure in cabinet.reported)
    assert one == again != other

    cabinet.reported.clear()
    for description in ("Fan 3", "Fan 3", "Fan 4"):
        cabinet.export(alert(IndicationIdentifier=None, Description=description))
    one, again, other = (failure.identifier for failure in cabinet.reported)
    assert one == again != other


@pytest.mark.parametrize(
    ("severity", "told"),
    [
        (0, ""),
        (1, ""),
        (2, ""),
        (3, "warning"),
        (4, "minor"),
        (5, "major"),
        (6, "critical"),
        (7, "fatal"),
    ],
)
def test_severities(cabinet: Cabinet, severity: int, told: str) -> None:
    cabinet.export(alert(PerceivedSeverity=pywbem.Uint16(severity)))
    assert [failure.severity for failure in cabinet.reported] == ([told] if told else [])


def test_an_alert_without_a_word(cabinet: Cabinet) -> None:
    bare = pywbem.CIMInstance("IBM_AlertIndication", {"perceivedseverity": pywbem.Uint16(5)})
    cabinet.export(bare)
    (failure,) = cabinet.reported
    assert failure[1:] == ("unknown", "major", "IBM_AlertIndication", NOW)


def test_a_failure_that_cannot_be_kept_is_to_be_sent_again(cabinet: Cabinet) -> None:
    cabinet.error = OSError(28, "No space left on device")
    with pytest.raises(pywbem.CIMError, match="cannot keep it just now"):
        cabinet.export(alert())
    assert "No space left" in cabinet.told[-1]
    cabinet.error = None
    cabinet.export(alert())
    assert len(cabinet.reported) == 1


def test_nobody_else_may_tell_of_anything(cabinet: Cabinet) -> None:
    cabinet.senders = ("192.0.2.9",)
    with pytest.raises(pywbem.HTTPError) as caught:
        cabinet.export(alert())
    assert caught.value.status == 403
    assert cabinet.reported == []
    assert cabinet.told == ["imm: 127.0.0.1 is not the management module, and is refused"]


def test_other_methods_and_other_exports(cabinet: Cabinet) -> None:
    assert cabinet.send(b"", "GET")[0] == 405
    assert cabinet.send(b"x", cimexport="MethodResponse")[0] == 400
    assert cabinet.reported == []


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE CIM [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">'
    b"<!ENTITY c '&b;&b;&b;&b;&b;'>]><CIM>&c;</CIM>"
)
FILE = b'<!DOCTYPE CIM [<!ENTITY f SYSTEM "file:///etc/passwd">]><CIM>&f;</CIM>'


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not XML"),
        (b"{}", "not XML"),
        (BOMB, "document type"),
        (FILE, "document type"),
        (BOMB.decode().encode("utf-16"), "not UTF-8"),
        (b'<?xml version="1.0" encoding="utf-16"?><CIM/>', "0 of MESSAGE"),
        (b"<CIM>&lt;</CIM>", "0 of MESSAGE"),
        (b"<CIM>&nbsp;</CIM>", "not XML"),
        (b"<CIM>" + b"<A>" * 9000 + b"</A>" * 9000 + b"</CIM>", "nested deeper"),
        (b"<CIM>" + b"<A>" * 100 + b"</A>" * 100 + b"</CIM>", "nested deeper"),
        (b"<CIM>" + b" " * MESSAGE_BYTES + b"</CIM>", "more than"),
        (create_instance("root/interop", instances("x", "y")[0], "1"), "0 of SIMPLEEXPREQ"),
        (
            b'<CIM><MESSAGE ID="1"><SIMPLEEXPREQ><EXPMETHODCALL NAME="Other"/>'
            b"</SIMPLEEXPREQ></MESSAGE></CIM>",
            "other than an indication",
        ),
    ],
)
def test_what_is_no_indication(cabinet: Cabinet, body: bytes, why: str) -> None:
    status, told = cabinet.send(body)
    assert status == 400
    assert why in told
    assert "root:" not in told
    assert cabinet.reported == []
    assert why in cabinet.told[-1]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("20261130064000.000000+000", 1796020800.0),
        ("19700101000000.500000+000", 0.5),
        ("19700101010000.000000+060", 0.0),
        ("19691231190000.000000-300", 0.0),
        ("2026113006****.******+000", None),
        ("20261331064000.000000+000", None),
        ("00000001000000.000000:000", None),
        ("", None),
        ("now", None),
    ],
)
def test_times(text: str, seconds: float | None) -> None:
    assert cim_time(text) == seconds
