"""Keys of a way by VPN that differ from the papers: each gets home, and the findings say what differs."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lab.ways.vpn import proposal
from lab.wire.isakmp import ExchangeType
from tests.integration.labs import Ran, Runs, variant

pytestmark = pytest.mark.kernel


@dataclass(frozen=True)
class Combination:
    """A topology, and what becomes of it."""

    topology: str
    version: int
    ike: str = "3des-md5-modp1024"
    esp: str = "3des-md5"
    failed: set[str] = field(default_factory=set)
    more: str = ""

    @property
    def line(self) -> str:
        keys = f"version: {self.version}, ike: {self.ike}, esp: {self.esp}"
        return f"ipsec: {{ {keys}{self.more} }}"


ESP = {"P-04", "P-05"}
COMBINATIONS = {
    "aes-by-v1": Combination("vpn-nat", 1, "aes256-sha256-modp2048", "aes256-sha256", ESP),
    "gcm-by-v1": Combination(
        "vpn", 1, "aes128-sha1-modp1536", "aes128gcm16", ESP, ", dpd_delay: 10s, dpd_timeout: 40s"
    ),
    "papers-by-v2": Combination("vpn", 2, failed={"P-01"}),
    "aes-by-v2": Combination(
        "vpn-nat", 2, "aes256-sha256-modp2048", "aes256-sha256-modp2048", {"P-01", *ESP}
    ),
    "gcm-by-v2": Combination(
        "vpn", 2, "aes256gcm16-prfsha384-ecp384", "aes256gcm16", {"P-01", *ESP}
    ),
    "curve-by-v2": Combination(
        "vpn-nat", 2, "aes192-sha512-curve25519", "aes128-sha384", {"P-01", *ESP}
    ),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("parameters")
    return {
        label: variant(each.topology, each.line, folder, label)
        for label, each in COMBINATIONS.items()
    }


@pytest.fixture(scope="module", autouse=True)
def started(runs: Runs, files: dict[str, str]) -> None:
    runs.start((file,) for file in files.values())


@pytest.mark.parametrize("label", COMBINATIONS)
def test_it_gets_home_and_what_differs_is_a_finding(
    runs: Runs, files: dict[str, str], label: str
) -> None:
    wanted, ran = COMBINATIONS[label], runs.get(files[label])
    ike = proposal.parse(wanted.ike, ike=True)
    esp = proposal.parse(wanted.esp, ike=False)

    assert [entry.kind for entry in ran.record.ledger] == ["heartbeat"], ran.told
    assert ran.failed == wanted.failed, ran.told
    assert ran.status == 1
    if "P-04" in wanted.failed:
        seen = ran.findings["P-04"]["seen"]
        assert f"ESP encrypts by {esp.cipher}, as this topology's ipsec.esp asks" in seen
        assert "the papers say 3DES" in seen
    if wanted.version == 2:
        assert (
            "IKE version 2, as this topology's ipsec.version asks" in ran.findings["P-01"]["seen"]
        )
    else:
        assert f"{wanted.ike}, as this topology's ipsec.ike asks" in ran.findings["P-01"]["seen"]

    # What the kernel has is what was asked for, and all of it was decrypted.
    assert {sa.encryption for sa in ran.record.esp} == {esp.suite.kernel}
    assert {sa.encryption_key_bits for sa in ran.record.esp} == {esp.suite.key_bits}
    assert ran.case.esp
    assert all(s.opened.icv_good and s.opened.inner for s in ran.case.esp)
    (agreed,) = ran.record.ike
    numbers = {"CURVE_25519": 31, "ECP_384": 20, "MODP_1024": 2, "MODP_1536": 5, "MODP_2048": 14}
    assert numbers[agreed.ike_dh_group] == proposal.GROUPS[ike.group]


@pytest.mark.parametrize("label", COMBINATIONS)
def test_tshark_reads_the_same_of_ike(runs: Runs, files: dict[str, str], label: str) -> None:
    """Exchange types of all messages; the numbers of the chosen transforms of version 2."""
    ran = runs.get(files[label])
    segment = ran.case.exits[0]
    capture = ran.run_dir / "wire" / f"{segment}.pcapng"
    ours = [
        (s.frame.number, s.message.exchange, s.message.version, s.message.message_id)
        for s in ran.case.ike
    ]
    names = ("frame.number", "isakmp.exchangetype", "isakmp.version", "isakmp.messageid")
    theirs = [tuple(int(value, 0) for value in row) for row in _fields(capture, *names)]
    assert ours == theirs

    opening = [s for s in ran.case.ike if s.message.exchange == ExchangeType.ike_sa_init]
    assert bool(opening) is (COMBINATIONS[label].version == 2)
    for sighting in opening:
        ((kinds, lengths),) = _fields(
            capture, "isakmp.tf.type", "isakmp.ike2.attr.key_length",
            where=f"frame.number=={sighting.frame.number}",
        )  # fmt: skip
        (suite,) = sighting.message.suites
        assert sorted(suite) == sorted({int(kind) for kind in kinds.split(",")})
        told = [bits for _, bits in suite.values() if bits]
        assert told == [int(bits) for bits in lengths.split(",") if bits]


def _fields(capture: Path, *names: str, where: str = "isakmp") -> list[list[str]]:
    options = [word for name in names for word in ("-e", name)]
    done = subprocess.run(
        ["tshark", "-r", capture, "-Y", where, "-T", "fields", *options],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_a_topology_that_leaves_out_what_it_changes_passes(runs: Runs, tmp_path: Path) -> None:
    """So a migration is rehearsed: what is left must hold."""
    each = COMBINATIONS["aes-by-v2"]
    path = Path(variant(each.topology, each.line, tmp_path, "rehearsal"))
    text = path.read_text()
    for requirement in sorted(each.failed):
        assert text.count(f"{requirement}, ") == 1
        text = text.replace(f"{requirement}, ", "")
    path.write_text(text)

    ran: Ran = runs.get(str(path))

    assert ran.status == 0, ran.told
    assert ran.verdict["verdict"] == "pass"
    assert not each.failed & {*ran.findings}


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("wrong-psk", "hmc authenticates by another pre-shared key"),
        ("wrong-identity", "could read the identity nobody.callhome-lab.invalid of hmc"),
        ("no-common-proposal", "have no IKE proposal in common"),
        ("drop-udp-4500", "UDP 4500 (NAT traversal) from hmc"),
    ],
)
def test_what_goes_wrong_with_version_2_is_told(
    runs: Runs, files: dict[str, str], fault: str, cause: str
) -> None:
    ran = runs.get(files["aes-by-v2"], "--fault", fault)

    assert ran.status == 1, ran.told
    assert cause in ran.verdict["diagnosis"]
