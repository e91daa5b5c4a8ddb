"""Profiles of the user's own: read beside the topology, as strict as it, and all that a run needs of them."""

from __future__ import annotations

import contextlib
import json
import re
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP

from lab import codec, verify
from lab.errors import TopologyError, UsageError
from lab.topology import catalogue, load, own_profile, resolve, schema, strict_yaml
from lab.topology.model import Role, Topology
from lab.verify import Finding, Verdict
from tests.unit.examples import examples
from tests.unit.verify.stage import SEED, START, Stage

ACME = Path(__file__).parents[2] / "data" / "profiles" / "acme.yaml"
SMALL = """\
schema: 1
title: Small
out: { direct: {} }
rows:
  all: { purpose: all, services: [tcp/443], hosts: { a.example: [203.0.114.10] } }
"""


GATE = """\
  gate: { kind: vpn-gateway, purpose: all, services: [esp], hosts: { gate.example: [203.0.114.10] } }
"""


def beside(folder: Path, topology: str, profile: str, written: str = "./acme.yaml") -> str:
    """A topology of the lab's own in a folder, with a profile of its own beside it."""
    folder.mkdir(exist_ok=True)
    (folder / "acme.yaml").write_text(profile, encoding="utf-8")
    text = (load.folder() / f"{topology}.yaml").read_text(encoding="utf-8")
    path = folder / "mine.yaml"
    path.write_text(re.sub(r"(?m)^profile: .*", f"profile: {written}", text), encoding="utf-8")
    return str(path)


def model(folder: Path, topology: str = "direct", profile: str = "") -> Topology:
    profile = profile or ACME.read_text(encoding="utf-8")
    return resolve.resolve(load.load(beside(folder, topology, profile)), SEED)


@pytest.mark.parametrize(
    ("topology", "taken", "left"),
    [
        ("direct-snat", "203.0.113.54", "198.18.0.54"),
        ("direct-ipv6", "2001:db8::54", "2001:db8:0:1::54"),
    ],
)
def test_the_labs_name_server_takes_the_address_of_none_of_them(
    topology: str, taken: str, left: str, tmp_path: Path
) -> None:
    profile = SMALL.replace("203.0.114.10", f'"{taken}"').replace(
        "rows:", 'has: { ipv6: { at: "Guide" }, ipv4: { at: "Guide" } }\nrows:'
    )

    dns = model(tmp_path, topology, profile).dns

    assert dns is not None
    assert dns.server.address == left


def test_its_servers_are_those_of_the_lab(tmp_path: Path) -> None:
    made = model(tmp_path)

    assert made.profile == "./acme.yaml"
    (sdc,) = made.with_role(Role.sdc)
    assert sdc.service_addresses == ("203.0.114.10", "203.0.114.11", "203.0.115.20")
    assert [(e.name, e.address, e.row) for e in made.endpoints] == [
        ("collect.acme.example", "203.0.114.10", "collector"),
        ("collect.acme.example", "203.0.114.11", "collector"),
        ("firmware.acme.example", "203.0.115.20", "firmware"),
    ]
    assert made.firewall is not None
    opened = {(r.destination, r.protocol, r.port) for r in made.firewall.rules}
    assert opened == {
        *((address, "tcp", 443) for address in sdc.service_addresses),
        ("203.0.114.10", "icmp-echo", 0),
    }
    assert "ibm.com" not in codec.dump(made)


def test_a_vpn_goes_to_its_gateways(tmp_path: Path) -> None:
    path = Path(beside(tmp_path, "vpn", ACME.read_text(encoding="utf-8")))
    path.write_text(path.read_text().replace("vpn1", "gate-a").replace("vpn2", "gate-b"))
    made = resolve.resolve(load.load(str(path)), SEED)

    assert made.node("gate-b").service_addresses == ("203.0.114.2",)
    assert made.firewall is not None
    assert {r.destination for r in made.firewall.rules} == {"203.0.114.1", "203.0.114.2"}


def test_a_way_that_it_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TopologyError) as refused:
        model(tmp_path, "dial")

    said = "./acme.yaml has no way modem: support ended with model 4 (Guide 3.2.5); profiles that"
    assert said in refused.value.message


def test_two_files_of_one_name_are_two_profiles(tmp_path: Path) -> None:
    one = model(tmp_path / "one", profile=SMALL)
    two = model(tmp_path / "two", profile=SMALL.replace("114.10", "114.99"))
    again = model(tmp_path / "one", profile=SMALL.replace("114.10", "114.55"))

    found = [each.endpoints[0].address for each in (one, two, again)]
    assert found == ["203.0.114.10", "203.0.114.99", "203.0.114.55"]
    assert one.profile == two.profile == "./acme.yaml"


@pytest.mark.parametrize("written", ["acme.yaml", "./acme.yaml"])
def test_its_name_is_none_of_the_catalogues(tmp_path: Path, written: str) -> None:
    """Not even by its first letters, by which DS8000s are told."""
    (tmp_path / "ds8-acme.yaml").write_text(SMALL)
    path = beside(tmp_path, "direct", SMALL, written.replace("acme", "ds8-acme"))
    made = resolve.resolve(load.load(path), SEED)

    assert made.profile == "./ds8-acme.yaml"
    assert made.profile not in catalogue.names()


def test_a_file_that_is_not_there_is_named_with_its_folder(tmp_path: Path) -> None:
    path = beside(tmp_path, "direct", SMALL, "./acne.yaml")
    with pytest.raises(UsageError, match=f"there is no file {tmp_path}/acne.yaml"):
        load.load(path)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("rows:", "rovs: a\nrows:"), "line 4: rovs: unknown key; did you mean rows?"),
        (("title: Small\n", ""), "title: is missing (one line for `lab explain`)"),
        (("schema: 1", "schema: 2"), "line 1: schema: must be 1, not 2"),
        (("direct: {}", "dirct: {}"), "line 3: out.dirct: must be direct, proxy, "),
        (("direct: {}", "direct: { lacks: x }"), "line 3: out: names no way home"),
        (("direct: {}", "direct: { lacks: x, limited: z }"), "is lacking or limited, not both"),
        (("direct: {}", "direct: {}, vpn: {}"), "out has vpn, and no row is of kind vpn-gateway"),
        (("tcp/443", "tcp/99999"), "line 5: rows.all.services: must be such as tcp/443"),
        (("[tcp/443]", "tcp/443"), "rows.all.services: must be a list, such as [tcp/443]"),
        (("tcp/443", "https"), "rows.all.services: must be such as tcp/443"),
        (("tcp/443", "tcp/0"), "rows.all.services: must be such as tcp/443"),
        (("services: [tcp/443], ", ""), "rows.all: a row of kind server needs services"),
        (("a.example:", "A.example:"), "must be a host's name in small letters"),
        (("114.10]", "114]"), "must be an address or a prefix, such as 192.0.2.1, not '203.0.114'"),
        (("114.10]", "114.0/24]"), "rows.all: a row of kind server lists a single address"),
        (("purpose:", "kind: local, purpose:"), "rows.all: a row of kind local has no hosts"),
        (("purpose: all", "purpose: no"), "rows.all.purpose: no means true or false"),
        (("out:", "direct: { ports: [] }\nout:"), "direct.ports: must have 1 entry at least"),
        (("out:", "direct: { ports: [0] }\nout:"), "direct.ports[0]: must be 1 at least"),
        (("  all:", "  a b:"), "a row's name is letters, digits"),
        (("203.0.114.10", "127.0.0.1"), "127.0.0.1 is no address that a server on the Internet"),
        (("203.0.114.10", "239.1.1.1"), "239.1.1.1 is no address that a server on the Internet"),
        (("203.0.114.10", '"2A10::0"'), "is written as 2a10::"),
        (("rows:", "in: { modem: {} }\nrows:"), "in has a way, and no row is of kind inbound"),
        (("rows:", f"rows:\n{GATE}"), "203.0.114.10 of all is that of gate.example, too"),
        (
            ("rows:", f"rows:\n{GATE.replace('}', ', gate.other: [203.0.114.2]}', 1)}"),
            "two VPN gateways would be called gate, by their first labels",
        ),
    ],
)
def test_what_is_wrong_is_said(wrong: tuple[str, str], said: str) -> None:
    assert wrong[0] in SMALL
    with pytest.raises(TopologyError) as refused:
        own_profile.parse(SMALL.replace(*wrong), "acme.yaml", "./acme.yaml")

    assert refused.value.message.startswith("acme.yaml has 1 error(s):")
    assert said in refused.value.message


def test_every_error_comes_at_once() -> None:
    wrong = SMALL.replace("title", "titel").replace("tcp/443", "https").replace("direct", "dirct")
    with pytest.raises(TopologyError) as refused:
        own_profile.parse(wrong, "acme.yaml", "./acme.yaml")

    places = {issue.place for issue in refused.value.issues}
    assert places == {"title", "titel", "out.dirct", "rows.all.services"}


def test_a_server_that_nobody_can_reach_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        TopologyError, match=r"10\.1\.2\.3 of all is private: no Internet leads to it"
    ):
        model(tmp_path, profile=SMALL.replace("203.0.114.10", "10.1.2.3"))
    with pytest.raises(TopologyError, match="lists no server with IPv4 and HTTPS for the region"):
        model(tmp_path, profile=SMALL.replace("203.0.114.10", '"2a10:1::20"'))


def test_a_link_may_not_hold_its_servers(tmp_path: Path) -> None:
    with pytest.raises(
        TopologyError, match=r"holds 192\.0\.2\.77, which all lists as \./acme\.yaml's"
    ):
        model(tmp_path, profile=SMALL.replace("203.0.114.10", "192.0.2.77"))


def test_the_schema_knows_all_keys_and_the_topologys_takes_a_file() -> None:
    made = schema.profile_schema()
    data = strict_yaml.parse(ACME.read_text(encoding="utf-8")).data

    assert data.keys() < made["properties"].keys()
    assert {"schema", "title", "rows"} == {*made["required"]}
    assert json.dumps(made)
    names, file = schema.schema()["properties"]["profile"]["anyOf"]
    assert names["enum"] == list(catalogue.names())
    assert re.search(file["pattern"], "./acme.yaml")
    assert not any(re.search(file["pattern"], name) for name in catalogue.names())


def judged(made: Topology, to: str, folder: Path) -> Finding:
    """What g1 says of a run in which the HMC sends one SYN to an address."""
    stage = Stage(made)
    own = made.node("hmc").uplink.ip
    stage.put("fw-inet", "firewall", "internet", bytes(IP(src=own, dst=to) / TCP(dport=443)), START)
    run_dir = stage.write(folder / "run")
    return next(
        finding
        for finding in verify.judge(verify.Case(made, stage.record, run_dir))
        if finding.requirement == "g1"
    )


def test_a_run_is_judged_by_it_and_not_by_the_file_of_the_day(tmp_path: Path) -> None:
    """The model in the run directory has all that judging needs: the file may change, or go."""
    text = codec.dump(model(tmp_path), reveal=True)
    (tmp_path / "acme.yaml").unlink()
    made = codec.load(Topology, text)

    assert judged(made, "203.0.114.11", tmp_path / "listed").verdict is Verdict.held
    outside = judged(made, "203.0.114.12", tmp_path / "outside")
    assert outside.verdict is Verdict.failed
    assert "203.0.114.12, which is not listed" in outside.seen
    ibms = judged(made, "129.42.56.189", tmp_path / "ibm")
    assert ibms.verdict is Verdict.failed


@examples(100)
@given(data=st.data())
def test_no_damage_to_a_file_escapes_as_another_error(data: st.DataObject) -> None:
    """Cut a piece out of a sound file or put one in: the result is a profile, or a TopologyError."""
    text = ACME.read_text(encoding="utf-8")
    start = data.draw(st.integers(0, len(text)))
    end = start + data.draw(st.integers(0, 12))
    pieces = [
        "",
        "x",
        ": ",
        "- ",
        "[",
        "}",
        "'",
        "\n",
        "0",
        "vpn",
        "{}",
        "null",
        "1.2.3.4/33",
        "tcp/",
    ]
    damaged = text[:start] + data.draw(st.sampled_from(pieces)) + text[end:]
    with contextlib.suppress(TopologyError):
        own_profile.parse(damaged, "acme.yaml", "./acme.yaml")


def test_the_documented_example_is_one() -> None:
    page = (Path(__file__).parents[3] / "docs" / "profiles.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"(?m)^    schema: 1\n(?:    .*\n)+", page)
    made = own_profile.parse(textwrap.dedent(block), "docs/profiles.md", "./acme.yaml")

    assert {a.host for a in made.vpn_gateways} == {"gate-a.acme.example", "gate-b.acme.example"}
    assert made.can.out.keys() == {"direct", "vpn", "modem", "proxy"}
