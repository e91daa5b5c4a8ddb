"""A life is judged by requirement: right, wrong, never; each shown by a life that is broken in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from lab import codec
from lab.life import judging, report
from lab.life.chronicle import (
    DAY_S,
    Chronicle,
    ClearRequest,
    Connection,
    ConnectionTest,
    Happening,
    ModuleCall,
    ReceiverRequest,
    StoredMessage,
    WireCall,
)
from lab.verify.finding import Verdict
from tests.unit.life import good
from tests.unit.life.good import at

Mutation = Callable[[Chronicle], None]


OF_OTHER_SYSTEMS = {"E-16", "E-17"}
"""What only a life on another system than the good one's puts to the test."""


def judged(life: Chronicle) -> dict[str, Verdict]:
    return {finding.requirement: finding.verdict for finding in judging.findings(life)}


def test_an_agent_that_does_everything_right() -> None:
    other = {
        f.requirement: f.verdict
        for f in judging.findings(good.life())
        if f.verdict is not Verdict.held
    }
    assert other == dict.fromkeys(OF_OTHER_SYSTEMS, Verdict.not_applicable)


@pytest.mark.parametrize(
    ("ends", "vendor", "told"),
    [
        (19, "IBM", ""),
        (20, "IBM", "the agent ended by itself 20 times, and was not started again"),
        (20, "Bull", ""),  # An agent has nothing to stay for there.
    ],
)
def test_an_agent_that_ended_by_itself_too_often_was_not_there_to_the_end(
    ends: int, vendor: str, told: str
) -> None:
    life = good.life()
    life.ends, life.vendor = ["with exit status 127"] * ends, vendor
    assert life.given_up == told


def test_what_is_told_on_the_last_day_is_not_counted_among_what_had_to_arrive() -> None:
    life = good.life()
    late = replace(life.failures[0], time=life.ended - 3600, subject="life problem 99")
    life.happenings.append(late)
    life.messages.append(replace(life.problems[0], report="late", text="life problem 99"))
    told = len(life.failures) - 1
    (found,) = [each for each in judging.findings(life) if each.requirement == "OUT-18"]
    assert found.verdict is Verdict.held
    assert found.seen == f"{told} problems of {told} told are with IBM"


def test_what_ibm_wants_twice_before_the_agent_calls_is_one_change() -> None:
    life = good.life()
    again = Happening(time=at(good.PASSWORD) + 1, deed="password", subject=good.ID)
    life.happenings.append(again)
    assert judged(life)["E-09"] is Verdict.held
    life.happenings[-1] = replace(again, time=at(good.PASSWORD + 3))
    assert judged(life)["E-09"] is Verdict.failed


def test_a_password_that_ibm_wants_just_before_a_reset_is_not_due() -> None:
    life = good.life()
    life.happenings.append(Happening(time=at(good.RESET), deed="password", subject=good.ID))
    assert judged(life)["E-09"] is Verdict.held


def test_a_reset_of_a_machine_that_is_reset_already_takes_no_further_change() -> None:
    """Only the enrolment after it gives another password; what IBM wants in between is none of E-09."""
    life = good.life()
    for moment, deed in ((good.RESET + 0.001, "reset"), (good.RESET + 0.002, "password")):
        life.happenings.append(Happening(time=at(moment), deed=deed, subject=good.ID))
    assert judged(life)["E-09"] is Verdict.held
    (told,) = [line for line in report.text(life, []).splitlines() if "since the enrolment" in line]
    assert told == "1 change of the password since the enrolment, and 2 resets"


def test_an_agent_that_does_nothing_does_nothing_right() -> None:
    """Never is no merit; that nothing arrived is wrong."""
    life = good.life()
    life.asked, life.messages, life.machines, life.calls = [], [], [], []
    life.clear, life.uploads, life.removals, life.uploaded = [], [], [], []
    life.subscriptions, life.noticed, life.module_calls = [], [], []
    life.tests = [replace(life.tests[0], told=False, results=())]
    life.visits = [replace(life.visits[0], reached=False)]
    found = judged(life)
    assert Verdict.held not in found.values()
    assert {r for r, verdict in found.items() if verdict is Verdict.failed} == {"OUT-18", "OUT-34"}


def test_a_life_without_events_puts_little_to_the_test() -> None:
    life = good.life()
    life.happenings.clear()
    life.calls = [c for c in life.calls if c.answered and not c.proxied and c.port != 80]
    life.clear = []
    life.asked = [e for e in life.asked if e.encrypted and e.status != 401]
    life.asked = [e for e in life.asked if e.kind != "enrolment" or e.time < at(1)]
    found = judged(life)
    never = {r for r, verdict in found.items() if verdict is Verdict.not_applicable}
    assert {
        "E-10",
        "OUT-14",
        "OUT-18",
        "OUT-32",
        "OUT-33",
        "OUT-34",
        "R-02",
        "R-04",
        "R-05",
        "P-19",
    } <= never


def _drop(kind: str, since: float, until: float) -> Mutation:
    def mutate(life: Chronicle) -> None:
        life.messages = [
            m for m in life.messages if m.kind != kind or not at(since) <= m.received <= at(until)
        ]

    return mutate


def _add(*entries: ReceiverRequest) -> Mutation:
    def mutate(life: Chronicle) -> None:
        life.asked = sorted([*life.asked, *entries], key=lambda each: each.time)

    return mutate


def _without(kind: str, since: float = 0.0, until: float = 1000.0) -> Mutation:
    def mutate(life: Chronicle) -> None:
        life.asked = [
            e for e in life.asked if e.kind != kind or not at(since) <= e.time <= at(until)
        ]

    return mutate


def _calls(*calls: WireCall) -> Mutation:
    def mutate(life: Chronicle) -> None:
        life.calls = sorted([*life.calls, *calls], key=lambda each: each.time)

    return mutate


def _clear(*requests: ClearRequest) -> Mutation:
    def mutate(life: Chronicle) -> None:
        life.clear += requests

    return mutate


def _again(life: Chronicle) -> None:
    """A problem arrives a second time, under another identifier."""
    first = next(m for m in life.messages if m.kind == "problem")
    life.messages.append(replace(first, report="event-99", number="PMH0000099"))
    life.asked.append(replace(good.asked(60, "problem", good.PROBLEMS_2), report="event-99"))


def _twice(number: int) -> Mutation:
    def mutate(life: Chronicle) -> None:
        first = next(m for m in life.messages if m.text == f"life problem {number}")
        life.messages.append(replace(first, report="again"))

    return mutate


def _without_module(life: Chronicle) -> None:
    life.happenings = [each for each in life.happenings if each.deed != "imm"]


def _subscribed_late(life: Chronicle) -> None:
    life.subscriptions = [at(70)]


def _dead_at_each(life: Chronicle) -> None:
    life.noticed.clear()
    for failure in life.having("imm"):
        dead = Happening(time=failure.time - 1, deed="kill", until=failure.time + 1)
        life.happenings.append(dead)


def _lose(number: int) -> Mutation:
    def mutate(life: Chronicle) -> None:
        life.messages = [m for m in life.messages if m.text != f"life problem {number}"]

    return mutate


def _machine(**changes: object) -> Mutation:
    def mutate(life: Chronicle) -> None:
        life.machines = [replace(life.machines[0], **changes)]  # type: ignore[arg-type]

    return mutate


def _unserved(after: float) -> Mutation:
    """From a day on nothing is served that needs an ID."""

    def mutate(life: Chronicle) -> None:
        life.asked = [
            replace(e, status=401, identity="") if e.authenticates and e.time > at(after) else e
            for e in life.asked
        ]

    return mutate


def _bare_problem(life: Chronicle) -> None:
    life.asked = [
        replace(e, encrypted=False, identity="") if e.kind == "problem" else e for e in life.asked
    ]


def _second_machine(life: Chronicle) -> None:
    life.machines.append(replace(life.machines[0], identity="ANOTHER"))


def _kept(life: Chronicle) -> None:
    life.messages = [replace(m, kept=True) if m.closed else m for m in life.messages]


def _late_deletion(life: Chronicle) -> None:
    life.removals = [replace(r, removed=r.stored + 9 * DAY_S) for r in life.removals]


def _without_calls(port: int) -> Mutation:
    def mutate(life: Chronicle) -> None:
        life.calls = [call for call in life.calls if call.port != port]

    return mutate


def _silent_proxy(life: Chronicle) -> None:
    life.calls = [call for call in life.calls if not call.proxied]


def _one_way(life: Chronicle) -> None:
    life.ways = 1
    life.connections = life.connections[:1]
    _silent_proxy(life)


def _late_proxy(life: Chronicle) -> None:
    """After a call that failed the proxy is called a quarter of an hour later."""
    life.calls = [replace(c, time=c.time + 900) if c.proxied else c for c in life.calls]


def _later(server: tuple[str, str], day: float, by_s: float) -> Mutation:
    """A server is called so much later, on a day."""

    def mutate(life: Chronicle) -> None:
        life.calls = [
            replace(c, time=c.time + by_s)
            if c.address == server[1] and at(day) <= c.time < at(day + 1)
            else c
            for c in life.calls
        ]

    return mutate


def _silent_since(address: str, day: float) -> Mutation:
    def mutate(life: Chronicle) -> None:
        life.calls = [
            replace(c, answered=False) if c.address == address and c.time > at(day) else c
            for c in life.calls
        ]

    return mutate


def _without_happenings(deed: str, kind_of: str = "") -> Mutation:
    def mutate(life: Chronicle) -> None:
        life.happenings = [
            each for each in life.happenings if (each.deed, each.kind_of) != (deed, kind_of)
        ]

    return mutate


def _one_site_only(life: Chronicle) -> None:
    """While the first site is silent, no other server serves anything."""
    life.asked = [e for e in life.asked if not at(good.SILENT) < e.time < at(good.SILENT + 2)]


def _many(kind: str) -> Mutation:
    def mutate(life: Chronicle) -> None:
        life.messages += [
            StoredMessage(kind=kind, report=f"more-{n}", received=at(n / 5)) for n in range(300)
        ]

    return mutate


def _never_enrolled_again(life: Chronicle) -> None:
    life.asked = [e for e in life.asked if e.kind != "enrolment" or e.time < at(1)]


def _inventories(**changes: object) -> Mutation:
    """The first inventory is another one."""

    def mutate(life: Chronicle) -> None:
        place = next(n for n, m in enumerate(life.messages) if m.kind == "inventory")
        life.messages[place] = replace(life.messages[place], **changes)  # type: ignore[arg-type]

    return mutate


def _no_file(life: Chronicle) -> None:
    life.messages = [replace(m, files=()) for m in life.messages]
    life.uploaded.clear()


def _no_reason(life: Chronicle) -> None:
    life.messages = [replace(m, reason="") for m in life.messages]


def _esa(life: Chronicle) -> None:
    life.profile = "esa-linux-7.1.5"


def _another_vendor(life: Chronicle) -> None:
    """As if nobody had told the agent."""
    life.vendor = "Bull"


def _visit(**changes: object) -> Mutation:
    """The administrator's visit was another one."""

    def mutate(life: Chronicle) -> None:
        life.visits = [replace(life.visits[0], **changes)]  # type: ignore[arg-type]

    return mutate


def _managed(life: Chronicle) -> None:
    """As if nobody had told the agent that an HMC manages the system."""
    life.hmc_managed = True
    life.happenings.append(Happening(time=at(7), deed="inventory"))


def managed() -> Chronicle:
    """A partition whose HMC calls for the inventory each second day."""
    life = good.life()
    life.hmc_managed, life.messages, life.happenings = True, [], []
    for day in (2, 4, 6):
        life.happenings.append(Happening(time=at(day), deed="inventory"))
        life.messages.append(
            StoredMessage(kind="inventory", report=f"i-{day}", received=at(day) + 60)
        )
    return life


def refusing() -> Chronicle:
    """An agent on another vendor's system that does not activate."""
    life = good.life()
    life.vendor, life.sent, life.ends = "Bull", 0, ["with exit status 2"]
    life.asked, life.messages, life.machines, life.calls = [], [], [], []
    life.clear, life.uploads, life.removals, life.uploaded, life.tests = [], [], [], [], []
    life.visits, life.module_calls = [], []
    return life


def _test(**changes: object) -> Mutation:
    """The test of connections is another one."""

    def mutate(life: Chronicle) -> None:
        life.tests = [replace(life.tests[0], **changes)]  # type: ignore[arg-type]

    return mutate


def _says(address: str, *, reached: bool) -> Mutation:
    """What the test says of an address is another thing."""

    def mutate(life: Chronicle) -> None:
        (test,) = life.tests
        results = tuple(
            replace(r, reached=reached) if r.address == address else r for r in test.results
        )
        life.tests = [replace(test, results=results)]

    return mutate


def _uncalled(address: str) -> Mutation:
    """The test calls one address less."""

    def mutate(life: Chronicle) -> None:
        life.calls = [
            c
            for c in life.calls
            if c.address != address or not at(good.SILENT + 0.5) <= c.time <= at(good.SILENT + 0.6)
        ]

    return mutate


def _unsaid(address: str) -> Mutation:
    """The test says nothing of an address."""

    def mutate(life: Chronicle) -> None:
        (test,) = life.tests
        results = tuple(r for r in test.results if r.address != address)
        life.tests = [replace(test, results=results)]

    return mutate


def _ask_module(*calls: ModuleCall) -> Mutation:
    def mutate(life: Chronicle) -> None:
        life.module_calls = sorted([*life.module_calls, *calls], key=lambda each: each.time)

    return mutate


def _unasked(day: int, port: int) -> Mutation:
    """On a day a port of the module is not asked."""

    def mutate(life: Chronicle) -> None:
        life.module_calls = [
            call
            for call in life.module_calls
            if call.port != port or not at(day) <= call.time < at(day + 1)
        ]

    return mutate


def _stay_in_clear(life: Chronicle) -> None:
    """From the outage on the agent asks 5988 alone."""
    life.module_calls = [
        replace(call, port=5988, tls=False) if call.time > at(good.CLEAR + 1) else call
        for call in life.module_calls
    ]


def _fix_by_tls(life: Chronicle) -> None:
    """The fix comes by HTTPS, and nobody is asked at port 80."""
    life.clear = [e for e in life.clear if not e.target.startswith("/service/fixes/")]
    life.calls = [c for c in life.calls if not at(33) < c.time < at(33.01)]
    life.asked = [
        replace(e, port=443, encrypted=True) if e.kind == "fix" else e for e in life.asked
    ]


def _fix_by_tls_alone(life: Chronicle) -> None:
    """Nobody answers at port 80, and then the fix comes by HTTPS."""
    _fix_by_tls(life)
    shut = WireCall(time=at(33.001) - 30, address=good.FIXES[1], port=80, answered=False)
    _calls(shut)(life)


CONFIGURED = "/service/configuration"
PROXIED = WireCall(
    time=at(50), address="192.168.10.20", port=3128, answered=True, proxied=True, status=200
)
FORMER = WireCall(time=at(50), address=good.PROBLEMS_1[1], port=443, answered=False)
CLEAR_CALL = WireCall(time=at(50), address=good.CONFIGURATION[1], port=80, answered=True)
UPLOAD = ClearRequest(
    time=at(15.5), address=good.CONFIGURATION[1], method="PUT", target="/service/problems/1",
    body_bytes=100,
)  # fmt: skip
LOGGED_IN = ClearRequest(
    time=at(33.001),
    address=good.FIXES[1],
    method="GET",
    target="/service/fixes/O/N",
    logged_in=True,
)
FIRST_PROXIED = replace(PROXIED, time=at(0.0001))
UNSERVED = ModuleCall(time=at(60.6) - 5, port=5989, unavailable=at(60.6) - 4, last=at(60.6) - 5)
BY_HTTP = ModuleCall(
    time=at(60.6), port=5988, served=at(60.6) + 0.1, asked=True, last=at(60.6) + 0.2
)
"""On a day on which 5989 answers."""
MUTATIONS: dict[str, tuple[Mutation, str]] = {
    "pages at the default port, too": (_visit(default_open=True), "E-01"),
    "a page in clear": (_visit(clear_status=200), "E-02"),
    "pages without TLS": (_visit(tls="", asks=False, detail="no page by TLS"), "E-02"),
    "pages that are open to anybody": (_visit(asks=False, open_to_all=True), "E-03"),
    "a wrong password that is right": (_visit(guessed=True), "E-03"),
    "a log-in without PAM": (_visit(asked_at_log_in=0), "E-03"),
    "a guess without PAM": (_visit(asked_at_guess=0), "E-03"),
    "a right password that is wrong": (_visit(let_in=False), "E-03"),
    "5988 before 5989": (
        lambda life: life.module_calls.insert(0, replace(BY_HTTP, time=at(0.001), last=at(0.001))), "E-04",
    ),
    "5988 after 5989 has answered": (_ask_module(BY_HTTP), "E-04"),
    "5988 while 5989 is asked": (
        _ask_module(replace(UNSERVED, unavailable=BY_HTTP.time + 1), BY_HTTP), "E-04",
    ),
    "5988 hours after 5989 was asked": (
        _ask_module(replace(UNSERVED, time=at(60.5), unavailable=at(60.5) + 1), BY_HTTP), "E-04",
    ),
    "no TLS at 5989": (_ask_module(replace(BY_HTTP, port=5989)), "E-04"),
    "another port of the module": (_ask_module(replace(BY_HTTP, port=427)), "E-04"),
    "5988 though 5989 answers": (_ask_module(BY_HTTP), "R-06"),
    "5988 goes on when 5989 answers again": (
        _ask_module(UNSERVED, replace(BY_HTTP, last=at(61.003))), "R-06",
    ),
    "5988 is never asked": (_unasked(good.CLEAR, 5988), "R-06"),
    "5988 for good": (_stay_in_clear, "R-06"),
    "a notice that is not taken": (lambda life: life.noticed.remove("life problem 5"), "E-05"),
    "a notice that leads to nothing": (_lose(5), "E-05"),
    "a notice that leads to two problems": (_twice(5), "E-05"),
    "a notice in an outage that is lost": (_lose(6), "OUT-34"),
    "a notice that is never sent on": (_lose(5), "OUT-18"),
    "a heartbeat before the enrolment": (_add(good.asked(0.0005, "heartbeat")), "E-06"),
    "no enrolment": (_without("enrolment"), "E-06"),
    "two machines": (_second_machine, "E-07"),
    "another ID": (_add(replace(good.asked(50, "heartbeat"), identity="ANOTHER")), "E-07"),
    "no password": (_add(replace(good.asked(50, "heartbeat", status=401), identity="")), "E-08"),
    "ID and password in clear": (_clear(LOGGED_IN), "E-08"),
    "the password never changes": (_machine(number=3), "E-09"),
    "a password of 200 days": (_machine(since=at(-121)), "E-09"),
    "the old password after the change": (
        _add(good.asked(21, "inventory", status=401)), "E-09",
    ),
    "too old for anything else": (
        _add(replace(good.asked(50, "heartbeat", status=403), detail="the password is older than 183 days")),
        "E-09",
    ),
    "no enrolment after the reset": (_never_enrolled_again, "E-10"),
    "nothing served after the reset": (_unserved(good.RESET + 0.006), "E-10"),
    "a file that no table has": (lambda life: life.uploaded.append("customers.txt"), "E-11"),
    "a file that no table has, in an inventory": (_inventories(files=("payroll.csv",)), "E-11"),
    "the dump of another machine": (
        lambda life: life.uploaded.append("SYSDUMP.99ZZZZZ.0001.20260101000000"), "E-11",
    ),
    "the customer's text in a report": (lambda life: life.leaks.append("inventory-7"), "E-11"),
    "an inventory before the connectivity test": (
        lambda life: life.messages.insert(
            9, StoredMessage(kind="inventory", report="early", received=at(0.002))
        ),
        "E-12",
    ),
    "a test that praises a silent site": (_says(good.SDR_1[1], reached=True), "E-13"),
    "a test that calls an open site shut": (_says(good.FIXES[1], reached=False), "E-13"),
    "a test that asked less than it says": (_uncalled(good.FIXES[1]), "E-13"),
    "a day without a heartbeat": (_drop("heartbeat", 45, 46), "E-14"),
    "no heartbeat at the end": (_drop("heartbeat", 77, 80), "E-14"),
    "a heartbeat every five hours": (_many("heartbeat"), "E-14"),
    "a week without an inventory": (_drop("inventory", 41, 43), "E-15"),
    "an inventory every five hours": (_many("inventory"), "E-15"),
    "a service on a partition that an HMC manages": (_managed, "E-16"),
    "an enrolment with three IBM IDs": (
        _add(replace(good.asked(0.0005, "enrolment", status=400), detail="ibm_ids: 3 are too many")),
        "E-18",
    ),
    "an IBM ID that nobody has configured": (
        _machine(ibm_ids=("stranger@example.com", good.IDS[1])), "E-18",
    ),
    "an IBM ID that IBM is not told of": (_machine(ibm_ids=good.IDS[:1]), "E-18"),
    "more IBM IDs than two": (_machine(ibm_ids=(*good.IDS, *good.IDS)), "E-18"),
    "activation on another vendor's system": (_another_vendor, "E-17"),
    "a key that ends": (_without("access-key", 29, 31), "E-19"),
    "a problem without an answer": (_without("problem", 39, 41), "E-20"),
    "a report that is kept": (_kept, "E-21"),
    "data that are kept": (_late_deletion, "E-21"),
    "an inventory of another machine": (_inventories(printed=False), "E-22"),
    "a reason that no paper has": (_inventories(reason="advertisement"), "E-24"),
    "a reason of another kind": (_inventories(reason="heartbeat"), "E-24"),
    "no other way while the first is closed": (_silent_proxy, "OUT-14"),
    "a proxy without need": (_calls(PROXIED), "OUT-14"),
    "a proxy while the direct way is open": (_calls(PROXIED), "OUT-15"),
    "a proxy at first": (_calls(FIRST_PROXIED), "OUT-15"),
    "a problem is lost": (_lose(4), "OUT-18"),
    "problems without TLS": (_bare_problem, "OUT-18"),
    "HTTP though HTTPS works": (_calls(CLEAR_CALL), "OUT-32"),
    "something else by HTTP": (
        _clear(ClearRequest(time=at(15.3), address="1.2.3.4", method="GET", target="/service/problems/1")),
        "OUT-32",
    ),
    "an upload in clear": (_clear(UPLOAD), "OUT-33"),
    "what was queued is lost": (_lose(3), "OUT-34"),
    "a problem comes twice": (_again, "OUT-34"),
    "a fix by HTTPS": (_fix_by_tls, "OUT-41"),
    "a log-in for a fix": (_clear(LOGGED_IN), "OUT-41"),
    "an update in clear": (
        _clear(ClearRequest(time=at(35), address=good.SDR_1[1], method="GET", target="/service/updates/dsa")),
        "E-23",
    ),
    "a fix before the enrolment": (
        _add(replace(good.asked(0.0001, "fix", good.FIXES, 403), encrypted=False)), "OUT-42",
    ),
    "somebody calls back": (lambda life: life.inbound.append(at(5)), "OUT-45"),
    "a test of some addresses": (_uncalled(good.FIXES[1]), "F-12"),
    "nothing works with one gateway shut": (_one_site_only, "F-13"),
    "a test that does not see the lost redundancy": (_says(good.SDR_1[1], reached=True), "F-13"),
    "a test that is silent on the gateway that is shut": (_unsaid(good.SDR_1[1]), "F-13"),
    "no other connection": (_silent_proxy, "R-01"),
    "another connection late": (_late_proxy, "R-01"),
    "no other site": (_one_site_only, "R-02"),
    "the former address is called": (_calls(FORMER), "R-04"),
    "the configuration is looked at late": (_without("configuration", 25, 29), "R-04"),
    "HTTP without a configuration": (_without("configuration", 15, 15.5), "R-05"),
    "no other address of the name": (_later(good.PROBLEMS_3, good.SHUT, 30 * DAY_S), "R-09"),
    "another address of the name late": (_later(good.PROBLEMS_3, good.SHUT, 200), "R-09"),
    "another address of the name is silent": (_silent_since(good.PROBLEMS_3[1], good.SHUT), "R-09"),
    "the address that the name has left": (
        _calls(WireCall(time=at(61.5), address=good.LEFT[1], port=443, answered=False)), "R-10",
    ),
    "no answer where the name leads": (_silent_since(good.LED_TO[1], good.RELOCATED), "R-10"),
    "the new password at another site": (
        _add(good.asked(21, "inventory", good.SDR_2, status=401)), "R-11",
    ),
    "data to port 80": (_clear(UPLOAD), "P-19"),
}  # fmt: skip
NEVER: dict[str, tuple[Mutation, str]] = {
    "the module is never asked": (lambda life: life.module_calls.clear(), "E-04"),
    "5989 answers whenever it is asked": (
        lambda life: (_unasked(good.CLEAR, 5989)(life), _unasked(good.CLEAR, 5988)(life)),  # type: ignore[dict-item]
        "R-06",
    ),
    "no subscription": (lambda life: life.subscriptions.clear(), "E-05"),
    "no failure that the module tells": (_without_module, "E-05"),
    "a failure before the subscription": (_subscribed_late, "E-05"),
    "a failure while the agent is dead": (_dead_at_each, "E-05"),
    "no other way to be tried": (_one_way, "OUT-14"),
    "no heartbeat at all": (_drop("heartbeat", 0, 1000), "E-14"),
    "no inventory at all": (_drop("inventory", 0, 1000), "E-15"),
    "no file": (_no_file, "E-11"),
    "no report": (lambda life: life.messages.clear(), "E-12"),
    "no inventory to be looked at": (_drop("inventory", 0, 1000), "E-22"),
    "a generation without that file": (_esa, "E-22"),
    "no reason": (_no_reason, "E-24"),
    "no key": (_without("access-key"), "E-19"),
    "no HTTP for a fix": (_fix_by_tls_alone, "OUT-41"),
    "no fix": (_without("fix"), "OUT-41"),
    "no update": (_without("update"), "E-23"),
    "no list of fixes": (lambda life: (_without("fix")(life), _without("fixes")(life)), "OUT-42"),  # type: ignore[dict-item]
    "no configuration in clear": (
        lambda life: (_without("configuration", 15, 15.5)(life), _without_calls(80)(life)),  # type: ignore[dict-item]
        "R-05",
    ),
    "no test": (lambda life: life.tests.clear(), "E-13"),
    "no result of a test": (_test(told=False, results=()), "E-13"),
    "a test of nothing": (_test(results=()), "E-13"),
    "no test of all addresses": (
        lambda life: (_uncalled(good.FIXES[1])(life), _test(told=False, results=())(life)),  # type: ignore[dict-item]
        "F-12",
    ),
    "no direct way": (lambda life: life.direct.clear(), "F-12"),
    "no pages wanted": (lambda life: setattr(life, "web_port", 0), "E-01"),
    "nobody looked": (lambda life: life.visits.clear(), "E-02"),
    "no pages served": (_visit(reached=False, detail="nobody listens"), "E-01"),
    "pages without a form": (_visit(asks=False, detail="status 404"), "E-03"),
    "no IBM ID": (
        lambda life: (setattr(life, "ibm_ids", []), _machine(ibm_ids=())(life)),  # type: ignore[func-returns-value, dict-item]
        "E-18",
    ),
    "one gateway alone": (lambda life: life.stand_ins.clear(), "F-13"),
    "no change of the password": (_without("password"), "R-11"),
    "one connection": (_one_way, "R-01"),
    "a connection of which the wire tells nothing": (lambda life: life.connections.clear(), "R-01"),
    "no connection that is closed": (_without_happenings("outage", "way"), "R-01"),
    "no address that is silent": (_without_happenings("outage", "server"), "R-09"),
    "a name with one address": (lambda life: life.endpoints.clear(), "R-09"),
    "a silence of which nothing is known": (_later(good.PROBLEMS_2, good.SHUT, 30 * DAY_S), "R-09"),
    "no server that leaves": (_without_happenings("relocate"), "R-10"),
    "no call where the name leads": (_later(good.LED_TO, good.RELOCATED + 1, -40 * DAY_S), "R-10"),
    "no configuration after the move": (_without("configuration", 25), "R-04"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_what_is_wrong_is_told(name: str) -> None:
    mutate, requirement = MUTATIONS[name]
    life = good.life()
    mutate(life)
    assert judged(life)[requirement] is Verdict.failed


@pytest.mark.parametrize("name", NEVER)
def test_what_was_never_done_is_not_right(name: str) -> None:
    mutate, requirement = NEVER[name]
    life = good.life()
    mutate(life)
    assert judged(life)[requirement] is Verdict.not_applicable


def test_every_requirement_can_be_wrong() -> None:
    assert {requirement for _, requirement in MUTATIONS.values()} == judging.CHECKS.keys()


def test_5989_may_be_tried_again_before_5988_has_a_reason() -> None:
    """An agent that is refused, and served within the hour, was not wrong; nor one that was killed then."""
    life = good.life()
    _ask_module(UNSERVED, replace(BY_HTTP, port=5989, tls=True))(life)
    assert Verdict.failed not in judged(life).values()
    life = good.life()
    _unasked(good.CLEAR, 5988)(life)
    kill = Happening(time=at(good.CLEAR + 0.01), deed="kill", until=at(good.CLEAR + 0.02))
    life.happenings.append(kill)
    assert judged(life)["R-06"] is Verdict.not_applicable


FIRST, SECOND = ("192.168.10.22", 3128), ("192.168.10.23", 8080)


def by_proxies(outage: Happening, *calls: tuple[float, tuple[str, int], int]) -> Chronicle:
    """A life behind two proxies; each call has a day, a proxy, and what that answered: 0 is a silence."""
    life = good.life()
    life.direct, life.ways, life.tests = [], 1, []
    life.connections = [
        Connection(name=name, place=f"{address}:{port}")
        for name, (address, port) in (("proxy-2", FIRST), ("proxy-3", SECOND))
    ]
    life.happenings = [outage]
    life.calls = [
        WireCall(
            time=at(day), address=place[0], port=place[1], answered=status > 0, proxied=True, status=status
        )
        for day, place, status in calls
    ]  # fmt: skip
    return life


SHUT_PROXY = Happening(time=at(5), deed="outage", until=at(6), kind_of="proxy", subject="proxy-2")
AT_FIRST = ((1.0, FIRST, 200), (2.0, FIRST, 200))


@pytest.mark.parametrize("status", [0, 403, 503])
def test_the_next_proxy_takes_over(status: int) -> None:
    """R-01, OUT-14: reset, silent, busy; and the direct way is nothing that such an agent has (OUT-15)."""
    life = by_proxies(
        SHUT_PROXY, *AT_FIRST, (5.1, FIRST, status), (5.1001, SECOND, 200), (6.5, FIRST, 200)
    )
    found = judged(life)
    assert (found["R-01"], found["OUT-14"]) == (Verdict.held, Verdict.held)
    assert found["OUT-15"] is Verdict.not_applicable


@pytest.mark.parametrize(
    ("calls", "wrong"),
    [
        ([(5.1, FIRST, 503), (6.5, FIRST, 200)], {"R-01", "OUT-14"}),
        ([(5.1, FIRST, 503), (5.15, SECOND, 200)], {"R-01"}),
        # After the outage the first one's turn comes first again.
        ([(5.1, FIRST, 503), (5.1001, SECOND, 200), (7.5, SECOND, 200)], {"OUT-14"}),
        ([(0.5, SECOND, 200), (5.1, FIRST, 0), (5.1001, SECOND, 200)], {"OUT-14"}),
    ],
)
def test_proxies_out_of_their_order(
    calls: list[tuple[float, tuple[str, int], int]], wrong: set[str]
) -> None:
    found = judged(by_proxies(SHUT_PROXY, *AT_FIRST, *calls))
    assert {r for r in ("R-01", "OUT-14", "OUT-15") if found[r] is Verdict.failed} == wrong


def test_what_goes_past_the_proxies_is_wrong() -> None:
    life = by_proxies(SHUT_PROXY, *AT_FIRST, (5.1, FIRST, 503), (5.1001, SECOND, 200))
    assert judged(life)["OUT-14"] is Verdict.held
    life.calls.append(WireCall(time=at(3), address=good.SDR_1[1], port=443, answered=False))
    assert judged(life)["OUT-14"] is Verdict.failed


def test_the_last_proxy_has_nobody_after_it() -> None:
    last = replace(SHUT_PROXY, subject="proxy-3")
    found = judged(by_proxies(last, *AT_FIRST))
    assert (found["R-01"], found["OUT-14"]) == (Verdict.not_applicable, Verdict.not_applicable)


def test_an_outage_of_all_proxies_is_dark() -> None:
    life = by_proxies(SHUT_PROXY)
    assert life.dark == []
    life.happenings.append(replace(SHUT_PROXY, time=at(5.5), until=at(7), subject="proxy-3"))
    assert life.dark == [(at(5.5), at(6))]
    life.connections = life.connections[:1]
    assert life.dark == [(at(5), at(6))]


def test_another_outage_at_the_same_time_blames_nobody() -> None:
    """R-09, R-01: neither the next address nor the next connection can be expected then."""
    life = good.life()
    _later(good.PROBLEMS_3, good.SHUT, 30 * DAY_S)(life)
    _silent_proxy(life)
    for day in (good.SHUT, good.CLOSED):
        life.happenings.append(
            Happening(time=at(day), deed="outage", until=at(day + 0.5), kind_of="link", subject="lan")
        )  # fmt: skip
    found = judged(life)
    assert (found["R-01"], found["R-09"]) == (Verdict.not_applicable, Verdict.not_applicable)


def test_a_call_for_a_fix_that_nobody_answers_is_no_call_for_a_configuration() -> None:
    life = good.life()
    _fix_by_tls_alone(life)
    assert Verdict.failed not in judged(life).values()
    _fix_by_tls(life)
    shut = WireCall(time=at(33.001) - 3000, address=good.FIXES[1], port=80, answered=False)
    _calls(shut)(life)
    assert judged(life)["OUT-32"] is Verdict.failed


def test_on_another_vendors_system_only_silence_is_right() -> None:
    """E-17; and nothing else is expected there."""
    life = refusing()
    found = {f.requirement: f for f in judging.findings(life)}
    assert found.pop("E-17").seen == (
        "0 packets in 80.0 days on a system of Bull, which told of 6 problems; "
        "the agent ended with exit status 2"
    )
    assert {f.verdict for f in found.values()} == {Verdict.not_applicable}
    life.sent = 3
    life.calls = [WireCall(time=at(1), address=good.SDR_1[1], port=443, answered=False)]
    (wrong,) = (f for f in judging.findings(life) if f.requirement == "E-17")
    assert wrong.verdict is Verdict.failed
    assert wrong.seen == f"3 packets left, to {good.SDR_1[1]}:443"


def test_on_a_partition_that_an_hmc_manages_the_hmc_says_when() -> None:
    """E-16; a service that keeps a schedule there would be wrong."""
    life = managed()
    found = {f.requirement: f for f in judging.findings(life)}
    assert found["E-16"].seen == "3 calls of the HMC, an inventory after each"
    assert found["E-16"].verdict is Verdict.held
    for requirement in ("E-12", "E-14", "E-15", "OUT-18", "OUT-34"):
        assert found[requirement].verdict is Verdict.not_applicable
    late = managed()
    late.messages[1] = replace(late.messages[1], received=at(5))
    assert judged(late)["E-16"] is Verdict.failed
    early = managed()
    early.messages[0] = replace(early.messages[0], received=at(1))
    assert judged(early)["E-16"] is Verdict.failed
    never = managed()
    never.happenings, never.messages = [], []
    assert judged(never)["E-16"] is Verdict.not_applicable


@pytest.mark.parametrize("how", ["with exit status 127", "with exit status 126", "by SIGSEGV"])
def test_an_agent_that_broke_has_not_refused(how: str) -> None:
    life = refusing()
    life.ends = ["with exit status 2", how]
    assert judged(life)["E-17"] is Verdict.not_applicable


def test_a_test_calls_every_way_and_every_port_without_being_blamed() -> None:
    """It is no use of a proxy without need, nor of HTTP."""
    blamed = {"OUT-14", "OUT-15", "OUT-32"}
    life = good.life()
    _calls(PROXIED, CLEAR_CALL)(life)
    assert {r for r, verdict in judged(life).items() if verdict is Verdict.failed} == blamed
    life.tests.append(ConnectionTest(time=at(50), addresses=(good.CONFIGURATION[1],)))
    assert Verdict.failed not in judged(life).values()


def test_a_chronicle_survives_its_file() -> None:
    life = good.life()
    assert judged(codec.load(Chronicle, codec.dump(life))) == judged(life)


def test_the_report_counts_what_was_lost_and_what_came_twice() -> None:
    life = good.life()
    _lose(4)(life)
    _again(life)
    text = report.text(life, judging.findings(life))
    assert "of 6 problems told: 1 lost, 1 twice" in text
    assert "OUT-34  wrong" in text
    assert "expected: what was queued" in text
    assert "day   10.0  outage      internet, 24 h" in text


def test_dark_times_are_joined() -> None:
    life = good.life()
    life.happenings += [
        Happening(time=at(40), deed="outage", until=at(41), kind_of="link"),
        Happening(time=at(40.5), deed="kill", until=at(42)),
    ]
    assert (at(40), at(42)) in life.dark
    assert life.darkness(at(39), at(41)) == DAY_S
