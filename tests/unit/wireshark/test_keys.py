"""Keys for Wireshark: what charon's log tells of IKE's, and the lines of its tables."""

from __future__ import annotations

from pathlib import Path

from lab.dissect import Unsealer
from lab.wire import decode, esp
from lab.wire.esp import Key
from lab.wireshark import ike_keys, profile, tls_secrets
from tests.recordings import archive

COOKIES = "4E D8 B9 13 D9 91 CA 85 F6 CC 70 41 6F 1E 02 3F"


def dump(prefix: str, label: str, hexadecimal: str) -> str:
    """As charon writes a value: 16 bytes a line, with their characters behind."""
    pairs = hexadecimal.split()
    lines = [f"{prefix} {label} => {len(pairs)} bytes @ 0x44497a20"]
    for at in range(0, len(pairs), 16):
        some = pairs[at : at + 16]
        characters = "".join(chr(b) if 32 <= b < 127 else "." for b in (int(p, 16) for p in some))
        lines.append(f"{prefix} {at:4}: {' '.join(some):47}  {characters}")
    return "\n".join(lines) + "\n"


def exchange(prefix: str, secret: str, cookies: str = COOKIES) -> str:
    return (
        dump(prefix, "natd_chunk", f"{cookies} 81 2A A0 10 01 F4")
        + dump(prefix, "SKEYID", "34 0E")
        + dump(prefix, "encryption key Ka", secret)
        + f"{prefix} IKE_SA hmc-vpn1[1] established\n"
    )


def hex_bytes(first: int, count: int) -> str:
    return " ".join(f"{(first + n) % 256:02X}" for n in range(count))


INITIATES = "07[IKE] <hmc-vpn1|1> initiating Main Mode IKE_SA hmc-vpn1[1] to 129.42.160.16\n"


def test_the_key_of_main_mode_with_its_cookies(tmp_path: Path) -> None:
    # Every line looks as if more hexadecimal followed: the characters are digits.
    secret = " ".join(["41", "42", "43", "44"] * 6)
    (tmp_path / "ike-hmc.log").write_text(INITIATES + exchange("07[IKE] <hmc-vpn1|1>", secret))

    (found,) = ike_keys.read(tmp_path)

    assert found.initiator.hex() == "4ed8b913d991ca85"
    assert found.responder.hex() == "f6cc70416f1e023f"
    assert found.secrets == (b"ABCD" * 6,)
    assert "ABCD" not in repr(found)


def test_ends_with_different_keys_and_the_initiators_counts(tmp_path: Path) -> None:
    mine, theirs = hex_bytes(0, 24), hex_bytes(100, 24)
    (tmp_path / "ike-hmc.log").write_text(INITIATES + exchange("07[IKE] <hmc-vpn1|1>", mine))
    (tmp_path / "ike-vpn1.log").write_text(exchange("05[IKE] <1>", theirs))
    (tmp_path / "ike-a.log").write_text(exchange("05[IKE] <1>", theirs))

    (found,) = ike_keys.read(tmp_path)

    assert found.secrets == (bytes(range(24)),)


def test_exchanges_that_threads_tell_at_once(tmp_path: Path) -> None:
    other = COOKIES.replace("4E", "00")
    one = exchange("07[IKE] <hmc-vpn1|1>", hex_bytes(0, 24)).splitlines()
    two = exchange("08[IKE] <hmc-vpn1|2>", hex_bytes(50, 24), other).splitlines()
    # charon writes a value at once, with all of its lines.
    log = "\n".join([*one[:3], *two[:3], *two[3:], *one[3:]]) + "\n"

    assert {(k.initiator[0], k.secrets[0][0]) for k in ike_keys.parse(log)} == {(0x4E, 0), (0, 50)}


def test_no_keys_without_an_answer(tmp_path: Path) -> None:
    silent = COOKIES[:23] + " 00" * 8
    assert list(ike_keys.parse(dump("07[IKE] <a|1>", "natd_chunk", silent + " 01 F4"))) == []
    assert ike_keys.read(tmp_path) == []
    assert list(ike_keys.parse("\0\xff no log\n07[IKE] <a|1>    0: 41 42\n")) == []


def test_version_2_has_four_keys() -> None:
    prefix = "07[IKE] <hmc-vpn1|1>"
    log = dump(prefix, "natd_chunk", f"{COOKIES} 81 2A A0 10 01 F4")
    for number, label in enumerate(("Sk_ai", "Sk_ar", "Sk_ei", "Sk_er")):
        log += dump(prefix, f"{label} secret", hex_bytes(number, 32))

    (found,) = ike_keys.parse(log)

    assert (found.version, [each[0] for each in found.secrets]) == (2, [2, 3, 0, 1])
    line = profile.ike_2_line(found, aes_192=False)
    assert line.startswith("4ed8b913d991ca85,f6cc70416f1e023f,0203")
    assert line.endswith(',"HMAC_SHA2_256_128 [RFC4868]"\n')


def test_what_authenticates_by_itself_has_two() -> None:
    prefix = "07[IKE] <hmc-vpn1|1>"
    log = dump(prefix, "natd_chunk", f"{COOKIES} 81 2A A0 10 01 F4")
    for number, label in enumerate(("Sk_ei", "Sk_er")):
        log += dump(prefix, f"{label} secret", hex_bytes(number, 20))

    (found,) = ike_keys.parse(log)

    line = profile.ike_2_line(found, aes_192=False)
    assert line.endswith(',"AES-GCM-128 with 16 octet ICV [RFC5282]",,,"NONE [RFC4306]"\n')


def key(**changes: object) -> Key:
    fields: dict[str, object] = {
        "spi": 0xC6A9A5A1,
        "source": "192.168.10.10",
        "destination": "129.42.160.16",
        "encryption": "cbc(des3_ede)",
        "encryption_key": bytes(24),
        "integrity": "hmac(md5)",
        "integrity_key": bytes(16),
        "icv_bits": 96,
        "encap": True,
    }
    return Key(**(fields | changes))  # type: ignore[arg-type]


def test_the_tables(tmp_path: Path) -> None:
    strange = key(encryption="cbc(camellia)")
    names = {"192.168.10.10": "hmc", "2001:db8::1": "sdc", "02:ca:11:01:00:01": "hmc"}

    # Both ends of an SA note it.
    found = profile.files([key(), key(), strange], [], names, tmp_path / "tls.keylog")

    assert found["esp_sa"].count("\n") == 1
    assert found["esp_sa"].startswith('"IPv4","*","*","0xc6a9a5a1","TripleDES-CBC [RFC2451]","0x00')
    assert found["hosts"] == "192.168.10.10 hmc\n2001:db8::1 sdc\n"
    assert found["ethers"] == "02:ca:11:01:00:01 hmc\n"
    assert f"tls.keylog_file: {tmp_path}/tls.keylog\n" in found["preferences"]


def test_the_files_are_their_owners_own(tmp_path: Path) -> None:
    folder = profile.write(tmp_path, {"esp_sa": "1\n"})
    profile.write(tmp_path, {"esp_sa": "2\n"})

    assert (folder / "esp_sa").read_text() == "2\n"
    assert (folder / "esp_sa").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_capture_gets_the_secrets_of_its_own_sessions(tmp_path: Path) -> None:
    own, other = bytes(range(32)), bytes(32)
    log = b"# a comment\nbroken line\nCLIENT_RANDOM zz 00\n"
    for random in (own, other):
        log += b"CLIENT_HANDSHAKE_TRAFFIC_SECRET " + random.hex().encode() + b" 00\n"
    sessions = tls_secrets.by_session(log)
    assert sessions.keys() == {own, other}
    capture = tmp_path / "lan.pcapng"
    capture.write_bytes(b"..\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + own + b"...")

    assert tls_secrets.secrets_in(capture, sessions) == sessions[own]
    assert tls_secrets.secrets_in(capture, sessions, {other}) == sessions[own] + sessions[other]
    capture.write_bytes(b"an ESP packet")
    assert tls_secrets.secrets_in(capture, sessions, {other}) == sessions[other]
    assert tls_secrets.secrets_in(capture, sessions) == b""


def test_esp_that_carries_a_session_is_known_on_every_wire(tmp_path: Path) -> None:
    run_dir = archive.unpack("vpn-nat", tmp_path)
    outside, inside = (
        [frame.ip for frame in decode.read(run_dir / "wire" / f"{name}.pcapng")]
        for name in ("fw-inet", "lan")
    )
    opened = Unsealer.read(run_dir)
    sealed = [found for packet in outside if packet and (found := esp.sealed(packet))]
    pairs = [(each, opened(each)) for each in sealed]
    hello = next(p.payload for _, each in pairs if (p := each.inner) and b"sas-1" in p.payload)
    at = hello.index(b"\x16\x03\x01") + 11
    sessions = {hello[at : at + 32]: b"a line\n", bytes(32): b"another\n"}

    marks = tls_secrets.sealed_sessions(pairs, sessions)

    assert tls_secrets.carried(inside, marks) == {hello[at : at + 32]}
    assert tls_secrets.carried(inside, {}) == set()
    assert tls_secrets.carried([None], marks) == set()
