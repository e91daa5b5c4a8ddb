"""How a failure of a way home through proxies is told."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from functools import cached_property
from math import inf

from lab.names import all_of, count
from lab.topology.proxy import BUSY, HttpProxy
from lab.verify import internet_symptoms, name_symptoms, tls_symptoms
from lab.verify.case import Case
from lab.verify.handshakes import issuer_of
from lab.verify.once import once
from lab.verify.symptom import Diagnosis, Trail, first_of
from lab.ways.proxy.causes import STOPS as STOPS
from lab.ways.proxy.events import ConnectTried
from lab.ways.proxy.papers import LOG_IN_WANTED
from lab.ways.proxy.plan import ProxyPlan
from lab.ways.proxy.tunnels import Tunnel, opened, own_tunnels
from lab.wire import hello
from lab.wire.decode import Packet

FORBIDDEN = (403, 405, 501)
"""A method or a place that the proxy does not want, or does not know (RFC 9110 15)."""


class ProxyTrail(Trail):
    """One client's way by one proxy: on the customer's wires to it, and from it over the Internet."""

    def __init__(self, case: Case, client: str, proxy: HttpProxy) -> None:
        super().__init__(case, client, None)
        self.proxy = proxy

    @property
    def place(self) -> str:
        """``proxy-1 (192.168.10.21:3128)``."""
        return f"{self.proxy.node} ({self.proxy.address}:{self.proxy.port})"

    @cached_property
    def asked(self) -> list[Tunnel]:
        """What the client asked this proxy for."""
        return _asked(self.case).get((self.client, self.proxy.node), [])

    @property
    def names_of_trials(self) -> set[str]:
        """What the lab's own trials asked the proxy for (OUT-12)."""
        return {trial.target.rpartition(":")[0] for trial in self.case.told(ConnectTried)}

    @property
    def refused_names(self) -> dict[str, str]:
        refused = (each for each in self.asked if each.status in FORBIDDEN and not each.is_made)
        return {each.target.rpartition(":")[0]: self.place for each in refused}

    @property
    def _near_node(self) -> str:
        return self.proxy.node

    @property
    def _own_addresses(self) -> list[str]:
        return [self.case.topology.node(self.proxy.node).uplink.ip]


@once
def _asked(case: Case) -> dict[tuple[str, str], list[Tunnel]]:
    """By client and proxy: what the one asked the other for."""
    found: dict[tuple[str, str], list[Tunnel]] = {}
    for tunnel in own_tunnels(case):
        found.setdefault((tunnel.agent, tunnel.proxy.node), []).append(tunnel)
    return found


def find_no_proxy(trail: ProxyTrail) -> Diagnosis | None:
    """Nobody answers on the proxy's port, or a reset does."""
    if not trail.asked or trail.asked[-1].answered:
        return None
    frames = [frame for tunnel in trail.asked if not tunnel.answered for frame in tunnel.frames]
    if any(frame.ip and frame.ip.is_reset for frame in frames):
        return Diagnosis(
            "proxy-refuses",
            f"{trail.place} refuses TCP: it answers the SYN of {trail.client} with a reset",
            f"see whether a proxy listens there: lab exec {trail.proxy.node} -- ss -tln",
        )
    return Diagnosis(
        "proxy-silent",
        f"{trail.place} is silent: {trail.client} sent it {len(frames)} SYNs, and nothing came back",
        f"see whether {trail.proxy.node} runs, and what drops TCP {trail.proxy.port} on the way",
    )


def find_refused_log_in(trail: ProxyTrail) -> Diagnosis | None:
    """407, also for a log-in."""
    denied = [tunnel for tunnel in trail.asked if tunnel.status == LOG_IN_WANTED]
    if not denied or any(tunnel.is_made for tunnel in trail.asked):
        return None
    if any(tunnel.log_in and tunnel.status != LOG_IN_WANTED for tunnel in trail.asked):
        return None  # The log-in was taken, and what came after it was not.
    if any(tunnel.log_in for tunnel in denied):
        return Diagnosis(
            "proxy-log-in",
            f"{trail.place} does not take the user or the password of {trail.client}: it answers CONNECT "
            f"with {LOG_IN_WANTED}, with a log-in, too",
            "give the agent the proxy's user and password",
        )
    return Diagnosis(
        "proxy-log-in",
        f"{trail.place} asks for a log-in, and {trail.client} gives none",
        "give the agent the proxy's user and password",
    )


def find_refused_connect(trail: ProxyTrail) -> Diagnosis | None:
    """Another status than success: busy, or forbidden."""
    refused = [tunnel for tunnel in trail.asked if tunnel.status and not tunnel.is_made]
    if not refused or any(tunnel.is_made for tunnel in trail.asked):
        return None
    # Before a log-in that is taken there is a 407, which says nothing.
    one = next((t for t in refused if t.status != LOG_IN_WANTED), refused[0])
    if one.status == BUSY and not _went_out(trail):
        return Diagnosis(
            "proxy-busy",
            f"{trail.place} is busy: it answers CONNECT {one.target} of {trail.client} with {one.status}, "
            "and asks no server",
            f"see what {trail.proxy.node} has to do, and how many connections it allows to one client",
        )
    if one.status == BUSY:
        return None
    if one.status in FORBIDDEN:
        return Diagnosis(
            "proxy-refuses-connect",
            f"{trail.place} refuses CONNECT {one.target} of {trail.client} with {one.status}",
            f"let the proxy's rules allow the method CONNECT to {one.target}",
        )
    return Diagnosis(
        "proxy-fails",
        f"{trail.place} fails at {one.method} {one.target} of {trail.client} with {one.status}",
        f"read logs/{trail.proxy.node}/access.log of the run directory",
    )


def find_inspection(trail: ProxyTrail) -> Diagnosis | None:
    """The proxy answers TLS itself, and the agent does not take its certificate."""
    own = [
        each
        for each in opened(trail.case)
        if (each.agent, each.proxy) == (trail.client, trail.proxy)
    ]
    if not own:
        return None
    choice, alert = hello.read_choice(own[0].received), hello.alert_of(own[0].sent)
    issuer = (
        issuer_of(choice.certificates[0]) if choice.certificates else "an authority that it hides"
    )
    ending = (
        f", and {trail.client} ends it with the alert {hello.alert_name(alert)}" if alert else ""
    )
    return Diagnosis(
        "proxy-inspects",
        f"{trail.place} breaks TLS open: it answers the ClientHello of {trail.client} to {own[0].target} "
        f"itself, with a certificate of {issuer}, which is not IBM's authority{ending}",
        f"have {trail.proxy.node} pass TLS on unopened; the agent must not trust its authority",
    )


def find_closed_server(trail: ProxyTrail) -> Diagnosis | None:
    """The firewall keeps the proxy from some addresses of a server, and in one call it got out to another."""
    firewall = trail.case.topology.firewall
    gone = _gone(trail.case)
    passed: set[str] = set()
    begun: list[Packet] = []
    for syns in _syns_by_call(trail):
        out = {p.destination for p in syns if (p.destination, p.tcp_sequence) in gone}
        passed |= out
        # Where nothing got out the network was cut off, and no address is to blame.
        begun += syns if out else []
    lost = [p for p in begun if p.destination not in passed]
    if firewall is None or not lost:
        return None
    places = all_of([*{f"TCP {p.destination_port} to {p.destination}": p for p in lost}])
    return Diagnosis(
        "server-blocked",
        f"{firewall.node} does not let {trail.caller} out by {places}: {count(len(lost), 'SYN')} on "
        f"{trail.case.topology.node(trail.caller).uplink.segment}, none on {firewall.outside}; "
        f"it got out to {all_of(sorted(passed))}",
        f"open {places} for {trail.caller}: lab explain {trail.case.topology.profile} prints the rules",
    )


@once
def _gone(case: Case) -> set[tuple[str, int]]:
    """Destination and number of each SYN that left for the Internet."""
    return {(p.destination, p.tcp_sequence) for _, p in case.leaving if p.is_bare_syn}


@once
def _proxies_syns(case: Case) -> dict[str, list[tuple[float, Packet]]]:
    """By proxy: the SYNs from the proxy's addresses on the wire of the proxy's way to the Internet."""
    nodes = (proxy.node for proxy in case.topology.proxies)
    return {
        node: [
            (frame.time, packet)
            for frame, packet in case.packets(case.topology.node(node).uplink.segment)
            if packet.is_bare_syn and case.proxies.get(packet.source) == node
        ]
        for node in nodes
    }


def _syns_by_call(trail: ProxyTrail) -> list[list[Packet]]:
    """The proxy's SYNs in each call home of the client's; all of them, if nothing called."""
    syns = _proxies_syns(trail.case)[trail.proxy.node]
    calls = [call for call in trail.case.record.calls if call.agent == trail.client]
    spans = [(call.started, call.ended) for call in calls] or [(0.0, inf)]
    times = [time for time, _ in syns]
    return [
        [p for _, p in syns[bisect_left(times, start) : bisect_right(times, end)]]
        for start, end in spans
    ]


def _went_out(trail: ProxyTrail) -> bool:
    """Whether the proxy tried to reach a server."""
    return any(packet.is_bare_syn for packet in trail.sockets if _from_proxy(trail, packet.source))


def _from_proxy(trail: ProxyTrail, address: str) -> bool:
    return trail.case.proxies.get(address) == trail.proxy.node


FAILURE = (
    find_no_proxy,
    find_refused_log_in,
    name_symptoms.find_failed_lookup,
    name_symptoms.find_misled,
    find_refused_connect,
    find_inspection,
    internet_symptoms.find_black_hole,
    tls_symptoms.find_old_tls,
    internet_symptoms.find_refusing_server,
    internet_symptoms.find_unopened_address,
    internet_symptoms.find_lost_syn,
)
"""In the order of the path: an earlier step that fails explains all later ones."""

SURVIVED = (*FAILURE[: FAILURE.index(find_inspection) + 1], find_closed_server)
"""What a proxy itself can do to a way, and then another one is asked (OUT-14); and what it was kept from."""


def _trails(case: Case, agent: str) -> list[ProxyTrail]:
    return [
        ProxyTrail(case, agent, stop)
        for way in case.topology.ways_of(agent)
        if isinstance(way, ProxyPlan)
        for stop in way.stops(case.topology)
    ]


def failure(case: Case, agent: str) -> Diagnosis | None:
    """Why the way did not lead home."""
    return first_of(_trails(case, agent), FAILURE) or internet_symptoms.find_agent_failure(
        Trail(case, agent, None)
    )


def survived(case: Case, agent: str) -> Diagnosis | None:
    """What befell a way that did lead home: a proxy that was not available."""
    return first_of(_trails(case, agent), SURVIVED)
