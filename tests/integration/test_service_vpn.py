"""Remote service by VPN as other customers have it: each run judges itself, and is as the customer says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.labs import ROOT, lab

pytestmark = pytest.mark.kernel

TELEPHONE = """\
telephone:
  hmc:      { number: "1-507-555-0101" }
  ibm-dial: { number: "1-507-555-0150" }

ways:"""


def replaced(*pairs: tuple[str, str]) -> str:
    text = (ROOT / "topologies" / "service-vpn.yaml").read_text()
    for old, new in pairs:
        assert old in text, f"the topology has no {old!r}"
        text = text.replace(old, new)
    return text


def one_tunnel_in_2007() -> str:
    """Sessions in one L2TP tunnel (X-08), and the 17 ports of 2007."""
    return replaced(("layout: tunnels", "layout: sessions"), ("hmc-2017-traditional", "hmc-2007"))


def by_a_call() -> str:
    """A call to the modem has the HMC begin (X-05)."""
    return replaced(
        ("{ role: hmc }", "{ role: hmc, modems: 1 }"),
        (
            "  internet: { role: internet }",
            "  internet: { role: internet }\n  pstn: { role: exchange }",
        ),
        (
            "  intranet: { role",
            "  ibm-dial: { role: service-dialer, modems: 1 }\n  intranet: { role",
        ),
        ("service: 10.1.0.30 }", "service: 10.1.0.30, ibm-dial: 10.1.0.40 }"),
        ("{ server: service,", "{ server: service, dialer: ibm-dial, trigger: call,"),
        ("\nways:", f"\n{TELEPHONE}"),
    )


def one_partition() -> str:
    """The HMC itself may not be reached."""
    return replaced(("access: [hmc, lpar-1, lpar-2]", "access: [lpar-1]"))


def others_beside() -> str:
    """The HMC has another way home, too; another one calls by the same VPN, and a third one by a proxy."""
    hosts = "  proxy-1:  { role: proxy }\n  caller:   { role: hmc }\n  shut:     { role: hmc }\n"
    squid = "  squid: { kind: proxy, proxies: [proxy-1] }\n"
    return replaced(
        ("  firewall: {", f"{hosts}  firewall: {{"),
        ("hmc: 203.0.113.10,", "hmc: 203.0.113.10, caller: , shut: , proxy-1: ,"),
        ("\nways:\n", f"\nways:\n  open: {{ kind: direct }}\n{squid}"),
        ("  hmc: [vpn]", "  hmc: [vpn, open]\n  caller: [vpn]\n  shut: [squid]"),
        ("  [OUT-02,", "  [OUT-01, OUT-09, F-03, F-10, OUT-02,"),
    )


VARIANTS: dict[Callable[[], str], dict[str, str]] = {
    one_tunnel_in_2007: {
        "I-10": "TCP and UDP 22-23, 2125, 2300, 9090, 9735, 9940, 30000-30009 answered of all",
        "I-16": "1 SCCRQ and 3 ICRQ; 1 SCCRQ and 3 ICRQ",
    },
    by_a_call: {"I-14": "each time after a call that carried nothing"},
    others_beside: {
        "I-14": "and nobody else ever did, but to call home",
        "I-15": "8 rules for the VPN servers",
    },
    one_partition: {
        "I-09": "none answered; partitions answered",
        "I-16": "2 SCCRQ and 2 ICRQ",
    },
}


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.__name__)
def test_a_customer_who_wants_it_otherwise(variant: Callable[[], str], tmp_path: Path) -> None:
    topology = tmp_path / "variant.yaml"
    topology.write_text(variant())
    done = lab("run", f"{topology}", "--out", f"{tmp_path / 'out'}")
    assert done.returncode == 0, done.stdout + done.stderr
    told = " ".join(done.stdout.split())
    for requirement, words in VARIANTS[variant].items():
        _, _, said = told.partition(f" {requirement} pass ")
        assert words in said.partition(" pass ")[0], requirement


def test_a_session_is_no_way_home(tmp_path: Path) -> None:
    """Sessions have IKE and L2TP of their own: where the way home was left down, nobody's died."""
    out = tmp_path / "out"
    done = lab("run", "service-vpn", "--no-path", "--out", f"{out}", "--", "true")

    assert done.returncode == 0, done.stdout + done.stderr
    verdict = json.loads((out / "verdict.json").read_text())
    assert verdict["verdict"] == "pass", verdict
    assert "diagnosis" not in verdict
    findings = {each["requirement"]: each for each in verdict["findings"]}
    assert findings["P-07"]["seen"].startswith("the way home was left down")
    assert findings["I-01"]["verdict"] == "pass"
