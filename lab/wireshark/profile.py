"""A run's configuration for Wireshark: ``keys/wireshark/``, a folder that Wireshark and tshark read.

Keys of every ESP SA and of IKE, where the secrets of TLS are, and the names of nodes. Nothing else of the
user's own settings is touched: they are in another folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from lab.wire.esp import Key
from lab.wireshark.ike_keys import IkeKeys

FOLDER, KEY_LOG = "keys/wireshark", "keys/tls.keylog"
"""In a run directory."""
VARIABLE = "WIRESHARK_CONFIG_DIR"
"""By which Wireshark is told of a folder (wireshark(1))."""

CIPHERS = {
    "cbc(des3_ede)": "TripleDES-CBC [RFC2451]",
    "cbc(aes)": "AES-CBC [RFC3602]",
    "rfc4106(gcm(aes))": "AES-GCM with 16 octet ICV [RFC4106]",
}
"""The kernel's names to Wireshark's."""
INTEGRITIES = {
    "": "NULL",
    "hmac(md5)": "HMAC-MD5-96 [RFC2403]",
    "hmac(sha1)": "HMAC-SHA-1-96 [RFC2404]",
    "hmac(sha256)": "HMAC-SHA-256-128 [RFC4868]",
    "hmac(sha384)": "HMAC-SHA-384-192 [RFC4868]",
    "hmac(sha512)": "HMAC-SHA-512-256 [RFC4868]",
}
_IKE_2_CIPHERS = {24: "3DES [RFC2451]", 16: "AES-CBC-128 [RFC3602]", 32: "AES-CBC-256 [RFC3602]"}
"""By the length of the key, in bytes."""
_IKE_2_AEADS = {
    20: "AES-GCM-128 with 16 octet ICV [RFC5282]",
    28: "AES-GCM-192 with 16 octet ICV [RFC5282]",
    36: "AES-GCM-256 with 16 octet ICV [RFC5282]",
}
_NO_INTEGRITY = "NONE [RFC4306]"
_AES_192 = "AES-CBC-192 [RFC3602]"
_IKE_2_INTEGRITIES = {
    16: "HMAC_MD5_96 [RFC2403]",
    20: "HMAC_SHA1_96 [RFC2404]",
    32: "HMAC_SHA2_256_128 [RFC4868]",
    48: "HMAC_SHA2_384_192 [RFC4868]",
    64: "HMAC_SHA2_512_256 [RFC4868]",
}

PREFERENCES = """\
# What this run's captures need to be read to the bottom. Written by callhome-lab.
esp.enable_encryption_decode: TRUE
esp.enable_authentication_check: TRUE
nameres.network_name: TRUE
nameres.mac_name: TRUE
nameres.transport_name: FALSE
nameres.dns_pkt_addr_resolution: FALSE
nameres.use_external_name_resolver: FALSE
tls.keylog_file: {key_log}
"""


def files(
    esp: Iterable[Key],
    ike: Iterable[IkeKeys],
    names: Mapping[str, str],
    key_log: Path,
    *,
    aes_192: bool = False,
) -> dict[str, str]:
    """Name of each file in the folder, and its content; none of a table without a line.

    ``aes_192``: whether IKE encrypts by that, whose keys are as long as those of 3DES.
    """
    found = {
        "preferences": PREFERENCES.format(key_log=key_log),
        "esp_sa": "".join(dict.fromkeys(esp_line(key) for key in esp if is_known(key))),
        "ikev1_decryption_table": "".join(
            f"{sa.initiator.hex()},{sa.secrets[0].hex()}\n" for sa in ike if sa.version == 1
        ),
        "ikev2_decryption_table": "".join(ike_2_line(sa, aes_192) for sa in ike if sa.version == 2),
        "hosts": "".join(
            f"{address} {name}\n" for address, name in names.items() if is_ip(address)
        ),
        "ethers": "".join(
            f"{address} {name}\n" for address, name in names.items() if is_mac(address)
        ),
    }
    return {name: text for name, text in found.items() if text}


def is_known(key: Key) -> bool:
    """Whether Wireshark knows the algorithms of an SA; one line that it does not know spoils the table."""
    return key.encryption in CIPHERS and key.integrity in INTEGRITIES


def esp_line(key: Key) -> str:
    """A line of the table ``esp_sa``. Addresses are left open: NAT makes others of them."""
    version = "IPv6" if ":" in key.source else "IPv4"
    columns = (
        version, "*", "*", f"0x{key.spi:08x}", CIPHERS[key.encryption], f"0x{key.encryption_key.hex()}",
        INTEGRITIES[key.integrity], f"0x{key.integrity_key.hex()}" if key.integrity_key else "",
    )  # fmt: skip
    return ",".join(f'"{column}"' for column in columns) + "\n"


def ike_2_line(sa: IkeKeys, aes_192: bool) -> str:
    """A line of the table ``ikev2_decryption_table``; empty where Wireshark does not know the algorithms."""
    ei, er, ai, ar = (*sa.secrets, b"", b"")[:4]
    cipher, integrity = _IKE_2_CIPHERS.get(len(ei)), _IKE_2_INTEGRITIES.get(len(ai))
    if not ai:
        cipher, integrity = _IKE_2_AEADS.get(len(ei)), _NO_INTEGRITY
    if aes_192 and len(ei) == 24:
        cipher = _AES_192
    if cipher is None or integrity is None:
        return ""
    columns = (
        sa.initiator.hex(), sa.responder.hex(), ei.hex(), er.hex(), f'"{cipher}"',
        ai.hex(), ar.hex(), f'"{integrity}"',
    )  # fmt: skip
    return ",".join(columns) + "\n"


def write(run_dir: Path, contents: Mapping[str, str]) -> Path:
    """Write the folder of a run; its files are readable by their owner only."""
    folder = run_dir / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in contents.items():
        descriptor = os.open(
            folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600
        )
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    return folder


def is_ip(address: str) -> bool:
    """Whether an address is of IP, and neither of Ethernet nor a line."""
    if " " in address:
        return False
    return "." in address or not is_mac(address)


def is_mac(address: str) -> bool:
    return address.count(":") == 5 and "::" not in address and " " not in address
