"""The lab's own certificate authority, and the certificates of IBM's servers, of a relay and of a console.

Runs on the host, never inside the lab: ``cryptography`` is far too dear to import in the guest. The
authority's key is thrown away when ``issue`` returns, so that nobody can ever issue another certificate.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import PrerequisiteError
from lab.ibm import issued
from lab.ibm.tls import RENEWED
from lab.topology.consoles import help_out
from lab.topology.model import Role, Topology
from lab.topology.servers import Certified, KeyKind

if TYPE_CHECKING:
    import trustme

CA_FILE = "ca.pem"
RELAY_FILE = "relay.pem"
BACK_ENDS_FILE = "back-ends.pem"
CONSOLE_FILE = "console.pem"
IMM_FILE = "imm.pem"
INTER_CONSOLE_FILE = "inter-console.pem"
EVENTS_FILE = "events.pem"
INSPECTOR_FILE, INSPECTOR_CA_FILE = "inspector.pem", "inspector-ca.pem"
INSPECTORS = "customer.test", "TLS inspection"
"""Organization and unit of the customer's own authority."""
STRANGERS = "elsewhere.test", "Another authority"
"""The same of one whom no client trusts."""
CONFIGURATION_FILES = "configuration.key", "configuration.pub"
"""What the receiver signs its configuration with, and the public key (R-04)."""
EXPIRY = datetime(2020, 1, 1, tzinfo=UTC)
_PUBLIC = CA_FILE, INSPECTOR_CA_FILE, CONFIGURATION_FILES[1]

_KEYS_OF = {INTER_CONSOLE_FILE: "RSA"}
"""Other keys than those of ECDSA: no suite of DHE has one of these (P-17)."""
_UNITS = {
    RELAY_FILE: "Remote service",
    CONSOLE_FILE: "Remote service",
    BACK_ENDS_FILE: "Service data centre",
    IMM_FILE: "Management module",
    INTER_CONSOLE_FILE: "Consoles",
    EVENTS_FILE: "Consoles",
}


def identities(topology: Topology) -> tuple[str, ...]:
    """Every address and name under which ``sdc`` may be called: names first, each once."""
    endpoints, servers = topology.endpoints, topology.servers
    addresses = {each.address for each in endpoints} | {each.address for each in servers}
    names = {each.name for each in endpoints} | {each.name for each in servers}

    if topology.dns is not None:
        names.update(name for name, address in topology.dns.server.records if address in addresses)
    for node in topology.nodes:
        names.update(name for address, name in node.hosts if address in addresses)
        if node.role is Role.sdc:
            names.add(node.name)
            addresses.update(node.service_addresses)
            addresses.update(ip for interface in node.interfaces for ip in interface.ips)

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


def issue(topology: Topology, keys_dir: Path, *, renewed: bool = False) -> None:
    """Write ``ca.pem`` (for everybody) and the servers' chain and key of each kind that their TLS wants (for
    the owner only), and the key pair of the receiver's configuration; where there is a relay,
    ``relay.pem``, too, where there is a console with remote service, ``console.pem``, where there are
    servers behind the front end, ``back-ends.pem``, where there is a management module, ``imm.pem``,
    where consoles call home for others, ``inter-console.pem``, and where events wait, ``events.pem``.
    ``renewed``: the servers' a second time, too, as ``renewed-sdc.pem`` and so on, by which they renew
    theirs while the lab stands.

    All are valid from 2000 to 3000 (trustme's own choice): the lab's clock starts at the real
    date, which need not be right, and may run for years. Runs with the same names have the same
    certificates (``issued``).
    """
    others = {
        RELAY_FILE: relay_identities(topology),
        CONSOLE_FILE: console_identities(topology),
        BACK_ENDS_FILE: tuple(one.node for one in topology.back_ends),
    }
    if topology.modules:
        others[IMM_FILE] = tuple(x for one in topology.modules for x in (one.node, one.address))
    if help_out(topology.consoles):
        # Of a console of the user's own, too, which the topology does not list.
        hmcs = topology.with_role(Role.hmc)
        addresses = (ip for node in hmcs for interface in node.interfaces for ip in interface.ips)
        others[INTER_CONSOLE_FILE] = (*(node.name for node in hmcs), *dict.fromkeys(addresses))
    if (events := topology.events) is not None:
        named = (events.manager, *(one.node for one in events.consoles))
        holding = (address for one in events.consoles for address in one.addresses)
        others[EVENTS_FILE] = (*named, *dict.fromkeys((*events.addresses, *holding)))
    certified = next((plan.certified for plan in topology.tls if plan.certified), Certified.well)
    names, keys = identities(topology), key_kinds(topology)
    files = _kept(names, keys, others, certified, renewed=renewed)
    _write_all(keys_dir, {**files, **_inspectors(topology)})


def issue_for(names: tuple[str, ...], keys_dir: Path) -> None:
    """Write the same for a server of these names and addresses that is in no topology."""
    _write_all(keys_dir, _kept(names, (KeyKind.ec_p256,), {}, Certified.well))


def _kept(
    servers: tuple[str, ...],
    keys: tuple[KeyKind, ...],
    others: Mapping[str, tuple[str, ...]],
    certified: Certified,
    *,
    renewed: bool = False,
) -> issued.Files:
    """What was issued for the same before; else it is issued now, and kept."""
    wanted: dict[str, object] = {"servers": servers, "keys": keys, "others": others}
    wanted["certified"] = certified
    wanted |= {"renewed": True} if renewed else {}
    files = issued.find(wanted)
    if files is None:
        files = _issued(servers, keys, others, certified, renewed=renewed)
        issued.keep(wanted, files)
    return files


def _write_all(keys_dir: Path, files: issued.Files) -> None:
    try:
        keys_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file, text in files.items():
            _write(keys_dir / file, text.encode(), 0o644 if file in _PUBLIC else 0o600)
    except OSError as error:
        raise PrerequisiteError(
            f"cannot write {error.filename or keys_dir}: {error.strerror}",
            hint="choose a run directory that can be written with --out",
        ) from error


def _issued(
    servers: tuple[str, ...],
    keys: tuple[KeyKind, ...],
    others: Mapping[str, tuple[str, ...]],
    certified: Certified,
    *,
    renewed: bool,
) -> issued.Files:
    """A new authority, and all that it certifies."""
    import trustme

    authority = _authority("callhome-lab", "Lab authority")
    files = {CA_FILE: authority.cert_pem.bytes()}
    of_servers = authority
    if certified is Certified.elsewhere:
        of_servers = _authority(*STRANGERS)
    until = EXPIRY if certified is Certified.expired else None
    files |= {kind.file: _of_servers(of_servers, kind, servers, until) for kind in keys}
    if renewed:
        files |= {
            f"{RENEWED}{kind.file}": _of_servers(of_servers, kind, servers, until) for kind in keys
        }
    for file, names in others.items():
        if names:
            leaf = authority.issue_cert(
                *names,
                organization_name="callhome-lab",
                organization_unit_name=_UNITS[file],
                common_name=names[0],
                key_type=trustme.KeyType[_KEYS_OF.get(file, "ECDSA")],
            )
            files[file] = _chain_and_key(leaf)
    files |= dict(zip(CONFIGURATION_FILES, _key_pair(), strict=True))
    return {file: data.decode("ascii") for file, data in files.items()}


def _authority(organization: str, unit: str) -> trustme.CA:
    import trustme  # late: most commands of `lab` issue nothing

    return trustme.CA(
        organization_name=organization,
        organization_unit_name=unit,
        path_length=0,
        # Clients that know RSA only cannot verify what an EC key has signed, and all others can verify RSA.
        key_type=trustme.KeyType.RSA,
    )


def _inspectors(topology: Topology) -> issued.Files:
    """What a proxy or firewall that breaks TLS open shows to agents, by the customer's own authority."""
    by_firewall = topology.firewall is not None and topology.firewall.inspects
    if not by_firewall and not any(proxy.inspects for proxy in topology.proxies):
        return {}
    import trustme

    organization, unit = INSPECTORS
    authority = trustme.CA(
        organization_name=organization, organization_unit_name=unit, path_length=0
    )
    certified = authority.issue_cert(
        *identities(topology), organization_name=organization, organization_unit_name=unit
    )
    return {
        INSPECTOR_FILE: _chain_and_key(certified).decode("ascii"),
        INSPECTOR_CA_FILE: authority.cert_pem.bytes().decode("ascii"),
    }


def key_kinds(topology: Topology) -> tuple[KeyKind, ...]:
    """The keys that the servers need, each once."""
    return tuple(dict.fromkeys(kind for plan in topology.tls for kind in plan.keys))


def _of_servers(
    authority: trustme.CA, kind: KeyKind, names: tuple[str, ...], until: datetime | None
) -> bytes:
    import trustme

    rsa = kind is KeyKind.rsa_2048
    leaf = authority.issue_cert(
        *names,
        organization_name="callhome-lab",
        organization_unit_name="Service data centre",
        common_name="sdc",
        not_after=until,
        key_type=trustme.KeyType.RSA if rsa else trustme.KeyType.ECDSA,
    )
    return _with_small_key(authority, leaf) if kind is KeyKind.rsa_1024 else _chain_and_key(leaf)


def _with_small_key(authority: trustme.CA, leaf: trustme.LeafCert) -> bytes:
    """The same certificate for a key of RSA-1024, which trustme does not make (P-13)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    issuer = serialization.load_pem_private_key(authority.private_key_pem.bytes(), None)
    assert isinstance(issuer, rsa.RSAPrivateKey), "the authority's"
    model = x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes())
    key = rsa.generate_private_key(65537, KeyKind.rsa_1024.bits)
    builder = x509.CertificateBuilder(
        model.issuer,
        model.subject,
        key.public_key(),
        model.serial_number,
        model.not_valid_before_utc,
        model.not_valid_after_utc,
        list(model.extensions),
    )
    certificate = builder.sign(issuer, hashes.SHA256())
    pem = serialization.Encoding.PEM
    return certificate.public_bytes(pem) + key.private_bytes(
        pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _key_pair() -> tuple[bytes, bytes]:
    """A private key of Ed25519, and the public one (PEM)."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private, public


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
