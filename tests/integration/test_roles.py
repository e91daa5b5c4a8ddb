"""Nodes are found by their roles: under any other names a topology runs, and is judged, as under its own."""

from __future__ import annotations

import re

import pytest

from tests.integration.labs import ROOT, Ran, Runs

pytestmark = pytest.mark.kernel

OTHER = {
    "hmc": "console",
    "firewall": "wall",
    "internet": "net",
    "sdc": "far",
    "pstn": "exchange-1",
    "lig": "att",
    "cec": "box",
}
SWAPPED = {
    "hmc": "pstn",
    "firewall": "hmc",
    "internet": "sdc",
    "sdc": "lig",
    "pstn": "internet",
    "lig": "firewall",
    "cec": "wan",
}
"""Each has the name that another has as a rule."""
NAMES = {"other": OTHER, "swapped": SWAPPED}
FAULTS = {
    "vpn-nat": "tampered-esp",
    "dial": "pool-empty",
    "direct": "small-mtu",
    "failover": "gateways-silent",
}
FAIL = "dial", "direct"
PLANS = [*((name,) for name in FAULTS), *((name, "--fault", f) for name, f in FAULTS.items())]


def renamed(text: str, names: dict[str, str]) -> str:
    """A topology's text in which nodes have other names; gateways keep theirs, which the profile gives."""
    text, section = re.sub(" *#.*", "", text), ""
    lines = []
    for line in text.splitlines():
        section = line.partition(":")[0] if line[:1].strip() else section
        key = r"^(  )([\w-]+)(?=:)" if section in ("nodes", "telephone", "agents") else ""
        if section == "links" and line.lstrip().startswith("nodes:"):
            key = r"([{,] )([\w-]+)(?=:)"
        lines.append(re.sub(key, lambda m: m[1] + names.get(m[2], m[2]), line) if key else line)
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], str]:
    folder = tmp_path_factory.mktemp("roles")
    made = {}
    for kind, names in NAMES.items():
        for name in FAULTS:
            path = folder / kind / f"{name}.yaml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(renamed((ROOT / "topologies" / path.name).read_text(), names))
            made[kind, name] = str(path)
    return made


@pytest.fixture(scope="module", autouse=True)
def started(runs: Runs, files: dict[tuple[str, str], str]) -> None:
    runs.start(PLANS)
    runs.start((files[kind, name], *rest) for kind in NAMES for name, *rest in PLANS)


def verdicts(ran: Ran) -> dict[str, str]:
    return {name: found["verdict"] for name, found in ran.findings.items()}


def told(ran: Ran, names: dict[str, str]) -> str:
    """The diagnosis, with these names in the place of others, and without numbers, which vary."""
    by_name = re.compile(rf"\b({'|'.join(names)})\b") if names else re.compile("(?!)")
    text = by_name.sub(lambda m: names[m[1]], ran.verdict.get("diagnosis", ""))
    return re.sub(r"0x[0-9a-f]+|\d+", "N", text)


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("plan", PLANS, ids="-".join)
def test_names_change_nothing(
    runs: Runs, files: dict[tuple[str, str], str], plan: tuple[str, ...], kind: str
) -> None:
    name, *rest = plan
    own, other = runs.get(*plan), runs.get(files[kind, name], *rest)

    assert other.status == own.status == (1 if name in FAIL and rest else 0), other.told
    assert verdicts(other) == verdicts(own)
    assert told(other, {}) == told(own, NAMES[kind])
    assert bool(told(other, {})) == bool(rest)


@pytest.mark.parametrize("kind", NAMES)
def test_what_a_node_writes_is_in_its_folder_and_calls_are_in_one_place(
    runs: Runs, files: dict[tuple[str, str], str], kind: str
) -> None:
    ran, names = runs.get(files[kind, "failover"], "--fault", FAULTS["failover"]), NAMES[kind]

    found = {f.relative_to(ran.run_dir).as_posix() for f in ran.run_dir.rglob("*") if f.is_file()}
    assert {f"logs/{names['sdc']}/ledger.jsonl", f"logs/{names['lig']}/dnsmasq.log"} <= found
    assert {"wire/pstn.pcapng", "wire/pstn.txt", "keys/sdc.pem"} <= found
    assert {f.split("/")[1] for f in found if f.startswith("logs/") and f.count("/") == 2} == {
        *("vpn1", "vpn2"),
        *(names[node] for node in ("hmc", "firewall", "lig", "sdc")),
    }
