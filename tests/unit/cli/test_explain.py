"""`lab explain`: what it prints, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.cli import main
from lab.explain import formats
from lab.topology import catalogue
from tests.unit.topology.test_own_profile import ACME

Capture = pytest.CaptureFixture[str]
PROFILES = (*catalogue.names(), str(ACME))


def told(capsys: Capture, *words: str) -> str:
    assert main(["explain", *words]) == 0
    return capsys.readouterr().out


def refused(capsys: Capture, *words: str) -> str:
    assert main(["explain", *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


def test_without_a_profile_all_are_listed(capsys: Capture) -> None:
    lines = told(capsys).splitlines()

    assert [line.split()[0] for line in lines] == list(catalogue.names())
    assert all(len(line) <= 100 for line in lines)
    rows = json.loads(told(capsys, "--json"))
    assert [row["name"] for row in rows] == list(catalogue.names())
    assert rows[0]["source"] == ["HMC connectivity security white paper for POWER5, March 2007"]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("against", [(), ("--against", "hmc-2007")], ids=["all", "against"])
def test_a_person_can_read_it(profile: str, against: tuple[str, ...], capsys: Capture) -> None:
    lines = told(capsys, profile, *against).splitlines()

    assert max(map(len, lines)) <= 100
    assert lines[1].startswith("  source  ")
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize("profile", PROFILES)
def test_every_choice_is_told_with_its_source(profile: str, capsys: Capture) -> None:
    printed = told(capsys, profile)

    assert "source: lab choice" in printed
    assert all(f"  Q-{number:02}  " in printed for number in range(1, 22))


@pytest.mark.parametrize("profile", PROFILES)
def test_json_has_it_all(profile: str, capsys: Capture) -> None:
    found = json.loads(told(capsys, profile, "--json"))

    assert len(found["capabilities"]) == 21
    assert len(found["choices"]) == 22
    assert {choice["source"] for choice in found["choices"]} == {"lab choice"}
    assert found["against"] is None
    assert {need["way"] for need in found["firewall"]} <= {*found["ways"]}
    changes = json.loads(told(capsys, profile, "--json", "--against", "hmc-2007"))["against"]
    assert changes["profile"] == "hmc-2007"
    assert all(
        {"topic", "versions", "before", "now"} <= each.keys() for each in changes["differences"]
    )


def test_a_firewall_of_2017_against_2025(capsys: Capture) -> None:
    found = told(capsys, "esa-aix-2025", "--against", "hmc-2017-simplified")

    assert "What has changed since hmc-2017-simplified" in found
    assert "blocked: 192.148.6.11" in found
    assert "What it can do" not in found


@pytest.mark.parametrize("form", formats.FORMATS)
@pytest.mark.parametrize("profile", PROFILES)
def test_every_format_is_printed(form: str, profile: str, capsys: Capture) -> None:
    assert told(capsys, profile, "--format", form).strip()


def test_options_narrow_the_rules(capsys: Capture) -> None:
    def addresses(*words: str) -> set[str]:
        found = json.loads(told(capsys, "hmc-2007", "--json", *words))["firewall"]
        return {need["destination"] for need in found}

    assert addresses("--way", "vpn") == {"129.42.160.16", "207.25.252.196"}
    assert "129.42.160.50" not in addresses("--way", "direct", "--region", "americas")
    assert "129.42.160.50" in addresses("--way", "direct", "--region", "non-americas")
    behind = json.loads(told(capsys, "hmc-2007", "--json", "--way", "vpn", "--nat"))["firewall"]
    assert {need["port"] for need in behind} == {500, 4500}
    ursf = told(capsys, "hmc-2017-traditional", "--format", "csv", "--variant", "ursf")
    assert "198.74.67.240" in ursf
    assert "207.25.252.197" not in ursf
    assert "129.42.0.0/18" in told(capsys, "ds8880", "--format", "nft", "--ranges")
    assert "= 10.1.1.1\n" in told(capsys, "ds8880", "--format", "nft", "--source", "10.1.1.1")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("hmc-207",), "there is no profile 'hmc-207'\n  hint: did you mean hmc-2007?"),
        (("./none.yaml",), "there is no file none.yaml"),
        (("hmc-2007", "--way", "vpm"), "there is no way 'vpm'\n  hint: did you mean vpn?"),
        (
            ("esa-aix-2025", "--way", "modem"),
            "esa-aix-2025 has no way modem: no version of AIX has it (OUT-36",
        ),
        (("esa-aix-2025", "--way", "modem"), "hint: profiles that have it: hmc-2007, "),
        (("ds8880", "--way", "local"), "ds8880 has nothing of local"),
        (("hmc-2007", "--variant", "ssl"), "hmc-2007 has no variants"),
        (("hmc-2007", "--source", "10.1.1.1"), "--source is for rules to be pasted"),
        (
            ("hmc-2007", "--source", "10.1.1.1", "--format", "csv"),
            "--source is for rules to be pasted",
        ),
        (("hmc-2007", "--source", "x", "--format", "nft"), "--source x is no IP address"),
        (("hmc-2007", "--against", "hmc-207"), "did you mean hmc-2007?"),
        (("hmc-2007", "--against", "ds8880", "--format", "nft"), "--against has no rules"),
        (("--way", "vpn"), "--way needs a profile"),
    ],
)
def test_what_makes_no_sense_is_refused(words: tuple[str, ...], said: str, capsys: Capture) -> None:
    assert said in refused(capsys, *words)


def test_a_profile_of_the_users_own_that_is_wrong_says_where(
    tmp_path: Path, capsys: Capture
) -> None:
    wrong = tmp_path / "acme.yaml"
    wrong.write_text(ACME.read_text().replace("title", "titel"))

    assert "acme.yaml has 2 error(s)" in refused(capsys, str(wrong))


def test_a_file_is_read_each_time(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "acme.yaml"
    path.write_text(ACME.read_text())
    first = told(capsys, str(path), "--format", "csv")
    path.write_text(ACME.read_text().replace("203.0.114.10", "203.0.114.77"))
    second = told(capsys, str(path), "--format", "csv")

    assert ("203.0.114.77" in first, "203.0.114.77" in second) == (False, True)
