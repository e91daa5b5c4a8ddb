"""What can be wrong at IBM's service server, as mutations of a true run of a session by VPN."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from scapy.layers.inet import IP, TCP

from lab.record.event import Event
from lab.service.server.events import ApartScanned, ApartTried, Audited, ToolTried
from tests.recordings.true_run import TrueRun
from tests.unit.verify.mutation import SYN, Change, crosses, mutation
from tests.unit.verify.service_mutations import not_permitted_by, recorded, without
from tests.unit.verify.service_vpn_mutations import CALLER, LPAR_1, OWN, RUN

PC = "10.2.0.10"
GREETING = "This is port tcp/22 of hmc"


def other(kind: type[Event], source: str, **fields: object) -> Change:
    """The events of a kind and a source were otherwise."""

    def change(run: TrueRun) -> None:
        assert any(isinstance(e, kind) and e.source == source for e in run.events)
        run.events = [
            replace(e, **fields) if isinstance(e, kind) and e.source == source else e  # type: ignore[arg-type]
            for e in run.events
        ]

    return change


def apart(kind: type[Event], source: str) -> Callable[[object], bool]:
    return lambda e: isinstance(e, kind) and e.source == source


def tool_of(user: str, **fields: object) -> Change:
    """What came of a user's tool in the session was otherwise, and the server's record of it, too."""

    def change(run: TrueRun) -> None:
        run.events = [
            replace(e, **fields) if isinstance(e, ToolTried) and ran(e, user) else e  # type: ignore[arg-type]
            for e in run.events
        ]

    return change


def ran(event: object, user: str) -> bool:
    return isinstance(event, ToolTried) and event.user == user and event.words.startswith("run ")


def clerk_gets_in(run: TrueRun) -> None:
    """The server lets another user's tool through, and records so."""
    tool_of("clerk", status=0, answer=GREETING)(run)
    run.events = [
        replace(e, outcome="done", reason="bash")
        if isinstance(e, Audited) and (e.user, e.verb) == ("clerk", "run")
        else e
        for e in run.events
    ]


MUTATIONS = (
    mutation("I-19", "another user's tool gets through", RUN, clerk_gets_in,
             seen=f"{GREETING}, and the session is another user's"),
    mutation("I-19", "nobody has reached the console", RUN,
             without(lambda e: ran(e, "representative")),
             seen="nobody has reached the console by a tool, so this proves nothing"),
    mutation("I-19", "no other user has tried", RUN, without(lambda e: ran(e, "clerk")),
             seen="no other user has tried a tool in the session"),
    mutation("I-19", "the server's programs get through", RUN,
             other(ApartTried, "service", answer=GREETING),
             seen=f"service, past the tools, to hmc ({OWN}:22): says '{GREETING}'"),
    mutation("I-19", "the server's programs have not tried", RUN, without(apart(ApartTried, "service")),
             seen="no program of service itself has tried the session"),
    mutation("I-19", "a packet of the server's own", RUN,
             crosses("core", "service", "vpn1", IP(src="10.1.0.30", dst=LPAR_1) / SYN),
             seen="1 packet of service itself to a session on core"),
    mutation("I-19", "nobody logged in", RUN, not_permitted_by("log-in"),
             seen="call 1 at service: representative had not logged in"),
    mutation("I-19", "no authorization", RUN, not_permitted_by("authorize"), "I-21",
             seen="call 1 at service: no officer had authorized representative"),
    mutation("I-20", "the intranet gets in", RUN, other(ApartScanned, "intranet", at_target=(1, 0, 0)),
             seen=f"intranet scans {OWN} past the service server: 1 of 131324 packets came through"),
    mutation("I-20", "an answer to the intranet", RUN, other(ApartScanned, "intranet", answered=True),
             seen=f"{OWN} answers intranet"),
    mutation("I-20", "the session gets out", RUN, other(ApartScanned, "hmc", at_target=(0, 7, 0)),
             seen=f"hmc scans {PC} past the service server: 7 of 131324 packets came through"),
    mutation("I-20", "a scan was lost on the way", RUN,
             other(ApartScanned, "hmc", at_server=(65_535, 65_535, 253)),
             seen=f"of 131324 packets from {OWN} to {PC} 131323 came to service, so it proves nothing"),
    mutation("I-20", "the intranet has not tried", RUN, without(apart(ApartScanned, "intranet")),
             seen="intranet has not tried to get in"),
    mutation("I-20", "nobody has tried to get out", RUN, without(apart(ApartScanned, "hmc")),
             seen="nobody has tried to get out of a session"),
    mutation("I-20", "a program of the intranet gets in", RUN,
             other(ApartTried, "intranet", answer=GREETING),
             seen=f"intranet, past the tools, to hmc ({OWN}:22): says '{GREETING}'"),
    mutation("I-20", "a packet of the session on the intranet", RUN,
             crosses("intranet", "service", "intranet", IP(src=LPAR_1, dst=PC) / SYN),
             seen="1 packet of a session on intranet"),
    mutation("I-20", "a packet of the tools on the intranet", RUN,
             crosses("intranet", "service", "intranet", IP(src=CALLER, dst=PC) / SYN),
             seen="1 packet of a session on intranet"),
    mutation("I-20", "a packet of the intranet beyond the server", RUN,
             crosses("core", "service", "vpn1", IP(src=PC, dst=OWN) / TCP(sport=4000, dport=22, flags="S")),
             seen="1 packet of intranet to a session on core"),
    mutation("I-21", "no record of another user's tool", RUN, without(recorded("other-session", "run")),
             seen="no record of this: clerk at intranet to service: run"),
)  # fmt: skip
