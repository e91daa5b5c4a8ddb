"""The telephone's part of ``resolve``: lines, and AT&T's gateway with its fence. Pure.

What the papers leave open is decided here, and the constants say by which question.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from lab.topology.catalogue import Address, Profile, Region, Variant
from lab.topology.model import PppAccount, PppAuth, PppServer, Role
from lab.topology.routing import Network
from lab.topology.site import Site
from lab.topology.spec import CallSpec, TopologySpec
from lab.topology.telephone import (
    CallRule,
    FenceList,
    IbmAddress,
    Lig,
    ModemLine,
    ResultTable,
    Telephone,
)
from lab.topology.values import Moment

DEVICE = "/dev/modem{}"

ACCOUNT = "usibm"
"""P-11 says "a special account and user ID"; PAP has one field for the two, so a dot joins them. The
names are the lab's own, and depend on nothing but the order of the agents."""

PPP_MTU = 1500
"""RFC 1661 6.1: what holds if nobody asks for another MRU, and the papers name none (Q-18). The 576
that people took on slow lines were for typing while a file is sent; nobody types here."""

VARIANT = Variant.ursf
"""OUT-39: of the two ways of 2017, URSF has the addresses of the papers of 2007, when modems were
in use, and the two SDR servers to which AT&T's user ids are limited (L-08)."""


def telephone(spec: TopologySpec) -> Telephone | None:
    """The exchange and its lines, whether or not a way home goes over it."""
    if spec.exchange is None:
        return None

    lines = tuple(_lines(spec))
    return Telephone(
        node=spec.exchange,
        lines=lines,
        result_table=spec.nodes[spec.exchange].result_codes or ResultTable.hayes,
        rules=tuple(rule for call in spec.calls for rule in _rules(call, lines)),
    )


def _rules(call: CallSpec, lines: tuple[ModemLine, ...]) -> Iterator[CallRule]:
    """One for each line that is meant, so that ``times`` counts the calls of each."""
    callers = [line.name for line in lines if call.from_ in (None, line.name, line.node)]
    if call.from_ is None and call.times is None:
        callers = [""]

    after = call.after or Moment()
    for caller in callers:
        yield CallRule(
            outcome=call.outcome,
            caller=caller,
            number=call.to or "",
            times=call.times or 0,
            rate_bit_s=call.rate or 0,
            after_s=after.seconds,
            after_bytes=after.octets,
            bit_error_rate=call.bit_error_rate or 0.0,
        )


def _lines(spec: TopologySpec) -> Iterator[ModemLine]:
    for node, line in spec.telephone.items():
        for name, device in zip(line_names(spec, node), modem_devices(spec, node), strict=True):
            yield ModemLine(
                name=name,
                node=node,
                device=device,
                number=line.number,
                rate_bit_s=line.rate,
                delay_s=line.delay,
            )


def line_names(spec: TopologySpec, node: str) -> tuple[str, ...]:
    """What a node's lines are called: as the node, with a number behind it if they are several."""
    modems = spec.nodes[node].modems if node in spec.nodes else 0
    return tuple(f"{node}-{n}" for n in range(1, modems + 1)) if modems > 1 else (node,) * modems


def modem_devices(spec: TopologySpec, node: str) -> tuple[str, ...]:
    return tuple(DEVICE.format(number) for number in range(spec.nodes[node].modems))


def account(site: Site, client: str) -> PppAccount:
    """An agent's user id at AT&T's gateway, and the password of PAP (P-11)."""
    user = f"{ACCOUNT}.hmc{list(site.spec.agents).index(client) + 1:02}"
    return PppAccount(user=user, secret=site.secret("pap", user))


def region(spec: TopologySpec, agent: str) -> Region:
    """Of which region AT&T's list for the agent's user id is (L-08, L-10)."""
    own = (way.regions_of_lists for name, way in spec.ways.items() if agent in spec.agents_of(name))
    return next((regions[agent] for regions in own if agent in regions), spec.region)


def lig(site: Site) -> Lig | None:
    """AT&T's gateway, whether or not somebody dials it."""
    spec = site.spec
    if spec.lig is None:
        return None

    _, own, callers = site.pools[spec.lig]
    accounts = tuple(account(site, agent) for agent in spec.agents)
    authorized = [_authorized(site.profile, region(spec, agent)) for agent in spec.agents]
    return Lig(
        node=spec.lig,
        outside=site.network.uplinks(spec.lig)[0],
        ppp=PppServer(auth=PppAuth.pap, local_ip=own, pool=callers, accounts=accounts),
        utility=site.utility,
        lists=tuple(
            FenceList(user=each.user, addresses=tuple(dict.fromkeys(a.address for a in listed)))
            for each, listed in zip(accounts, authorized, strict=True)
        ),
        catalogue=tuple(_catalogue(site.profile)),
        ports=tuple(dict.fromkeys(_services(chain(*authorized))))
        if spec.nodes[spec.lig].fence_ports
        else (),
        literal_replies=bool(spec.nodes[spec.lig].literal_replies),
        mtu=ppp_mtu(spec, site.network),
    )


def ppp_mtu(spec: TopologySpec, network: Network) -> int:
    """PPP's own, or what the narrowest link from the LIG to the servers can carry."""
    (sdc,) = network.with_role(Role.sdc)
    way = network.ways(spec.lig)[sdc] if spec.lig is not None else ()
    return min([PPP_MTU, *(spec.links[hop.link].mtu for hop in way)])


def _authorized(profile: Profile, of: Region) -> tuple[Address, ...]:
    """L-02, L-10: the servers of a region; L-11: the VPN gateways, if there are any."""
    listed = (*profile.servers(of, VARIANT), *profile.vpn_gateways)
    return tuple(a for a in listed if a.version == 4)


def _catalogue(profile: Profile) -> Iterator[IbmAddress]:
    """What the lists may be of, each address once: some are in the tables of two regions."""
    regions: dict[str, list[Region]] = {}
    for address in (*profile.servers(), *profile.vpn_gateways):
        if address.version == 4:
            regions.setdefault(address.address, []).append(address.row.region)

    gateways = {address.address for address in profile.vpn_gateways}
    for each, found in regions.items():
        yield IbmAddress(address=each, regions=tuple(found), is_vpn_gateway=each in gateways)


def _services(listed: Iterable[Address]) -> Iterator[tuple[str, int]]:
    for address in listed:
        for service in (*address.row.services, *address.row.behind_nat):
            yield service.protocol, service.port
