"""From a way home by telephone to its plan. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology import modem_family, resolve_telephone
from lab.topology.model import AllowRule, PppAuth
from lab.topology.resolve_telephone import VARIANT
from lab.topology.site import Site
from lab.ways.dial.plan import Dialer, DialPlan
from lab.ways.dial.spec import DialSpec
from lab.ways.pass_through.checks import shared_link
from lab.ways.pass_through.spec import PassThroughSpec
from lab.ways.vpn import mtu

RESET = "ATZ"
"""What sets up the lab's own modem."""
LCP_ECHO_INTERVAL_S, LCP_ECHO_FAILURES = 30, 4


def plan(site: Site, name: str, way: DialSpec) -> DialPlan:
    agents = site.spec.agents_of(name)
    regions = dict.fromkeys(resolve_telephone.region(site.spec, agent) for agent in agents)
    endpoints = site.endpoints(VARIANT, *regions)
    return DialPlan(
        name=name,
        kind=way.kind,
        over=way.runs_over,
        agents=agents,
        endpoints=endpoints,
        probe=endpoints[0].address,
        dialers=tuple(_dialer(site, way, agent) for agent in agents),
        peer=site.pools[site.spec.lig or ""][1],
    )


def rules(site: Site, way: DialSpec, agent: str) -> Iterator[AllowRule]:
    """Nothing: a modem passes the firewall by (F-18)."""
    yield from ()


def _partition(site: Site, way: DialSpec) -> str:
    below = site.spec.way_below(way)
    return below.partition if isinstance(below, PassThroughSpec) else ""


def _dialer(site: Site, way: DialSpec, client: str) -> Dialer:
    """Numbers, list and account are the client's; the modem may be a partition's (OUT-30)."""
    region = resolve_telephone.region(site.spec, client)
    partition = _partition(site, way)
    modem_node = partition or client
    family = modem_family.find(site.spec.modem_families, modem_node)
    return Dialer(
        client=client,
        partition=partition,
        devices=resolve_telephone.modem_devices(site.spec, modem_node),
        init=way.init or (family.init if family else RESET),
        numbers=way.numbers,
        rounds=way.rounds,
        redial_pause_s=way.pause,
        account=resolve_telephone.account(site, client),
        accept_auth=(PppAuth.pap,),  # P-11
        region=region,
        mtu=_mtu(site, client, partition),
        lcp_echo_interval_s=LCP_ECHO_INTERVAL_S,
        lcp_echo_failures=LCP_ECHO_FAILURES,
        endpoints=site.endpoints(VARIANT, region),
    )


def _mtu(site: Site, client: str, partition: str) -> int:
    """What the call carries, and before it L2TP in clear where the partition dials."""
    over_the_call = resolve_telephone.ppp_mtu(site.spec, site.network)
    if not partition:
        return over_the_call
    link = shared_link(site.spec, client, partition)
    return min(over_the_call, mtu.clear_mtu(site.spec.links[link].mtu))
