"""A whole run by telephone, by the book: modems, PPP with PAP, the call home, what tries the fence.

``DialScript`` holds what a test may have done differently. What the fence does is written down by hand in
``fence_papers``; nothing of the judge's is used.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from socket import inet_aton, inet_ntoa
from typing import Any, NoReturn

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.packet import Raw

from lab.linux import fence
from lab.record.record import (
    CallHome,
    DialAttempt,
    DialCause,
    FenceTrial,
    FirewallTrial,
    LigCall,
    ModemProbe,
    PppSession,
    Transaction,
    UplinkProbe,
)
from lab.telephony.tape import Tape, recording
from lab.topology.model import Topology
from lab.topology.telephone import ModemLine
from lab.ways.dial.fence_packets import (
    FIRST_PORT,
    GATEWAY,
    INTERNET,
    Situation,
    Trials,
    Try,
)
from lab.ways.dial.plan import Dialer, dialers
from lab.wire import decode
from lab.wire.decode import Packet
from lab.wire.dialled import enframe
from tests.unit.verify.changes import note_tries
from tests.unit.verify.fence_papers import LISTED, PASSING, Papers
from tests.unit.verify.play import SYSTEM, Script, conversation, ppp_packet
from tests.unit.verify.stage import START, Stage

LCP, PAP, IPCP, DATA = 0xC021, 0xC023, 0x8021, 0x21
OPTION_PAP, OPTION_CHAP = b"\x03\x04\xc0\x23", b"\x03\x05\xc2\x23\x05"
SERVER_PORT = 443


@dataclass
class DialScript:
    """Where a run departs from the book."""

    busy: int = 0
    """The first calls of each client hear busy tone."""
    demand: bytes = OPTION_PAP
    ask: str = "0.0.0.0"
    """What the caller first asks IPCP for."""
    naked: bool = True
    """The gateway names an address by a Nak."""
    early_ipcp: bool = False
    early_syn: bool = False
    greets: bool = True
    """The modem is asked by AT at boot."""
    greeting: str = "OK"
    """What it says to that."""
    dials: bool = True
    """The dialogue shows the command that dials."""
    connects: str = "CONNECT 33600"
    """What the caller's modem says, whatever the record says of it."""
    talks: bool = True
    """The agent opens a connection."""
    gives_up: bool = False
    """The dialler does so after the first number."""
    refuses: int = 0
    """To the first calls the gateway says Nak, whatever the password."""
    keeps: bool = False
    """The gateway does not end the call of whom it has refused."""
    frees: bool = True
    """The address of a call that has ended is given to the next."""
    leaks: Callable[[Packet, str], bool] = lambda packet, counter: False
    """What the fence lets through all the same."""
    blocks: Callable[[Packet, str], bool] = lambda packet, counter: False
    """What it drops all the same."""
    early_leak: bool = False
    late_leak: bool = False
    """What is left of a call's flows is the next call's."""
    untried: str = ""
    """The requirement whose trials nobody makes."""
    skips: Callable[[Try], bool] = lambda trial: False
    """Other trials that nobody makes."""
    unsent: str = ""
    """The requirement whose trials are recorded and are on no wire."""
    loses: Callable[[Try], bool] = lambda trial: False
    """Other trials that are on no wire."""
    crosses: bool = True
    """The answer to one caller is tried on the others."""
    late_once: bool = False
    """The next call is not tried by what was meant for the first."""
    one_address: bool = False
    """Every call gets the same."""
    misleads: Callable[[Packet], bool] = lambda packet: False
    """What the gateway hands to another caller."""
    complains: str = ""
    """The side to which the gateway says that a packet has ended at it."""
    unasked: bool = False
    """The name server's answers pass, whether or not the caller has asked."""
    straight: bool = False
    """No answer is led astray."""
    resends: bool = False
    """Callers send SYNs again when they have been refused, and are refused again."""
    forgets: bool = False
    """Then conntrack takes the answer for invalid."""
    drops: int = 0
    """After so many frames the first call is cut, before IP is open on it."""
    cuts: int = 0
    """How many calls end without a word of LCP's, as the line is cut."""
    unseeded: bool = False
    random_packets: int = 60
    """Each way, of each caller; the judge's minimum is set to as many."""


class LostError(Exception):
    """There is no way home."""


@dataclass
class Told:
    """Something that the exchange keeps."""

    time: float
    what: str
    call: int = 0
    line: str = ""
    data: bytes | str = b""
    ends: tuple[ModemLine, ModemLine] | None = None
    rate: int = 0

    def write(self, tape: Tape) -> None:
        now = self.time - START
        data = self.data.encode() if isinstance(self.data, str) else self.data
        if self.what == "says":
            tape.from_terminal(self.line, data, now)
        elif self.what == "answers":
            tape.to_terminal(self.line, data, now)
        elif self.what == "note":
            tape.note(str(self.data), now, self.call)
        elif self.what == "frame":
            tape.arrived(self.call, self.line, enframe(data), now)
        elif self.what == "noise":
            tape.arrived(self.call, self.line, enframe(data)[:-3] + b"\0\0\x7e", now)
        elif self.what == "connected":
            assert self.ends
            tape.connected(self.call, *self.ends, str(self.data), self.rate, now)
        else:
            tape.ended(self.call, now)


@dataclass
class PhoneStage(Stage):
    """A stage with a telephone."""

    told: list[Told] = field(default_factory=list)

    def write(self, run_dir: Path) -> Path:
        super().write(run_dir)
        with recording(run_dir / "wire", epoch_ns=int(START * 1e9)) as tape:
            for entry in sorted(self.told, key=lambda entry: entry.time):
                entry.write(tape)
        return run_dir


@dataclass
class Call:
    """A call that stands."""

    number: int
    client: str
    caller: str
    called: str
    facts: LigCall
    frames: int = 0
    address: str = ""
    user: str = ""
    opened: bool = False
    session: PppSession | None = None


def play(topology: Topology, script: DialScript | None = None) -> PhoneStage:
    """A whole run."""
    run = Run(PhoneStage(topology), script or DialScript())
    for plan in dialers(topology):
        run.boot(plan)
    try:
        for plan in dialers(topology):
            run.dial(plan)
    except LostError as error:
        run.record.error = str(error)
        note_tries(topology, run.record)
        run.close()
        return run.stage
    run.record.path_up = run.stage.now
    note_tries(topology, run.record)
    for plan in dialers(topology):
        run.call_home(plan)
    for plan in dialers(topology):
        run.probe(plan.client)
    run.try_the_fence()
    run.close()
    return run.stage


class Run:
    """One run on one stage."""

    def __init__(self, stage: PhoneStage, script: DialScript) -> None:
        topology, lig = stage.topology, stage.topology.lig
        assert lig is not None
        assert topology.telephone is not None
        self.stage, self.script, self.topology, self.lig = stage, script, topology, lig
        self.record = stage.record
        self.lines = topology.telephone.lines
        node = topology.node(lig.node)
        self.papers = Papers(lig, [i.ip for i in node.interfaces])
        self.counters = dict.fromkeys(fence.COUNTERS, 0)
        self.calls: list[Call] = []
        self.calls_made = 0

    def tell(self, what: str, **fields: Any) -> None:
        self.stage.told.append(Told(self.stage.now, what, **fields))

    def line(self, node: str) -> Any:
        taken = {call.called for call in self.calls}
        return next(x for x in self.lines if x.node == node and x.name not in taken)

    # The modem.

    def boot(self, plan: Dialer) -> None:
        self.stage.now += 0.01
        self.record.modems.append(
            ModemProbe(
                node=plan.client,
                device=plan.devices[0],
                started=self.stage.now,
                answer="OK",
                found=True,
            )
        )
        if self.script.greets:
            self.ask(plan.client, "AT", self.script.greeting)

    def ask(self, node: str, command: str, answer: str) -> None:
        line = self.line(node).name
        self.tell("says", line=line, data=f"{command}\r")
        self.tell("answers", line=line, data=f"{command}\r")
        if answer:
            self.tell("answers", line=line, data=f"\r\n{answer}\r\n")

    def dial(self, plan: Dialer) -> Call:
        for number in plan.numbers * plan.rounds:
            attempt = DialAttempt(
                client=plan.client,
                device=plan.devices[0],
                number=number,
                started=self.stage.now,
            )
            self.record.dialled.append(attempt)
            self.ask(plan.client, plan.init, "OK")
            if self.script.dials:
                self.ask(plan.client, f"ATDT{number}", "")
            self.calls_made += 1
            placed = f"{self.line(plan.client).name} to {number}"
            self.stage.now += 1
            tried = sum(a.client == plan.client for a in self.record.dialled)
            if tried <= self.script.busy:
                self.tell("note", call=self.calls_made, data=f"{placed}: busy")
                attempt.ended = self.stage.now
                attempt.result, attempt.failure = "BUSY", "the number is busy"
                attempt.cause = DialCause.no_connection
                line = self.line(plan.client).name
                self.tell("answers", line=line, data="\r\nBUSY\r\n")
                self.stage.now += 10
                if self.script.gives_up:
                    break
                continue
            far = self.line(self.lig.node).name
            self.tell("note", call=self.calls_made, data=f"{placed}: {far} rings")
            self.tell("note", call=self.calls_made, data=f"{far} answers")
            self.stage.now += 5
            attempt.ended = self.stage.now
            attempt.result, attempt.rate_bit_s = "CONNECT 33600", 33600
            try:
                return self.connect(plan, number)
            except LostError as error:
                attempt.failure, attempt.cause = str(error), DialCause.no_ppp
        raise LostError(f"{plan.client} has no way home by telephone")

    def connect(self, plan: Dialer, number: str, early: bytes = b"") -> Call:
        near, far = self.line(plan.client), self.line(self.lig.node)
        now = self.stage.now
        facts = LigCall(
            line=far.name,
            number=len(self.record.lig) + 1,
            rang=now - 4,
            answered=now,
            interface="ppp0",
        )
        self.record.lig.append(facts)
        call = Call(self.calls_made, plan.client, near.name, far.name, facts)
        self.tell("connected", call=call.number, ends=(near, far), data=number, rate=33600)
        self.tell("answers", line=near.name, data=f"\r\n{self.script.connects}\r\n")
        self.negotiate(call, plan)
        return call

    # PPP.

    def frame(self, call: Call, protocol: int, body: bytes, *, back: bool = False) -> None:
        self.stage.now += 0.02
        data = b"\xff\x03" + struct.pack("!H", protocol) + body
        self.tell("frame", call=call.number, line=call.caller if back else call.called, data=data)
        call.frames += 1
        if call.facts.number == 1 and call.frames == self.script.drops:
            self.tell("note", call=call.number, data="the line drops")
            self.lose(call, "the modem hung up")

    def negotiate(self, call: Call, plan: Dialer) -> None:
        script, demand = self.script, self.script.demand
        if self.early:
            self.from_caller(call, self.early.packet)
        self.frame(call, LCP, ppp_packet(1, 1, b"\x05\x06\x01\x02\x03\x04"))
        self.frame(call, LCP, ppp_packet(1, 1, demand), back=True)
        self.frame(call, LCP, ppp_packet(2, 1, b"\x05\x06\x01\x02\x03\x04"), back=True)
        self.frame(call, LCP, ppp_packet(2, 1, demand))
        if script.early_ipcp:
            own = b"\x03\x06" + inet_aton(self.lig.ppp.local_ip)
            self.frame(call, IPCP, ppp_packet(1, 9, own), back=True)
        user, secret = plan.account.user.encode(), plan.account.secret.reveal().encode()
        said = bytes([len(user)]) + user + bytes([len(secret)]) + secret
        self.frame(call, PAP, ppp_packet(1, 1, said))
        first = len(self.record.lig) <= script.refuses
        if first or plan.account not in self.lig.ppp.accounts:
            self.refuse(call)
        self.frame(call, PAP, ppp_packet(2, 1, b"\x00"), back=True)
        call.user = plan.account.user
        self.open(call)

    def refuse(self, call: Call) -> NoReturn:
        """The gateway says Nak, and ends the call."""
        self.frame(call, PAP, ppp_packet(3, 1, b"\x00"), back=True)
        if not self.script.keeps:
            self.frame(call, LCP, ppp_packet(5, 2, b""), back=True)
            self.tell("note", call=call.number, data=f"{call.called} hangs up")
        self.lose(call, "PAP authentication failed")

    def lose(self, call: Call, why: str) -> NoReturn:
        self.tell("ended", call=call.number)
        call.facts.closed = self.stage.now
        self.stage.now += 10
        raise LostError(why)

    def open(self, call: Call) -> None:
        taken = set() if self.script.one_address else {c.address for c in self.calls}
        if not self.script.frees:
            taken |= {facts.address for facts in self.record.lig}
        given = next(a for a in self.lig.ppp.pool if a not in taken)
        own, address = (b"\x03\x06" + inet_aton(a) for a in (self.lig.ppp.local_ip, given))
        self.frame(call, IPCP, ppp_packet(1, 1, b"\x03\x06" + inet_aton(self.script.ask)))
        self.frame(call, IPCP, ppp_packet(1, 1, own), back=True)
        self.frame(call, IPCP, ppp_packet(2, 1, own))
        if self.script.naked:
            self.frame(call, IPCP, ppp_packet(3, 1, address), back=True)
        self.frame(call, IPCP, ppp_packet(1, 2, address))
        if self.script.early_syn:
            server = self.topology.endpoints[0].address
            syn = IP(src=given, dst=server, id=7) / TCP(sport=40999, dport=443, flags="S")
            self.from_caller(call, bytes(syn))
        call.facts.user = call.user
        call.facts.admitted = call.facts.opened = self.stage.now
        self.frame(call, IPCP, ppp_packet(2, 2, address), back=True)
        call.address = call.facts.address = given
        call.opened = True
        self.calls.append(call)
        call.session = PppSession(
            client=call.client,
            gateway=self.lig.node,
            interface="ppp0",
            opened=self.stage.now,
            local_ip=given,
            peer_ip=self.lig.ppp.local_ip,
            mtu=1500,
        )
        self.record.ppp.append(call.session)

    early: Try | None = None
    again: bool = False
    """A packet is sent for the second time."""

    # The fence.

    def from_caller(self, call: Call, raw: bytes) -> bool:
        self.frame(call, DATA, raw)
        packet = decode.parse_ipv4(raw)
        assert packet is not None
        if not call.opened:
            passes = self.script.early_leak
        else:
            counter = self.papers.from_caller(IP(raw), call.number, call.address, call.user)
            passes = self.passes(packet, counter)
            if self.papers.ends_here(IP(raw)):
                self.expire(packet, "caller", call)
            if counter == fence.UTILITY and passes:
                self.serve_names(call, raw)
                return True
        other = next((c for c in self.calls if c.address == packet.destination), None)
        if passes and other is not None:
            self.frame(other, DATA, raw, back=True)
        elif passes:
            self.stage.put("lig-inet", self.lig.node, "internet", raw, self.stage.now + 0.001)
            self.stage.put("dmz", "internet", "sdc", raw, self.stage.now + 0.002)
        return passes

    def passes(self, packet: Packet, counter: str) -> bool:
        if counter:
            self.counters[counter] += 1
        if counter in PASSING:
            return not self.script.blocks(packet, counter)
        return self.script.leaks(packet, counter)

    def expire(self, packet: Packet, side: str, call: Call | None) -> None:
        """The gateway would like to tell the sender that its packet has ended (RFC 792)."""
        self.counters[fence.SILENCED] += 1
        if self.script.complains != side:
            return
        own = self.topology.node(self.lig.node).interface(self.lig.outside).ip
        error = bytes(IP(src=own, dst=packet.source, id=self.ident()) / ICMP(type=11, code=0))
        if side == "caller":
            assert call is not None
            self.frame(call, DATA, error, back=True)
        else:
            self.stage.put("lig-inet", self.lig.node, "internet", error, self.stage.now)

    def from_gateway(self, raw: bytes) -> None:
        packet = decode.parse_ipv4(raw)
        assert packet is not None
        if not self.script.unasked:
            self.counters[fence.SILENCED] += 1
            return
        self.counters[fence.UTILITY_REPLY] += 1
        for call in self.calls:
            if call.address == packet.destination:
                self.frame(call, DATA, raw, back=True)

    def from_internet(self, raw: bytes, *, astray: bool = False) -> bool:
        self.stage.now += 0.01
        self.stage.put("lig-inet", "internet", self.lig.node, raw, self.stage.now)
        packet = decode.parse_ipv4(raw)
        assert packet is not None
        call = next((c for c in self.calls if c.address == packet.destination), None)
        counter = self.papers.from_internet(IP(raw), call.number if call and not astray else 0)
        if self.papers.ends_here(IP(raw)):
            self.expire(packet, "internet", call)
        if self.again and self.script.forgets and counter == fence.REPLY:
            counter = fence.UNSOLICITED
        late = self.script.late_leak and packet.payload == b"L-09" and call is not None
        if not self.passes(packet, counter) and not late:
            return False
        if astray or self.script.misleads(packet):
            call = next((c for c in self.calls if c is not call), call)
        self.frame(call or self.calls[0], DATA, raw, back=True)
        return True

    def serve_names(self, call: Call, raw: bytes) -> None:
        asked = IP(raw)
        self.counters[fence.UTILITY_REPLY] += 1
        answer = IP(src=asked.dst, dst=asked.src, id=self.ident())
        if asked.proto == 17:
            answer /= UDP(sport=53, dport=asked.sport) / Raw(b"answer")
        else:
            answer /= TCP(sport=53, dport=asked.sport, flags="SA")
        self.frame(call, DATA, bytes(answer), back=True)

    def ident(self) -> int:
        self.stage.ident += 1
        return self.stage.ident & 0xFFFF

    def answer(self, raw: bytes) -> None:
        """What a server says to a packet that came to it."""
        asked = IP(raw)
        reply = IP(src=asked.dst, dst=asked.src, id=self.ident())
        if asked.proto == 6 and asked[TCP].flags == "S":
            self.from_internet(bytes(reply / TCP(sport=asked.dport, dport=asked.sport, flags="RA")))
        elif asked.proto == 17:
            self.from_internet(bytes(reply / ICMP(type=3, code=3) / Raw(raw)))
        elif asked.proto == 1:
            echo = ICMP(type=0, id=asked[ICMP].id, seq=1)
            self.from_internet(bytes(reply / echo))

    # The call home.

    def call_home(self, plan: Dialer) -> None:
        (call,) = (c for c in self.calls if c.client == plan.client)
        started, server = self.stage.now, self.topology.endpoints[0]
        query = IP(src=call.address, dst=self.lig.utility, id=self.ident())
        self.from_caller(call, bytes(query / UDP(sport=41001, dport=53) / Raw(b"question")))
        talk = conversation(call.address, server.address, 41000, Script())
        for outward, segment in talk if self.script.talks else ():
            segment.id = self.ident()
            if outward:
                self.from_caller(call, bytes(segment))
            else:
                self.from_internet(bytes(segment))
        self.record.calls.append(
            CallHome(
                agent=plan.client,
                started=started,
                ended=self.stage.now,
                succeeded=True,
                attempts=("acknowledged",),
            )
        )
        self.record.ledger.append(
            Transaction(
                time=self.stage.now,
                kind="heartbeat",
                system=SYSTEM,
                peer_ip=call.address,
                peer_port=41000,
                server_ip=server.address,
                server_port=server.port,
                tls_version="TLSv1.2",
                cipher="AES256-SHA",
                sni=server.name,
                status=200,
                bytes_in=100,
            )
        )

    def probe(self, client: str) -> None:
        """OUT-02 and OUT-26."""
        (call,) = (c for c in self.calls if c.client == client)
        wall = self.topology.firewall
        assert wall is not None
        public = self.topology.node(wall.node).interface(wall.outside).ip
        outside = self.topology.node("internet").interface(wall.outside).ip
        inside = self.topology.node("sdc").interface("dmz").ip
        for source, target in ((outside, public), (inside, call.address)):
            syn = IP(src=source, dst=target, id=self.ident())
            raw = bytes(syn / TCP(sport=50000, dport=443, flags="S"))
            if target == public:
                self.stage.put(wall.outside, "internet", wall.node, raw, self.stage.now)
            else:
                self.from_internet(raw)
            self.record.probes.append(
                UplinkProbe(
                    requirement="OUT-02",
                    source=source,
                    destination=target,
                    port=443,
                    answered=False,
                )
            )
        self.stage.now += 1
        self.record.trials.append(
            FirewallTrial(
                node=client,
                interface="ppp0",
                uplink="lan",
                destination=self.topology.endpoints[0].address,
                started=self.stage.now,
                ended=self.stage.now + 5,
                connected=False,
                dropped_on_tunnel=5,
                counted_on_uplink=0,
                sessions_open=True,
            )
        )
        self.stage.now += 6

    # What tries the fence.

    def try_the_fence(self) -> None:
        tried = {}
        self.record.fence_seed = "" if self.script.unseeded else self.topology.name
        for number, call in enumerate(list(self.calls)):
            listed = LISTED[call.user]
            taken = {c.address for c in self.calls}
            tried[call.client] = trials = Trials(
                Situation(
                    client=call.client,
                    user=call.user,
                    lig=self.lig,
                    address=call.address,
                    lan_address=self.topology.node(call.client).interface("lan").ip,
                    free=tuple(a for a in self.lig.ppp.pool if a not in taken),
                    servers=tuple(
                        (e.name, e.address, e.port)
                        for e in self.topology.endpoints
                        if e.address in listed
                    ),
                    contacted=self.topology.endpoints[0].address,
                    own_addresses=(self.lig.ppp.local_ip,),
                    unlisted=(self.topology.node("sdc").interface("dmz").ip,),
                    others=tuple(c.address for c in self.calls if c is not call),
                    first_port=FIRST_PORT + 4000 * number,
                    random_packets=self.script.random_packets,
                )
            )
            self.send(call, trials.from_internet())
            self.send(call, trials.from_caller())
            self.send(call, trials.from_gateway())
        for plan in dialers(self.topology):
            self.call_again(plan, tried[plan.client])

    def call_again(self, plan: Dialer, trials: Trials) -> None:
        (call,) = (c for c in self.calls if c.client == plan.client)
        for other in [c for c in self.calls if c is not call and not self.script.straight]:
            self.send(call, [trials.contact()])
            self.send(call, [trials.answer_astray(other.client)])
        self.send(call, [trials.contact(), trials.question()])
        others = [c.address for c in self.calls if c is not call and self.script.crosses]
        self.send(call, [trials.answer(), *map(trials.answer_to, others)])
        self.hang_up(call)
        self.send(call, [trials.late()])
        early = trials.early()
        if self.script.untried != "P-20":
            self.note(call.client, early)
            self.early = early if self.script.unsent != "P-20" else None
        again = self.dial(plan)
        self.early = None
        if not self.script.late_once:
            self.send(again, [trials.late(again.address)])
        self.send(again, [trials.late_from_gateway()])

    def send(self, call: Call, tries: Iterable[Try]) -> None:
        servers = {e.address for e in self.topology.endpoints}
        for trial in tries:
            if trial.requirement == self.script.untried or self.script.skips(trial):
                continue
            self.note(call.client, trial)
            if trial.requirement == self.script.unsent or self.script.loses(trial):
                continue
            if trial.side == GATEWAY:
                self.from_gateway(trial.packet)
            elif trial.side == INTERNET:
                self.from_internet(trial.packet, astray=bool(trial.astray))
            else:
                self.ask_server(call, trial.packet, servers)

    def ask_server(self, call: Call, raw: bytes, servers: set[str]) -> None:
        """What a caller sends, and what the server says to it."""
        for again in (False, True) if self.script.resends and raw[9] == 6 else (False,):
            self.again = again
            if self.from_caller(call, raw) and inet_ntoa(raw[16:20]) in servers:
                self.answer(raw)
        self.again = False

    def note(self, client: str, trial: Try) -> None:
        source, destination, protocol, source_port, port = trial.ends
        self.record.fence_trials.append(
            FenceTrial(
                requirement=trial.requirement,
                client=client,
                side=trial.side,
                source=source,
                destination=destination,
                protocol=protocol,
                source_port=source_port,
                port=port,
                packets=1,
                sent=self.stage.now,
                astray=trial.astray,
            )
        )

    # The end.

    def hang_up(self, call: Call) -> None:
        self.stage.now += 1
        if call.facts.number > self.script.cuts:
            self.frame(call, LCP, ppp_packet(5, 9, b""))
            self.frame(call, LCP, ppp_packet(6, 9, b""), back=True)
        self.tell("note", call=call.number, data=f"{call.caller} hangs up")
        self.tell("ended", call=call.number)
        self.calls.remove(call)
        call.facts.closed = self.stage.now
        assert call.session is not None
        call.session.closed = self.stage.now
        self.stage.now += 1

    def close(self) -> None:
        for call in list(self.calls):
            self.hang_up(call)
        self.record.counters = {
            self.lig.node: self.counters,
            "firewall": {"dropped-in": 3, "dropped-out": 0, "dropped-own": 0},
        }
        self.record.ended = self.stage.now + 1
