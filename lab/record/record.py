"""What a run showed: the facts that no capture holds, with times on the lab's clock (seconds since
1970, as in the captures). Written by the side of effects, read by ``verify``; no judgement here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lab import codec
from lab.errors import LabError, PathError, PrerequisiteError, UsageError
from lab.names import all_of
from lab.record.call_event import CallHomeTried
from lab.record.cause import AgentCause, Blame, Explained, PppCause
from lab.record.command_event import CommandRun, LeftRunning, NodeAltered
from lab.record.dial_event import Dialled, ModemProbed
from lab.record.event import IkeEstablished, IkeFailed
from lab.record.trial_event import ForwardProbed, OwnRuleTried, Probed

FEW = 3
"""Servers that are told by name where they failed alike."""


@dataclass(slots=True, kw_only=True)
class EspSa:
    """An ESP SA as the kernel installed it; the keys themselves are in ``keys/esp.json``."""

    node: str
    spi: int
    source: str
    destination: str
    mode: str
    """``tunnel`` or ``transport``."""
    encryption: str
    """The kernel's name: ``cbc(des3_ede)``."""
    encryption_key_bits: int
    integrity: str
    """``hmac(md5)``; empty if the cipher authenticates by itself (AEAD)."""
    integrity_key_bits: int
    integrity_icv_bits: int
    """Of an AEAD cipher, that of the cipher."""
    udp_encapsulation: bool
    added: float
    removed: float = 0.0
    """0 while it was still there at the end."""
    rekey_after_s: int = 0
    """The kernel's soft limit (``soft_add_expires_seconds``): the moment that charon drew for this SA's
    next keys (P-06); 0 if not read."""


@dataclass(slots=True, kw_only=True)
class L2tpTunnel:
    """An L2TP control connection as the client's xl2tpd reports it (RFC 2661 5.1)."""

    client: str
    gateway: str
    local_id: int
    remote_id: int
    opened: float
    closed: float = 0.0


@dataclass(slots=True, kw_only=True)
class PppSession(Explained):
    """One PPP session, from the start of pppd to its end (RFC 1661)."""

    client: str
    gateway: str
    interface: str
    opened: float
    """When IPCP opened; 0 if it never did."""
    local_ip: str = ""
    peer_ip: str = ""
    mtu: int = 0
    closed: float = 0.0
    exit_status: int = -1
    """pppd(8) EXIT STATUS; -1 while it runs."""
    cause: PppCause | None = None
    """Why it ended; None while it runs, or if nobody said."""
    detail: str = ""


@dataclass(slots=True, kw_only=True)
class LigCall:
    """A call at AT&T's gateway, from the answer of its modem to the end of its pppd."""

    line: str
    number: int
    """Of the call: the conntrack mark by which the fence tells it from earlier ones (L-09); 0 if it was not
    answered."""
    rang: float = 0.0
    """When the bank heard it, and could answer or could not."""
    answered: float = 0.0
    """When the modems were connected; 0 if the call was left to ring (P-12)."""
    rate_bit_s: int = 0
    """As the modem said with CONNECT; 0 if it did not."""
    interface: str = ""
    address: str = ""
    """From the pool, for the time of the call (P-12)."""
    user: str = ""
    """Whom PAP found it to be (P-11); empty if nobody."""
    admitted: float = 0.0
    """When the fence knew the call: before its IP link came up (P-20)."""
    opened: float = 0.0
    """When IPCP opened; 0 if it never did."""
    closed: float = 0.0
    exit_status: int = -1
    """pppd(8) EXIT STATUS; -1 while it runs."""


@dataclass(slots=True, kw_only=True)
class WayTry:
    """One try to bring a way home up, in the order of trying (OUT-15)."""

    agent: str
    way: str
    started: float
    ended: float = 0.0
    up: bool = False
    backup: bool = False
    """Whether the way before it was up and sound: a backup is put to the test before it is needed."""
    own: bool = False
    """Whether a client of the user's own brought it up, and the lab did not try."""
    chosen: bool = False
    """Whether a command named the way (``lab path up WAY``): the order of ways says nothing then."""
    taken_down: float = 0.0
    """When a command took the way down; 0 if none did."""


@dataclass(slots=True, kw_only=True)
class CallHome:
    """One run of the agent."""

    agent: str
    started: float
    ended: float
    succeeded: bool
    attempts: tuple[CallHomeTried, ...]
    """One for each server tried."""
    way: str = ""
    """The way that was up; empty if none was."""
    unsent: tuple[str, ...] = ()
    """The errands that no server took, and that the agent keeps."""
    unfetched: tuple[str, ...] = ()
    """The downloads that no server gave."""

    @property
    def told(self) -> list[str]:
        """What became of each attempt, in words."""
        return [attempt.outcome for attempt in self.attempts]

    @property
    def told_once(self) -> list[str]:
        """The same, with failures that are alike as one."""
        alike: dict[str, list[str]] = {}
        for attempt in self.attempts:
            end = attempt.outcome
            if attempt.cause is not None:
                end = f" failed at {attempt.phase}: {attempt.why}"
            alike.setdefault(end, []).append(attempt.outcome.removesuffix(end))
        return [_of_several(whom, end) for end, whom in alike.items()]

    @property
    def timed_out(self) -> bool:
        """Whether the deadline of an attempt passed."""
        return any(attempt.cause is AgentCause.timed_out for attempt in self.attempts)


def _of_several(whom: list[str], end: str) -> str:
    """One sentence for attempts that ended alike."""
    names = list(dict.fromkeys(whom))
    if len(whom) == 1:
        return names[0] + end
    if len(names) == 1:
        return f"{names[0]}{end} ({len(whom)} times)"
    told = f"{names[0]} and {len(names) - 1} others" if len(names) > FEW else all_of(names)
    return f"{told}{end} ({len(whom)} attempts)"


@dataclass(slots=True, kw_only=True)
class Transaction:
    """A line of the ledger that ``sdc`` keeps."""

    time: float
    kind: str
    """``heartbeat``, ``upload``, ``request``, ``stub``, ``errand: problem``, ``service: problem`` and so on;
    ``refused`` where it is not done at that port; ``handshake``, ``no-request``, ``malformed`` and ``broken``
    where no request came to its end."""
    system: str
    """The caller's machine type, model and serial, as it says."""
    peer_ip: str
    peer_port: int
    server_ip: str
    server_port: int
    tls_version: str
    cipher: str
    sni: str
    status: int
    """The status that was answered, HTTP's or FTP's; 0 where none could be."""
    bytes_in: int
    detail: str = ""
    """The request in a few words, or what broke it."""
    server: str = ""
    """The name under which the papers list the server."""
    rows: tuple[str, ...] = ()
    """The rows of the address tables that list it: ``A-25``."""
    method: str = ""
    """``POST``; of FTP the command: ``STOR``. Empty where no request came so far, as ``target``."""
    target: str = ""
    """As the client wrote it, with its query."""
    body_bytes: int = 0
    """Of the request's body, as it came: none of it is kept."""
    body_sha256: str = ""
    """In hexadecimal digits; empty where there was no body, or not all of it."""
    stub: str = ""
    """Which of the user's stubs answered: ``acme-stubs.yaml:3``; empty if none did."""
    back_end: str = ""
    """The node behind the front end that served, or did not answer; empty if the front end did it itself."""
    back_end_port: int = 0
    """From which port of the front end it was asked, on the wire between the two; 0 if that did not come to
    a connection."""
    alert: str = ""
    """The fatal alert by which the client ended the handshake: ``certificate_expired`` (RFC 8446 6.2)."""
    promised: str = ""
    """The SHA-256 of the fix that the answer names (OUT-41); empty if it names none."""
    report: str = ""
    """Of a message to the receiver: the sender's own identifier of it."""
    authenticated_as: str = ""
    """The ID by which the receiver knew who was on the connection (E-08); empty if nobody was known."""
    key: str = field(default="", metadata=codec.LEFT_OUT)
    """The request's Idempotency-Key; empty if it has none."""
    again: bool = field(default=False, metadata=codec.LEFT_OUT)
    """Whether it had been done before, and was answered as it was then."""


@dataclass(slots=True, kw_only=True)
class ErrandTrial:
    """One more run of an agent's errands after the calls home: something is blocked, or all is tried."""

    agent: str
    started: float
    ended: float
    attempts: tuple[CallHomeTried, ...]
    row: str = ""
    """The row of the address tables whose addresses the customer's firewall held back (F-16); empty: nothing
    was blocked, and each errand was tried at every address of its servers (F-12)."""
    addresses: tuple[str, ...] = ()
    """Of that row."""

    def done(self, errand: str) -> bool:
        """Whether an errand was acknowledged."""
        return any(a.errand == errand and a.cause is None for a in self.attempts)


@dataclass(slots=True, kw_only=True)
class FenceTrial:
    """Packets alike that no program of ours would send, to see what AT&T's fence makes of them (L-01 to L-12,
    P-20). No program sends from their ports."""

    requirement: str
    client: str
    """Whose call it is about."""
    side: str
    """``caller``, ``internet`` or ``gateway``: where they were sent."""
    source: str
    destination: str
    protocol: int
    source_port: int
    port: int
    packets: int
    sent: float
    astray: str = ""
    """The client to whose call the gateway had been told to route them, and who is not theirs."""

    @property
    def ends(self) -> tuple[str, str, int, int, int]:
        return self.source, self.destination, self.protocol, self.source_port, self.port


@dataclass(slots=True, kw_only=True)
class Record:
    """Everything that a run showed beside its captures."""

    started: float = 0.0
    path_up: float = 0.0
    """When the path was up; 0 if it never was."""
    ended: float = 0.0
    tries: list[WayTry] = field(default_factory=list)
    gateway_in_use: dict[str, str] = field(default_factory=dict)
    """Client to VPN gateway, the last one that it had."""
    ike: list[IkeEstablished] = field(default_factory=list)
    ike_failed: list[IkeFailed] = field(default_factory=list)
    esp: list[EspSa] = field(default_factory=list)
    l2tp: list[L2tpTunnel] = field(default_factory=list)
    ppp: list[PppSession] = field(default_factory=list)
    modems: list[ModemProbed] = field(default_factory=list)
    dialled: list[Dialled] = field(default_factory=list)
    lig: list[LigCall] = field(default_factory=list)
    calls: list[CallHome] = field(default_factory=list)
    ledger: list[Transaction] = field(default_factory=list)
    probes: list[Probed] = field(default_factory=list)
    forward_probes: list[ForwardProbed] = field(default_factory=list)
    trials: list[OwnRuleTried] = field(default_factory=list)
    errand_trials: list[ErrandTrial] = field(default_factory=list)
    fence_trials: list[FenceTrial] = field(default_factory=list)
    fence_seed: str = ""
    """What the random packets among them were made from (L-07)."""
    counters: dict[str, dict[str, int]] = field(default_factory=dict)
    """Node to nftables counter to packets, read last before teardown."""
    xfrm: dict[str, dict[str, int]] = field(default_factory=dict)
    """Node to a line of /proc/net/xfrm_stat to its value."""
    routes: dict[str, list[str]] = field(default_factory=dict)
    """Agent's host to ``<destination> dev <interface>``, when its VPN had come up (P-10)."""
    frames_lost: int = 0
    """Frames of any segment that the kernel had no room for: what was not seen proves nothing then."""
    leftovers: list[str] = field(default_factory=list)
    """What was still there after teardown: namespaces, SAs, links, tables, processes."""
    commands: list[CommandRun] = field(default_factory=list)
    """Users' own, in the order of their ends."""
    altered: list[NodeAltered] = field(default_factory=list)
    """How nodes are not as the lab made them, after a command that failed."""
    left_running: list[LeftRunning] = field(default_factory=list)
    """What users' commands left running in nodes; it was ended with the lab."""
    command_status: int = 0
    """With what the user's own command ended; 0 also where there was none."""
    blame: Blame | None = None
    """Who is to blame for the error that ended the run, or kept the path from coming up; None without one."""
    error: str = ""
    """That error, in words."""

    @property
    def broke_off(self) -> bool:
        """Whether the error is not the path's."""
        return self.blame not in (None, Blame.path)

    def fail(self, error: Exception) -> None:
        """Note an error. The first counts, unless it was the path's and this one is not."""
        blame = (
            _BLAMED.get(error.exit_status, Blame.lab) if isinstance(error, LabError) else Blame.lab
        )
        if self.blame is None or (not self.broke_off and blame is not Blame.path):
            self.blame = blame
            self.error = str(error) or repr(error)

    def forgive(self) -> None:
        """Take the path's failure back, if what did not come up has come up since, for every agent."""
        last = {trial.agent: trial for trial in self.tries}
        if self.blame is Blame.path and all(trial.up for trial in last.values()):
            self.blame, self.error = None, ""


_BLAMED = {
    PathError.exit_status: Blame.path,
    UsageError.exit_status: Blame.user,
    PrerequisiteError.exit_status: Blame.machine,
}
