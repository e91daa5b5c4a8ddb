"""The configuration file: what it means, and that each error names file, key and fix."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from lab.agent.settings import DAY_S, AgentSettings, SettingsError, load, parse
from tests.unit.agent.examples import MACHINE, NAME, members

PATH = Path("/etc/agent/agent.toml")


def test_the_least_file_has_the_papers_defaults() -> None:
    got = parse(members(), PATH)

    assert [machine.name for machine in got.machines] == [NAME]
    assert [(way.name, way.kind) for way in got.ways] == [("direct", "direct")]  # OUT-15
    assert got.schedule["heartbeat"] == DAY_S  # E-14
    assert got.schedule["inventory"] == 7 * DAY_S  # E-15
    assert got.vendor == "IBM"
    assert got.state == Path("/var/lib/callhome-agent")
    assert got.ca_file == Path("/etc/agent/ca.pem")
    assert got.keep.problems_s == 60 * DAY_S  # E-21
    assert (got.web, got.events, got.family) == (None, None, socket.AF_UNSPEC)


def test_a_whole_file(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text(
        """\
state = "state"
vendor = "IBM"
generation = "hmc-2017-simplified"
ca_file = "/ca.pem"
configuration_key = "key.pem"
ibm_ids = ["a@example.com", "b@example.com"]
events = "events"
retry = 60
ip = 4
[[machines]]
type = "8284"
model = "22A"
serial = "21ABCDE"
[[ways]]
kind = "direct"
[[ways]]
name = "slot"
kind = "proxy"
[[ways]]
name = "squid"
kind = "proxy"
url = "http://me:pw@proxy:3128"
[[ways]]
name = "backup"
kind = "lab-way"
way = "vpn"
[servers]
enrolment = ["https://a", "https://b"]
configuration = ["https://a", "http://a"]
[schedule]
heartbeat = 3600
[keep]
problems = 86400
ledger = 100000
[web]
port = 6000
certificate = "x"
[contact]
company = "Example Corp."
name = "Kim Example"
telephone = "+1 (555) 555-0123"
email = "kim@example.com"
country = "United States"
system_telephone = "555-0124"
system_country = "Canada"
""",
        encoding="utf-8",
    )
    got = load(file)

    assert got.generation == "hmc-2017"
    assert got.configuration_key == tmp_path / "key.pem"
    assert [way.name for way in got.ways] == ["direct", "slot", "squid", "backup"]
    assert got.ways[1].proxy is None  # an empty slot
    assert got.ways[2].proxy is not None
    assert "pw" not in got.ways[2].proxy.url
    assert got.ways[3].way == "vpn"
    assert got.servers["configuration"] == ("https://a", "http://a")
    assert (got.schedule["heartbeat"], got.retry_s, got.family) == (3600, 60, socket.AF_INET)
    assert (got.keep.problems_s, got.keep.ledger_bytes) == (DAY_S, 100000)
    assert got.web is not None
    assert (got.web.port, got.web.more["certificate"]) == (6000, "x")
    assert got.contact is not None
    assert (got.contact.name, got.contact.system_country) == ("Kim Example", "Canada")


PROXY = {"kind": "proxy", "url": "http://p:1"}
KIM = {
    "company": "Example Corp.",
    "name": "Kim Example",
    "telephone": "555-0123",
    "email": "kim@example.com",
    "country": "United States",
    "system_telephone": "555-0124",
    "system_country": "Canada",
}


@pytest.mark.parametrize(
    ("more", "key", "fix"),
    [
        ({"heartbeet": 1}, "heartbeet", "known: ca_file"),
        ({"ca_file": 3}, "ca_file", "write ca_file"),
        ({"machines": []}, "machines", "[[machines]]"),
        ({"machines": [{"type": "8284"}]}, "machines[1].serial", "capital letters and digits"),
        ({"machines": [MACHINE, MACHINE]}, "machines[2]", "is there twice"),
        ({"generation": "hmc-2018"}, "generation", "did you mean"),
        ({"ibm_ids": ["a", "b", "c"]}, "ibm_ids", "2 are the most"),
        ({"ways": [{"name": f"p{n}", **PROXY} for n in range(4)]}, "ways", "keep 3 (OUT-13)"),
        ({"ways": [{"kind": "proxy", "url": "https://p"}]}, "ways[1].url", "http://HOST:PORT"),
        ({"ways": [{"kind": "pigeon"}]}, "ways[1].kind", "kinds: direct"),
        ({"ways": [{"kind": "direct"}, {"kind": "direct"}]}, "ways[2].name", "twice"),
        ({"ways": [{"kind": "direct", "url": "http://p"}]}, "ways[1].url", "no key of a way"),
        ({"servers": {"problem": ["http://a"]}}, "servers.problem", "https://HOST"),
        ({"servers": {"problem": []}}, "servers.problem", "https://HOST"),
        ({"servers": {"problems": ["https://a"]}}, "servers.problems", "did you mean problem"),
        ({"servers": {"configuration": ["https://a"]}}, "configuration_key", "PEM"),
        ({"schedule": {"heartbeat": 0}}, "schedule.heartbeat", "above 0"),
        ({"schedule": {"heartbeats": 5}}, "schedule.heartbeats", "did you mean heartbeat"),
        ({"retry": "soon"}, "retry", "above 0"),
        ({"web": {"port": 0}}, "web.port", "1 to 65535"),
        ({"keep": {"ledger": 100}}, "keep.ledger", "at least 65536"),
        ({"keep": {"ledger": True}}, "keep.ledger", "at least 65536"),
        ({"keep": {"problems": 0}}, "keep.problems", "above 0"),
        ({"keep": {"queue": 3}}, "keep.queue", "keys: problems, ledger"),
        ({"hmc_managed": "no"}, "hmc_managed", "write hmc_managed = true"),
        ({"ip": 5}, "ip", "known: any, 4, 6"),
        ({"contact": "Kim"}, "contact", "write [contact] on a line of its own"),
        ({"contact": {k: KIM[k] for k in KIM if k != "company"}}, "contact.company", "Company name"),
        ({"contact": {**KIM, "fax": "1"}}, "contact.fax", "keys: company, name"),
        ({"contact": {**KIM, "telephone": "ask Ann"}}, "contact.telephone", "no telephone number"),
        ({"contact": {**KIM, "email": "kim"}}, "contact.email", "no email address"),
        ({"contact": {**KIM, "name": "K" * 129}}, "contact.name", "128 are the most"),
        ({"contact": {**KIM, "name": " "}}, "contact.name", "is no text"),
    ],
)  # fmt: skip
def test_an_error_names_the_file_the_key_and_the_fix(
    more: dict[str, Any], key: str, fix: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        parse(members(**more), PATH)
    assert len(refused.value.problems) == 1 or key.startswith("machines")
    told = next(line for line in refused.value.problems if line.startswith(f"{key} "))
    assert fix in told
    assert str(PATH) in refused.value.message
    assert refused.value.exit_status == 2


def test_every_error_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        parse({"retry": -1, "vendor": 3, "machines": [MACHINE]}, PATH)
    assert {line.split()[0] for line in refused.value.problems} == {"retry", "vendor", "ca_file"}


@pytest.mark.parametrize("number", range(4))
def test_up_to_three_proxies(number: int) -> None:
    """OUT-13."""
    ways = [{"name": f"p{n}", **PROXY} for n in range(number)]
    assert len(parse(members(ways=ways), PATH).ways) == max(1, number)


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "cannot be read"), (b"\xff", "no UTF-8"), (b"a = = 1", "no TOML")],
)
def test_a_file_that_is_none(tmp_path: Path, content: bytes | None, told: str) -> None:
    path = tmp_path / "agent.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=told):
        load(path)


def test_settings_have_no_password_that_a_user_could_set() -> None:
    """E-10."""
    assert not [name for name in AgentSettings.__slots__ if "password" in name]
    with pytest.raises(SettingsError, match="password is not known"):
        parse(members(password="x"), PATH)
