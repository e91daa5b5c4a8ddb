"""A life of eighty days in which an agent does all right, to be broken by mutations; no assertions.

One site is silent, then the direct way is closed, then all of TLS; the password and a server change, IBM
resets the machine, and the access key ends. The management module has no HTTPS for half a day, one address of
three is silent, and a server leaves its address, which DNS alone tells.
"""

from __future__ import annotations

from dataclasses import replace

from lab.life.chronicle import (
    DAY_S,
    Chronicle,
    ClearRequest,
    Connection,
    ConnectionTest,
    Enrolled,
    Happening,
    ModuleCall,
    PageVisit,
    PathResult,
    ReceiverRequest,
    Removal,
    StoredMessage,
    WireCall,
)

BEGAN = 1_000_000.0
DAYS = 80
TYPE_MODEL = "8284-22A"
ID, SYSTEM = "C7H2OELBD4J2KNNF", "8284-22A/21ABCDE"
SDR_1, SDR_2 = (
    ("eccgw01.boulder.ibm.com", "207.25.252.197"),
    ("eccgw02.rochester.ibm.com", "129.42.160.51"),
)
PROBLEMS_1, PROBLEMS_2 = ("www-945.ibm.com", "129.42.26.224"), ("www-945.ibm.com", "129.42.42.224")
PROBLEMS_3 = "www-945.ibm.com", "129.42.50.224"
LEFT, LED_TO = ("esupport.ibm.com", "129.42.56.189"), ("esupport.ibm.com", "192.148.6.11")
CONFIGURATION = ("www-03.ibm.com", "204.146.30.17")
FIXES = ("download3.boulder.ibm.com", "170.225.15.76")
PROXY = ("192.168.10.20", 3128)
KEY_S = 20 * DAY_S
VISIT = PageVisit(
    time=BEGAN + DAY_S, clear_status=400, tls="TLSv1.3", asks=True, let_in=True, asked_at_guess=1,
    asked_at_log_in=1,
)  # fmt: skip
IDS = ("operator@example.com", "owner@example.com")
SILENT, CLOSED, BLOCKED, CLEAR = 5, 10, 15, 50
"""The days on which outages begin: of one site, of the direct way, of all TLS, of the module's HTTPS."""
PASSWORD, MOVE, RESET = 20, 25, 30
SHUT, RELOCATED = 55, 60
"""The days on which one address of three is silent, and on which a name leads to another address."""


def at(day: float) -> float:
    return BEGAN + day * DAY_S


def asked(
    day: float, kind: str, server: tuple[str, str] = SDR_1, status: int = 201
) -> ReceiverRequest:
    needs_id = kind not in ("enrolment", "configuration", "fix")
    return ReceiverRequest(
        time=at(day),
        kind=kind,
        status=status,
        server=server[0],
        address=server[1],
        port=443,
        peer=f"198.51.100.2:{int(day * 1000) % 50000}",
        encrypted=True,
        method="PUT",
        identity=ID if needs_id else "",
        system=SYSTEM,
    )


def in_clear(each: ReceiverRequest) -> ReceiverRequest:
    return replace(each, port=80, encrypted=False, method="GET", identity="")


def life() -> Chronicle:
    """The life itself."""
    found = Chronicle(
        topology="two-sites",
        profile="hmc-2017-traditional",
        script="made up",
        program="the lab's own agent",
        own=True,
        began=BEGAN,
        ended=at(DAYS),
        ways=2,
        connections=[
            Connection(name="internet"),
            Connection(name="proxy", place=f"{PROXY[0]}:{PROXY[1]}"),
        ],
        endpoints={
            PROBLEMS_1[0]: [PROBLEMS_1[1], PROBLEMS_2[1], PROBLEMS_3[1]],
            SDR_1[0]: [SDR_1[1]],
            LEFT[0]: [LEFT[1]],
        },
        direct=["internet"],
        stand_ins=[SDR_1[1], SDR_2[1]],
        sent=1000,
        ibm_ids=[*IDS],
        web_port=6000,
        visits=[VISIT],
        places=[SDR_1[1], SDR_2[1], PROBLEMS_1[1], PROBLEMS_2[1]],
        machines=[
            Enrolled(
                identity=ID,
                system=SYSTEM,
                enrolled=at(RESET + 0.1),
                number=4,
                since=at(RESET + 0.1),
                ibm_ids=IDS,
            )
        ],
    )
    found.asked.append(asked(0.001, "enrolment"))
    for day in range(DAYS):
        _day(found, day)
    _outages(found)
    _names(found)
    for day, kind in ((PASSWORD, "password"), (RESET, "reset")):
        found.happenings.append(Happening(time=at(day), deed=kind, subject=ID))
    found.asked.append(asked(PASSWORD + 0.011, "password"))
    found.asked.append(asked(RESET + 0.005, "heartbeat", status=401))
    found.asked.append(asked(RESET + 0.007, "enrolment"))
    move = Happening(
        time=at(MOVE),
        deed="move",
        subject="configuration 2",
        addresses=(PROBLEMS_1[1],),
        urls=(f"https://{PROBLEMS_2[1]}",),
        errand="problem",
    )
    found.happenings.append(move)
    found.happenings.append(Happening(time=at(0), deed="access-key", by_s=KEY_S))
    found.asked += [asked(0.02 + 15 * n, "access-key", status=200) for n in range(6)]
    for number, moment in enumerate((2.0, CLOSED + 0.5, BLOCKED + 0.5, 40.0), 1):
        _problem(found, number, moment)
    found.subscriptions.append(at(0.002))
    _module(found)
    for number, moment in enumerate((3.0, BLOCKED + 0.6), 5):
        _problem(found, number, moment, deed="imm")
        found.noticed.append(found.told[-1])
    found.asked += [asked(35, kind, status=200) for kind in ("updates", "update", "update")]
    found.asked += [asked(33, "fixes", status=200), in_clear(asked(33.001, "fix", FIXES, 200))]
    found.clear.append(
        ClearRequest(time=at(33.001), address=FIXES[1], method="GET", target="/service/fixes/O/N")
    )
    found.calls.append(WireCall(time=at(33.001), address=FIXES[1], port=80, answered=True))
    _test(found)
    found.asked.sort(key=lambda each: each.time)
    found.calls.sort(key=lambda each: each.time)
    return found


def _day(found: Chronicle, day: int) -> None:
    """The regular tasks of a day, at the other site or by the proxy where the first one is out of service."""
    moment = day + 0.01
    kinds = ["heartbeat", *(["inventory"] if day % 7 == 0 else [])]
    site = SDR_2 if SILENT <= day < SILENT + 2 else SDR_1
    if site is SDR_2:
        _call(found, moment - 0.001, SDR_1, answered=False)
    if day == CLOSED:
        _call(found, moment, SDR_1, answered=False)
        found.calls.append(
            WireCall(
                time=at(moment) + 60,
                address=PROXY[0],
                port=PROXY[1],
                answered=True,
                proxied=True,
                status=200,
            )
        )
        moment += 0.001
    if day == BLOCKED:
        _call(found, moment, SDR_1, answered=False)
        moment += 1.05
    else:
        _call(found, moment, site)
        found.asked.append(asked(moment + 0.002, "configuration", CONFIGURATION, 200))
    for kind in kinds:
        report = f"{kind}-{day}"
        found.asked.append(replace(asked(moment, kind, site), report=report))
        files = ("hmc.eed", f"{TYPE_MODEL}_21ABCDE.VPD.xml") if kind == "inventory" else ()
        found.messages.append(
            StoredMessage(
                kind=kind, report=report, received=at(moment), reason=kind, files=files,
                printed=bool(files),
            )
        )  # fmt: skip


def _outages(found: Chronicle) -> None:
    found.happenings += [
        Happening(
            time=at(SILENT), deed="outage", until=at(SILENT + 2), kind_of="server",
            subject=SDR_1[1], addresses=(SDR_1[1],),
        ),
        Happening(time=at(CLOSED), deed="outage", until=at(CLOSED + 1), kind_of="way", subject="internet"),
        Happening(
            time=at(BLOCKED), deed="outage", until=at(BLOCKED + 1), kind_of="port", subject="tcp/443"
        ),
    ]  # fmt: skip
    moment = BLOCKED + 0.02
    found.calls.append(WireCall(time=at(moment), address=CONFIGURATION[1], port=80, answered=True))
    found.clear.append(
        ClearRequest(
            time=at(moment), address=CONFIGURATION[1], method="GET", target="/service/configuration"
        )
    )
    found.asked.append(in_clear(asked(moment, "configuration", CONFIGURATION, 200)))


def _names(found: Chronicle) -> None:
    found.happenings += [
        Happening(
            time=at(SHUT), deed="outage", until=at(SHUT + 0.5), kind_of="server",
            subject=PROBLEMS_2[1], addresses=(PROBLEMS_2[1],),
        ),
        Happening(
            time=at(RELOCATED), deed="relocate", subject=LEFT[0], addresses=(LEFT[1],), led_to=(LED_TO[1],)
        ),
    ]  # fmt: skip
    moment = SHUT + 0.1
    _call(found, moment, PROBLEMS_2, answered=False)
    _call(found, moment + 20 / DAY_S, PROBLEMS_3)
    found.asked.append(asked(moment + 21 / DAY_S, "problem-state", PROBLEMS_3, 200))
    for day, server in ((RELOCATED - 1, LEFT), (RELOCATED + 1, LED_TO)):
        _call(found, day + 0.1, server)


def _module(found: Chronicle) -> None:
    """Each day the agent looks after its subscription: by HTTPS, and once by HTTP."""
    off = Happening(
        time=at(CLEAR), deed="outage", until=at(CLEAR + 0.5), kind_of="module", subject="imm/5989"
    )
    found.happenings.append(off)
    for day in range(DAYS):
        moment = at(day + 0.002)
        if day == CLEAR:
            found.module_calls.append(
                ModuleCall(time=moment, port=5989, unavailable=moment + 0.1, last=moment)
            )
            moment += 0.2
        found.module_calls.append(
            ModuleCall(
                time=moment,
                port=5988 if day == CLEAR else 5989,
                served=moment + 0.2,
                asked=True,
                tls=day != CLEAR,
                last=moment + 0.3,
            )
        )


def _test(found: Chronicle) -> None:
    """While one site is silent somebody has the connections tested, by each way."""
    subject, moment = "1.json", SILENT + 0.5
    there = (SDR_1[1], SDR_2[1], FIXES[1])
    found.happenings.append(
        Happening(time=at(moment), deed="test", subject=subject, addresses=there)
    )
    results = tuple(
        PathResult(way=way, server="", address=address, reached=address != SDR_1[1])
        for way, address in (*(("internet", address) for address in there), ("proxy", ""))
    )
    found.tests.append(ConnectionTest(time=at(moment), addresses=there, told=True, results=results))
    for number, address in enumerate(there, 1):
        found.calls.append(
            WireCall(
                time=at(moment) + number,
                address=address,
                port=80 if address == FIXES[1] else 443,
                answered=address != SDR_1[1],
            )
        )
    by_proxy = WireCall(
        time=at(moment) + 9,
        address=PROXY[0],
        port=PROXY[1],
        answered=True,
        proxied=True,
        status=200,
    )
    found.calls.append(by_proxy)


def _problem(found: Chronicle, number: int, day: float, deed: str = "problem") -> None:
    text = f"life problem {number}"
    found.told.append(text)
    found.happenings.append(Happening(time=at(day), deed=deed, subject=text))
    blocked = BLOCKED <= day < BLOCKED + 1
    arrived = BLOCKED + 1.02 if blocked else day + 0.001
    server = PROBLEMS_2 if day > MOVE else PROBLEMS_1
    report = f"event-{number}"
    _call(found, arrived, server)
    found.asked += [
        replace(asked(arrived, "problem", server), report=report),
        replace(asked(arrived + 0.001, "upload-declaration", server), report=report),
    ]
    closed = at(day + 1) if number == 1 else 0.0
    found.messages.append(
        StoredMessage(
            kind="problem", report=report, received=at(arrived), number=f"PMH{number:07d}",
            text=text, closed=closed, kept=not closed, reason="" if closed else "problem",
        )
    )  # fmt: skip
    found.uploads.append(report)
    found.uploaded.append("acuppd.tgz")
    found.removals.append(
        Removal(what="data", report=report, stored=at(arrived), removed=at(arrived + 3.5))
    )


def _call(found: Chronicle, day: float, server: tuple[str, str], *, answered: bool = True) -> None:
    found.calls.append(WireCall(time=at(day), address=server[1], port=443, answered=answered))
