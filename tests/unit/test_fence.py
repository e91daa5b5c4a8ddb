"""AT&T's fence as text: as reviewed, what the model changes in it, and that nft takes a call in and out."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import Any

import pytest

from lab.linux import fence, process
from lab.topology import load, resolve
from lab.topology.telephone import FenceList, Lig
from tests import golden


def lig(**changes: Any) -> Lig:
    resolved = resolve.resolve(load.load("dial"), b"golden").lig
    assert resolved is not None
    return replace(resolved, **changes)


def call(user: str = "usibm.hmc01") -> fence.Admission:
    return fence.Admission(number=7, interface="ppp1", address="203.0.113.131", user=user)


def test_the_fence_is_as_reviewed() -> None:
    rules = fence.render(lig())
    file = golden.DATA / "render" / "dial" / "fence.nft"
    assert rules == golden.reviewed(file, rules), golden.HINT


VARIANTS: list[dict[str, Any]] = [
    {},
    {"literal_replies": True},
    {"ports": (("tcp", 443), ("udp", 500), ("esp", 0), ("icmp-echo", 0))},
    {"lists": ()},
    {"lists": (FenceList(user="nobody's friend", addresses=()),)},
]


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="nft needs root")
@pytest.mark.parametrize("changes", VARIANTS, ids=lambda changes: ",".join(changes) or "plain")
def test_nft_takes_calls_in_and_out(changes: dict[str, Any]) -> None:
    wanted = lig(**changes)
    again = [fence.admit(wanted, call()), fence.dismiss(call())] * 2
    script = fence.render(wanted) + "".join(again)

    argv = ("unshare", "--net", "nft", "--file", "-")
    process.run(argv, deadline_s=10, input=script)


def chain(rules: str, name: str) -> list[str]:
    found = re.search(
        rf"^\tchain {re.escape(name)} {{\n(.*?)^\t}}", rules, re.MULTILINE | re.DOTALL
    )
    assert found is not None, name
    return [line.strip() for line in found[1].splitlines()]


@pytest.mark.parametrize("changes", VARIANTS, ids=lambda changes: ",".join(changes) or "plain")
def test_every_decision_is_counted_and_none_is_answered(changes: dict[str, Any]) -> None:
    rules = fence.render(lig(**changes))
    decisions = [line for line in rules.splitlines() if re.search(r" (accept|drop)$", line)]

    assert decisions
    assert all('counter name "' in line or '"lo"' in line for line in decisions)
    assert "reject" not in rules
    assert rules.count("policy drop;") == 3
    declared = set(re.findall(r"^\tcounter (\S+) {", rules, re.MULTILINE))
    used = set(re.findall(r'counter name "([^"]+)"', rules))
    assert declared == used
    assert all(re.match(r"(L|P|X)-\d\d-", name) for name in declared)


def test_the_list_is_the_users() -> None:
    wanted = lig(
        lists=(
            FenceList(user="us.a", addresses=("129.42.160.48",)),
            FenceList(user="us a", addresses=("129.42.160.49",)),
        )
    )
    rules = fence.render(wanted)
    first, second = (fence.chain_of(wanted, user) for user in ("us.a", "us a"))

    assert first != second
    assert chain(rules, first) == ["ip daddr { 129.42.160.48 } goto listed", "goto unlisted"]
    assert chain(rules, second)[0] == "ip daddr { 129.42.160.49 } goto listed"
    assert f"goto {second} }}" in fence.admit(wanted, call("us a"))


def test_who_has_no_list_reaches_nothing() -> None:
    assert fence.chain_of(lig(), 'x } ; flush ruleset "') == "unlisted"
    assert " : goto unlisted }" in fence.admit(lig(), call("stranger"))


def test_ports_are_looked_at_only_where_the_model_has_them() -> None:
    assert not [line for line in chain(fence.render(lig()), "listed") if "dport" in line]

    rules = chain(fence.render(lig(ports=(("tcp", 443), ("esp", 0)))), "listed")
    assert rules[0].startswith("tcp dport 443 ct mark set")
    assert rules[1].startswith("meta l4proto esp ct mark set")
    assert rules[-1] == 'counter name "L-12-port" drop'


def test_to_the_letter_no_utility_replies() -> None:
    (reply,) = (x for x in chain(fence.render(lig()), "output") if "sport 53" in x)
    (letter,) = (
        x for x in chain(fence.render(lig(literal_replies=True)), "output") if "sport 53" in x
    )

    assert reply.endswith('"L-03-utility-reply" accept')
    assert letter.endswith('"X-09-utility-reply" drop')
    assert reply.rpartition("counter")[0] == letter.rpartition("counter")[0]
