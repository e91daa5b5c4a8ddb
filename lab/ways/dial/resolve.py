"""From a way home by telephone to its plan. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology import modem_family, resolve_telephone
from lab.topology.model import AllowRule, PppAuth
from lab.topology.resolve_telephone import VARIANT
from lab.topology.site import Site
from lab.ways.dial.plan import Dialer, DialPlan
from lab.ways.dial.spec import DialSpec

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


def _dialer(site: Site, way: DialSpec, client: str) -> Dialer:
    region = resolve_telephone.region(site.spec, client)
    family = modem_family.find(site.spec.modem_families, client)
    return Dialer(
        client=client,
        devices=resolve_telephone.modem_devices(site.spec, client),
        init=way.init or (family.init if family else RESET),
        numbers=way.numbers,
        rounds=way.rounds,
        redial_pause_s=way.pause,
        account=resolve_telephone.account(site, client),
        accept_auth=(PppAuth.pap,),  # P-11
        region=region,
        mtu=resolve_telephone.ppp_mtu(site.spec, site.network),
        lcp_echo_interval_s=LCP_ECHO_INTERVAL_S,
        lcp_echo_failures=LCP_ECHO_FAILURES,
        endpoints=site.endpoints(VARIANT, region),
    )
