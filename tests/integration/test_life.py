"""An agent's life: the lab's own through a week and a year, and one that does some things wrong."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from lab.life import own_agent
from lab.life.events import LEDGER
from lab.report import timeline
from tests.integration.labs import ROOT, SYSTEM_PYTHON, lab

pytestmark = pytest.mark.kernel

AGENTS = ROOT / "tests/data/agents"
CARELESS = f"{SYSTEM_PYTHON} {shlex.quote(os.fspath(AGENTS / 'careless.py'))}"


class Lived:
    """A life, from its outside."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.run_dir = folder / "out"
        done = lab("life", *words, "--quiet", "--out", os.fspath(self.run_dir), cwd=folder)
        self.status, self.stdout, self.stderr = done.returncode, done.stdout, done.stderr
        self.verdict: dict[str, Any] = json.loads((self.run_dir / "verdict.json").read_text())
        self.life: dict[str, Any] = json.loads((self.run_dir / "life.json").read_text())

    @property
    def words(self) -> dict[str, str]:
        """Requirement to right, wrong or never, as the table has it."""
        rows = (line.split() for line in self.stdout.splitlines())
        return {row[0]: row[1] for row in rows if row[1:2] in (["right"], ["wrong"], ["never"])}

    @property
    def problems(self) -> list[str]:
        """The texts of what IBM's store has of problems, in order."""
        return [m["text"] for m in self.life["messages"] if m["kind"] == "problem"]


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    return Lived(tmp_path_factory.mktemp("week"))


@pytest.fixture(scope="module")
def careless(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    script = os.fspath(AGENTS / "careless.yaml")
    return Lived(tmp_path_factory.mktemp("careless"), "--script", script, "--agent", CARELESS)


def test_a_week(week: Lived) -> None:
    assert week.status == 0, week.stdout + week.stderr
    assert "wrong" not in week.words.values()
    right = {requirement for requirement, word in week.words.items() if word == "right"}
    assert right >= {
        "E-01", "E-02", "E-03", "E-06", "E-07", "E-08", "E-11", "E-12", "E-13",
        "E-14", "E-15", "E-18", "E-20", "E-22", "E-24",
        "OUT-14", "OUT-15", "OUT-18", "OUT-33", "OUT-34", "F-12", "F-13", "R-01",
    }  # fmt: skip
    assert week.problems == week.life["told"] == [f"life problem {n}" for n in (1, 2, 3, 4)]
    assert (week.run_dir / "report.txt").read_text() == week.stdout


SHORT = """\
schema: 1
summary: Two days with an outage, and a clock that leaps
topology: two-sites
lasts: 2d
events:
  - { at: 6h, do: problem, code: B7006971 }
  - { at: 10h, do: outage, of: fw-inet, for: 2h }
  - { at: 20h, do: clock, by: 3d }
  - { at: 30h, do: problem, code: B7006971 }
"""


def test_a_life_has_a_timeline_by_one_clock_without_packets(tmp_path: Path) -> None:
    script = tmp_path / "short.yaml"
    script.write_text(SHORT)
    short = Lived(tmp_path, "--script", os.fspath(script))
    assert short.status == 0, short.stdout + short.stderr
    found = timeline.read(short.run_dir)
    times = [each["time"] for each in found]
    assert times == sorted(times)
    assert all({"time", "kind", "source", "text"} <= each.keys() for each in found)
    assert {"event", "script", "agent", "ledger", "finding"} <= {each["kind"] for each in found}
    assert "packet" not in {each["kind"] for each in found}
    assert (short.run_dir / timeline.TIMELINE).stat().st_size < 500_000

    begun = next(each["time"] for each in found if each.get("event") == "life-begun")
    scripted = [
        (round((each["time"] - begun) / 3600, 1), each["text"].partition(": ")[2])
        for each in found
        if each["kind"] == "script"
    ]
    assert scripted == [
        (6.0, "problem life problem 1"),
        (10.0, "outage fw-inet"),
        (12.0, "fw-inet is back"),
        (20.0, "clock by +259200 s"),
        (30.0, "problem life problem 2"),
    ]
    # All that the agent noted, in its order; what it says to have sent stands after what IBM's servers got,
    # also once its own clock is days ahead.
    lines = (short.run_dir / "logs/hmc" / LEDGER).read_text().splitlines()
    noted = [json.loads(line) for line in lines]
    own = [each for each in found if each["kind"] == "agent"]
    assert sorted(e["event"] for e in noted) == sorted(e["event"] for e in own)
    assert noted[-1]["time"] - own[-1]["time"] == pytest.approx(3 * 86400, abs=1)
    for number, after_h in ((1, 6), (2, 30)):
        started = begun + after_h * 3600
        (got,) = [
            each["time"]
            for each in found
            if each["kind"] == "ledger" and each["text"].startswith("service: problem: ")
            and 0 <= each["time"] - started < 3600
        ]  # fmt: skip
        (sent,) = [
            each["time"]
            for each in own
            if each["event"] == "acknowledged" and "kind problem," in each["text"]
            and 0 <= each["time"] - started < 3600
        ]  # fmt: skip
        assert 0 <= sent - got < 5, number


def test_of_a_users_agent_the_timeline_has_what_others_saw(careless: Lived) -> None:
    kinds = {each["kind"] for each in timeline.read(careless.run_dir)}
    assert {"script", "ledger", "finding"} <= kinds
    assert not kinds & {"agent", "packet"}


def test_ibm_knows_whom_to_call(week: Lived) -> None:
    """S1 Table 1."""
    with contextlib.closing(sqlite3.connect(week.run_dir / "logs/sdc/receiver.sqlite")) as store:
        told = [json.loads(row[0]) for row in store.execute("SELECT contact FROM systems")]
    assert told == [own_agent.CONTACT]


def test_no_password_is_in_what_is_kept(week: Lived) -> None:
    """The agent's state is in the node alone, and goes with it."""
    left = [path.name for path in week.run_dir.rglob("*") if "credentials" in path.name]
    assert left == []
    assert "password" not in (week.run_dir / "life.json").read_text().replace('"password"', "")
    ledger = week.run_dir / "logs/hmc/agent-ledger.jsonl"
    assert ledger.stat().st_size > 0


def test_a_year(tmp_path: Path) -> None:
    year = Lived(tmp_path, "--script", "year")
    assert year.status == 0, year.stdout + year.stderr
    assert "of 14 problems told: 0 lost, 0 twice" in year.stdout
    assert [word for word in year.words.values() if word == "wrong"] == []
    assert {r for r, word in year.words.items() if word == "never"} == {
        "E-04", "E-05", "E-10", "E-16", "E-17", "E-23", "R-05", "R-06", "R-09", "R-10",
    }  # fmt: skip
    assert sorted(year.problems) == sorted(year.life["told"])
    assert year.life["ended"] - year.life["began"] == pytest.approx(366 * 86400, abs=10)
    (machine,) = year.life["machines"]
    assert machine["number"] >= 3, "two changes of the password at least"
    assert [h["deed"] for h in year.life["happenings"]].count("outage") == 3
    # The agent's own clock has leapt, and IBM's has not.
    lines = (year.run_dir / "logs/hmc/agent-ledger.jsonl").read_text().splitlines()
    ahead_s = json.loads(lines[-1])["time"] - year.life["ended"]
    assert ahead_s == pytest.approx(3 * 86400, abs=60)
    assert (year.run_dir / timeline.TIMELINE).stat().st_size < 4_000_000


def test_what_an_agent_does_wrong_is_told(careless: Lived) -> None:
    assert careless.status == 1
    by_word: dict[str, set[str]] = {}
    for requirement, word in careless.words.items():
        by_word.setdefault(word, set()).add(requirement)
    assert by_word["wrong"] == {
        "E-09", "E-11", "E-12", "E-14", "E-15", "E-22", "OUT-14", "OUT-32", "OUT-33", "P-19", "F-13",
        "R-01", "R-02",
    }  # fmt: skip
    assert by_word["right"] == {"E-06", "E-07", "E-08", "E-20", "E-24", "OUT-15", "OUT-18"}
    found = {each["requirement"]: each for each in careless.verdict["findings"]}
    assert found["E-11"]["seen"] == (
        "the table of hmc-2017 has no customers.txt, lshmc and lssysconn; "
        "what is the customer's is in inventory all"
    )
    assert found["OUT-33"]["seen"].startswith("1 request with data by HTTP in clear")
    assert careless.verdict["verdict"] == "fail"
    assert careless.life["own"] is False


def test_an_administrator_looks_at_the_pages(week: Lived) -> None:
    """E-01 to E-03: PAM is asked at each of two log-ins, and denies one; the machine's own PAM is not."""
    (visit,) = week.life["visits"]
    assert (visit["clear_status"], visit["guessed"], visit["let_in"]) == (400, False, True)
    assert (visit["asked_at_guess"], visit["asked_at_log_in"]) == (1, 1)
    log = (week.run_dir / "logs/hmc/agent.log").read_text()
    assert "the log-in of 'administrator' from 192.168.10.10 is refused" in log
    assert "opensesame" not in log + (week.run_dir / "events.jsonl").read_text()


def test_a_test_of_connections_is_compared_with_the_wire(week: Lived) -> None:
    """One result while all is open but what the proxy forbids, one while a gateway is shut (F-13)."""
    found = {each["requirement"]: each["seen"] for each in week.verdict["findings"]}
    assert found["F-12"] == "2 tests, each of all 22 addresses"
    assert found["F-13"].startswith(
        "redundancy was lost while 207.25.252.197 was shut; 129.42.160.51"
    )
    assert found["F-13"].endswith("and the test said so")
    first, second = week.life["tests"]
    shut = [r["address"] for r in first["results"] if r["way"] == "internet" and not r["reached"]]
    assert shut == []
    shut = [r["address"] for r in second["results"] if r["way"] == "internet" and not r["reached"]]
    assert {*shut} == {"", "207.25.252.197"}
    told = json.loads((week.run_dir / "logs/hmc/test-2.json").read_text())
    assert len(told) == len(second["results"])


def test_another_vendors_system(tmp_path: Path) -> None:
    """E-17: the lab's own agent refuses, and nothing else is expected of it."""
    lived = Lived(tmp_path, "--script", "other-vendor")
    assert lived.status == 0, lived.stdout + lived.stderr
    assert {r for r, word in lived.words.items() if word != "never"} == {"E-17"}
    assert "0 packets in 3.0 days on a system of Bull" in lived.stdout
    log = (lived.run_dir / "logs/hmc/agent.log").read_text()
    assert "the agent does not activate: the system vendor is 'Bull', and not IBM" in log


def test_a_partition_that_an_hmc_manages(tmp_path: Path) -> None:
    """E-16: the HMC calls the agent for its inventory, and no service runs."""
    lived = Lived(tmp_path, "--script", "managed-partition")
    assert lived.status == 0, lived.stdout + lived.stderr
    assert {lived.words["E-16"], lived.words["E-22"]} == {"right"}
    assert {lived.words["E-12"], lived.words["E-14"], lived.words["E-15"]} == {"never"}
    assert [m["kind"] for m in lived.life["messages"]] == ["inventory"] * 3


INVOKED = """
[ "$LAB_INVOKED" = inventory ] && [ -z "$LAB_IBM_IDS" ] && echo called at "$LAB_NODE" >>"$LAB_RUN_DIR/calls"
"""


def test_a_users_agent_is_called_by_the_hmc(tmp_path: Path) -> None:
    (tmp_path / "agent.sh").write_text(INVOKED)
    lived = Lived(tmp_path, "--script", "managed-partition", "--agent", "exec sh agent.sh")
    assert (lived.run_dir / "calls").read_text() == "called at hmc\n" * 3
    assert lived.words["E-16"] == "wrong", "nothing arrived"


def test_an_agent_that_does_not_heed_the_vendor(tmp_path: Path) -> None:
    lived = Lived(tmp_path, "--script", "other-vendor", "--agent", CARELESS)
    assert lived.status == 1
    assert lived.words["E-17"] == "wrong"
    found = {each["requirement"]: each["seen"] for each in lived.verdict["findings"]}
    assert "207.25.252.197:443" in found["E-17"]
    assert lived.words["OUT-18"] == "never", "nothing is expected on such a system"


CERTIFICATES = """
while :; do
  openssl s_client -connect eccgw01.boulder.ibm.com:443 -CAfile "$LAB_CA_FILE" </dev/null 2>/dev/null |
    openssl x509 -noout -serial -checkend 1 >>"$LAB_RUN_DIR/serials"
  sleep 43200
done
"""


def test_the_world_around_an_agent(tmp_path: Path) -> None:
    """A certificate is another one after its renewal, and the former one until then."""
    (tmp_path / "script.yaml").write_text(
        "schema: 1\nsummary: A renewal\ntopology: two-sites\nlasts: 2d\n"
        "events:\n  - { at: 30h, do: certificate }\n"
    )
    (tmp_path / "agent.sh").write_text(CERTIFICATES)
    lived = Lived(tmp_path, "--script", "script.yaml", "--agent", "exec sh agent.sh")
    assert {r for r, word in lived.words.items() if word != "never"} == {"OUT-15"}, (
        "it calls direct"
    )
    lines = (lived.run_dir / "serials").read_text().splitlines()
    serials = [line for line in lines if line.startswith("serial=")]
    assert len(serials) == 4
    assert len({*serials[:3]}) == len({*serials[2:]}) - 1 == 1


def test_an_agent_that_ends_is_started_again_and_its_ends_are_told(tmp_path: Path) -> None:
    (tmp_path / "script.yaml").write_text(
        "schema: 1\nsummary: Nothing\ntopology: two-sites\nlasts: 5min\n"
    )
    lived = Lived(tmp_path, "--script", "script.yaml", "--agent", "echo hello; exit 3")
    assert "the agent ended by itself: with exit status 3, 5 times" in lived.stdout
    assert (lived.run_dir / "logs/hmc/agent.log").read_text() == "hello\n" * 5


def test_an_agent_that_is_given_up_is_no_success(tmp_path: Path) -> None:
    """Nothing is expected of an agent that never called, and so nothing is wrong."""
    (tmp_path / "script.yaml").write_text(
        "schema: 1\nsummary: Nothing\ntopology: two-sites\nlasts: 1h\n"
    )
    lived = Lived(tmp_path, "--script", "script.yaml", "--agent", "no-such-agent")
    assert lived.status == 1, lived.stdout
    assert {*lived.words.values()} == {"never"}
    told = "the agent ended by itself 20 times, and was not started again"
    assert told in lived.stderr
    verdict = json.loads((lived.run_dir / "verdict.json").read_text())
    assert (verdict["verdict"], verdict["diagnosis"]) == ("fail", told)
    assert told in (lived.run_dir / "report.html").read_text()


def test_an_agent_without_a_name_is_not_the_labs_own(tmp_path: Path) -> None:
    """As of a shell's variable that is not set."""
    ended = lab("life", "--agent", " ", cwd=tmp_path)
    assert ended.returncode == 2
    assert "--agent names no command" in ended.stderr
    assert not (tmp_path / "runs").exists()


def test_mistakes_come_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "schema: 1\nsummary: Wrong\ntopology: two-sites\nlasts: 2d\n"
        "events:\n  - { at: 1h, do: outage, of: fw-int, for: 1h }\n"
    )
    done = lab("life", "--script", "mine.yaml", "--out", "out", cwd=tmp_path)
    assert done.returncode == 2
    assert "line 6: at 1h, of: two-sites has nothing 'fw-int'" in done.stderr
    assert "did you mean fw-inet?" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_management_module_tells_of_failures(tmp_path: Path) -> None:
    """E-05, also in an outage, and E-04 and R-06; what nobody was told of is not expected."""
    lived = Lived(tmp_path, "--script", "imm")
    assert lived.status == 0, lived.stdout + lived.stderr
    assert {lived.words[each] for each in ("E-04", "E-05", "E-23", "R-06")} == {"right"}
    assert "wrong" not in lived.words.values()
    assert (
        lived.problems
        == lived.life["told"]
        == [
            "life problem 1: Fan 3 has failed",
            "life problem 2: Power supply 1 has no input",
            "life problem 3: A disk tells of its failure in advance",
            "life problem 4",
            "life problem 5: A battery is weak",
        ]
    )
    found = {each["requirement"]: each for each in lived.verdict["findings"]}
    assert found["OUT-34"]["seen"].startswith("1 problem held back")


def test_proxies_in_their_order(tmp_path: Path) -> None:
    """R-01 and OUT-14: an empty slot, then a proxy that refuses, is silent, and is busy."""
    lived = Lived(tmp_path, "--script", "proxies")
    assert lived.status == 0, lived.stdout + lived.stderr
    assert (lived.words["R-01"], lived.words["OUT-14"]) == ("right", "right")
    assert lived.words["OUT-15"] == "never", "there is no direct way"
    assert lived.problems == lived.life["told"]
    second = [c for c in lived.life["calls"] if c["address"] == "192.168.10.23"]
    began = lived.life["began"]
    assert {int((c["time"] - began) // (48 * 3600)) for c in second} == {1, 2, 3}
    # As the proxy's own log has it: busy in the third outage alone.
    log = (lived.run_dir / "logs/proxy-2/access.log").read_text().splitlines()
    busy = [float(line.split()[0]) - began for line in log if line.split()[4] == "503"]
    assert busy
    assert all(142 <= time / 3600 < 172 for time in busy)


def test_a_name_leads_to_servers(tmp_path: Path) -> None:
    """R-09: one address of three is silent. R-10: the name leads to another one, which DNS alone says."""
    lived = Lived(tmp_path, "--script", "names")
    assert lived.status == 0, lived.stdout + lived.stderr
    assert (lived.words["R-09"], lived.words["R-10"]) == ("right", "right")
    assert "wrong" not in lived.words.values()
    assert lived.problems == lived.life["told"]
    after = [h["time"] for h in lived.life["happenings"] if h["deed"] == "relocate"]
    called = {c["address"] for c in lived.life["calls"] if c["time"] > after[0]}
    assert called == {"192.148.6.11"}


def test_a_life_at_a_front_end(tmp_path: Path) -> None:
    """OUT-37: servers behind it do what is asked; OUT-41: a fix comes by HTTP where that is listed, too."""
    (tmp_path / "script.yaml").write_text(
        "schema: 1\nsummary: A fix\ntopology: simplified\nlasts: 3d\n"
        "events:\n  - { at: 30h, do: problem }\n  - { at: 32h, do: fix }\n"
    )
    lived = Lived(tmp_path, "--script", "script.yaml")
    assert lived.status == 0, lived.stdout + lived.stderr
    assert (lived.words["OUT-41"], lived.words["OUT-18"]) == ("right", "right")
    asked = {}
    for node in ("problems", "systems", "downloads"):
        lines = (lived.run_dir / "logs" / node / "ledger.jsonl").read_text().splitlines()
        asked[node] = {json.loads(line)["kind"].removeprefix("service: ") for line in lines}
    assert asked == {
        "problems": {"problem", "upload-declaration", "upload", "access-key"},
        "systems": {"enrolment", "inventory", "performance"},
        "downloads": {"configuration", "fix"},
    }


def test_a_users_agent_that_knows_one_proxy_alone(tmp_path: Path) -> None:
    (tmp_path / "agent.sh").write_text(
        'while :; do curl --silent --max-time 60 --proxy "${LAB_PROXIES%%,*}" --cacert "$LAB_CA_FILE" '
        "https://esupport.ibm.com/ >/dev/null; sleep 21600; done\n"
    )
    lived = Lived(tmp_path, "--script", "proxies", "--agent", "exec sh agent.sh")
    assert (lived.words["R-01"], lived.words["OUT-14"]) == ("wrong", "wrong"), lived.stdout
    found = {each["requirement"]: each["seen"] for each in lived.verdict["findings"]}
    assert "proxy-2 did not serve, and proxy-3 was not tried within 10 minutes" in found["R-01"]


def test_a_users_agent_that_has_written_down_an_address(tmp_path: Path) -> None:
    (tmp_path / "agent.sh").write_text(
        "while :; do curl --silent --max-time 60 --resolve esupport.ibm.com:443:129.42.56.189 "
        '--cacert "$LAB_CA_FILE" https://esupport.ibm.com/ >/dev/null; sleep 21600; done\n'
    )
    lived = Lived(tmp_path, "--script", "names", "--agent", "exec sh agent.sh")
    assert (lived.words["R-09"], lived.words["R-10"]) == ("wrong", "wrong"), lived.stdout
    found = {each["requirement"]: each["seen"] for each in lived.verdict["findings"]}
    assert "129.42.56.189 did not answer, and no other address of esupport.ibm.com" in found["R-09"]
    assert "to 129.42.56.189, which esupport.ibm.com had left, from day 6.5 on" in found["R-10"]


IN_CLEAR = """
while :; do
  curl --silent --max-time 5 "http://$LAB_IMM:5988/" >/dev/null
  sleep 43200
done
"""


def test_a_users_agent_that_asks_the_module_in_clear(tmp_path: Path) -> None:
    """E-04 and R-06 by the module's wire: by HTTP alone, and by HTTP beside HTTPS."""
    secure = IN_CLEAR.replace("curl", 'curl --insecure "https://$LAB_IMM:5989/"\n  curl', 1)
    for name, text, seen in (
        ("alone", IN_CLEAR, "5989 was back on day 6.5, and 5988 alone was asked"),
        ("beside", secure, "something is said to 5988, and 5989 had answered"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "agent.sh").write_text(text)
        lived = Lived(folder, "--script", "imm", "--agent", "exec sh agent.sh")
        assert (lived.words["E-04"], lived.words["R-06"]) == ("wrong", "wrong"), lived.stdout
        found = {each["requirement"]: each["seen"] for each in lived.verdict["findings"]}
        assert seen in found["R-06"]


def test_an_agent_that_does_not_subscribe_never_does_e_05(tmp_path: Path) -> None:
    lived = Lived(tmp_path, "--script", "imm", "--agent", "exec sleep infinity")
    assert lived.words["E-05"] == "never"
