"""What befalls one of a partition's loans is survived by another one; what befalls all partitions is not."""

from __future__ import annotations

import pytest

from lab.topology import load
from lab.topology.model import Topology
from lab.topology.resolve import resolve
from lab.ways import faults

TWO_LOANS = (
    (
        "  sdc:      {",
        "  vpn1:     { role: vpn-gateway }\n  vpn2:     { role: vpn-gateway }\n  sdc:      {",
    ),
    ("internet: 192.0.2.1, sdc", "internet: 192.0.2.1, vpn1: 192.0.2.11, vpn2: 192.0.2.12, sdc"),
    (
        "\ntelephone:",
        "  core:\n    subnet: 10.1.0.0/24\n    rate: 1Gbit\n"
        "    nodes: { vpn1: 10.1.0.11, vpn2: 10.1.0.12, sdc: 10.1.0.20 }\n\ntelephone:",
    ),
    ("\nagents:", "  vpn: { kind: vpn, gateways: [vpn1, vpn2], over: i5 }\n\nagents:"),
)
"""A partition that lends its VPN, too."""
BY = ("hmc: [modem]", "hmc: [{}]")


def lends_both(order: str) -> Topology:
    text = (load.folder() / "pass-through-modem.yaml").read_text(encoding="utf-8")
    for old, new in (*TWO_LOANS, (BY[0], BY[1].format(order))):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return resolve(load.parse(text, "both.yaml"), b"seed")


@pytest.mark.parametrize("order", ["vpn, modem", "modem, vpn"])
@pytest.mark.parametrize(
    ("name", "survives"),
    [
        ("i5-vpn-refused", True),
        ("i5-line-busy", True),
        ("i5-silent", False),
        ("udp-1701-one-way", False),
        ("i5-dies", False),
    ],
)
def test_one_loan_is_a_backup_of_the_other(order: str, name: str, survives: bool) -> None:
    topology = lends_both(order)
    (fault,) = [each for each in faults.applicable(topology) if each.name == name]

    assert fault.survived_by(topology) is survives


@pytest.mark.parametrize("name", ["i5-vpn-refused", "i5-line-busy"])
def test_a_loan_without_another_is_lost(name: str) -> None:
    own = "pass-through-vpn" if "vpn" in name else "pass-through-modem"
    topology = resolve(load.load(own), b"seed")
    (fault,) = [each for each in faults.applicable(topology) if each.name == name]

    assert not fault.survived_by(topology)


def test_what_a_fault_is_about_is_the_kind_that_goes_by_the_partition() -> None:
    """Else a fault of the VPN would count as seen where the modem alone was tried."""
    by_name = {fault.name: fault for fault in faults.applicable(lends_both("vpn, modem"))}

    assert by_name["i5-vpn-refused"].need.kinds == ("vpn",)
    assert by_name["i5-line-busy"].need.kinds == ("dial",)
    assert by_name["i5-silent"].need.kinds == ("pass-through",)
