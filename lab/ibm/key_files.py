"""The servers' certificates for a program of the user's own: which of them, and as two files each."""

from __future__ import annotations

import re

from lab.topology.model import Topology
from lab.topology.servers import KeyKind

_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----\n?", re.DOTALL)
"""RFC 7468."""


def chosen(topology: Topology) -> dict[str, KeyKind]:
    """By the beginning of the variables' names: the best key, and of RSA the best one, if there is one."""
    kinds = {kind for plan in topology.tls for kind in plan.keys}
    rsa = [kind for kind in (KeyKind.rsa_2048, KeyKind.rsa_1024) if kind in kinds]
    best = [kind for kind in (KeyKind.ec_p256, *rsa) if kind in kinds]
    return {name: found[0] for name, found in (("", best), ("RSA_", rsa)) if found}


def parts(text: str) -> tuple[str, str]:
    """The certificates, and the key, of a file that has both."""
    blocks = [(match[1], match[0].rstrip("\n") + "\n") for match in _BLOCK.finditer(text)]
    chain = "".join(block for label, block in blocks if label == "CERTIFICATE")
    key = "".join(block for label, block in blocks if label.endswith("PRIVATE KEY"))
    return chain, key
