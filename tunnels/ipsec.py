"""IPsec by one charon per node: IKE with a pre-shared key, ESP in tunnel or transport mode.

Rendering is pure and has no secrets in it; keys are handed over by VICI. ``Charon`` is the effect.
What the wire must look like is ``verify``'s business, not this module's.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from lab import charon
from lab.charon.store import LIBRARIES, PROGRAM
from lab.linux import configuration
from lab.linux.nodes import Node
from lab.linux.process import Daemon
from lab.record.event import IkeEstablished, IkeFailed, Tell
from lab.record.record import Record
from lab.teardown import Teardown
from lab.wait import wait_until
from lab.ways.vpn.events import CharonComplained
from lab.ways.vpn.plan import Encapsulation, IkeSide, IpsecConnection
from tunnels._charon import Agreement, find_agreements, find_cause, find_complaints
from tunnels._sas import KeyFile, listening
from tunnels._vici import IkeSa, Settings, Vici

CONFIGURATION = "/run/strongswan.conf"
VICI_SOCKET = "/run/charon.vici"
L2TP_PORT = 1701
IKE_KEYS = "keys/ike-{node}.log"
"""Of a run directory: what a node's charon says of the keys of IKE, for ``lab.wireshark``."""

# Each plugin costs a library to load; these are all that IKEv1 with a PSK, 3DES, MD5, SHA-1 and
# MODP groups needs. openssl has the ciphers, hashes, MACs and groups (T3-04).
PLUGINS = ("nonce", "openssl", "md5", "sha1", "kernel-netlink", "socket-default", "vici")
FOR_IKEV2 = ("kdf",)
"""Keys are derived by a plugin of their own there (RFC 7296 2.13)."""

# For a user's swanctl, whose own list names plugins that not every release has: it complains of
# each. The distribution's file includes these two, and complains if there are none.
INCLUDED = {
    "/etc/strongswan.d/lab.conf": "swanctl {\n  load = nonce openssl\n}\n",
    "/etc/strongswan.d/charon/lab.conf": "",
}
START_DEADLINE_S = 10.0
VICI_TIMEOUT_S = 600.0
DELETE_DEADLINE_S = 5.0


def render_strongswan(connections: Iterable[IpsecConnection], log: Path, keys: Path) -> str:
    """The node's strongswan.conf; retransmission is charon's and so the first connection's.

    ``keys``: a file for the secrets of IKE, which nobody but the owner of the run may read.
    """
    all_of_node = tuple(connections)
    first = all_of_node[0]
    plugins = (*(FOR_IKEV2 if any(c.version == 2 for c in all_of_node) else ()), *PLUGINS)
    return f"""\
charon-systemd {{
  load = {" ".join(plugins)}
  threads = 8
  port = 500
  port_nat_t = 4500
  install_routes = no
  install_virtual_ip = no
  i_dont_care_about_security_and_use_aggressive_mode_psk = no
  retransmit_tries = {first.retransmit_tries}
  retransmit_timeout = {first.retransmit_timeout_s:g}
  retransmit_base = {first.retransmit_base:g}
  retransmit_jitter = 0
  keep_alive = 20s
  # Several HMCs behind one SNAT are one address to the gateway, and no attack.
  dos_protection = no
  # The old SA stays until its own end, so that no packet under way is lost (P-06).
  delete_rekeyed = no
  plugins {{
    vici {{
      socket = unix://{VICI_SOCKET}
    }}
    socket-default {{
      use_ipv6 = no
    }}
  }}
  journal {{
    default = -1
  }}
  filelog {{
    charon {{
      # Not as stdout, although that is this file: charon does not flush its lines to stdout.
      path = "{log}"
      append = yes
      time_format = %s
      time_add_ms = yes
      ike_name = yes
      flush_line = yes
      # Level 1 names what happens; keys appear at 4 only.
      default = 1
      # The driver's own requests.
      lib = 0
    }}
    keys {{
      path = "{keys}"
      append = yes
      ike_name = yes
      # A write for each line would be felt: charon writes them when there are many, and at its end.
      flush_line = no
      default = -1
      ike = 4
    }}
  }}
}}
"""


def render_connection(
    connection: IpsecConnection, node: str, accepted: Iterable[str] = ()
) -> Settings:
    """``load-conn`` for one end of a connection; no secret is in it.

    ``accepted``: the IKE proposals that a gateway accepts from other clients. Main mode agrees on one before
    the gateway knows who calls (RFC 2409 5.4), so each of a gateway's connections has to accept them all.
    """
    client = node == connection.client
    here, there = connection.client_side, connection.gateway_side
    local, remote = connection.client_address, connection.gateway_address
    if not client:
        here, there = there, here
        local, remote = remote, local

    child = {
        "esp_proposals": [here.esp_proposal],
        "mode": str(here.encapsulation),
        "local_ts": [_selector(here, local, mine=True)],
        "remote_ts": [_selector(here, remote, mine=False)],
        "dpd_action": "clear",
        "close_action": "none",
        "start_action": "none",
        "replay_window": "32",
        **_child_times(connection, client=client),
    }
    return {
        connection.name: {
            "version": str(connection.version),
            "aggressive": "no",
            "proposals": list(dict.fromkeys((here.ike_proposal, *(() if client else accepted)))),
            # By telephone the client sends from what the call was given: charon asks the routes for that.
            "local_addrs": [local or "%any"],
            # Behind a SNAT the gateway sees another address, and only the identity is the client's.
            "remote_addrs": [remote] if client else ["%any"],
            "encap": "no",
            "mobike": "no",
            "keyingtries": "1",
            "unique": "never",
            "dpd_delay": f"{connection.dpd_delay_s}s",
            "dpd_timeout": f"{connection.dpd_timeout_s}s",
            **_ike_times(connection, client=client),
            "local": {"auth": "psk", "id": here.identity},
            "remote": {"auth": "psk", "id": here.expects},
            "children": {connection.name: child},
        }
    }


def _selector(side: IkeSide, address: str, *, mine: bool) -> str:
    """P-03: nothing but L2TP goes into the SA.

    In tunnel mode the inner addresses are each end's own, whatever a SNAT makes of the outer ones,
    so two clients behind one SNAT differ (T3-07). In transport mode there is one header only and
    charon puts in what the peer's address looks like from here, as it does of a call's address.
    """
    if not address or (side.encapsulation is Encapsulation.transport and not mine):
        address = "dynamic"
    elif "/" not in address:
        address = f"{address}/32"
    # By number: a minimal Debian has no /etc/protocols to look the name up in.
    return f"{address}[{socket.IPPROTO_UDP}/{L2TP_PORT}]"


def _child_times(connection: IpsecConnection, *, client: bool) -> dict[str, str]:
    """P-06: the client draws the moment of the next rekeying between the model's two limits.

    Only the client rekeys: with both ends drawing, the earlier of two moments would win and the
    intervals would not be spread as drawn. The gateway's SAs live longer than any of the client's.

    charon draws once for each direction's SA and the earlier counts; the mean of that is a third up
    the span drawn from. The upper three quarters of the model's span keep the mean in the middle.
    """
    if not client:
        life_s = connection.esp_lifetime_s + connection.rekey_max_s
        # Without rand_time charon draws from the whole life and rekeys every second.
        return {"rekey_time": "0", "rand_time": "0", "life_time": f"{life_s}s"}
    return {
        "rekey_time": f"{connection.rekey_max_s}s",
        "rand_time": f"{(connection.rekey_max_s - connection.rekey_min_s) * 3 // 4}s",
        "life_time": f"{connection.esp_lifetime_s}s",
    }


def _ike_times(connection: IpsecConnection, *, client: bool) -> dict[str, str]:
    if not client:
        return {"rekey_time": "0", "reauth_time": "0", "over_time": "0"}
    lifetime = f"{connection.ike_lifetime_s}s"
    return {
        # IKEv1 knows no new keys without a new authentication; IKEv2 does, and loses no ESP SA by it.
        "rekey_time": "0" if connection.version == 1 else lifetime,
        "reauth_time": lifetime if connection.version == 1 else "0",
        "rand_time": "0",
        "over_time": "600s",
    }


class Charon:
    """A node's charon with its connections loaded; records the SAs and the attempts."""

    _vici: Vici
    """From ``ready`` on."""

    def __init__(
        self, node: Node, connections: tuple[IpsecConnection, ...], record: Record, tell: Tell
    ) -> None:
        self._node = node
        self._connections = connections
        self._record = record
        self._tell = tell
        self._daemon: Daemon | None = None
        self._socket: socket.socket | None = None
        self._teardown = Teardown()

    @property
    def alive(self) -> bool:
        return self._daemon is not None and self._daemon.alive

    def launch(self) -> None:
        node = self._node
        keys = node.run_dir / IKE_KEYS.format(node=node.name)
        keys.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # charon would make a file that everybody may read.
        os.close(os.open(keys, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        log = node.log_dir / "charon.log"
        text = render_strongswan(self._connections, log, keys)
        configuration.write(node, CONFIGURATION, text)
        for file, text in INCLUDED.items():
            node.write(file, text)
        self._teardown.add("the log of charon", self._tell_complaints)
        env = {"STRONGSWAN_CONF": CONFIGURATION}
        if (own := charon.status().own) is not None:
            # The path of the plugins is compiled in, so the lab's own must lie where the installed do.
            node.call(charon.cover, own)
            env["LD_LIBRARY_PATH"] = LIBRARIES
        self._teardown.add("VICI", self._disconnect)
        self._daemon = daemon = node.spawn([PROGRAM], name="charon", env=env)
        self._teardown.add("charon", lambda: node.stop(daemon))

    def ready(self) -> None:
        """Wait until VICI answers, and load connections and secrets."""
        daemon = self._daemon
        assert daemon is not None, "not started"

        def probe() -> socket.socket | None:
            daemon.check()
            return self._node.call(_connect)

        self._socket = wait_until(
            f"VICI of {self._node.name}'s charon answers",
            probe,
            START_DEADLINE_S,
            every_s=0.005,
            seen=lambda: daemon.log.tail(1),
        )
        self._vici = Vici(self._socket)
        accepted = [self._side(connection).ike_proposal for connection in self._connections]
        for connection in self._connections:
            side = self._side(connection)
            self._vici.load_psk(connection.name, side.psk, [side.identity, side.expects])
            told = render_connection(connection, self._node.name, accepted)
            self._vici.load_connections(told)
            name = f"load-conn-{connection.name}.json"
            configuration.keep(self._node, name, json.dumps(told, indent=1) + "\n")

    def initiate(self, connection: IpsecConnection, deadline_s: float) -> IkeFailed | None:
        """Try to bring up a connection from the client's side; how it failed, or None if it is up."""
        client, gateway = connection.client, connection.gateway
        complaint, said = self._vici.initiate(connection.name, connection.name, deadline_s)
        ended = time.time()
        if complaint:
            cause, detail = find_cause(said, complaint)
            failed = IkeFailed(
                source=client, time=ended, gateway=gateway, cause=cause, detail=detail
            )
            self._record.ike_failed.append(failed)
            self._tell(failed)
            return failed

        found = next(sa for sa in self.ike_sas() if sa.name == connection.name and sa.established)
        child = next(c for c in found.children if c.state == "INSTALLED")
        established = IkeEstablished(
            source=client,
            time=ended,
            connection=connection.name,
            gateway=gateway,
            ike_encryption=found.encryption,
            ike_integrity=found.integrity,
            ike_dh_group=found.dh_group,
            esp_encryption=child.encryption,
            esp_integrity=child.integrity,
            esp_mode=child.mode,
            udp_encapsulation=child.udp_encapsulation,
        )
        self._record.ike.append(established)
        self._tell(established)
        return None

    def ike_sas(self) -> tuple[IkeSa, ...]:
        return self._vici.ike_sas()

    def details(self) -> list[str]:
        """The IKE SAs and their ESP SAs, in lines for people. No secrets."""
        return [
            f"{sa.name}: IKEv{sa.version} {sa.state}, {sa.local_address} to {sa.remote_address},"
            f" {sa.encryption}/{sa.integrity}/{sa.dh_group}"
            + "".join(f"; {c.name} {c.state}, {c.mode.lower()} mode" for c in sa.children)
            for sa in self.ike_sas()
        ]

    def agreed(self, connection: IpsecConnection) -> list[IkeEstablished]:
        """What this gateway agreed on with the client of a connection, by its log and its kernel's SAs."""
        log = self._daemon.log.text() if self._daemon is not None else ""
        found = (a for a in find_agreements(log) if a.connection == connection.name)
        return [self._established(connection, agreement) for agreement in found]

    def _established(self, connection: IpsecConnection, agreement: Agreement) -> IkeEstablished:
        spi, node = agreement.spi, self._node.name
        sa = next((s for s in self._record.esp if (s.node, s.spi) == (node, spi)), None)
        return IkeEstablished(
            source=connection.client,
            time=agreement.time,
            connection=connection.name,
            gateway=connection.gateway,
            ike_encryption=agreement.ike.encryption,
            ike_integrity=agreement.ike.integrity,
            ike_dh_group=agreement.ike.dh_group,
            esp_encryption=agreement.esp.encryption,
            esp_integrity=agreement.esp.integrity,
            esp_mode=sa.mode.upper() if sa else "",
            udp_encapsulation=sa.udp_encapsulation if sa else False,
        )

    def terminate(self, connection: IpsecConnection) -> None:
        """Delete a connection and tell the peer."""
        self._vici.terminate(connection.name, DELETE_DEADLINE_S)

    def stop(self) -> None:
        """End the daemon, which deletes its SAs and tells the peers; the listener sees them go.

        SIGTERM is the polite request. To ask by VICI first adds nothing and, while the kernel still
        reports links that went, makes charon's watcher poll in circles until another thread runs.
        """
        self._teardown.close()

    def _tell_complaints(self) -> None:
        log = self._daemon.log.text() if self._daemon is not None else ""
        for cause, time_s in find_complaints(log):
            self._tell(CharonComplained(source=self._node.name, time=time_s, cause=cause))

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()

    def _side(self, connection: IpsecConnection) -> IkeSide:
        client = connection.client == self._node.name
        return connection.client_side if client else connection.gateway_side


def hear_sas(node: Node, record: Record) -> AbstractContextManager[None]:
    """Record a node's ESP SAs and their keys inside of the context, whoever makes them."""
    return listening(node, record.esp, KeyFile(node.run_dir / "keys" / "esp.json"))


def _connect() -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(VICI_TIMEOUT_S)
    try:
        connection.connect(VICI_SOCKET)
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    return connection
