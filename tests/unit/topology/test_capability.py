"""What profiles can do: the table is whole, agrees with the judge's own, and what it denies is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.cli import main
from lab.errors import TopologyError, Unsupported
from lab.topology import capability, catalogue, load
from lab.topology.capability import Capability, CapabilityTable, Feature, InboundWay, Level, WayOut
from lab.topology.service import Inbound
from lab.verify.service_generations import WAYS_IN

ID = re.compile(r"(OUT|I|E|M|A|G|V)-[0-9]{2}")
SEED = re.compile(r"S[0-4]\b")

DENIED = {
    "hmc-2007": {"service-proxy"},
    "hmc-2017-traditional": {"service-proxy", "pass-through-vpn", "pass-through-modem"},
    "hmc-2017-simplified": {"service-proxy", "vpn", "pass-through-vpn", "pass-through-modem"},
    "ds8000-2017": {"service-proxy", "pass-through-vpn", "pass-through-modem"},
    "ds8880": {"service-proxy", "vpn", "modem", "pass-through-vpn", "pass-through-modem"},
    "esa-linux-7.1.5": {"vpn", "modem", "pass-through-vpn", "pass-through-modem"},
    "esa-aix-2025": {"vpn", "modem", "pass-through-vpn", "pass-through-modem"},
    "esa-2008": {"service-proxy", "pass-through-vpn", "pass-through-modem"},
}
"""Ways home that a profile does not have, read off the papers by hand (OUT-35, OUT-36, G-01 to G-07)."""
LIMITED = {
    ("hmc-2017-traditional", "vpn"): "G-01",
    ("hmc-2017-traditional", "modem"): "G-03",
    ("hmc-2017-simplified", "modem"): "G-03",
    ("ds8000-2017", "vpn"): "G-01",
    ("ds8000-2017", "modem"): "G-03",
}
BUNDLED = {
    "direct": "direct",
    "vpn": "vpn",
    "modem": "dial",
    "pass-through-vpn": "pass-through-vpn",
    "pass-through-modem": "pass-through-modem",
}
"""A way of the papers that the lab has, and a topology with it."""


def test_every_profile_says_everything_once() -> None:
    vocabulary = [
        *(("out", way) for way in WayOut),
        *(("in", way) for way in InboundWay),
        *(("has", feature) for feature in Feature),
    ]
    assert list(capability.lines()) == list(catalogue.names())
    for name, cells in capability.lines().items():
        assert [(group, each) for group, each, *_ in cells] == vocabulary, name
        table = capability.table(name)
        assert CapabilityTable.model_validate(table.model_dump(by_alias=True)) == table


@pytest.mark.parametrize("name", catalogue.names())
def test_every_entry_has_its_source_and_a_reason_where_it_needs_one(name: str) -> None:
    for (group, each), said in capability.table(name).every.items():
        where = (name, group, each)
        assert said.by, where
        assert all(ID.fullmatch(requirement) for requirement in said.by), where
        assert SEED.match(said.at), where
        assert bool(said.why) == (said.level is not Level.yes), where


@pytest.mark.parametrize("name", catalogue.names())
def test_the_ways_out_are_those_of_the_papers(name: str) -> None:
    out = capability.table(name).out

    assert {way for way, said in out.items() if said.level is Level.no} == DENIED[name]
    limited = {(name, str(way)): said for way, said in out.items() if said.limited}
    assert {key for key in LIMITED if key[0] == name} == limited.keys()
    assert all(LIMITED[key] in said.by for key, said in limited.items())


@pytest.mark.parametrize("name", catalogue.names())
def test_the_ways_in_are_those_by_which_the_judge_judges(name: str) -> None:
    assert catalogue.profile(name).inbound == WAYS_IN.get(name, ())


def test_only_a_ds8000_keeps_partitions_from_a_session() -> None:  # I-22
    kept = {n for n in catalogue.names() if not catalogue.profile(n).inbound_partitions}

    assert kept == {"ds8000-2017", "ds8880"}


def test_the_ways_in_are_the_labs() -> None:
    assert {str(way) for way in InboundWay} == {str(by) for by in Inbound if by}


def test_an_entry_is_lacking_or_limited_and_nothing_unknown() -> None:
    with pytest.raises(ValueError, match="is lacking or limited, not both"):
        Capability(lacks="a", limited="b")
    with pytest.raises(ValueError, match="pigeon"):
        CapabilityTable.model_validate({"out": {"pigeon": {}}})
    with pytest.raises(ValueError, match="becuase"):
        CapabilityTable.model_validate({"out": {"vpn": {"becuase": "x"}}})


def test_what_nobody_says_is_lacking() -> None:
    said = CapabilityTable.model_validate({"out": {"direct": {}}})

    assert said.every["out", "direct"].level is Level.yes
    assert said.every["out", "vpn"].level is Level.no
    with pytest.raises(Unsupported, match="acme has no way vpn: the profile does not say"):
        said.require("vpn", "acme")


def varied(name: str, profile: str, folder: Path) -> Path:
    """A bundled topology with another profile."""
    text = (load.folder() / f"{name}.yaml").read_text(encoding="utf-8")
    path = folder / f"{name}.yaml"
    path.write_text(re.sub(r"(?m)^profile: .*", f"profile: {profile}", text), encoding="utf-8")
    return path


@pytest.mark.parametrize("way", BUNDLED)
@pytest.mark.parametrize("profile", catalogue.names())
def test_a_way_that_a_profile_lacks_is_refused_and_every_other_is_not(
    profile: str, way: str, tmp_path: Path
) -> None:
    path = varied(BUNDLED[way], profile, tmp_path)
    try:
        load.load(str(path))
        problems = ""
    except TopologyError as refused:
        problems = refused.message

    lacking = f"{profile} has no way {way}: "
    assert (lacking in problems) == (way in DENIED[profile])
    if way in DENIED[profile]:
        said = capability.table(profile).out[WayOut(way)]
        assert all(requirement in problems for requirement in said.by)
        having = [name for name in catalogue.names() if way not in DENIED[name]]
        assert f"; profiles that have it: {', '.join(having)}" in problems
        assert "lists no VPN gateways" not in problems, "one mistake, one message"
    elif profile != "esa-2008":
        assert not problems


def test_a_profile_without_addresses_is_refused(tmp_path: Path) -> None:
    path = varied("direct", "esa-2008", tmp_path)
    with pytest.raises(
        TopologyError, match="profile: esa-2008 lists no server with IPv4 and HTTPS"
    ):
        load.load(str(path))


@pytest.mark.parametrize(
    ("profile", "topology"),
    [
        ("esa-linux-7.1.5", "dial"),  # OUT-35
        ("esa-aix-2025", "dial"),  # OUT-36
        ("esa-aix-2025", "vpn"),  # OUT-36
        ("ds8880", "vpn"),  # G-02
        ("ds8880", "dial"),  # G-03
    ],
)
def test_what_is_refused_never_starts(
    profile: str,
    topology: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No packet: there is not even a run directory."""
    monkeypatch.chdir(tmp_path)
    path = varied(topology, profile, tmp_path)

    assert main(["run", str(path)]) == 2
    assert f"{profile} has no way" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [path]
