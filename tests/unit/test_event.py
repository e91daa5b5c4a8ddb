"""What happens is typed, holds no secret, and stands in the run directory as documented."""

from __future__ import annotations

import dataclasses
import importlib
import json
import typing
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import Any

import pytest

from lab import ways
from lab.record import event
from lab.record.event import Event
from lab.record.record import DialCause, IkeCause, PppSession
from lab.record.story import EVENTS, Story
from lab.secret import Secret
from lab.ways.dial.events import CalledAgain, Dialled, FenceTried, ModemAbsent, ModemFound
from lab.ways.direct.events import DefaultRouteTaken
from lab.ways.vpn.events import GatewayFailed, IkeEstablished, IkeFailed, L2tpUp
from tests.unit.test_docs import _rows

PLAIN = (str, int, float, bool, type(None))


def _below(kind: type[Event]) -> Iterator[type[Event]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)


def _lab_own() -> list[type[Event]]:
    for kind in ways.BUILT_IN:
        importlib.import_module(f"lab.ways.{kind}.events")
    return [kind for kind in _below(Event) if kind.__module__.startswith("lab.")]


KINDS = _lab_own()


def types_in(hint: Any) -> Iterator[type]:
    """Every type that a field may hold, however deep."""
    if typing.get_origin(hint) in (tuple, typing.Union, UnionType):
        for part in typing.get_args(hint):
            if part is not Ellipsis:
                yield from types_in(part)
    else:
        yield hint


def fields(kind: type[Event]) -> dict[str, Any]:
    """What a kind has beside time and source, with types."""
    hints = typing.get_type_hints(kind)
    own = [field.name for field in dataclasses.fields(kind)]
    return {name: hints[name] for name in own if name not in ("time", "source")}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
class TestKind:
    def test_is_made_of_plain_values(self, kind: type[Event]) -> None:
        for name, hint in fields(kind).items():
            for part in types_in(hint):
                assert part in PLAIN or issubclass(part, StrEnum), f"{name}: {part}"

    def test_cannot_be_changed(self, kind: type[Event]) -> None:
        assert "source" in {field.name for field in dataclasses.fields(kind)}
        assert kind.__dict__["__dataclass_params__"].frozen
        assert not {"kind", "sentence", "topic"} & fields(kind).keys()

    def test_says_what_it_is(self, kind: type[Event]) -> None:
        assert kind.__doc__
        assert not kind.__doc__.startswith(f"{kind.__name__}("), "dataclass wrote it"
        assert len(kind.topic) <= 8


def test_a_field_for_a_secret_would_be_seen() -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Careless(Event):
        key: tuple[Secret | None, ...]

    assert set(types_in(fields(Careless)["key"])) == {Secret, type(None)}


def test_the_page_has_every_kind_with_its_fields() -> None:
    told = {kind: (what, cells) for kind, what, cells in _rows("docs/rundir.md", "event")}

    assert len(KINDS) == len({kind.kind() for kind in KINDS}) > 20
    assert {kind.kind(): list(fields(kind)) for kind in KINDS} == {
        kind: cells.split(", ") if cells else [] for kind, (_, cells) in told.items()
    }
    assert all(what for what, _ in told.values())


def test_the_page_has_every_cause() -> None:
    causes: dict[str, set[str]] = {}
    for kind in KINDS:
        for part in types_in(fields(kind).get("cause", type(None))):
            if part is not type(None):
                for cause in typing.cast(type[StrEnum], part):
                    causes.setdefault(cause, set()).add(kind.kind())

    assert causes == {
        cause: set(of.split(", ")) for cause, of, _ in _rows("docs/rundir.md", "cause")
    }
    assert causes.keys() == {*IkeCause, *DialCause}


# The writer.


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / EVENTS).read_text().splitlines()]


@pytest.mark.parametrize("silent", [True, False])
def test_each_event_is_a_line(
    silent: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    story = Story(tmp_path, silent=silent)
    story.tell(event.NodeDied(source="vpn1", time=7.5))
    story.tell(IkeFailed(source="hmc", time=8.0, gateway="vpn1", cause=IkeCause.silent))

    assert lines(tmp_path) == [
        {"time": 7.5, "source": "vpn1", "kind": "node-died"},
        {"time": 8.0, "source": "hmc", "kind": "ike-failed", "gateway": "vpn1", "cause": "silent"},
    ]
    told = capsys.readouterr()
    assert not told.out
    assert told.err.endswith("s  fault    vpn1 dies\n") if not silent else not told.err
    assert told.err.count("\n") == (not silent), "what has no sentence is not told"


def test_the_file_is_added_to(tmp_path: Path) -> None:
    for node in ("vpn1", "vpn2"):
        Story(tmp_path, silent=True).tell(event.NodeDied(source=node))

    assert [line["source"] for line in lines(tmp_path)] == ["vpn1", "vpn2"]


@pytest.mark.parametrize("held", [Secret("open-sesame"), (Secret("open-sesame"),), {"a": Path()}])
def test_what_is_no_plain_value_is_refused(
    held: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    died = event.NodeDied(source=typing.cast(str, held))

    with pytest.raises(TypeError, match="is no part of an event"):
        Story(tmp_path).tell(died)

    assert not (tmp_path / EVENTS).exists()
    assert not capsys.readouterr().err


# The story.

SESSION = PppSession(
    client="hmc",
    gateway="vpn1",
    interface="ppp0",
    opened=5.0,
    local_ip="10.254.1.2",
    peer_ip="10.254.1.1",
    mtu=1394,
)


def agreed(*, udp_encapsulation: bool) -> IkeEstablished:
    return IkeEstablished(
        source="hmc",
        gateway="vpn1",
        ike_encryption="3DES_CBC",
        ike_integrity="HMAC_MD5_96",
        ike_dh_group="MODP_1024",
        esp_encryption="3DES_CBC",
        esp_integrity="HMAC_MD5_96",
        esp_mode="TUNNEL",
        udp_encapsulation=udp_encapsulation,
    )


def tried(**changed: Any) -> event.CallHomeTried:
    known: dict[str, Any] = {
        "source": "hmc",
        "way": "vpn",
        "server": "https://sas-1.sdc.test",
        "address": "129.42.160.48",
        "phase": "TLS",
        "acknowledged": False,
        "transaction": "",
        "timed_out": False,
        "seconds": 1.0,
        "problem": "bad certificate",
    }
    return event.CallHomeTried(**(known | changed))


def dialled(**changed: Any) -> Dialled:
    known: dict[str, Any] = {"source": "hmc", "device": "/dev/modem0", "number": "18005550100"}
    known |= {"result": "CONNECT 33600", "rate_bit_s": 33600, "cause": None, "words": ""}
    return Dialled(**(known | changed))


@pytest.mark.parametrize(
    ("told", "topic", "sentence"),
    [
        (event.LabUp(topology="vpn", nodes=("hmc", "sdc")), "lab", "vpn: hmc, sdc"),
        (event.WayTried(source="hmc", way="vpn"), "path", ""),
        (event.WayUp(source="hmc", way="vpn"), "path", ""),
        (event.WayFailed(source="hmc", way="vpn", only=True), "path", ""),
        (
            event.WayFailed(source="hmc", way="vpn", only=False),
            "path",
            "hmc has no way home by vpn",
        ),
        (
            event.WayLost(source="hmc", way="vpn"),
            "path",
            "hmc has lost its way home, and looks for another",
        ),
        (
            event.BackupTried(source="hmc", way="vpn", backup="modem"),
            "path",
            "hmc: vpn works; now modem, which is the backup",
        ),
        (event.PathLost(words="the call was lost"), "path", "the call was lost"),
        (event.PathFailed(words="why"), "path", "did not come up: why"),
        (event.PathFailed(again=True, words="why"), "path", "did not come up again: why"),
        (DefaultRouteTaken(source="hmc"), "path", "hmc by the default route"),
        (
            event.PppUp.of(SESSION, source="hmc"),
            "PPP",
            "hmc is 10.254.1.2 on ppp0, vpn1 is 10.254.1.1, MTU 1394",
        ),
        (
            agreed(udp_encapsulation=True),
            "IKE",
            "hmc and vpn1 agreed on 3DES_CBC/HMAC_MD5_96/MODP_1024, "
            "ESP 3DES_CBC/HMAC_MD5_96 in tunnel mode, in UDP 4500",
        ),
        (
            agreed(udp_encapsulation=False),
            "IKE",
            "hmc and vpn1 agreed on 3DES_CBC/HMAC_MD5_96/MODP_1024, "
            "ESP 3DES_CBC/HMAC_MD5_96 in tunnel mode",
        ),
        (IkeFailed(source="hmc", gateway="vpn1", cause=IkeCause.silent), "IKE", ""),
        (
            L2tpUp(source="hmc", gateway="vpn1", tunnels=((1, 2), (3, 4))),
            "L2TP",
            "hmc and vpn1: tunnel 1/2, 3/4",
        ),
        (
            GatewayFailed(source="hmc", gateway="vpn1", words="no answer"),
            "path",
            "hmc: vpn1 gives no way: no answer",
        ),
        (ModemFound(source="hmc", device="/dev/modem0"), "modem", "hmc: /dev/modem0"),
        (ModemAbsent(source="hmc", cause=None, words=""), "modem", "hmc: no modem"),
        (
            ModemAbsent(source="hmc", cause=DialCause.modem_silent, words="nothing"),
            "modem",
            "hmc: no modem: nothing",
        ),
        (dialled(), "call", "hmc dials 18005550100: CONNECT 33600"),
        (
            dialled(result="BUSY", cause=DialCause.no_connection, words="the number is busy"),
            "call",
            "hmc dials 18005550100: BUSY, the number is busy",
        ),
        (
            tried(),
            "agent",
            "hmc: https://sas-1.sdc.test failed at TLS: bad certificate",
        ),
        (
            tried(acknowledged=True, transaction="SDC1", problem=""),
            "agent",
            "hmc: https://sas-1.sdc.test acknowledged as SDC1",
        ),
        (
            event.Unroutable(source="sdc", destination="10.0.0.1"),
            "probe",
            "sdc has no route to 10.0.0.1",
        ),
        (
            event.Probed(source="sdc", destination="10.0.0.1", port=443, answered=True),
            "probe",
            "sdc to 10.0.0.1:443 was answered",
        ),
        (
            event.ForwardProbed(source="hmc", destination="10.0.0.1", forwarded=False),
            "probe",
            "a SYN for 10.0.0.1 by hmc's uplink was not forwarded",
        ),
        (
            event.OwnRuleTried(source="hmc", interface="ppp0", dropped=5),
            "probe",
            "hmc: its own rule on ppp0 dropped 5",
        ),
        (
            FenceTried(source="hmc", side="caller", packets=9),
            "probe",
            "raw packets to try hmc's fence, sent by the caller: 9",
        ),
        (
            CalledAgain(source="hmc"),
            "probe",
            "hmc called again; late answers to its first call were sent to it",
        ),
    ],
)
def test_the_story_tells(told: Event, topic: str, sentence: str) -> None:
    assert (told.topic, told.sentence) == (topic, sentence)


def test_an_event_takes_from_an_entry_what_both_have() -> None:
    up = event.PppUp.of(SESSION, source="hmc", time=SESSION.opened)

    assert (up.source, up.time) == ("hmc", SESSION.opened)
    assert all(getattr(up, name) == getattr(SESSION, name) for name in fields(event.PppUp))
