"""Rules to be pasted, read back by readers of the test's own: what is listed passes, and nothing else."""

from __future__ import annotations

import csv
import io
import ipaddress
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import UsageError
from lab.explain import formats, needs
from lab.explain.needs import Scope, Where
from lab.explain.paste import paste
from lab.topology import catalogue
from lab.topology.capability import WayOut
from lab.topology.catalogue import Variant
from tests.unit.examples import examples

Passes = tuple[str, str, str, int]
"""From whom, to where (addresses or prefixes), by what protocol, to which port (0: none)."""

NEEDING = [n for n in catalogue.names() if catalogue.profile(n).servers()]


def scope(profile: str, *, nat: bool = False, ranges: bool = False) -> Scope:
    of = catalogue.profile(profile)
    variant = Variant.ssl if Variant.ssl in needs.variants(of) else Variant.none
    ways = needs.ways_of(of)
    return Scope(profile=of, ways=ways, variant=variant, nat=nat, ranges=ranges)


# Readers: as little as there is in such a text, and nothing of the lab's own.


RULE = re.compile(
    r"(?m)^\t\tip6? saddr (.+?) ip6? daddr (.+?) (tcp|udp|meta) (.+?) ct state new accept$"
)


def read_nft(text: str) -> set[Passes]:
    addresses = dict(re.findall(r"(?m)^define (\w+) = (\S+)", text))
    found = set()
    for source, destination, protocol, rest in RULE.findall(text):
        sources, destinations = (
            [addresses.get(each.strip(" $"), each.strip()) for each in side.strip("{} ").split(",")]
            for side in (source, destination)
        )
        ports = re.findall(r"\d+", rest) if protocol != "meta" else ["0"]
        kind = rest.split()[-1] if protocol == "meta" else protocol
        found |= {(s, d, kind, int(p)) for s in sources for d in destinations for p in ports}
    assert text.count("ct state new accept") == len(RULE.findall(text))
    return found


def read_iptables(text: str) -> set[Passes]:
    found = set()
    for line in text.splitlines():
        if line.startswith(("-4 ", "-6 ")):
            parts = line.split()
            by = {key: parts[parts.index(key) + 1] for key in ("-s", "-d", "-p", "-j")}
            assert (":" in by["-d"]) == (":" in by["-s"]) == (parts[0] == "-6")
            assert by["-j"] == "ACCEPT"
            ports = next(
                (parts[parts.index(k) + 1] for k in ("--dport", "--dports") if k in parts), "0"
            )
            found |= {(by["-s"], by["-d"], by["-p"], int(port)) for port in ports.split(",")}
    return found


def read_asa(text: str) -> set[Passes]:
    groups: dict[str, list[str]] = {}
    found: set[Passes] = set()
    name = ""
    for line in text.splitlines():
        words = line.split()
        if line.startswith("object-group"):
            name = words[2]
            groups[name] = []
        elif line.startswith(" network-object"):
            _, *rest = words
            if len(rest) == 2 and rest[0] != "host":
                # A mask, and not the inverse of one: ipaddress takes both.
                assert "01" not in f"{int(ipaddress.ip_address(rest[1])):032b}"
            groups[name].append("/".join(word for word in rest if word != "host"))
        elif line.startswith(" service-object"):
            groups[name].append(f"{words[1]}/{words[-1] if len(words) > 2 else 0}")
        elif re.match(r"access-list \S+ extended permit ", line):
            service, source, destination = (w for w in words if w in groups)
            for each in groups[service]:
                protocol, _, port = each.partition("/")
                found |= {
                    (s, d, protocol, int(port)) for s in groups[source] for d in groups[destination]
                }
        else:
            assert line.startswith(("!", "access-list")), line
            assert "remark" not in line or len(line.partition(" remark ")[2]) <= 100
    return found


def read_csv(text: str) -> set[Passes]:
    return {
        (row["sender"], row["destination"], row["protocol"], int(row["port"]))
        for row in csv.DictReader(io.StringIO(text, newline=""))
        if row["where"] == "perimeter" and row["destination"]
    }


READERS: dict[str, Callable[[str], set[Passes]]] = {
    "nft": read_nft,
    "iptables": read_iptables,
    "cisco-asa": read_asa,
    "csv": read_csv,
}


def text(form: str, of: Scope) -> str:
    return formats.as_csv(needs.needs(of)) if form == "csv" else formats.PASTED[form](paste(of))


def passes(rules: set[Passes], destination: str, protocol: str, port: int) -> bool:
    address = ipaddress.ip_address(destination)
    return any(
        address in ipaddress.ip_network(net) and (protocol, port) == (its, number)
        for _, net, its, number in rules
    )


def wanted(of: Scope) -> set[tuple[str, str, int]]:
    return {
        (n.destination, n.protocol, n.port)
        for n in needs.needs(of)
        if n.where is Where.perimeter and n.destination
    }


@pytest.mark.parametrize("form", formats.FORMATS)
@pytest.mark.parametrize("profile", NEEDING)
@pytest.mark.parametrize("nat", [True, False])
def test_every_listed_address_passes(form: str, profile: str, nat: bool) -> None:
    of = scope(profile, nat=nat)
    rules = READERS[form](text(form, of))

    assert wanted(of)
    for destination, protocol, port in wanted(of):
        assert passes(rules, destination, protocol, port)
        assert not passes(rules, destination, protocol, port + 1) or (
            (destination, protocol, port + 1) in wanted(of)
        )


@pytest.mark.parametrize("form", formats.FORMATS)
@pytest.mark.parametrize("profile", NEEDING)
@examples(20)
@given(st.data())
def test_no_other_address_passes(form: str, profile: str, data: st.DataObject) -> None:
    of = scope(profile)
    known = {ipaddress.ip_address(destination) for destination, _, _ in wanted(of)}
    near = st.sampled_from(sorted(known, key=str)).map(lambda a: a + data.draw(st.integers(-3, 3)))
    address = data.draw(st.one_of(near, st.ip_addresses()))
    rules = READERS[form](text(form, of))
    # The customer's own address is a destination, too, where either side may begin.
    senders = {source for source, _, _, _ in rules}
    if address not in known and str(address) not in senders:
        every = {(protocol, port) for _, _, protocol, port in rules}
        assert not any(passes(rules, str(address), *each) for each in every)


@pytest.mark.parametrize("form", formats.PASTED)
def test_ranges_pass_whole(form: str) -> None:
    rules = READERS[form](text(form, scope("hmc-2017-simplified", ranges=True)))

    for inside in ("129.42.0.1", "129.42.63.254", "2620:0:6c7:ffff::1"):
        assert passes(rules, inside, "tcp", 443)
    for outside in ("129.42.64.1", "2620:0:6c8::1", "192.148.6.11"):
        assert not passes(rules, outside, "tcp", 443)  # V-02


@pytest.mark.parametrize("form", formats.PASTED)
def test_either_side_may_begin_a_vpn_and_nothing_else(form: str) -> None:  # F-06
    of = replace(scope("hmc-2007"), ways=(WayOut.direct, WayOut.vpn))
    rules = READERS[form](text(form, of))

    own = "192.0.2.10"
    back = {(source, protocol, port) for source, to, protocol, port in rules if to == own}
    gateways = ("129.42.160.16", "207.25.252.196")
    assert back == {(gate, *each) for gate in gateways for each in (("udp", 500), ("esp", 0))}


@pytest.mark.parametrize("form", formats.PASTED)
def test_the_users_own_address_is_the_source(form: str) -> None:
    of = replace(scope("hmc-2017-simplified"), ways=(WayOut.direct,))
    both = formats.PASTED[form](paste(of, ("10.1.1.1", "2001:db8:1::1")))
    assert {s.removesuffix("/128") for s, _, _, _ in READERS[form](both)} == {
        "10.1.1.1",
        "2001:db8:1::1",
    }
    assert "example" not in both

    one = formats.PASTED[form](paste(of, ("10.1.1.1",)))
    assert {source for source, _, _, _ in READERS[form](one)} == {"10.1.1.1"}
    assert "left out: 3 IPv6 destinations, for --source has no IPv6 address" in one


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        (("here",), "--source here is no IP address"),
        (("192.0.2.1/24",), "--source 192.0.2.1/24 is no IP address"),
        (("192.0.2.1", "192.0.2.2"), "--source has two addresses of IPv4"),
    ],
)
def test_a_source_is_one_address_of_each_version(given_: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        paste(scope("hmc-2007"), given_)


@pytest.mark.parametrize("form", formats.PASTED)
def test_no_words_of_a_profile_become_a_rule(form: str) -> None:
    """A profile of somebody else's may have several lines in what ends up in a comment."""
    of = scope("hmc-2007")
    words = "x\n-4 -A FORWARD -j ACCEPT\n\t\taccept\naccess-list CALLHOME-OUT extended permit ip any any"
    rows = tuple(
        row.model_copy(update={"purpose": words, "note": words}) for row in of.profile.rows
    )
    hostile = replace(of.profile, title=words, papers=(words,), rows=rows)
    made = text(form, replace(of, profile=hostile))

    assert READERS[form](made) == READERS[form](text(form, of))
    assert not re.search(
        r"(?m)^(-4 -A FORWARD|\t\taccept|access-list CALLHOME-OUT extended permit ip)", made
    )


def test_csv_is_that_of_rfc_4180() -> None:
    made = formats.as_csv(needs.needs(scope("hmc-2017-simplified")))

    assert made.endswith("\r\n")
    header, *rows = csv.reader(io.StringIO(made, newline=""))
    assert tuple(header) == formats.COLUMNS
    assert {len(row) for row in rows} == {len(header)}
    assert '"All call-home traffic, by one front-end proxy"' in made


# The programs' own opinion, in a network of their own.

with_root = pytest.mark.skipif(os.geteuid() != 0, reason="a network of its own needs root")


def run(made: str, command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A shell command on a file with the rules, in which ``$0`` is its name."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    program = command.split()[0]
    if not shutil.which(program, path=path):
        package = "nftables" if program == "nft" else "iptables"
        pytest.skip(f"needs {program}: lab setup {package}")
    file = folder / "rules"
    file.write_text(made)
    return subprocess.run(
        ["unshare", "--net", "sh", "-c", command, os.fspath(file)],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@with_root
@pytest.mark.parametrize("profile", catalogue.names())
@pytest.mark.parametrize("nat", [True, False])
def test_nft_takes_it(profile: str, nat: bool, tmp_path: Path) -> None:
    made = text("nft", scope(profile, nat=nat))
    assert run(made, "nft -c -f $0", tmp_path).stderr == ""
    # A second time it takes the place of the first.
    twice = run(made, "nft -f $0 && nft -f $0 && nft list chain inet callhome forward", tmp_path)
    assert twice.stdout.count("ct state new") == made.count("ct state new")
    assert "policy drop" in twice.stdout
    assert run(made.replace("accept", "acept"), "nft -c -f $0", tmp_path).returncode


@with_root
@pytest.mark.parametrize("program", ["iptables-restore", "ip6tables-restore"])
@pytest.mark.parametrize("profile", NEEDING)
def test_iptables_takes_it(program: str, profile: str, tmp_path: Path) -> None:
    made = text("iptables", scope(profile))
    command = f"{program} --test --noflush $0"
    done = run(made, command, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    marked = f"-{4 if program == 'iptables-restore' else 6} -A CALLHOME"
    if marked in made:
        assert run(made.replace(marked, f"{marked} --nosuch"), command, tmp_path).returncode
