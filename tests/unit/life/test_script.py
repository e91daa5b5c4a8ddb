"""A script of a life: what may be written, every mistake at once, and what a topology has to have for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.agent import settings
from lab.errors import TopologyError, UsageError
from lab.life import outages, own_agent, script_file, scripted
from lab.life.script import Deed, LifeEvent, LifeSystem
from lab.topology.load import load
from lab.topology.model import Topology
from lab.topology.resolve import resolve

OWN_PROXY = Path(__file__).parents[2] / "data" / "topologies" / "own-proxy.yaml"
HEAD = "schema: 1\nsummary: A life\ntopology: two-sites\nlasts: 10d\n"


@pytest.fixture(scope="module")
def topology() -> Topology:
    return resolve(load("two-sites"), b"life")


def mistakes(text: str) -> list[str]:
    with pytest.raises(TopologyError) as caught:
        script_file.parse(text, "mine.yaml", "mine")
    return [str(issue) for issue in caught.value.issues]


def events(text: str) -> tuple[LifeEvent, ...]:
    return script_file.parse(f"{HEAD}events:\n{text}", "mine.yaml", "mine").events


def test_events_are_in_the_order_of_their_times_and_repeat() -> None:
    found = events("  - { at: 9h, do: problem, every: 3d }\n  - { at: 4d, do: clock, by: -6h }\n")
    assert [(e.at_s / 3600, e.do) for e in found] == [
        (9.0, Deed.problem), (81.0, Deed.problem), (96.0, Deed.clock), (153.0, Deed.problem),
        (225.0, Deed.problem),
    ]  # fmt: skip
    assert found[2].by_s == -6 * 3600.0
    assert (found[0].line, found[2].line) == (6, 7)


def test_what_a_module_tells() -> None:
    short, long = events(
        "  - { at: 9h, do: imm }\n  - { at: 1d, do: imm, severity: major, text: Hot, code: B1 }\n"
    )
    assert (short.severity, short.text, short.code) == ("critical", "Fan 3 has failed", "B7006971")
    assert (long.severity, long.text, long.code) == ("major", "Hot", "B1")


def test_a_topology_without_a_module_is_no_place_for_what_one_tells(topology: Topology) -> None:
    text = f"{HEAD}events:\n  - {{ at: 1d, do: imm }}\n"
    script = script_file.parse(text, "mine.yaml", "mine")
    with pytest.raises(TopologyError) as caught:
        scripted.check(script, topology, "mine.yaml")
    assert [str(issue) for issue in caught.value.issues] == [
        "line 6: at 24h, do: two-sites has no management module; a node with the role imm: esa-imm"
    ]


OF_EVENTS = {
    "{ at: 1d, do: outag }": ".do: 'outag' is nothing that happens; did you mean outage?",
    "{ do: problem }": ".at: is missing; at: 2d, do: problem",
    "{ at: 1d, do: outage, of: lan }": (
        ": outage has no for; { at: 30d, do: outage, of: fw-inet, for: 6h }"
    ),
    "{ at: 1d, do: imm, severity: bad }": (
        ".severity: 'bad' is no severity of a failure; known: degraded, minor, major, critical, fatal"
    ),
    "{ at: 1d, do: imm, severity: majr }": (
        ".severity: 'majr' is no severity of a failure; did you mean major?"
    ),
    "{ at: 1d, do: outage, of: proxy, for: 1h, how: slient }": (
        ".how: 'slient' is not how a proxy can be out of service; did you mean silent?"
    ),
    "{ at: 1d, do: imm, txt: x }": ".txt: unknown key; did you mean text?",
    "{ at: 11d, do: problem }": ".at: is after the end of the life; a longer lasts",
    "{ at: 1d, do: problem, code: B1 B2 }": (
        ".code: 'B1 B2' is no reference code; 1 to 32 letters, digits and hyphens: B7006971"
    ),
    "{ at: 1d, do: problem, every: 0h }": ".every: is shorter than a second; every: 7d",
    "{ at: 1d, do: problem, cod: B1 }": ".cod: unknown key; did you mean code?",
    "{ at: 1d, do: move, errand: problems, to: [https://a] }": (
        ".errand: 'problems' is no errand; did you mean problem?"
    ),
    "{ at: 1d, do: move, errand: problem, to: ftp }": (
        ".to: is no list of URLs; [https://www-945.ibm.com]"
    ),
    "{ at: 1d, do: inventory }": (".do: no HMC manages the system; system: { hmc_managed: true }"),
    "{ at: 1d, do: clock, by: 3 }": ".by: must be a time with its unit",
    "problem": ": an event is a map; - { at: 2d, do: problem }",
}
OF_THE_FILE = {
    f"{HEAD}event: []\n": "line 5: event: unknown key; did you mean events?",
    HEAD.replace("10d", "0d"): "line 4: lasts: is shorter than a second; lasts: 7d",
    HEAD.replace("10d", "40000d"): "line 4: lasts: is longer than three years; lasts: 365d",
    f"{HEAD}system: Bull\n": "line 5: system: is no map; system: { vendor: Bull }",
    f"{HEAD}system: {{ vendor: 3 }}\n": (
        "line 5: system.vendor: is no name; system: { vendor: Bull }"
    ),
    f"{HEAD}system: {{ hmc_managed: 3 }}\n": (
        "line 5: system.hmc_managed: is true or false; hmc_managed: true"
    ),
    f"{HEAD}system: {{ web_port: 70000 }}\n": (
        "line 5: system.web_port: is no port; web_port: 5024"
    ),
    f"{HEAD}events:\n  - {{ at: 1d, do: browse }}\n": (
        "line 6: events[0].do: the agent has no pages; system: { web_port: 5024 }"
    ),
    f"{HEAD}system: {{ ibm_ids: me }}\n": (
        "line 5: system.ibm_ids: is no list of texts; [name@example.com]"
    ),
    f"{HEAD}system: {{ hmc_managed: true }}\nevents:\n  - {{ at: 1d, do: test }}\n": (
        "line 7: events[0].do: an HMC manages the system: no service hears of a test; do: inventory"
    ),
    f"{HEAD}system: {{ vender: Bull }}\n": (
        "line 5: system.vender: unknown key; did you mean vendor?"
    ),
    "schema: 2\n": "line 1: schema: must be 1; schema: 1",
    "- a\n": "a script is a map; begin it with schema: 1",
    f"{HEAD}events: 3\n": "line 5: events: is no list; events: [{ at: 2d, do: problem }]",
}


@pytest.mark.parametrize("event", OF_EVENTS)
def test_a_mistake_in_an_event_is_told_with_its_line_and_a_fix(event: str) -> None:
    told = mistakes(f"{HEAD}events:\n  - {event}\n")
    assert any(f"line 6: events[0]{OF_EVENTS[event]}" in mistake for mistake in told), told


@pytest.mark.parametrize("text", OF_THE_FILE)
def test_a_mistake_in_the_file_is_told_with_its_line_and_a_fix(text: str) -> None:
    told = mistakes(text)
    assert any(OF_THE_FILE[text] in mistake for mistake in told), told


def test_there_is_no_script_of_that_name() -> None:
    with pytest.raises(UsageError, match="there is no script 'weak'") as caught:
        script_file.load("weak")
    assert caught.value.hint == "did you mean week?"


@pytest.mark.parametrize("name", script_file.names())
def test_the_labs_own_scripts_fit_their_topologies(name: str) -> None:
    script = script_file.load(name)
    scripted.check(script, resolve(load(script.topology), b"life"), name)


def test_what_the_topology_does_not_have_is_told_with_the_scripts_line(topology: Topology) -> None:
    text = (
        f"{HEAD}servers: {{ problem: [https://nowhere.test] }}\nevents:\n"
        "  - { at: 1d, do: outage, of: fw-int, for: 1h }\n"
        "  - { at: 2d, do: move, errand: upload, to: [https://192.0.2.77] }\n"
    )
    script = script_file.parse(text, "mine.yaml", "mine")
    with pytest.raises(TopologyError) as caught:
        scripted.check(script, topology, "mine.yaml")
    assert [str(issue) for issue in caught.value.issues] == [
        "line 1: servers.problem: no server is listed for https://nowhere.test; "
        "`lab show two-sites` has the servers",
        "line 7: at 24h, of: two-sites has nothing 'fw-int' that can be out of service; "
        "did you mean fw-inet?",
        "line 8: at 48h, to: no server is listed for https://192.0.2.77; "
        "`lab show two-sites` has the servers",
    ]


@pytest.mark.parametrize(
    ("of", "kind", "rules"),
    [
        ("eccgw01.boulder.ibm.com", "server", ["sdc prerouting ip daddr 207.25.252.197 drop"]),
        ("207.25.252.197", "server", ["sdc prerouting ip daddr 207.25.252.197 drop"]),
        ("proxy", "proxy", ["proxy input tcp dport 3128 reject with tcp reset"]),
        ("internet", "way", ["firewall forward ip saddr 192.168.10.10 drop"]),
        ("tcp/443", "port", ["firewall forward tcp dport 443 drop"]),
        (
            "fw-inet",
            "link",
            [
                'firewall prerouting iifname "fw-inet" drop',
                'internet prerouting iifname "fw-inet" drop',
            ],
        ),
    ],
)
def test_outages(topology: Topology, of: str, kind: str, rules: list[str]) -> None:
    plan = outages.plan(topology, of)
    assert plan.kind == kind
    assert [f"{c.node} {c.hook} {c.rule}" for c in plan.closures] == rules


PROXIES = resolve(load("proxy-failover"), b"life")


@pytest.mark.parametrize(
    ("how", "rules"),
    [
        ("", ["proxy-3 input tcp dport 8080 reject with tcp reset"]),
        ("refuses", ["proxy-3 input tcp dport 8080 reject with tcp reset"]),
        ("silent", ["proxy-3 prerouting tcp dport 8080 drop"]),
        ("busy", []),
    ],
)
def test_how_a_proxy_is_out_of_service(how: str, rules: list[str]) -> None:
    plan = outages.plan(PROXIES, "proxy-3", how)
    assert (plan.kind, plan.subject, plan.node) == ("proxy", "proxy-3", "proxy-3")
    assert plan.busy == ("proxy-3" if how == "busy" else "")
    assert [f"{c.node} {c.hook} {c.rule}" for c in plan.closures] == rules


def test_proxies_alone_are_out_of_service_in_several_ways() -> None:
    with pytest.raises(UsageError, match="lan is no proxy, and has one outage alone"):
        outages.plan(PROXIES, "lan", "silent")
    with pytest.raises(
        UsageError, match="proxy-1 is a program of your own, and not told to be busy"
    ):
        outages.plan(resolve(load(str(OWN_PROXY)), b"life"), "proxy-1", "busy")


def test_servers_leave_their_addresses_where_they_have_others_to_go_to(topology: Topology) -> None:
    text = "events:\n  - { at: 1d, do: relocate }\n  - { at: 2d, do: relocate }\n"
    script = script_file.parse(f"{HEAD}{text}", "mine.yaml", "mine")
    with pytest.raises(TopologyError) as caught:
        scripted.check(script, topology, "mine.yaml")
    assert [str(issue) for issue in caught.value.issues] == [
        "line 6: at 24h, do: no server of two-sites has another address to go to; "
        "moves_to at the node sdc: direct-names",
        "line 7: at 48h, do: no server of two-sites has another address to go to; "
        "moves_to at the node sdc: direct-names",
        "line 7: at 48h, do: the servers go once alone; one relocate",
    ]


def test_a_port_of_the_management_module_can_be_closed() -> None:
    plan = outages.plan(resolve(load("esa-imm"), b"life"), "imm/5989")
    (closure,) = plan.closures
    assert (plan.kind, closure.node, closure.hook) == ("module", "imm", "input")
    assert closure.rule == "tcp dport 5989 reject with tcp reset"
    with pytest.raises(UsageError) as caught:
        outages.plan(resolve(load("esa-imm"), b"life"), "imm/598")
    assert caught.value.hint == "did you mean imm/5989?"


def test_the_rules_of_a_node_are_those_of_all_its_outages(topology: Topology) -> None:
    both = [
        *outages.plan(topology, "internet").closures,
        *outages.plan(topology, "tcp/443").closures,
    ]
    text = outages.render(both, "firewall")
    assert text.startswith("table inet life\ndelete table inet life\ntable inet life {\n")
    assert text.count("chain forward") == 1
    assert text.index("saddr 192.168.10.10 drop") < text.index("dport 443 drop")
    assert outages.render(both, "sdc") == "table inet life\ndelete table inet life\n"


def test_settings_of_the_labs_own_agent(topology: Topology, tmp_path: Path) -> None:
    """They are what the agent reads, and the ways are in the topology's order."""
    file = tmp_path / "agent.toml"
    file.write_text(
        own_agent.settings(
            topology, "hmc", Path("/run-dir"), {"problem": ["https://a.test"]}, LifeSystem()
        )
    )
    found = settings.load(file)
    assert [way.name for way in found.ways] == ["internet", "proxy"]
    assert [machine.name for machine in found.machines] == ["8284-22A*21ABCDE"]
    assert found.servers["problem"] == ("https://a.test",)
    assert str(found.events) == "/run/lab/life/events"
    assert found.contact is not None
    assert found.contact.as_dict() == own_agent.CONTACT
