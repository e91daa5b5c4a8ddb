"""The lab's own certificate authority, and the certificates of ``sdc``, of a relay and of a console.

Runs on the host, never inside the lab: ``cryptography`` is far too dear to import in the guest. The
authority's key is thrown away when ``issue`` returns, so that nobody can ever issue another one.
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import PrerequisiteError
from lab.topology.model import Role, Topology

if TYPE_CHECKING:
    import trustme

CA_FILE = "ca.pem"
SDC_FILE = "sdc.pem"
RELAY_FILE = "relay.pem"
CONSOLE_FILE = "console.pem"


def identities(topology: Topology) -> tuple[str, ...]:
    """Every address and name under which ``sdc`` may be called: names first, each once."""
    addresses = {endpoint.address for endpoint in topology.endpoints}
    names = {endpoint.name for endpoint in topology.endpoints}

    for node in topology.nodes:
        names.update(name for address, name in node.hosts if address in addresses)
        if node.role is Role.sdc:
            names.add(node.name)
            addresses.update(node.service_addresses)
            addresses.update(interface.ip for interface in node.interfaces)

    return (
        *sorted(names),
        *sorted(addresses, key=lambda text: (":" in text, ipaddress.ip_address(text))),
    )


def relay_identities(topology: Topology) -> tuple[str, ...]:
    """The names of ``relay``; none where there is no relay."""
    return tuple(node.name for node in topology.with_role(Role.relay))


def console_identities(topology: Topology) -> tuple[str, ...]:
    """The names of a console that offers pages by HTTPS to IBM's people; none where there is none."""
    return (topology.service.console,) if topology.service is not None else ()


def issue(topology: Topology, keys_dir: Path) -> None:
    """Write ``ca.pem`` (for everybody) and ``sdc.pem`` (chain and key, for its owner only); where there is a
    relay, ``relay.pem``, too, and where there is a console with remote service, ``console.pem``.

    All are valid from 2000 to 3000 (trustme's own choice): the lab's clock starts at the real
    date, which need not be right, and may run for years.
    """
    import trustme  # late: most commands of `lab` issue nothing

    authority = trustme.CA(
        organization_name="callhome-lab", organization_unit_name="Lab authority", path_length=0
    )
    certificate = authority.issue_cert(
        *identities(topology),
        organization_name="callhome-lab",
        organization_unit_name="Service data centre",
        common_name="sdc",
    )
    others = {RELAY_FILE: relay_identities(topology), CONSOLE_FILE: console_identities(topology)}

    try:
        keys_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(keys_dir / CA_FILE, authority.cert_pem.bytes(), 0o644)
        _write(keys_dir / SDC_FILE, _chain_and_key(certificate), 0o600)
        for file, names in others.items():
            if names:
                certified = authority.issue_cert(
                    *names,
                    organization_name="callhome-lab",
                    organization_unit_name="Remote service",
                    common_name=names[0],
                )
                _write(keys_dir / file, _chain_and_key(certified), 0o600)
    except OSError as error:
        raise PrerequisiteError(
            f"cannot write {error.filename or keys_dir}: {error.strerror}",
            hint="choose a run directory that can be written with --out",
        ) from error


def _chain_and_key(certificate: trustme.LeafCert) -> bytes:
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    return chain + certificate.private_key_pem.bytes()


def _write(path: Path, data: bytes, mode: int) -> None:
    """Replace a file; it never exists with more rights than it shall have."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        os.fchmod(descriptor, mode)
