"""Every finding holds on a good run; one thing made wrong fails it, and what depends on it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.packet import Raw

from lab import verify
from lab.errors import UsageError
from lab.linux import fence
from lab.record.record import EspSa, LigCall, UplinkProbe
from lab.secret import Secret, find
from lab.topology.claims import claims
from lab.topology.load import names
from lab.topology.model import AllowRule, Topology
from lab.verify import Finding, Verdict
from lab.verify.registry import vocabulary
from lab.ways import faults
from lab.ways.dial.fence_packets import Try
from lab.ways.dial.plan import dialers
from lab.ways.vpn.plan import clients, connections
from lab.wire import decode
from lab.wire.decode import Packet
from tests.unit.verify import fence_play
from tests.unit.verify.changes import change_clients, change_connections, change_dialers
from tests.unit.verify.fence_play import DialScript, PhoneStage
from tests.unit.verify.play import SYSTEM, Script
from tests.unit.verify.play import play as play_by_wire
from tests.unit.verify.stage import Stage, topology

TOPOLOGIES = (
    *("direct", "direct-snat", "vpn", "vpn-nat", "vpn-two-hmcs"),
    *("dial", "dial-two-hmcs"),
)


def play(model: Topology, script: Script | DialScript | None = None) -> Stage:
    if dialers(model):
        assert not isinstance(script, Script)
        return fence_play.play(model, script)
    assert not isinstance(script, DialScript)
    return play_by_wire(model, script)


def judged(stage: Stage, run_dir: Path, model: Topology | None = None) -> dict[str, Finding]:
    stage.write(run_dir)
    found = verify.judge(model or stage.topology, stage.record, run_dir)
    return {finding.requirement: finding for finding in found}


def failures(findings: dict[str, Finding]) -> set[str]:
    return {name for name, finding in findings.items() if finding.verdict is Verdict.failed}


@dataclass(frozen=True)
class Mutation:
    """One thing made wrong, and all the findings that must see it."""

    requirement: str
    what: str
    topology: str
    also: frozenset[str] = frozenset()
    script: Script | DialScript | None = None
    stage: Callable[[Stage], None] = lambda stage: None
    played: Callable[[Topology], Topology] = lambda model: model
    """What the run is made from."""
    believed: Callable[[Topology], Topology] = lambda model: model
    """What the run is judged by, if that differs."""

    def __str__(self) -> str:
        return f"{self.requirement}-{self.what.replace(' ', '-')}"


# -- what is done to a run ------------------------------------------------------------------------


def leak(packet: IP, segment: str = "fw-inet") -> Callable[[Stage], None]:
    """A packet from the customer's side that should not be there."""
    ways = {"fw-inet": ("firewall", "internet"), "lan": ("hmc", "firewall"), "svc": ("hmc", "cec")}

    def change(stage: Stage) -> None:
        sender, receiver = ways[segment]
        if packet.src == "public":
            packet.src = stage.topology.node("firewall").interface("fw-inet").ip
        stage.put(segment, sender, receiver, bytes(packet), stage.now)

    return change


def from_firewall(
    far: str, payload: Raw | UDP | TCP | ICMP, proto: int = 0
) -> Callable[[Stage], None]:
    """A packet that leaves with the right source and should not leave."""

    def change(stage: Stage) -> None:
        firewall = stage.topology.firewall
        assert firewall is not None
        near = "firewall" if firewall.snat else "hmc"
        source = stage.topology.node(near).interface("fw-inet" if firewall.snat else "lan").ip
        packet = IP(src=source, dst=far, proto=proto) if proto else IP(src=source, dst=far)
        stage.put("fw-inet", "firewall", "internet", bytes(packet / payload), stage.now)

    return change


def inwards(packet: IP) -> Callable[[Stage], None]:
    def change(stage: Stage) -> None:
        packet.dst = stage.topology.node("hmc").interface("lan").ip
        stage.put("lan", "firewall", "hmc", bytes(packet), stage.now)

    return change


def answer_probe(stage: Stage) -> None:
    stage.record.probes[0].answered = True


def forget_probe(stage: Stage) -> None:
    del stage.record.probes[0]


def withhold_attempt(stage: Stage) -> None:
    lan = stage.frames["lan"]
    lan[:] = [(t, d) for t, d in lan if IP(d[14:]).dst != "192.168.128.10"]


def answer_past(stage: Stage) -> None:
    stage.record.probes[1].answered = True


def invent_probe(stage: Stage) -> None:
    stage.record.probes.append(
        UplinkProbe(
            requirement="OUT-02", source="10.9.9.9", destination="10.8.8.8", port=1, answered=False
        )
    )


def change_sas(**changes: object) -> Callable[[Stage], None]:
    def change(stage: Stage) -> None:
        for name, value in changes.items():
            setattr(stage.record.esp[0], name, value)

    return change


def late_sas(stage: Stage) -> None:
    for sa in stage.record.esp:
        sa.added += 0.1


def rekey_at(*times_s: float, spi: int = 0) -> Callable[[Stage], None]:
    """New keys at these times after the first, as a long run records them."""

    def change(stage: Stage) -> None:
        first = next(sa for sa in stage.record.esp if sa.node == "hmc" and sa.source != "x")
        for number, time_s in enumerate(times_s):
            values = {name: getattr(first, name) for name in EspSa.__slots__}
            values |= {"added": first.added + time_s, "spi": spi or 0xCF000000 + number}
            stage.record.esp.append(EspSa(**values))
        stage.record.ended = first.added + times_s[-1] + 100
        for sa in stage.record.esp:
            sa.removed = sa.removed or min(stage.record.ended, sa.added + 1900)

    return change


def lose_ping(stage: Stage) -> None:
    rekey_at(1600, 3400)(stage)
    stage.record.pings[0].received -= 1


def route_past(stage: Stage) -> None:
    routes = stage.record.routes["hmc"]
    routes[0] = routes[0].replace("ppp0", "lan")


def left(stage: Stage, frame: bytes) -> bool:
    """Whether the firewall sent a frame to the outside."""
    mac = stage.topology.node("firewall").interface("fw-inet").mac
    return frame[6:12] == bytes.fromhex(mac.replace(":", ""))


def rename_protocol(stage: Stage) -> None:
    """The last ESP packet that leaves gets another protocol number."""
    frames = stage.frames["fw-inet"]
    index = max(i for i, (_, d) in enumerate(frames) if d[23] == 50 and left(stage, d))
    time, data = frames[index]
    packet = IP(data[14:])
    packet.proto = 99
    del packet.chksum
    frames[index] = (time, data[:14] + bytes(packet))


def keep_private(stage: Stage) -> None:
    """The firewall forgets its NAT for one packet."""
    index = next(i for i, (_, d) in enumerate(stage.frames["fw-inet"]) if left(stage, d))
    time, data = stage.frames["fw-inet"][index]
    packet = IP(data[14:])
    packet.src = stage.topology.node("hmc").interface("lan").ip
    del packet.chksum
    stage.frames["fw-inet"][index] = (time, data[:14] + bytes(packet))


def zero_counters(stage: Stage) -> None:
    stage.record.counters["firewall"] = dict.fromkeys(stage.record.counters["firewall"], 0)


def refuse_clear(stage: Stage) -> None:
    stage.record.counters["hmc"]["l2tp-in-clear-out"] = 2


def forget_count(stage: Stage) -> None:
    stage.record.xfrm["vpn1"]["XfrmInStateProtoError"] = 0


def both_at_once(stage: Stage) -> None:
    """After the second server is asked, the first is asked once more."""
    model = stage.topology
    near, far = connections(model)[0].client_address, connections(model)[0].gateway_address
    frame = next(d for _, d in stage.frames["lan"] if IP(d[14:]).dst == far)
    assert IP(frame[14:]).src == near
    stage.frames["lan"].append((stage.now, frame))


def trial(**changes: object) -> Callable[[Stage], None]:
    def change(stage: Stage) -> None:
        for name, value in changes.items():
            setattr(stage.record.trials[0], name, value)

    return change


def leave_over(stage: Stage) -> None:
    stage.record.leftovers.append("network namespace hmc")


def never_end(stage: Stage) -> None:
    stage.record.ended = 0.0


def tell_secret(stage: Stage) -> None:
    secret = clients(stage.topology)[0].account.secret.reveal()
    packet = IP(src="10.1.0.11", dst="10.1.0.20") / UDP(sport=1, dport=2) / Raw(secret.encode())
    stage.put("core", "vpn1", "sdc", bytes(packet), stage.now)


def tell_system(stage: Stage) -> None:
    packet = IP(src="192.0.2.20", dst="192.0.2.1") / TCP(sport=443) / Raw(SYSTEM.encode())
    stage.put("dmz", "sdc", "internet", bytes(packet), stage.now)


def mute_ledger(stage: Stage) -> None:
    stage.record.ledger[0].peer_ip = "10.99.99.99"


# -- what is done to a run by telephone -----------------------------------------------------------


def phone(stage: Stage) -> PhoneStage:
    assert isinstance(stage, PhoneStage)
    return stage


def late_modem(stage: Stage) -> None:
    stage.record.modems[0].started = stage.now


def swap_numbers(stage: Stage) -> None:
    first, second = stage.record.dialled[:2]
    first.number, second.number = second.number, first.number


def dial_elsewhere(stage: Stage) -> None:
    for attempt in stage.record.dialled:
        attempt.device = "/dev/modem7"


def hear_otherwise(stage: Stage) -> None:
    """The record has another result code than the modem's."""
    stage.record.dialled[0].result = "NO ANSWER"


def forget_error(stage: Stage) -> None:
    stage.record.error = ""
    for trial in stage.record.tries:
        trial.error, trial.up = "", True


def end_meanwhile(stage: Stage) -> None:
    """PPP on the first call ends while the HMC's own rule is tried."""
    farewell = b"\xff\x03\xc0\x21\x05\x09\x00\x04"
    at, line = stage.record.trials[0].started + 1, stage.record.lig[0].line
    phone(stage).told.append(fence_play.Told(at, "frame", 1, line, farewell))


def pass_rule(stage: Stage) -> None:
    """TCP goes over the line while the HMC's own rule is tried."""
    tried, call = stage.record.trials[0], stage.record.lig[0]
    packet = IP(src=call.address, dst=tried.destination, id=9) / SYN
    frame = b"\xff\x03\x00\x21" + bytes(packet)
    at = tried.started + 1
    phone(stage).told.append(fence_play.Told(at, "frame", 1, call.line, frame))


def demand_twice(stage: Stage) -> None:
    """A CHAP packet in the first call."""
    call = stage.record.lig[0]
    frame = b"\xff\x03\xc2\x23\x01\x01\x00\x04"
    told = fence_play.Told(call.answered + 0.01, "frame", 1, stage.topology.agents[0], frame)
    phone(stage).told.append(told)


def ask_elsewhere(stage: Stage) -> None:
    probe = replace(stage.record.modems[0], device="/dev/modem5", found=False)
    stage.record.modems.insert(0, probe)


def misunderstand(stage: Stage) -> None:
    stage.record.modems[0].answer = "ERROR"


def find_none(stage: Stage) -> None:
    stage.record.modems[0].found = False


def lose_capture(stage: Stage) -> None:
    del stage.frames["lan"]


def other_address(stage: Stage) -> None:
    stage.record.lig[-1].address = "203.0.113.140"


def try_one_only(stage: Stage) -> None:
    del stage.record.trials[1:]


def forget_call(stage: Stage) -> None:
    del stage.record.lig[-1]


def forget_firewall(stage: Stage) -> None:
    del stage.record.counters["firewall"]


def give_up_early(stage: Stage) -> None:
    """The second number was never dialled, says the record."""
    del stage.record.dialled[1:]


def at_once(stage: Stage) -> None:
    first, second = stage.record.dialled[:2]
    second.started = first.started


def forget_user(stage: Stage) -> None:
    stage.record.lig[0].user = ""


def call_at_once_twice(stage: Stage) -> None:
    """The first call did not end before the next, which had its address."""
    stage.record.lig[0].closed = 0.0


def ring_for_nothing(stage: Stage) -> None:
    line = stage.record.lig[0].line
    stage.record.lig.append(LigCall(line=line, number=0, rang=stage.now))


def arrive(packet: IP, *, back: bool = True) -> Callable[[Stage], None]:
    """An IP packet on the telephone line, during the first call, that nobody had let through."""

    def change(stage: Stage) -> None:
        model, call = stage.topology, stage.record.lig[0]
        packet.dst = call.address if back else packet.dst
        frame = b"\xff\x03\x00\x21" + bytes(packet)
        line = model.agents[0] if back else call.line
        told = fence_play.Told(call.closed - 0.5, "frame", 1, line, frame)
        phone(stage).told.append(told)

    return change


def miscount(name: str, by: int = 1) -> Callable[[Stage], None]:
    def change(stage: Stage) -> None:
        stage.record.counters["lig"][name] += by

    return change


def speak(packet: IP) -> Callable[[Stage], None]:
    """The gateway itself says something on the Internet's wire."""

    def change(stage: Stage) -> None:
        if not packet.dst or packet.dst == "127.0.0.1":
            packet.dst = stage.topology.endpoints[0].address
        stage.put("lig-inet", "lig", "internet", bytes(packet), stage.now)

    return change


def let_in(stage: Stage) -> None:
    """A rule of the firewall let something through."""
    stage.record.counters["firewall"]["allow-F-03-1"] = 1


def leaking(counter: str, **wanted: object) -> DialScript:
    """A fence that lets through what it should count here; of all packets only such."""

    def leaks(packet: Packet, name: str) -> bool:
        return name == counter and all(
            getattr(packet, k) in (v if isinstance(v, tuple) else (v,)) for k, v in wanted.items()
        )

    return DialScript(leaks=leaks)


def skipping(requirement: str, **wanted: object) -> DialScript:
    """A run in which some trials of a requirement are not made."""

    def skips(trial: Try) -> bool:
        packet = decode.parse_ipv4(trial.packet)
        return trial.requirement == requirement and all(
            getattr(packet, name) in (value if isinstance(value, tuple) else (value,))
            for name, value in wanted.items()
        )

    return DialScript(skips=skips)


def blocking(counter: str, **wanted: object) -> DialScript:
    def blocks(packet: Packet, name: str) -> bool:
        return name == counter and all(getattr(packet, k) == v for k, v in wanted.items())

    return DialScript(blocks=blocks)


# -- what is done to a model ----------------------------------------------------------------------


def with_rules(change: Callable[[AllowRule], AllowRule]) -> Callable[[Topology], Topology]:
    def changed(model: Topology) -> Topology:
        assert model.firewall is not None
        rules = tuple(change(rule) for rule in model.firewall.rules)
        return replace(model, firewall=replace(model.firewall, rules=rules))

    return changed


def with_esp_rule(model: Topology) -> Topology:
    assert model.firewall is not None
    extra = replace(model.firewall.rules[0], protocol="esp", port=0)
    rules = (*model.firewall.rules, extra)
    return replace(model, firewall=replace(model.firewall, rules=rules))


def other_secret(model: Topology) -> Topology:
    return change_clients(
        model, lambda c: replace(c, account=replace(c.account, secret=Secret("another")))
    )


def short_budget(model: Topology) -> Topology:
    return change_connections(model, lambda c: replace(c, retransmit_tries=0))


def fixed_window(model: Topology) -> Topology:
    return change_connections(model, lambda c: replace(c, rekey_min_s=1750, rekey_max_s=1750))


def with_fault(name: str) -> Callable[[Topology], Topology]:
    return lambda model: faults.apply(name, model)


def numbers(*dialled: str) -> Callable[[Topology], Topology]:
    return lambda model: change_dialers(model, lambda d: replace(d, numbers=dialled))


def other_user(model: Topology) -> Topology:
    return change_dialers(
        model, lambda d: replace(d, account=replace(d.account, user="usibm.other"))
    )


def other_password(model: Topology) -> Topology:
    """What the gateway knows of its users, and not what they say."""
    assert model.lig is not None
    accounts = tuple(replace(a, secret=Secret("another")) for a in model.lig.ppp.accounts)
    return replace(model, lig=replace(model.lig, ppp=replace(model.lig.ppp, accounts=accounts)))


def with_literal_replies(model: Topology) -> Topology:
    assert model.lig is not None
    return replace(model, lig=replace(model.lig, literal_replies=True))


def with_a_rule(model: Topology) -> Topology:
    direct = topology("direct-snat").firewall
    assert direct is not None
    assert model.firewall is not None
    return replace(model, firewall=replace(model.firewall, rules=direct.rules[:1]))


def with_list(*addresses: str) -> Callable[[Topology], Topology]:
    """Each PAP user has this list, and no other."""

    def changed(model: Topology) -> Topology:
        assert model.lig is not None
        lists = tuple(replace(x, addresses=addresses) for x in model.lig.lists)
        return replace(model, lig=replace(model.lig, lists=lists))

    return changed


def with_pool(*addresses: str) -> Callable[[Topology], Topology]:
    def changed(model: Topology) -> Topology:
        assert model.lig is not None
        return replace(model, lig=replace(model.lig, ppp=replace(model.lig.ppp, pool=addresses)))

    return changed


def with_ports(model: Topology) -> Topology:
    assert model.lig is not None
    return replace(model, lig=replace(model.lig, ports=(("tcp", 443), ("udp", 500))))


def with_telephone(model: Topology) -> Topology:
    return replace(model, telephone=topology("dial").telephone)


VPN1 = "129.42.160.16"
UNLISTED = "198.18.0.1"
LISTED = "129.42.56.189"
SAS = "129.42.160.48"
PAP_PASSWORD = dialers(topology("dial"))[0].account.secret.reveal()
CALLERS = ("203.0.113.18", "203.0.113.19")
"""Of dial-two-hmcs, in the order of their calls."""
SERVERS = (SAS, "129.42.160.49", "207.25.252.200", "207.25.252.204")
GATEWAYS = (VPN1, "207.25.252.196")
NEIGHBOURS = tuple(
    near
    for address in (*SERVERS, *GATEWAYS)
    for near in (str(IPv4Address(address) + step) for step in (-1, 1))
    if near not in (*SERVERS, *GATEWAYS)
)
RESOLVERS = ("203.0.113.2", "203.0.113.129", "192.0.2.20", *NEIGHBOURS)
"""Those who are asked for names and should not be: the gateway, IBM's own, others."""
SYN = TCP(sport=4000, dport=443, flags="S")
CLEAR_L2TP = UDP(sport=1701, dport=1701) / Raw(b"\xc8\x02")
PING_INSIDE = bytes(IP(src="192.168.10.10", dst=VPN1) / ICMP())


def ids(*names: str) -> frozenset[str]:
    return frozenset(names)


MUTATIONS = (
    Mutation("OUT-01", "ESP beside TLS", "direct", ids("F-03", "g4"),
             stage=from_firewall(LISTED, Raw(os.urandom(40)), 50)),
    Mutation("OUT-01", "SYN to an unlisted server", "direct", ids("F-03", "g1", "g4"),
             stage=from_firewall(UNLISTED, SYN)),
    Mutation("OUT-01", "flow without SYN", "direct-snat",
             stage=from_firewall(LISTED, TCP(sport=4001, dport=443, flags="A"))),
    Mutation("OUT-02", "the attempt is answered", "direct", stage=answer_probe),
    Mutation("OUT-02", "an attempt on no wire", "vpn-nat", stage=invent_probe),
    Mutation("OUT-02", "no attempt", "vpn", stage=forget_probe),
    Mutation("OUT-03", "NAT forgotten", "direct-snat", ids("OUT-01"), stage=keep_private),
    Mutation("OUT-03", "the server sees another", "vpn-nat", stage=mute_ledger),
    Mutation("OUT-04", "IBM on the second NIC", "direct",
             stage=leak(IP(src="192.168.128.1", dst=LISTED) / SYN, "svc")),
    Mutation("OUT-04", "the attempt was not made", "vpn", stage=withhold_attempt),
    Mutation("OUT-04", "the attempt got through", "direct", stage=answer_past),
    Mutation("OUT-19", "seven main mode packets", "vpn", script=Script(main_mode_spare=True)),
    Mutation("OUT-19", "UDP 4500", "vpn", ids("F-06", "g4"),
             stage=from_firewall(VPN1, UDP(sport=4500, dport=4500) / Raw(b"\xff"))),
    Mutation("OUT-20", "protocol 50 behind NAT", "vpn-nat", ids("P-04", "F-07", "g4"),
             stage=from_firewall(VPN1, Raw(os.urandom(40)), 50)),
    Mutation("OUT-20", "no keepalive", "vpn-nat", script=Script(idle_s=60, keepalives=False)),
    Mutation("OUT-20", "main mode five on UDP 500", "vpn-nat", script=Script(main_mode_spare=True)),
    Mutation("OUT-21", "TCP past the VPN", "vpn-nat", ids("P-10", "F-07", "g4"),
             stage=from_firewall("129.42.160.48", SYN)),
    Mutation("OUT-21", "SYN before IPCP opens", "vpn-nat", script=Script(early_syn=True)),
    Mutation("OUT-22", "TCP gets through", "vpn-nat", stage=trial(connected=True)),
    Mutation("OUT-22", "the uplink sees it", "vpn", stage=trial(counted_on_uplink=1)),
    Mutation("OUT-22", "the tunnel falls", "vpn", stage=trial(sessions_open=False)),
    Mutation("OUT-22", "TCP inside all the same", "vpn-nat", stage=trial(started=0.0)),
    Mutation("OUT-23", "SYN before IPCP opens", "dial", script=DialScript(early_syn=True)),
    Mutation("OUT-23", "past the telephone", "dial", ids("F-18", "g4"),
             stage=from_firewall(SAS, SYN)),
    Mutation("OUT-23", "another number", "dial", ids("OUT-25", "R-08"),
             believed=numbers("18005550111", "18005550122")),
    Mutation("OUT-23", "IBM on the uplink", "dial",
             stage=leak(IP(src="192.168.10.10", dst=SAS) / SYN, "lan")),
    Mutation("OUT-23", "names asked for on the uplink", "dial",
             stage=leak(IP(src="192.168.10.10", dst="203.0.113.53") / UDP(dport=53), "lan")),
    Mutation("OUT-23", "nobody dialled", "dial", ids("OUT-25", "R-08"),
             script=DialScript(dials=False)),
    Mutation("OUT-23", "no CONNECT", "dial", ids("OUT-25", "R-08"),
             script=DialScript(connects="NO CARRIER")),
    Mutation("OUT-23", "no TCP connection", "dial", ids("OUT-02"), script=DialScript(talks=False)),
    Mutation("OUT-23", "nobody answered", "dial", script=DialScript(busy=99)),
    Mutation("OUT-24", "AT without an answer", "dial", script=DialScript(greeting="")),
    Mutation("OUT-24", "another's port asked", "dial", stage=ask_elsewhere),
    Mutation("OUT-24", "another answer than OK", "dial", stage=misunderstand),
    Mutation("OUT-24", "dialled without a modem", "dial", stage=find_none),
    Mutation("OUT-24", "dialled by another port", "dial", ids("OUT-25", "R-08"), stage=dial_elsewhere),
    Mutation("OUT-24", "looked for when it was late", "dial", stage=late_modem),
    Mutation("OUT-24", "no AT", "dial-two-hmcs", script=DialScript(greets=False)),
    Mutation("OUT-25", "wrong order", "dial", ids("R-08"),
             script=DialScript(busy=1), stage=swap_numbers),
    Mutation("OUT-25", "two at a time", "dial", ids("R-08"),
             script=DialScript(busy=1), stage=at_once),
    Mutation("OUT-25", "another result", "dial", ids("R-08"),
             script=DialScript(busy=1), stage=hear_otherwise),
    Mutation("OUT-25", "no error in the end", "dial-two-hmcs", ids("OUT-23", "R-08"),
             script=DialScript(busy=99), stage=forget_error),
    Mutation("R-08", "given up by the dialler", "dial", ids("OUT-23", "OUT-25"),
             script=DialScript(busy=1, gives_up=True)),
    Mutation("R-08", "given up after one", "dial", ids("OUT-25"),
             script=DialScript(busy=1), stage=give_up_early),
    Mutation("OUT-26", "TCP gets through", "dial", stage=trial(connected=True)),
    Mutation("OUT-26", "the call ends", "dial", stage=trial(sessions_open=False)),
    Mutation("OUT-26", "PPP ends meanwhile", "dial", stage=end_meanwhile),
    Mutation("OUT-26", "one HMC only", "dial-two-hmcs", stage=try_one_only),
    Mutation("OUT-22", "one HMC only", "vpn-two-hmcs", stage=try_one_only),
    Mutation("OUT-26", "TCP on the line all the same", "dial-two-hmcs", ids("L-06", "L-07"),
             stage=pass_rule),
    Mutation("OUT-26", "the rule counts nothing", "dial", stage=trial(dropped_on_tunnel=0)),
    Mutation("OUT-26", "the uplink sees it", "dial", stage=trial(counted_on_uplink=1)),
    Mutation("P-11", "CHAP", "dial", script=DialScript(demand=fence_play.OPTION_CHAP)),
    Mutation("P-11", "another user", "dial", ids("L-02", "L-08"), believed=other_user),
    Mutation("P-11", "IPCP before PAP", "dial-two-hmcs", script=DialScript(early_ipcp=True)),
    Mutation("P-11", "taken for nobody", "dial", stage=forget_user),
    Mutation("P-11", "a right password refused", "dial", script=DialScript(refuses=1)),
    Mutation("P-11", "a wrong password let in", "dial", believed=other_password),
    Mutation("P-11", "nothing demanded", "dial", script=DialScript(demand=b"")),
    Mutation("P-11", "CHAP as well", "dial", stage=demand_twice),
    Mutation("P-11", "not hung up on", "dial", ids("OUT-23"),
             played=with_fault("wrong-pap-password"), script=DialScript(keeps=True)),
    Mutation("P-12", "never free again", "dial", script=DialScript(frees=False)),
    Mutation("P-12", "another address in the record", "dial", ids("L-06"), stage=other_address),
    Mutation("P-12", "unknown to the gateway", "dial", ids("L-06"), stage=forget_call),
    Mutation("P-12", "its own address asked for", "dial", script=DialScript(ask="192.168.10.10")),
    Mutation("P-12", "no Nak", "dial", script=DialScript(naked=False)),
    Mutation("P-12", "another pool", "dial", ids("L-01", "L-06"),
             believed=with_pool("203.0.113.140", "203.0.113.141")),
    Mutation("P-12", "one address for two", "dial-two-hmcs", script=DialScript(one_address=True)),
    Mutation("P-12", "left to ring", "dial", stage=ring_for_nothing),
    Mutation("P-20", "passed before PPP", "dial", ids("L-07"), script=DialScript(early_leak=True)),
    Mutation("P-20", "nothing passes later, either", "dial",
             ids("L-02", "L-07", "L-08", "L-10", "L-11", "L-12"),
             script=blocking(fence.LISTED)),
    Mutation("P-20", "the trial is on no wire", "dial", script=DialScript(unsent="P-20")),
    Mutation("P-20", "nobody tried", "dial-two-hmcs", script=DialScript(untried="P-20")),
    Mutation("L-01", "another source passes", "dial", ids("L-07"),
             script=leaking(fence.SPOOFED_SOURCE, source="192.168.10.10", destination=SAS)),
    Mutation("L-01", "nobody tried", "dial-two-hmcs", script=DialScript(untried="L-01")),
    Mutation("L-01", "the HMC's own address untried", "dial",
             script=skipping("L-01", source="192.168.10.10")),
    Mutation("L-01", "no other of the pool tried", "dial",
             script=skipping("L-01", source="203.0.113.131")),
    Mutation("L-01", "the trials are on no wire", "dial", script=DialScript(unsent="L-01")),
    Mutation("L-01", "a source that no call had", "dial", stage=speak(IP(src="10.9.9.9") / SYN)),
    Mutation("L-01", "another caller's address passes", "dial-two-hmcs", ids("L-07"),
             script=leaking(fence.SPOOFED_SOURCE, source=CALLERS[0], destination=SAS)),
    Mutation("L-01", "a caller as a server", "dial-two-hmcs", ids("L-07", "L-08"),
             script=leaking(fence.SPOOFED_SOURCE, source=SAS, destination=CALLERS)),
    Mutation("L-01", "no other caller's address tried", "dial-two-hmcs",
             script=skipping("L-01", source=CALLERS)),
    Mutation("L-02", "callers reach each other", "dial-two-hmcs", ids("L-07", "L-08", "g2"),
             script=leaking(fence.UNLISTED, destination=CALLERS)),
    Mutation("L-02", "no other caller tried", "dial-two-hmcs",
             script=skipping("L-02", destination=CALLERS)),
    Mutation("L-02", "a neighbour is reached", "dial", ids("L-07", "L-08", "g1"),
             script=leaking(fence.UNLISTED, destination="129.42.160.47")),
    Mutation("L-02", "a server is not reached", "dial", ids("L-07", "L-10", "L-12"),
             script=blocking(fence.LISTED, destination="129.42.160.49")),
    Mutation("L-03", "no answer by TCP", "dial",
             script=blocking(fence.UTILITY, protocol=6)),
    Mutation("L-02", "a trial on no wire", "dial", script=DialScript(
        loses=lambda t: t.requirement == "L-02" and t.ends[1] == "192.0.2.20")),
    Mutation("L-02", "a server never tried", "dial", ids("L-07", "L-10"),
             script=DialScript(skips=lambda t: t.ends[1] == SERVERS[1])),
    Mutation("L-02", "no neighbour tried", "dial", ids("L-10"),
             script=skipping("L-02", destination=NEIGHBOURS)),
    Mutation("L-03", "no other name server tried", "dial",
             script=skipping("L-03", destination=RESOLVERS)),
    Mutation("L-03", "another answers", "dial", ids("L-07"),
             stage=arrive(IP(src=SAS) / UDP(sport=53, dport=40000))),
    Mutation("L-03", "answers in spite of the letter", "dial", believed=with_literal_replies),
    Mutation("L-03", "another name server", "dial", ids("L-07", "L-08", "g1"),
             script=leaking(fence.OTHER_DNS, destination="192.0.2.20")),
    Mutation("L-03", "answers unasked", "dial", ids("L-06"), script=DialScript(unasked=True)),
    Mutation("L-03", "its address from outside", "dial", ids("L-07"),
             script=leaking("", source="203.0.113.53")),
    Mutation("L-03", "nothing unasked tried", "dial",
             script=DialScript(skips=lambda t: (t.requirement, t.side) == ("L-03", "gateway"))),
    Mutation("L-03", "its address untried outside", "dial", script=DialScript(
        skips=lambda t: t.side == "internet" and t.ends[0] == "203.0.113.53")),
    Mutation("L-04", "delivered", "dial", ids("L-07"),
             script=leaking(fence.FREE_ADDRESS, destination="203.0.113.131", protocol=17)),
    Mutation("L-04", "nobody tried", "dial", script=DialScript(untried="L-04")),
    Mutation("L-05", "a listed server unasked", "dial", ids("L-07"),
             script=leaking(fence.UNSOLICITED, source="207.25.252.204", protocol=17)),
    Mutation("L-05", "only contacted servers tried", "dial", script=skipping("L-05", source=SERVERS[1:])),
    Mutation("L-05", "another's answer untried", "dial-two-hmcs", script=DialScript(crosses=False)),
    Mutation("L-05", "only servers tried", "dial",
             script=skipping("L-05", source=("192.0.2.20", *NEIGHBOURS))),
    Mutation("L-05", "nobody tried", "dial-two-hmcs", ids("L-09"), script=DialScript(untried="L-05")),
    Mutation("L-05", "another's answer", "dial-two-hmcs", ids("L-07"),
             script=leaking(fence.UNSOLICITED, payload=b"L-05")),
    Mutation("L-05", "handed to another", "dial-two-hmcs",
             script=DialScript(misleads=lambda packet: packet.payload == b"L-05")),
    Mutation("L-05", "another's by the wrong line", "dial-two-hmcs", ids("L-07"),
             script=leaking(fence.FREE_ADDRESS, payload=b"L-05")),
    Mutation("L-05", "nothing led astray", "dial-two-hmcs", script=DialScript(straight=True)),
    Mutation("L-05", "no other caller from outside", "dial-two-hmcs", script=DialScript(
        skips=lambda t: t.side == "internet" and t.ends[0] in CALLERS)),
    Mutation("L-06", "one too many", "dial", stage=miscount(fence.UNLISTED)),
    Mutation("L-06", "one too few", "dial", stage=miscount(fence.REPLY, -1)),
    Mutation("L-06", "one answer too many after resets", "dial",
             script=DialScript(resends=True), stage=miscount(fence.REPLY)),
    Mutation("L-06", "one too few unsolicited after resets", "dial",
             script=DialScript(resends=True, forgets=True), stage=miscount(fence.UNSOLICITED, -1)),
    Mutation("L-06", "a caller is told", "dial", script=DialScript(complains="caller")),
    Mutation("L-06", "a server is told", "dial", script=DialScript(complains="internet")),
    Mutation("L-06", "one error too many", "dial", stage=miscount(fence.SILENCED)),
    Mutation("L-06", "one error too few", "dial", stage=miscount(fence.SILENCED, -1)),
    Mutation("L-06", "no error provoked", "dial", script=skipping("L-06", ttl=1)),
    Mutation("L-06", "nothing to drop", "dial", ids(
        "L-01", "L-02", "L-03", "L-04", "L-05", "L-07", "L-09", "L-10", "L-11", "L-12"),
             script=DialScript(skips=lambda trial: True)),
    Mutation("L-06", "the gateway refuses", "dial-two-hmcs",
             stage=speak(IP(src="203.0.113.2") / ICMP(type=3, code=13))),
    Mutation("L-07", "something else out", "dial", ids("L-02", "L-08", "g1"),
             script=leaking(fence.UNLISTED, protocol=17)),
    Mutation("L-07", "one direction", "dial", script=DialScript(untried="L-07")),
    Mutation("L-07", "too few", "dial", script=DialScript(random_packets=59)),
    Mutation("L-07", "without a seed", "dial", script=DialScript(unseeded=True)),
    Mutation("L-07", "nothing random inwards", "dial",
             script=DialScript(skips=lambda t: t.requirement == "L-07" and t.side == "internet")),
    Mutation("L-08", "not IBM's", "dial", believed=with_list(*SERVERS, *GATEWAYS, UNLISTED)),
    Mutation("L-08", "not on its list", "dial", ids("L-02", "L-06", "L-07", "L-11", "g1"),
             believed=with_list(*SERVERS, GATEWAYS[0])),
    Mutation("L-08", "one ID reached nobody", "dial-two-hmcs",
             ids("L-02", "L-07", "L-10", "L-11", "L-12"),
             script=blocking(fence.LISTED, source="203.0.113.19")),
    Mutation("L-08", "another ID's server", "dial-two-hmcs", ids("L-02", "L-07", "L-10"),
             script=leaking(fence.UNLISTED, source=CALLERS[0], destination="129.42.160.50")),
    Mutation("L-08", "another ID's list untried", "dial-two-hmcs", ids("L-02", "L-10"),
             script=DialScript(skips=lambda t: t.ends[1] == "129.42.160.50")),
    Mutation("L-09", "no late name server", "dial", script=DialScript(
        skips=lambda t: t.requirement == "L-09" and t.side == "gateway")),
    Mutation("L-09", "the next holder untried", "dial", script=DialScript(late_once=True)),
    Mutation("L-09", "a late answer", "dial", ids("L-05", "L-07"), script=DialScript(late_leak=True)),
    Mutation("L-09", "nobody tried", "dial", script=DialScript(untried="L-09")),
    Mutation("L-10", "another region's server", "dial", ids("L-02", "L-07", "L-08", "g1"),
             script=leaking(fence.UNLISTED, destination="129.42.160.50")),
    Mutation("L-10", "another region untried", "dial", ids("L-07"),
             script=DialScript(skips=lambda t: t.ends[1] == "129.42.160.50")),
    Mutation("L-10", "a region's server for another's customer", "dial-two-hmcs",
             ids("L-02", "L-07", "L-08"),
             script=leaking(fence.UNLISTED, source=CALLERS[1], destination="129.42.160.49")),
    Mutation("L-11", "no ESP", "dial", ids("L-07"),
             script=blocking(fence.LISTED, protocol=50)),
    Mutation("L-12", "a port is minded", "dial", ids("L-07"),
             script=blocking(fence.LISTED, destination_port=9)),
    Mutation("L-12", "ports are not minded", "dial", ids("L-05", "L-06", "L-07", "L-09"),
             believed=with_ports),
    Mutation("F-18", "a rule let something through", "dial", stage=let_in),
    Mutation("F-18", "a rule is there", "dial", believed=with_a_rule),
    Mutation("F-18", "something enters", "dial",
             stage=inwards(IP(src=UNLISTED) / UDP(sport=53, dport=5353))),
    Mutation("F-18", "no capture", "dial", ids("g2"), stage=lose_capture),
    Mutation("F-18", "counters not read", "dial", stage=forget_firewall),
    Mutation("P-01", "signatures", "vpn-nat", script=Script(authentication="RSA Sig")),
    Mutation("P-01", "wrong key", "vpn", ids(
        "OUT-19", "OUT-21", "P-02", "P-03", "P-04", "P-05", "P-06", "P-07", "P-08", "P-09", "P-10",
        "P-18", "P-22", "F-06"), played=with_fault("wrong-psk")),
    Mutation("P-02", "transport mode", "vpn-nat", stage=change_sas(mode="transport")),
    Mutation("P-03", "a ping inside the SA", "vpn-nat", script=Script(stray=PING_INSIDE)),
    Mutation("P-04", "single DES", "vpn-nat",
             stage=change_sas(encryption="cbc(des)", encryption_key_bits=64)),
    Mutation("P-04", "unknown SA", "vpn", stage=from_firewall(VPN1, Raw(os.urandom(40)), 50)),
    Mutation("P-05", "20 bytes of key", "vpn-nat", stage=change_sas(integrity_key_bits=160)),
    Mutation("P-05", "SHA-1", "vpn",
             stage=change_sas(integrity="hmac(sha1)", integrity_key_bits=160)),
    Mutation("P-06", "not random", "vpn-nat", stage=rekey_at(1700, 3400, 5100)),
    Mutation("P-06", "too early", "vpn-nat", stage=rekey_at(600, 2400)),
    Mutation("P-06", "SPI used twice", "vpn", stage=rekey_at(1600, 3300, spi=0xCF00AA00)),
    Mutation("P-06", "a ping lost", "vpn", stage=lose_ping),
    Mutation("P-06", "drawn outside", "vpn-nat", stage=change_sas(rekey_after_s=3000)),
    Mutation("P-06", "nothing left to chance", "vpn", believed=fixed_window),
    Mutation("P-07", "SCCRQ before the SA", "vpn-nat", ids("OUT-21"), stage=late_sas),
    Mutation("P-07", "1701 in clear", "vpn-nat",
             stage=leak(IP(src="192.168.10.10", dst=VPN1) / CLEAR_L2TP, "lan")),
    Mutation("P-07", "1701 refused", "vpn", stage=refuse_clear),
    Mutation("P-08", "two tunnels", "vpn-nat", script=Script(requests=2)),
    Mutation("P-08", "two calls", "vpn", script=Script(calls=2)),
    Mutation("P-09", "wrong response accepted", "vpn-nat", believed=other_secret),
    Mutation("P-09", "IPCP before CHAP", "vpn", script=Script(early_ipcp=True)),
    Mutation("P-09", "PAP", "vpn-nat", ids("OUT-21", "P-10"), played=with_fault("pap-only-peer")),
    Mutation("P-10", "a route past PPP", "vpn-nat", stage=route_past),
    Mutation("P-18", "protocol 99", "vpn", ids("F-06", "g4"), stage=rename_protocol),
    Mutation("P-22", "AH", "vpn", ids("F-06", "g4"),
             stage=from_firewall(VPN1, Raw(os.urandom(40)), 51)),
    Mutation("P-22", "tampering not counted", "vpn-nat",
             played=with_fault("tampered-esp"), stage=forget_count),
    Mutation("F-03", "no packet counted", "direct", stage=zero_counters),
    Mutation("F-03", "SSH passes", "direct-snat", ids("OUT-01", "g4"),
             stage=from_firewall(LISTED, TCP(sport=4000, dport=22, flags="S"))),
    Mutation("F-03", "something passes inwards", "direct",
             stage=inwards(IP(src=UNLISTED) / UDP(sport=53, dport=5353))),
    Mutation("F-06", "one direction only", "vpn",
             believed=with_rules(lambda rule: replace(rule, both_ways=False))),
    Mutation("F-06", "DNS passes", "vpn", ids("g4"),
             stage=from_firewall(VPN1, UDP(sport=53, dport=53))),
    Mutation("F-07", "a rule for ESP", "vpn-nat", believed=with_esp_rule),
    Mutation("F-07", "no packet counted", "vpn-nat", stage=zero_counters),
    Mutation("F-08", "a whole network", "vpn-nat", believed=with_rules(
        lambda rule: replace(rule, destination="129.42.160.0/24")
        if rule.destination == VPN1 else rule)),
    Mutation("F-08", "another gateway", "vpn", ids("F-06", "g1"),
             stage=from_firewall(UNLISTED, UDP(sport=500, dport=500))),
    Mutation("R-07", "both at a time", "vpn-nat",
             played=with_fault("vpn1-silent"), stage=both_at_once),
    Mutation("R-07", "before the budget is spent", "vpn",
             played=with_fault("vpn1-silent"), believed=short_budget),
    Mutation("g1", "unlisted address", "vpn-nat", ids("F-07"),
             stage=from_firewall(UNLISTED, ICMP())),
    Mutation("g2", "SYN to the HMC", "direct-snat", ids("OUT-02", "F-03"),
             stage=inwards(IP(src=LISTED) / TCP(sport=443, dport=22, flags="S"))),
    Mutation("g3", "L2TP in clear", "vpn-nat", ids("P-07", "F-07", "g4"),
             stage=from_firewall(VPN1, CLEAR_L2TP)),
    Mutation("g3", "PPP in clear", "vpn", ids("F-06", "g4"), stage=from_firewall(
        VPN1, UDP(sport=9, dport=9) / Raw(b"..\xff\x03\xc0\x21\x01\x01\x00\x04"))),
    Mutation("g4", "IKE on a direct path", "direct", ids("OUT-01", "F-03"),
             stage=from_firewall(LISTED, UDP(sport=500, dport=500))),
    Mutation("g5", "the PPP secret", "vpn-nat", stage=tell_secret),
    Mutation("g5", "the system's name", "direct", stage=tell_system),
    Mutation("g1", "unlisted by telephone", "dial", ids("L-06", "g4"),
             stage=speak(IP(src="203.0.113.2", dst=UNLISTED) / UDP())),
    Mutation("g2", "SYN by telephone", "dial", ids("L-07"),
             stage=arrive(IP(src=SAS) / TCP(sport=443, dport=22, flags="S"))),
    Mutation("g3", "PPP beyond the gateway", "dial", ids("L-06", "g4"), stage=speak(
        IP(src="203.0.113.2") / UDP(sport=9, dport=9) / Raw(b"..\xff\x03\xc0\x21\x01\x01\x00\x04"))),
    Mutation("g5", "the PAP password", "dial", ids("L-07"), stage=arrive(
        IP(src=SAS) / UDP(sport=9, dport=9) / Raw(PAP_PASSWORD.encode()))),
    Mutation("g6", "a namespace", "direct", stage=leave_over),
    Mutation("g6", "no end", "direct", stage=never_end),
)  # fmt: skip


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_a_good_run_passes(name: str, tmp_path: Path) -> None:
    findings = judged(play(topology(name)), tmp_path)

    assert failures(findings) == set()
    untested = {n for n, f in findings.items() if f.verdict is Verdict.not_applicable}
    assert untested <= {"R-07", "R-08", "OUT-25"}, (
        "only what the run cannot put to the test may be left open"
    )


@pytest.mark.parametrize("mutation", MUTATIONS, ids=str)
def test_one_thing_wrong_fails_its_finding(mutation: Mutation, tmp_path: Path) -> None:
    played = mutation.played(topology(mutation.topology))
    assert mutation.requirement in played.expect
    stage = play(played, mutation.script)
    mutation.stage(stage)

    findings = judged(stage, tmp_path, mutation.believed(played))

    assert failures(findings) == {mutation.requirement, *mutation.also}


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_where_nothing_was_sent_no_invariant_but_g6_is_put_to_the_test(
    name: str, tmp_path: Path
) -> None:
    stage = Stage(topology(name))
    stage.record.ended = stage.now + 1

    findings = judged(stage, tmp_path)

    verdicts = {n: f.verdict for n, f in findings.items() if n.startswith("g")}
    assert verdicts.pop("g6") is Verdict.held
    assert set(verdicts.values()) == {Verdict.not_applicable}


def test_every_requirement_has_a_mutation() -> None:
    elsewhere = {"OUT-15", "R-01"}  # test_order.py: of several ways there is no play
    assert {mutation.requirement for mutation in MUTATIONS} | elsewhere == set(vocabulary())


def test_every_requirement_has_a_claim_and_a_source() -> None:
    assert set(claims()) == set(vocabulary())
    assert all(claim.text and claim.source for claim in claims().values())


def test_what_can_be_checked_is_what_topologies_expect() -> None:
    expected = (topology(name).expect for name in names())
    assert set().union(*expected) == set(vocabulary())


def test_an_unknown_requirement_is_refused(tmp_path: Path) -> None:
    model = replace(topology("direct"), expect=("OUT-1",))

    with pytest.raises(UsageError, match="OUT-1"):
        verify.judge(model, play(model).record, tmp_path)


def test_evidence_points_at_the_frames(tmp_path: Path) -> None:
    stage = play(topology("vpn-nat"))
    from_firewall(UNLISTED, ICMP())(stage)
    number = len(stage.frames["fw-inet"])

    finding = judged(stage, tmp_path)["g1"]

    assert UNLISTED in finding.seen
    (evidence,) = finding.evidence
    assert (evidence.segment, evidence.frames) == ("fw-inet", (number,))


SURVIVED = [f.name for f in faults.applicable(topology("vpn-nat")) if f.survives]


@pytest.mark.parametrize("fault", SURVIVED)
def test_what_a_call_home_survives_fails_nothing(fault: str, tmp_path: Path) -> None:
    findings = judged(play(faults.apply(fault, topology("vpn-nat"))), tmp_path)

    assert failures(findings) == set()


def test_r07_is_put_to_the_test_when_the_first_server_is_silent(tmp_path: Path) -> None:
    stage = play(faults.apply("vpn1-silent", topology("vpn-nat")))

    finding = judged(stage, tmp_path)["R-07"]

    assert finding.verdict is Verdict.held
    assert "vpn2" in finding.seen


def test_no_secret_is_in_a_finding(tmp_path: Path) -> None:
    model = topology("vpn-nat")
    stage = play(model)
    tell_secret(stage)

    text = repr(judged(stage, tmp_path))

    secrets = {hidden.reveal() for _, hidden in find(model, Secret)}
    assert secrets
    keys = {key[name] for key in stage.keys for name in ("encryption_key", "integrity_key")}
    assert not any(secret in text for secret in secrets | keys)


def test_p05_reports_the_other_reading_where_it_is_asked_for(tmp_path: Path) -> None:
    model = topology("vpn-nat")
    sides = change_connections(
        model, lambda c: replace(c, client_side=replace(c.client_side, esp_proposal="3des-sha1"))
    )
    stage = play(model)

    finding = judged(stage, tmp_path, sides)["P-05"]

    assert finding.verdict is Verdict.failed
    assert "20 bytes" in finding.expected
    assert "16 bytes" in finding.seen


def test_p06_says_when_a_run_is_too_short_to_judge(tmp_path: Path) -> None:
    stage = play(topology("vpn-nat"))
    assert "too short to judge randomness" in judged(stage, tmp_path)["P-06"].seen

    for sa in stage.record.esp:
        sa.rekey_after_s = 0
    assert judged(stage, tmp_path)["P-06"].verdict is Verdict.not_applicable


def test_p06_holds_on_a_long_run(tmp_path: Path) -> None:
    stage = play(topology("vpn-nat"))
    rekey_at(1600, 3500, 5200, 7200)(stage)

    finding = judged(stage, tmp_path)["P-06"]

    assert finding.verdict is Verdict.held
    assert "4 rekeys" in finding.seen


def on_the_side(stage: Stage) -> PhoneStage:
    """The same run, and beside it somebody calls."""
    telephone = stage.topology.telephone
    assert telephone is not None
    near, far = telephone.lines[:2]
    told = [
        fence_play.Told(stage.now, "connected", 1, ends=(near, far), rate=33600, data=far.number),
        fence_play.Told(stage.now, "frame", 1, far.name, b"\xff\x03\xc0\x21\x01\x01\x00\x04"),
    ]
    return PhoneStage(
        topology=stage.topology,
        frames=stage.frames,
        record=stage.record,
        keys=stage.keys,
        told=told,
    )


@pytest.mark.parametrize(("name", "also"), [("direct", {"OUT-01"}), ("vpn-nat", set())])
def test_the_telephone_is_silent_where_the_path_is_another(
    name: str, also: set[str], tmp_path: Path
) -> None:
    stage = play(replace(topology(name), telephone=topology("dial").telephone))
    frames = dict(stage.frames)
    silent = PhoneStage(stage.topology, record=stage.record, keys=stage.keys)
    silent.frames = dict(frames)
    assert failures(judged(silent, tmp_path / "silent")) == set()

    calling = on_the_side(stage)
    calling.frames = frames
    findings = judged(calling, tmp_path / "calling")

    assert failures(findings) == {"g4", *also}
    assert "the telephone is in use" in findings["g4"].seen


def test_whoever_has_a_wrong_password_is_refused_and_hung_up_on(tmp_path: Path) -> None:
    stage = play(faults.apply("wrong-pap-password", topology("dial")))

    finding = judged(stage, tmp_path)["P-11"]

    assert finding.verdict is Verdict.held
    assert "4 wrong passwords refused" in finding.seen


def test_without_a_firewall_f18_is_not_put_to_the_test(tmp_path: Path) -> None:
    stage = play(topology("dial"))

    findings = judged(stage, tmp_path, replace(stage.topology, firewall=None))

    assert findings["F-18"].verdict is Verdict.not_applicable


def test_a_pool_of_one_address_is_enough_to_try_the_fence(tmp_path: Path) -> None:
    findings = judged(play(with_pool("203.0.113.130")(topology("dial"))), tmp_path)

    assert failures(findings) == set()
    assert findings["L-04"].verdict is Verdict.held


def test_the_next_number_answers(tmp_path: Path) -> None:
    findings = judged(play(topology("dial"), DialScript(busy=1)), tmp_path)

    assert failures(findings) == set()
    for requirement in ("OUT-25", "R-08"):
        assert findings[requirement].verdict is Verdict.held
        assert "18005550199 answered after 18005550100: BUSY" in findings[requirement].seen


@pytest.mark.parametrize("forgets", [True, False])
def test_what_is_refused_again_may_be_an_answer_to_conntrack_or_not(
    forgets: bool, tmp_path: Path
) -> None:
    script = DialScript(resends=True, forgets=forgets)

    assert failures(judged(play(topology("dial"), script), tmp_path)) == set()


def test_a_dialler_of_the_users_own_may_ask_for_an_address_and_gets_another(tmp_path: Path) -> None:
    stage = play(topology("dial"), DialScript(ask="10.9.8.7"))
    stage.record.dialled.clear()

    finding = judged(stage, tmp_path)["P-12"]

    assert finding.verdict is Verdict.held


def test_where_the_fence_minds_ports_others_are_dropped(tmp_path: Path) -> None:
    findings = judged(play(with_ports(topology("dial"))), tmp_path)

    assert findings["L-12"].verdict is Verdict.held
    assert "dropped" in findings["L-12"].seen
