"""``rules: FILE`` in a topology: a firewall of the customer's own, judged by what passes."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.labs import ROOT
from tests.integration.users import User

pytestmark = pytest.mark.kernel

DATA = ROOT / "tests" / "data" / "topologies"
CALL = ("--", "sh", "-c", 'curl -sS -m 5 --cacert "$LAB_CA_FILE" "$LAB_SERVER"')


class Customer:
    """Somebody with the example of the firewall in a folder of his own."""

    def __init__(self, folder: Path) -> None:
        self.user = User.settle(folder / "home")
        for name in ("own-firewall.yaml", "customer.nft", "customer.rules"):
            shutil.copy(DATA / name, self.user.home)

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.user.home / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def run(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        return self.user.lab("run", "own-firewall.yaml", "--out", "out", *words)

    @property
    def verdict(self) -> dict[str, Any]:
        return dict(json.loads((self.user.home / "out" / "verdict.json").read_text()))

    @property
    def failed(self) -> dict[str, str]:
        found = self.verdict["findings"]
        return {f["requirement"]: f["seen"] for f in found if f["verdict"] == "fail"}


@pytest.fixture
def customer(tmp_path: Path) -> Customer:
    return Customer(tmp_path)


def test_a_right_firewall_for_nft(customer: Customer) -> None:
    done = customer.run()

    assert (done.returncode, customer.failed) == (0, {}), done.stderr
    kept = customer.user.home / "out" / "rules" / "firewall.nft"
    assert kept.read_text() == (DATA / "customer.nft").read_text()


def test_a_right_firewall_for_iptables(customer: Customer) -> None:
    """It has no NAT: that is the lab's, by ``snat: true``."""
    customer.edit("own-firewall.yaml", "customer.nft", "customer.rules")
    done = customer.run(*CALL)

    assert (done.returncode, customer.failed) == (0, {}), done.stderr
    assert b"callhome-lab" in done.stdout


def test_a_firewall_that_lets_too_much_out(customer: Customer) -> None:
    """The packets tell: nothing of the lab counts them."""
    customer.edit("customer.nft", "ip daddr $IBM tcp dport 443", "tcp dport { 80, 443 }")
    done = customer.run("--", "sh", "-c", "curl -sS -m 5 http://129.42.56.189/; true")

    assert done.returncode == 0
    assert (
        "TCP from 198.51.100.2 to 129.42.56.189:80 passed without a rule" in customer.failed["F-03"]
    )


def test_a_firewall_that_forgets_its_nat(customer: Customer) -> None:
    customer.edit("customer.nft", 'oifname "fw-inet" masquerade', 'oifname "lan" masquerade')
    done = customer.run(*CALL)

    assert done.returncode != 0
    assert "OUT-03" in customer.failed


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        (
            "customer.nft",
            "tcp dport 443",
            "tcp dprt 443",
            b"nft refuses the rules customer.nft of firewall: line 10: syntax error",
        ),
        (
            "customer.rules",
            "-m tcp --dport 443",
            "-m tcp --dprt 443",
            b"iptables-restore refuses the rules customer.rules of firewall: line 9: unknown option",
        ),
    ],
)
def test_a_mistake_is_the_users_and_has_its_line(
    name: str, old: str, new: str, told: bytes, customer: Customer
) -> None:
    customer.edit("own-firewall.yaml", "customer.nft", name)
    customer.edit(name, old, new)
    done = customer.run("--", "true")

    assert done.returncode == 2
    assert told in done.stderr
    assert f"correct {name}".encode() in done.stderr


def test_rules_of_a_consoles_own(customer: Customer) -> None:
    (customer.user.home / "hmc.nft").write_text(
        "table inet mine {\n chain o {\n  type filter hook output priority 0;\n"
        "  tcp dport 443 counter drop\n }\n}\n"
    )
    customer.edit("own-firewall.yaml", "{ role: hmc }", "{ role: hmc, rules: hmc.nft }")
    done = customer.run(*CALL)

    assert done.returncode != 0
    assert b"timed out" in done.stderr or b"Timeout" in done.stderr
    assert (customer.user.home / "out" / "rules" / "hmc.nft").exists()
