"""What happens is typed, holds no secret, and stands in the run directory as documented."""

from __future__ import annotations

import dataclasses
import importlib
import json
import typing
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from types import SimpleNamespace, UnionType
from typing import Any

import pytest

import lab
from lab.record import call_event, dial_event, event, trial_event
from lab.record.cause import (
    AgentCause,
    Blame,
    Cause,
    CharonCause,
    DialCause,
    GatewayCause,
    IkeCause,
    PppCause,
)
from lab.record.event import Event, PppDown
from lab.record.record import PppSession
from lab.record.story import EVENTS, Story, read
from lab.secret import Secret
from lab.ways.dial.events import CalledAgain, FenceTried, NoSerialPort
from lab.ways.direct.events import DefaultRouteTaken
from lab.ways.vpn.events import (
    CharonComplained,
    GatewayFailed,
    L2tpUp,
    PoolExhausted,
)
from tests.unit.test_docs import _rows

PLAIN = (str, int, float, bool, type(None))


def _below(kind: type[Event]) -> Iterator[type[Event]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)


def _lab_own() -> list[type[Event]]:
    for path in (Path(lab.__file__).parent).rglob("*event*.py"):
        inner = path.relative_to(Path(lab.__file__).parents[1]).with_suffix("")
        importlib.import_module(".".join(inner.parts))
    return [
        kind
        for kind in _below(Event)
        if kind.__module__.startswith("lab.") and not kind.__subclasses__()
    ]


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


def example(kind: type[Event]) -> Event:
    """One event of a kind, with some value of its type in each field."""

    def value(hint: Any) -> object:
        if typing.get_origin(hint) is tuple:
            one, *more = (value(part) for part in typing.get_args(hint) if part is not Ellipsis)
            return (one, *more)
        held = next(types_in(hint))
        return (
            next(iter(held))
            if issubclass(held, StrEnum)
            else {str: "1", int: 1, float: 1.5, bool: True}[held]
        )

    return kind(
        source="hmc", time=1.5, **{name: value(hint) for name, hint in fields(kind).items()}
    )


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
class TestKind:
    def test_is_made_of_plain_values(self, kind: type[Event]) -> None:
        for name, hint in fields(kind).items():
            for part in types_in(hint):
                assert part in PLAIN or issubclass(part, StrEnum), f"{name}: {part}"

    def test_cannot_be_changed(self, kind: type[Event]) -> None:
        assert "source" in {field.name for field in dataclasses.fields(kind)}
        assert kind.__dict__["__dataclass_params__"].frozen
        assert not {"kind", "sentence", "topic", "tells"} & fields(kind).keys()

    def test_says_what_it_is(self, kind: type[Event]) -> None:
        assert kind.__doc__
        assert not kind.__doc__.startswith(f"{kind.__name__}("), "dataclass wrote it"
        assert len(kind.topic) <= 8

    def test_can_be_read_back_from_its_line(self, kind: type[Event], tmp_path: Path) -> None:
        told = example(kind)
        Story(tmp_path, silent=True).tell(told)

        (again,) = read(tmp_path, kind)

        assert (type(again), vars(again)) == (type(told), vars(told))


def test_a_field_for_a_secret_would_be_seen() -> None:
    class Careless(Event):
        key: tuple[Secret | None, ...]

    assert set(types_in(fields(Careless)["key"])) == {Secret, type(None)}


def test_the_page_has_every_kind_with_its_fields() -> None:
    told = {kind: (what, cells) for kind, what, cells in _rows("docs/events.md", "event")}

    assert len(KINDS) == len({kind.kind() for kind in KINDS}) > 20
    assert {kind.kind(): list(fields(kind)) for kind in KINDS} == {
        kind: cells.split(", ") if cells else [] for kind, (_, cells) in told.items()
    }
    assert all(what for what, _ in told.values())


def test_the_page_has_every_cause() -> None:
    known: dict[str, set[str]] = {}
    for kind in KINDS:
        for part in types_in(fields(kind).get("cause", type(None))):
            if part is not type(None):
                for cause in typing.cast(type[StrEnum], part):
                    known.setdefault(cause, set()).add(kind.kind())

    assert known == {
        cause: set(of.split(", ")) for cause, of, _ in _rows("docs/causes.md", "cause")
    }
    assert known.keys() == {cause for kind in Cause.__subclasses__() for cause in kind}


@pytest.mark.parametrize("kind", Cause.__subclasses__())
def test_every_cause_has_words_of_its_own(kind: type[Cause]) -> None:
    entry = SimpleNamespace(device="/dev/modem0", command="ATZ", detail="detail", exit_status=1)
    words = [cause.sentence.format(entry) for cause in kind]
    assert all(words)
    # Where the words are the detail, the other side said it in words.
    own = [each for each in words if each != "detail"]
    assert len(own) == len(set(own))
    assert not any("{" in each for each in words)


# The writer.


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / EVENTS).read_text().splitlines()]


SENTENCES = [
    "fault    vpn1 dies",
    "IKE      hmc to vpn1: the other end does not answer, not to 3 retransmissions either",
]


@pytest.mark.parametrize("silent", [True, False])
def test_each_event_is_a_line(
    silent: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    story = Story(tmp_path, silent=silent)
    story.tell(event.NodeDied(source="vpn1", time=7.5))
    story.tell(event.WayUp(source="hmc", way="vpn", time=7.75))
    story.tell(
        event.IkeFailed(source="hmc", time=8.0, gateway="vpn1", cause=IkeCause.silent, detail="3")
    )

    assert lines(tmp_path) == [
        {"time": 7.5, "source": "vpn1", "kind": "node-died"},
        {"time": 7.75, "source": "hmc", "kind": "way-up", "way": "vpn"},
        {
            "time": 8.0,
            "source": "hmc",
            "kind": "ike-failed",
            "gateway": "vpn1",
            "cause": "silent",
            "detail": "3",
        },
    ]
    told = capsys.readouterr()
    assert not told.out
    sentences = [line.split(" s  ", 1)[1] for line in told.err.splitlines()]
    assert sentences == ([] if silent else SENTENCES), "what has no sentence is not told"


def test_the_file_is_added_to(tmp_path: Path) -> None:
    for node in ("vpn1", "vpn2"):
        Story(tmp_path, silent=True).tell(event.NodeDied(source=node))

    assert [line["source"] for line in lines(tmp_path)] == ["vpn1", "vpn2"]


def test_lines_are_put_in_the_order_of_their_times(tmp_path: Path) -> None:
    story = Story(tmp_path, silent=True)
    for time in (3.0, 10.0, 2.0):
        story.tell(event.NodeDied(source="vpn1", time=time))

    story.put_in_order()

    assert [line["time"] for line in lines(tmp_path)] == [2.0, 3.0, 10.0]


def test_only_what_is_asked_for_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, event.NodeDied) == [], "there is no file yet"
    story = Story(tmp_path, silent=True)
    story.tell(event.NodeDied(source="vpn1"))
    story.tell(event.WayUp(source="hmc", way="vpn"))

    assert [type(each) for each in read(tmp_path, event.WayUp, PppDown)] == [event.WayUp]


def test_a_line_with_other_fields_is_refused(tmp_path: Path) -> None:
    (tmp_path / EVENTS).write_text(
        '{"time": 1.0, "source": "hmc", "kind": "way-up", "path": "vpn"}\n'
    )
    with pytest.raises(TypeError):
        read(tmp_path, event.WayUp)


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


OWN_RULE = trial_event.OwnRuleTried(
    source="hmc",
    started=1.0,
    interface="ppp0",
    uplink="lan",
    destination="10.0.0.1",
    connected=False,
    dropped=5,
    counted_on_uplink=0,
    sessions_open=True,
)


def agreed(*, udp_encapsulation: bool) -> event.IkeEstablished:
    return event.IkeEstablished(
        source="hmc",
        connection="hmc-vpn1",
        gateway="vpn1",
        ike_encryption="3DES_CBC",
        ike_integrity="HMAC_MD5_96",
        ike_dh_group="MODP_1024",
        esp_encryption="3DES_CBC",
        esp_integrity="HMAC_MD5_96",
        esp_mode="TUNNEL",
        udp_encapsulation=udp_encapsulation,
    )


def tried(**changed: Any) -> call_event.CallHomeTried:
    known: dict[str, Any] = {
        "source": "hmc",
        "way": "vpn",
        "server": "https://sas-1.sdc.test",
        "address": "129.42.160.48",
        "phase": "TLS",
        "transaction": "",
        "seconds": 1.0,
        "cause": AgentCause.certificate,
        "detail": "it has expired",
    }
    return call_event.CallHomeTried(**(known | changed))


def ended(cause: PppCause | None) -> PppDown:
    session = dataclasses.replace(SESSION, exit_status=15, cause=cause)
    return PppDown.of(session, source="hmc")


def probed(**changed: Any) -> dial_event.ModemProbed:
    known: dict[str, Any] = {"device": "/dev/modem0", "answer": "", "command": "AT", "detail": ""}
    return dial_event.ModemProbed(source="hmc", **(known | changed))


def dialled(**changed: Any) -> dial_event.Dialled:
    known: dict[str, Any] = {"source": "hmc", "started": 1.0, "device": "/dev/modem0"}
    known |= {
        "number": "18005550100",
        "result": "CONNECT 33600",
        "rate_bit_s": 33600,
        "cause": None,
    }
    known |= {"command": "", "detail": ""}
    return dial_event.Dialled(**(known | changed))


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
        (
            event.IkeFailed(source="hmc", gateway="vpn1", cause=IkeCause.silent, detail="3"),
            "IKE",
            "hmc to vpn1: the other end does not answer, not to 3 retransmissions either",
        ),
        (
            event.IkeFailed(
                source="hmc", gateway="vpn1", cause=IkeCause.refused, detail="NO_PROPOSAL"
            ),
            "IKE",
            "hmc to vpn1: the other end refuses with NO_PROPOSAL",
        ),
        (CharonComplained(source="vpn1", cause=CharonCause.unreadable), "IKE", ""),
        (PoolExhausted(source="vpn1"), "L2TP", ""),
        (ended(PppCause.no_echo), "PPP", "hmc to vpn1: the peer answers no LCP echo request"),
        (
            ended(PppCause.unexplained),
            "PPP",
            "hmc to vpn1: pppd ended with exit status 15, and does not say why",
        ),
        (ended(None), "PPP", ""),
        (ended(PppCause.terminated), "PPP", ""),
        (event.BrokeOff(blame=Blame.lab, words="charon: ended"), "lab", ""),
        (
            L2tpUp(source="hmc", gateway="vpn1", tunnels=((1, 2), (3, 4))),
            "L2TP",
            "hmc and vpn1: tunnel 1/2, 3/4",
        ),
        (
            GatewayFailed(source="hmc", gateway="vpn1", cause=GatewayCause.no_ike, detail=""),
            "path",
            "hmc: vpn1 gives no way: IPsec does not come up",
        ),
        (probed(answer="OK", cause=None), "modem", "hmc: /dev/modem0"),
        (NoSerialPort(source="hmc"), "modem", "hmc: no modem"),
        (
            probed(cause=DialCause.modem_silent, detail="5"),
            "modem",
            "hmc: no modem at /dev/modem0: AT was answered with nothing within 5 s",
        ),
        (dialled(), "call", "hmc dials 18005550100: CONNECT 33600"),
        (
            dialled(result="BUSY", cause=DialCause.busy),
            "call",
            "hmc dials 18005550100: BUSY, the number is busy",
        ),
        (
            dialled(cause=DialCause.no_ppp),
            "call",
            "hmc dials 18005550100: CONNECT 33600, PPP did not come up",
        ),
        (
            tried(),
            "agent",
            "hmc: https://sas-1.sdc.test failed at TLS: the server's certificate is refused: it has"
            " expired",
        ),
        (
            tried(transaction="SDC1", cause=None, detail=""),
            "agent",
            "hmc: https://sas-1.sdc.test acknowledged as SDC1",
        ),
        (
            trial_event.Unroutable(source="sdc", destination="10.0.0.1"),
            "probe",
            "sdc has no route to 10.0.0.1",
        ),
        (
            trial_event.Probed(
                source="sdc", address="10.0.0.2", destination="10.0.0.1", port=443, answered=True
            ),
            "probe",
            "sdc to 10.0.0.1:443 was answered",
        ),
        (
            trial_event.ForwardProbed(
                source="hmc", address="10.0.0.2", destination="10.0.0.1", port=22, forwarded=False
            ),
            "probe",
            "a SYN for 10.0.0.1 by hmc's uplink was not forwarded",
        ),
        (
            OWN_RULE,
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
