"""The VPN path of ``vpn-nat`` as one sets it up by hand: ip, tc, nft, swanctl, xl2tpd and pppd.

Of the lab it has only the namespaces: no bridges, captures, servers, or configuration of ours. The same
addresses, rates and delays, proposals and MTU, so that what the lab adds can be told.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from lab.linux.nodes import Node
from lab.topology import model
from lab.wait import wait_until
from lab.ways.vpn.plan import clients

CLIENT = "192.168.10.10"
GATEWAY = "129.42.160.16"
IDENTITY = "hmc.customer.test"
SECRET = "a-secret-of-this-benchmark"
DEADLINE_S = 30.0

CHAIN = (
    # One veth pair each: segment, left end, right end.
    ("lan", ("hmc", "192.168.10.10/24"), ("firewall", "192.168.10.1/24")),
    ("fw-inet", ("firewall", "198.51.100.2/24"), ("internet", "198.51.100.1/24")),
    ("dmz", ("internet", "192.0.2.1/24"), ("vpn1", "192.0.2.11/24")),
    ("core", ("vpn1", "10.1.0.11/24"), ("sdc", "10.1.0.20/24")),
)

STRONGSWAN = """\
charon-systemd {
  load = nonce openssl md5 sha1 kernel-netlink socket-default vici
  install_routes = no
  plugins { socket-default { use_ipv6 = no } }
  journal { default = -1 }
}
"""

XL2TPD_GLOBAL = "[global]\nport = 1701\naccess control = no\nlisten-addr = {local}\n"

PPP = "noccp\nnobsdcomp\nnodeflate\nnovj\nnoaccomp\nnopcomp\nnoipv6\nnodefaultroute\n"


@contextlib.contextmanager
def path_up(topology: model.Topology, server: str, run_dir: Path) -> Iterator[dict[str, Node]]:
    """Bring the path up from ``hmc`` to ``server`` in ``sdc``; yields the nodes."""
    with contextlib.ExitStack() as stack:
        names = ("hmc", "firewall", "internet", "vpn1", "sdc")
        nodes = {name: stack.enter_context(Node.create_bare(name, run_dir)) for name in names}
        for segment, left, right in CHAIN:
            _wire(nodes, topology.segment(segment), left, right)
        _routes(nodes, server)
        _rules(nodes["firewall"])

        mtu = clients(topology)[0].mtu
        _gateway(nodes["vpn1"], mtu)
        _client(nodes["hmc"], mtu)
        nodes["hmc"].run(["ip", "route", "add", f"{server}/32", "dev", "ppp0"])
        yield nodes


def _wire(
    nodes: dict[str, Node], segment: model.Segment, left: tuple[str, str], right: tuple[str, str]
) -> None:
    there = f"{nodes[right[0]].call(os.readlink, '/proc/thread-self')}"
    nodes[left[0]].run(
        ["ip", "link", "add", segment.name, "type", "veth",
         "peer", "name", segment.name, "netns", f"/proc/{there}/ns/net"]
    )  # fmt: skip
    flying = int(segment.rate_bit_s * segment.delay_s / 512)
    for name, address in (left, right):
        node = nodes[name]
        node.run(["ip", "address", "add", address, "dev", segment.name])
        node.run(["ip", "link", "set", segment.name, "up"])
        node.run(
            ["tc", "qdisc", "add", "dev", segment.name, "root", "netem",
             "limit", str(1000 + flying),
             "delay", f"{segment.delay_s * 1e6:.0f}us", "rate", f"{segment.rate_bit_s}bit"]
        )  # fmt: skip


def _routes(nodes: dict[str, Node], server: str) -> None:
    for name in ("firewall", "internet", "vpn1"):
        nodes[name].run(["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"])
    for name, address in (("vpn1", GATEWAY), ("sdc", server)):
        nodes[name].run(["ip", "address", "add", f"{address}/32", "dev", "lo"])
    for name, destination, via in (
        ("hmc", "default", "192.168.10.1"),
        ("firewall", "default", "198.51.100.1"),
        ("internet", GATEWAY, "192.0.2.11"),
        ("vpn1", "default", "192.0.2.1"),
        ("vpn1", server, "10.1.0.20"),
        ("sdc", "default", "10.1.0.11"),
    ):
        nodes[name].run(["ip", "route", "add", destination, "via", via])


def _rules(firewall: Node) -> None:
    rules = """\
table ip by-hand {
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    iifname "lan" oifname "fw-inet" udp dport { 500, 4500 } accept
  }
  chain postrouting {
    type nat hook postrouting priority 100;
    oifname "fw-inet" snat to 198.51.100.2
  }
}
"""
    firewall.run(["nft", "-f", "-"], input=rules)


def _charon(node: Node, local: str, mine: str, remote: str, theirs: str) -> None:
    here, there = (CLIENT, GATEWAY) if local != GATEWAY else (GATEWAY, CLIENT)
    node.write("/run/strongswan.conf", STRONGSWAN)
    node.write(
        "/etc/swanctl/swanctl.conf",
        f"""\
connections {{
  vpn {{
    version = 1
    proposals = 3des-md5-modp1024
    local_addrs = {local}
    remote_addrs = {remote}
    local {{
      auth = psk
      id = {mine}
    }}
    remote {{
      auth = psk
      id = {theirs}
    }}
    children {{
      vpn {{
        esp_proposals = 3des-md5
        mode = tunnel
        local_ts = {here}/32[udp/1701]
        remote_ts = {there}/32[udp/1701]
      }}
    }}
  }}
}}
secrets {{
  ike-vpn {{
    id-1 = {mine}
    id-2 = {theirs}
    secret = "{SECRET}"
  }}
}}
""",
    )
    node.spawn(["/usr/sbin/charon-systemd"], env={"STRONGSWAN_CONF": "/run/strongswan.conf"})
    wait_until("charon", lambda: node.call(os.path.exists, "/run/charon.vici"), DEADLINE_S)
    node.run(["swanctl", "--load-all"])


def _xl2tpd(node: Node, local: str, configuration: str, options: str) -> None:
    node.write("/etc/ppp/options.by-hand", options + PPP)
    node.write("/etc/ppp/chap-secrets", f"hmc * {SECRET} *\n")
    node.write("/etc/xl2tpd/xl2tpd.conf", XL2TPD_GLOBAL.format(local=local) + configuration)
    node.run(["mkdir", "-p", "/run/xl2tpd"])
    daemon = node.spawn(["/usr/sbin/xl2tpd", "-D"])
    daemon.expect_line("Listening on IP address", DEADLINE_S)


def _gateway(node: Node, mtu: int) -> None:
    _charon(node, GATEWAY, GATEWAY, "%any", IDENTITY)
    _xl2tpd(
        node,
        GATEWAY,
        "[lns default]\nip range = 10.254.1.2-10.254.1.30\nlocal ip = 10.254.1.1\n"
        "require authentication = yes\npppoptfile = /etc/ppp/options.by-hand\n",
        f"auth\nrequire-chap\nmtu {mtu}\nmru {mtu}\n",
    )


def _client(node: Node, mtu: int) -> None:
    _charon(node, CLIENT, IDENTITY, GATEWAY, GATEWAY)
    node.run(["swanctl", "--initiate", "--child", "vpn"], deadline_s=DEADLINE_S)
    _xl2tpd(
        node,
        CLIENT,
        f"[lac vpn1]\nlns = {GATEWAY}\nautodial = yes\nrequire authentication = no\n"
        "pppoptfile = /etc/ppp/options.by-hand\n",
        f"name hmc\nnoauth\nnoipdefault\nmtu {mtu}\nmru {mtu}\n",
    )
    wait_until("ppp0", lambda: _has_address(node), DEADLINE_S)


def _has_address(node: Node) -> bool:
    return "ppp0" in node.run(["ip", "-4", "-brief", "address"])
