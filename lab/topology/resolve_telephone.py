"""The telephone's part of ``resolve``: lines, who dials, and AT&T's gateway with its fence. Pure.

What the papers leave open is decided here, and the constants say by which question.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from lab.catalogue import Address, Profile, Region, Service, Variant
from lab.topology import addressing, secrets
from lab.topology.model import PathKind, PppAccount, PppAuth, PppServer, Role
from lab.topology.routing import Network
from lab.topology.spec import CallSpec, DialSpec, TopologySpec
from lab.topology.telephone import (
    CallRule,
    Dialer,
    FenceList,
    IbmAddress,
    Lig,
    ModemLine,
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

LCP_ECHO_INTERVAL_S, LCP_ECHO_FAILURES = 30, 4

VARIANT = Variant.ursf
"""OUT-39: of the two ways of 2017, URSF has the addresses of the papers of 2007, when modems were
in use, and the two SDR servers to which AT&T's user ids are limited (L-08)."""


def telephone(spec: TopologySpec) -> Telephone | None:
    """The exchange and its lines, whether or not the path goes over it."""
    if spec.exchange is None:
        return None

    lines = tuple(_lines(spec))
    return Telephone(
        node=spec.exchange,
        lines=lines,
        result_table=(spec.path.dial or DialSpec()).result_codes,
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
        devices = modem_devices(spec, node)
        for number, device in enumerate(devices, 1):
            yield ModemLine(
                name=line_name(node, number, len(devices)),
                node=node,
                device=device,
                number=line.number,
                rate_bit_s=line.rate,
                delay_s=line.delay,
            )


def line_name(node: str, number: int, count: int) -> str:
    """The node's name, with the line's number if it has several."""
    return f"{node}-{number}" if count > 1 else node


def modem_devices(spec: TopologySpec, node: str) -> tuple[str, ...]:
    return tuple(DEVICE.format(number) for number in range(spec.nodes[node].modems))


def dialers(spec: TopologySpec, network: Network, seed: bytes) -> Iterator[Dialer]:
    """One for each agent of a dial path, with a modem or without (OUT-24)."""
    if spec.path.kind is not PathKind.dial:
        return

    dial = spec.path.dial or DialSpec()
    for client in spec.path.agents:
        yield Dialer(
            client=client,
            devices=modem_devices(spec, client),
            init=dial.init,
            numbers=spec.path.numbers,
            rounds=dial.rounds,
            redial_pause_s=dial.pause,
            account=account(spec, client, seed),
            accept_auth=(PppAuth.pap,),  # P-11
            region=region(spec, client),
            mtu=ppp_mtu(spec, network),
            lcp_echo_interval_s=LCP_ECHO_INTERVAL_S,
            lcp_echo_failures=LCP_ECHO_FAILURES,
        )


def account(spec: TopologySpec, client: str, seed: bytes) -> PppAccount:
    user = f"{ACCOUNT}.hmc{spec.path.agents.index(client) + 1:02}"
    return PppAccount(user=user, secret=secrets.derive(seed, "pap", user))


def region(spec: TopologySpec, agent: str) -> Region:
    """Of which region AT&T's list for the agent's user id is (L-08, L-10)."""
    own = spec.path.dial.regions if spec.path.dial is not None else {}
    return own.get(agent, spec.region)


def lig(spec: TopologySpec, network: Network, profile: Profile, seed: bytes) -> Lig | None:
    """AT&T's gateway, whether or not somebody dials it."""
    if spec.lig is None:
        return None

    dial = spec.path.dial or DialSpec()
    _, own, callers = addressing.pools(spec)[spec.lig]
    accounts = tuple(account(spec, agent, seed) for agent in spec.path.agents)
    authorized = {a: _authorized(profile, region(spec, a)) for a in spec.path.agents}
    return Lig(
        node=spec.lig,
        outside=network.uplinks(spec.lig)[0],
        ppp=PppServer(auth=PppAuth.pap, local_ip=own, pool=callers, accounts=accounts),
        utility=addressing.utility(spec),
        lists=tuple(
            FenceList(user=each.user, addresses=tuple(dict.fromkeys(a.address for a in listed)))
            for each, listed in zip(accounts, authorized.values(), strict=True)
        ),
        catalogue=tuple(_catalogue(profile)),
        ports=tuple(dict.fromkeys(_services(chain(*authorized.values()))))
        if dial.fence_ports
        else (),
        literal_replies=dial.literal_replies,
        mtu=ppp_mtu(spec, network),
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
            regions.setdefault(address.address, []).append(address.region)

    gateways = {address.address for address in profile.vpn_gateways}
    for each, found in regions.items():
        yield IbmAddress(address=each, regions=tuple(found), is_vpn_gateway=each in gateways)


def _services(listed: Iterable[Address]) -> Iterator[tuple[str, int]]:
    for address in listed:
        for service in (*address.services, *address.behind_nat):
            yield _pair(service)


def _pair(service: Service) -> tuple[str, int]:
    return service.protocol, service.port
