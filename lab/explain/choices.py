"""What the papers leave open (requirements, section M), and what the lab has chosen.

Nothing is typed here that code or the model has: each value is read from what uses it, a default from the
spec, a setting from the configuration that a daemon gets. What nobody uses yet says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lab.names import all_of
from lab.topology import catalogue, check_service, load, proxy, resolve, service
from lab.topology.catalogue import Row
from lab.topology.dns import Dns
from lab.topology.model import Topology
from lab.ways.dial.plan import Dialer
from lab.ways.dial.plan import plans as dial_plans
from lab.ways.vpn.plan import IpsecConnection, L2tpClient, VpnPlan
from lab.ways.vpn.plan import plans as vpn_plans

SOURCE = "lab choice"
NOT_YET = "not yet modelled"
URSF_PORTS = (19285, 11111)
BITS = 5
"""Of a letter or digit of a secret: ``lab.topology.site`` writes them in base 32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabChoice:
    """One question of the papers', and the lab's answer."""

    id: str
    topic: str
    value: str
    source: str = SOURCE


class Sample:
    """The lab's own topologies, resolved when a question asks for one: what they have, every lab has."""

    def _topology(self, name: str) -> Topology:
        return resolve.resolve(load.load(name), b"")

    @cached_property
    def vpn(self) -> VpnPlan:
        return vpn_plans(self._topology("vpn"))[0]

    @cached_property
    def dns(self) -> Dns:
        plan = self._topology("vpn").dns
        assert plan is not None, "hosts tables are for topologies that ask for them"
        return plan

    @cached_property
    def connection(self) -> IpsecConnection:
        return self.vpn.connections[0]

    @cached_property
    def client(self) -> L2tpClient:
        return self.vpn.clients[0]

    @cached_property
    def dialer(self) -> Dialer:
        return dial_plans(self._topology("dial"))[0].dialers[0]

    @cached_property
    def ipsec(self) -> dict[str, object]:
        """The connection as the client's charon is told."""
        from tunnels import ipsec

        name, client = self.connection.name, self.connection.client
        return dict(ipsec.render_connection(self.connection, client)[name])

    @cached_property
    def child(self) -> dict[str, object]:
        children = self.ipsec["children"]
        assert isinstance(children, dict)
        return dict(children[self.connection.name])

    @cached_property
    def gateway_l2tp(self) -> str:
        """A gateway's xl2tpd.conf."""
        from tunnels import l2tp

        return l2tp.render_server(self.vpn.servers[0])

    @cached_property
    def gateway_ppp(self) -> str:
        """What a gateway's pppd is told."""
        from tunnels import l2tp, ppp

        return ppp.render_options(l2tp.server_options(self.vpn.servers[0], Path("log")))

    @cached_property
    def client_ppp(self) -> str:
        """What a client's pppd is told."""
        from tunnels import l2tp, ppp

        return ppp.render_options(l2tp.client_options(self.client, Path("log")))


def choices() -> tuple[LabChoice, ...]:
    """Q-01 to Q-21, with what the lab does at this moment, and the servers that no paper lists."""
    sample = Sample()
    asked = (
        LabChoice(id=f"Q-{number:02}", topic=topic, value=value(sample))
        for number, (topic, value) in enumerate(QUESTIONS, 1)
    )
    return (*asked, *map(_server, catalogue.choices()))


def _server(row: Row) -> LabChoice:
    names = all_of([*row.hosts])
    whose = all_of(row.profiles)
    addresses = ", ".join(address.address for address in row.addresses)
    return LabChoice(id=row.id, topic=f"{names} of {whose} by IPv6", value=addresses)


def _duration(seconds: float) -> str:
    """``7 d``, ``26 min``, ``90 s``: in the largest unit of which it is a whole number."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size and not seconds % size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:g} s"


def _first(written: object) -> str:
    """The first of a list of strongSwan's."""
    assert isinstance(written, list)
    return str(written[0])


def _ike(sample: Sample) -> str:
    mode = "aggressive" if sample.ipsec["aggressive"] == "yes" else "main"
    lifetime = _duration(sample.connection.ike_lifetime_s)
    return (
        f"IKEv{sample.ipsec['version']}, {mode} mode, {_first(sample.ipsec['proposals'])}, "
        f"authenticated again after {lifetime}"
    )


def _psk(sample: Sample) -> str:
    side = sample.connection.client_side
    kinds = [
        "ID_IPV4_ADDR" if each.replace(".", "").isdigit() else "ID_FQDN"
        for each in (side.identity, side.expects)
    ]
    return (
        f"{len(side.psk.reveal()) * BITS} bits, new in each run, one for a customer's site; "
        f"the client is {kinds[0]}, the gateway {kinds[1]}"
    )


def _pfs(sample: Sample) -> str:
    proposal = _first(sample.child["esp_proposals"])
    with_group = any(part in proposal for part in ("modp", "ecp", "curve"))
    return f"{'on' if with_group else 'off'} (ESP proposal {proposal})"


def _l2tp(sample: Sample) -> str:
    def has(option: str) -> str:
        return "yes" if f"{option} = yes" in sample.gateway_l2tp else "none"

    return (
        f"tunnel authentication {has('challenge')}, hidden AVPs {has('hidden bit')}, "
        f"hostname {sample.client.hostname}"
    )


def _chap(sample: Sample) -> str:
    asked = [line for line in sample.gateway_ppp.splitlines() if line.startswith("chap-interval")]
    again = f"every {asked[0].split()[1]} s" if asked else "never again"
    account = sample.client.account
    bits = len(account.secret.reveal()) * BITS
    return f"user {account.user}, a secret of {bits} bits, new in each run; challenged {again}"


def _inbound_ppp(sample: Sample) -> str:
    from lab.service import by_modem

    return by_modem.DEMAND.upper()


def _derivation(sample: Sample) -> str:
    account = service.credentials(service.PPP_ADDRESS)
    bits = len(account.secret.reveal()) * BITS
    return f"of {service.PPP_ADDRESS} come the user {account.user} and a secret of {bits} bits"


def _aliases(sample: Sample) -> str:
    spec = load.load("service-modem")
    console, written = next(iter(spec.service.items()))
    left_out = {console: written.model_copy(update={"ppp_address": None})}
    spec = spec.model_copy(update={"service": left_out})
    own, caller, *aliases = map(str, check_service.addresses(spec, console))
    return f"the HMC {own}, the representative {caller}, partitions {', '.join(aliases)}"


def _session_end(sample: Sample) -> str:
    from lab.service.server.authorized import MINUTES

    return f"the representative hangs up, or an authorization of {MINUTES} min is over"


def _dns(sample: Sample) -> str:
    asks = "usepeerdns" in sample.client_ppp.splitlines()
    if asks:
        return "PPP asks for a name server"
    return (
        "none: names are looked up beside the VPN, at the customer's resolver; an answer holds for "
        f"{sample.dns.server.ttl_s} s"
    )


def _timers(sample: Sample) -> str:
    line, client = sample.connection, sample.client
    by_telephone = sample.dialer
    return (
        f"DPD {line.dpd_delay_s} s, dead after {line.dpd_timeout_s} s; HELLO {client.hello_s} s; "
        f"LCP echo {client.lcp_echo_interval_s} s, {client.lcp_echo_failures} unanswered, by "
        f"telephone {by_telephone.lcp_echo_interval_s} s, {by_telephone.lcp_echo_failures}"
    )


def _modem(sample: Sample) -> str:
    from lab.telephony.settings import Settings

    settings = Settings()
    reported = ", ".join(f"{name}{settings.text(name)}" for name in ("&C", "&D"))
    return f"{sample.dialer.init}, then {reported}; numbers are the topology's"


def _not_yet(sample: Sample) -> str:
    return NOT_YET


def _busy_proxy(sample: Sample) -> str:
    return f"one that answers CONNECT with {proxy.BUSY}, and asks no server"


def _ursf(sample: Sample) -> str:
    from lab.topology import resolve_servers

    listed = resolve_servers.servers(catalogue.profile("hmc-2017-traditional"))
    spoken = {server.speaks.upper() for server in listed if server.port in URSF_PORTS}
    return " and ".join(sorted(spoken))


def _relay(sample: Sample) -> str:
    from lab.relay import channels, frames

    return (
        f"the lab's own, version {frames.VERSION}: frames with a head of {frames.HEAD.size} bytes and "
        f"at most {frames.MOST_BODY} of body, windows of {channels.WINDOW}, "
        f"codes of {service.CODE_DIGITS} digits"
    )


def _challenge(sample: Sample) -> str:
    from lab.service import challenge
    from lab.topology.terminal import TERMINAL_PORT

    return (
        f"a nonce of {challenge.NONCE_BYTES * 8} bits; the response is {challenge.DIGITS} hexadecimal "
        f"digits of an HMAC; by VPN on TCP {TERMINAL_PORT}"
    )


def _mtu(sample: Sample) -> str:
    from lab.service import by_modem

    return (
        f"by VPN {sample.client.mtu}, by telephone {sample.dialer.mtu}, "
        f"remote service by modem {by_modem.MTU}"
    )


def _rekeying(sample: Sample) -> str:
    line = sample.connection
    return (
        f"uniform between {_duration(line.rekey_min_s)} and {_duration(line.rekey_max_s)} "
        f"(charon: rekey_time {sample.child['rekey_time']}, rand_time {sample.child['rand_time']})"
    )


def _gateway_order(sample: Sample) -> str:
    budget = sample.connection.retransmit_budget_s
    order = ", then ".join(sample.vpn.gateways)
    return f"as the topology lists them: {order}; a silent one is given up after {budget:.0f} s"


def _fence(sample: Sample) -> str:
    from lab.linux.fence import COUNTERS, SILENCED, TOO_LONG

    return f"{COUNTERS[SILENCED]}; {COUNTERS[TOO_LONG]}"


QUESTIONS: tuple[tuple[str, Callable[[Sample], str]], ...] = (
    ("IKE", _ike),
    ("pre-shared key and identities", _psk),
    ("perfect forward secrecy", _pfs),
    ("L2TP", _l2tp),
    ("CHAP", _chap),
    ("PPP authentication of inbound calls", _inbound_ppp),
    ("credentials from the PPP address", _derivation),
    ("addresses of an inbound session", _aliases),
    ("end of a one-time session", _session_end),
    ("DNS over the VPN", _dns),
    ("timers", _timers),
    ("modem", _modem),
    ("brokering between consoles, UDP 9900 and TCP 9920", _not_yet),
    ("what a busy proxy is", _busy_proxy),
    ("encryption on TCP 19285 and 11111", _ursf),
    ("protocol of Assist-On-Site", _relay),
    ("DS8000's challenge", _challenge),
    ("MTU and MRU of PPP", _mtu),
    ("random renewal of keys around 30 minutes", _rekeying),
    ("order of VPN gateways", _gateway_order),
    ("ICMP at AT&T's fence", _fence),
)
