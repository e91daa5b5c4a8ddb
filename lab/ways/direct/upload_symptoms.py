"""How a failed upload by FTP over TLS is told (OUT-43)."""

from __future__ import annotations

from lab.names import count
from lab.topology.servers import FTPS_PORT, PASSIVE_PORTS
from lab.verify.symptom import Diagnosis, Trail


def find_blocked_upload(trail: Trail) -> Diagnosis | None:
    """The customer's firewall passes no connection, or none for data, to a server of FTP over TLS."""
    case, firewall = trail.case, trail.case.topology.firewall
    if firewall is None:
        return None
    passed = {(p.destination, p.destination_port) for _, p in case.leaving}
    syns = [p for p in trail.sockets if p.is_bare_syn and case.is_of_ftps(p)]
    lost = [p for p in syns if (p.destination, p.destination_port) not in passed]
    if not lost:
        return None
    far, port = lost[0].destination, lost[0].destination_port
    sent = sum((p.destination, p.destination_port) == (far, port) for p in lost)
    what = "the upload" if port == FTPS_PORT else "the upload's data connection"
    return Diagnosis(
        "upload-blocked",
        f"{what} of {trail.client} to {far}:{port} is lost at {firewall.node}: {count(sent, 'SYN')} on "
        f"{case.topology.node(trail.client).uplink.segment}, none on {firewall.outside}",
        f"open TCP {FTPS_PORT} and TCP {PASSIVE_PORTS[0]} to {PASSIVE_PORTS[-1]} to {far} for {trail.client}",
    )
