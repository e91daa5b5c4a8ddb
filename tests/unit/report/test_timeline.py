"""The timeline has what happened, in order, from every source, and no secret."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab import report
from lab.life.events import LEDGER, LifeBegun, LifeHappened, LifePassed
from lab.record.story import Story
from lab.report import life_lines, milestones, opening_words, timeline
from lab.report.timeline import Entry
from lab.secret import Secret
from lab.verify.case import Case
from lab.wire import decode
from tests.unit.report.conftest import judged

RunDir = Callable[[str], Path]


def written(path: Path) -> list[Entry]:
    case, result = judged(path)
    timeline.write(case, result)
    return timeline.read(path)


def texts(found: list[Entry], kind: str) -> list[str]:
    return [each["text"] for each in found if each["kind"] == kind]


def test_everything_is_there_in_the_order_of_time(run_dir: RunDir) -> None:
    found = written(run_dir("vpn-nat"))
    times = [each["time"] for each in found]
    assert times == sorted(times)
    assert all({"time", "kind", "source", "text"} <= each.keys() for each in found)
    assert {"event", "packet", "ledger", "finding"} <= {each["kind"] for each in found}


def test_the_conversation_of_the_vpn_is_told_from_ike_to_tcp(run_dir: RunDir) -> None:
    told = [
        each["text"].partition(" hmc")[0].partition(" vpn1")[0]
        for each in written(run_dir("vpn-nat"))
        if each["kind"] == "packet"
    ]
    steps = [
        "IKEv1 main mode",
        "IKEv1 quick mode",
        "SCCRQ",
        "SCCRP",
        "SCCCN",
        "ICRQ",
        "ICRP",
        "ICCN",
        "LCP Configure-Request",
        "CHAP Challenge",
        "CHAP Response",
        "CHAP Success",
        "IPCP Configure-Request, 0.0.0.0",
        "SYN",
        "SYN-ACK sdc 129.42.160.48:443 ->",
        "FIN",
    ]
    places = [told.index(step) for step in steps]
    assert places == sorted(places)


def test_hellos_alerts_and_what_a_proxy_refuses_are_told(run_dir: RunDir) -> None:
    told = [e for e in written(run_dir("proxy")) if e["kind"] == "packet"]
    words = [each["text"].partition(" hmc")[0].partition(" proxy")[0] for each in told]
    assert words.index("SYN") < words.index("CONNECT esupport.ibm.com:443")
    assert words.index("CONNECT esupport.ibm.com:443") < words.index("ClientHello")
    assert "TLS" in {each["protocol"] for each in told}

    refused = written(run_dir("proxy.proxy-refuses-connect"))
    assert any(
        each["text"].startswith("status 403 ") for each in refused if each["kind"] == "packet"
    )
    assert not any(each["text"].startswith("ClientHello") for each in refused)

    old = texts(written(run_dir("direct.old-tls-only")), "packet")
    assert any(text.startswith("alert protocol_version ") for text in old)


@pytest.mark.parametrize(
    ("payload", "wanted"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00", ("TLS", "ClientHello")),
        (b"\x16\x03\x03\x00\x7a\x02\x00", ("TLS", "ServerHello")),
        (b"\x15\x03\x03\x00\x02\x02\x28", ("TLS", "alert handshake_failure")),
        (b"\x15\x03\x03\x00\x02\x02\xf0", ("TLS", "alert 240")),
        (b"\x15\x03\x03\x00\x02\x01\x00", None),  # close_notify, no refusal
        (b"\x15\x03\x03\x00\x13" + bytes(19), None),  # encrypted
        (b"\x17\x03\x03\x00\x02\x01\x00", None),
        (
            b"CONNECT a.test:443 HTTP/1.1\r\nProxy-Authorization: Basic c2VjcmV0\r\n",
            ("HTTP", "CONNECT a.test:443"),
        ),
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n", ("HTTP", "status 407")),
        (b"HTTP/1.1 200 OK\r\n", None),
        (b"GET /secret HTTP/1.1\r\n", None),
        (b"\x16", None),
        (b"", None),
    ],
)
def test_opening_words(payload: bytes, wanted: tuple[str, str] | None) -> None:
    assert opening_words.read(payload) == wanted


def test_a_packet_is_told_once_with_the_wires_that_it_came_to(run_dir: RunDir) -> None:
    path = run_dir("direct-snat")
    found = written(path)
    syn = next(e for e in found if e["kind"] == "packet" and e["text"].startswith("SYN hmc"))
    wire = decode.read_all(path / "wire")
    places = [(syn["segment"], syn["frame"]), *map(tuple, syn["also"])]
    packets = [frame.ip for segment, n in places for frame in wire[segment] if frame.number == n]
    assert len(places) > 2
    assert len({p.tcp_sequence for p in packets if p}) == 1
    # NAT has changed who sends.
    assert len({p.source for p in packets if p}) == 2
    assert all(p and p.is_bare_syn for p in packets)


def test_a_packet_that_a_node_dropped_ends_there(run_dir: RunDir) -> None:
    found = written(run_dir("vpn-nat.drop-udp-500"))
    ike = [each for each in found if each.get("protocol") == "ISAKMP"]
    assert ike
    # The firewall drops them: none comes to another wire, and each retransmission is told anew.
    assert not any(each.get("also") for each in ike)
    assert len(ike) > 2


def test_the_dialogue_with_the_modem_is_there(run_dir: RunDir) -> None:
    found = written(run_dir("dial"))
    said = texts(found, "at")
    dialled = next(i for i, text in enumerate(said) if text.startswith("-> ATDT"))
    assert any("CONNECT" in text for text in said[dialled:] if text.startswith("<-"))
    assert "PAP Authenticate-Request caller -> called" in texts(found, "packet")


def test_milestones_come_from_logs_with_the_time(run_dir: RunDir) -> None:
    path = run_dir("vpn-nat")
    folder = path / "logs" / "hmc"
    folder.mkdir(parents=True)
    (folder / "charon.log").write_text(
        "1796057839.873 00[JOB] spawning 8 worker threads\n"
        "1796057840.052 07[IKE] <hmc-vpn1|1> IKE_SA hmc-vpn1[1] established between a...b\n"
        "1796057840.052 07[IKE] <hmc-vpn1|1> scheduling reauthentication in 604800s\n"
        "cut off"
    )
    (folder / "syslog").write_text(
        "2026-11-30T16:57:20.292Z <149>Nov 30 16:57:20 pppd[12]: CHAP authentication succeeded\n"
        "2026-11-30T16:57:20.292Z <151>Nov 30 16:57:20 pppd[12]: sent [LCP EchoReq id=0x0 failed]\n"
        "2026-11-30T16:57:21.000Z <149>Nov 30 16:57:21 hello: started by chance\n"
    )
    (folder / "xl2tpd.log").write_text(
        "xl2tpd[11]: Connection established to 1.1.1.1\n"
        "2026-11-30T16:57:20.100003Z xl2tpd[11]: Listening on IP address 1.2.3.4, port 1701\n"
        "2026-11-30T16:57:20.100004Z xl2tpd[11]: Connection established to 1.2.3.4, 1701.\n"
    )
    (folder / "sshd.log").write_text(
        "2026-11-30T16:57:23.500000Z Server listening on 1.2.3.4 port 22.\n"
        "2026-11-30T16:57:24.500000Z Accepted publickey for ibm from 1.2.3.4 port 9 ssh2\n"
    )
    (folder / "pppd.log").write_text("CHAP authentication succeeded\n")
    assert [(m.time, m.program, m.text) for m in milestones.find(path)] == [
        (1796057840.052, "charon", "IKE_SA hmc-vpn1[1] established between a...b"),
        (1796057840.100004, "xl2tpd", "Connection established to 1.2.3.4, 1701."),
        (1796057840.292, "pppd", "CHAP authentication succeeded"),
        (1796057844.5, "sshd", "Accepted publickey for ibm from 1.2.3.4 port 9 ssh2"),
    ]


@pytest.mark.parametrize(
    ("text", "tells"),
    [
        ("Connecting to host 129.42.160.16, port 1701", True),
        ("Connection established to 1.2.3.4, 1701.  Local: 1, Remote: 2 (ref=0/0).", True),
        ("Calling on tunnel 29192", True),
        ("Call established with 1.2.3.4, Local: 1, Remote: 2, Serial: 1 (ref=0/0)", True),
        ("parameters: Local: 1 , Remote: 2 , Serial: 1 , Pid: 2 , Tunnelid: 3 , Phoneid: 4", True),
        ("control_finish: Connection closed to 1.2.3.4, serial 1 (Goodbye!)", True),
        ("control_finish: Connection closed to 1.2.3.4, port 1701 (No access), Local: 1", True),
        ("Connection 33253 closed to 1.2.3.4, port 1701 (Goodbye!)", True),
        ("call_close: Call 47800 to 1.2.3.4 disconnected", True),
        ("lac_hangup :Hanging up call 1, Local: 1, Remote: 2", True),
        ("Maximum retries exceeded for tunnel 5.  Closing.", True),
        ("Unable to deliver closing message for tunnel 5. Destroying anyway.", True),
        ("control_finish: Denied connection to unauthorized peer 1.2.3.4", True),
        ("control_finish: Invalid authentication for host 'hmc'", True),
        ("control_finish: No secret key for authenticating 'hmc'", True),
        ("Out of IP addresses on tunnel 5!", True),
        ("peer closing for reason 2 (Error), error = 6 (all lines are busy)", True),
        ("child_handler : pppd exited for call 45146 with code 5", True),
        ("death_handler: Fatal signal 15 received", True),
        ("Written by Mark Spencer, Copyright (C) 1998, Adtran, Inc.", False),
        ("Listening on IP address 192.168.10.10, port 1701", False),
        ("control_finish: Warning: Peer did not specify transmit speed", False),
        ('"/etc/ppp/options.lns" ', False),
        ("1: Control xmit on 33253", False),
        (
            "Tunnel vpn1-0, ID = 1 (local), 2 (remote) to 1.2.3.4:1701, cLr = 4, call count = 1",
            False,
        ),
        ("LAC entry vpn1-0, LNS is/are:", False),
    ],
)
def test_what_tells_of_xl2tpd(tmp_path: Path, text: str, tells: bool) -> None:
    log = tmp_path / "logs" / "hmc" / "xl2tpd.log"
    log.parent.mkdir(parents=True)
    log.write_text(f"2026-11-30T16:57:20.100004Z xl2tpd[11]: {text}\n")
    assert [each.text for each in milestones.find(tmp_path)] == [text.strip()] * tells


def names_told(tmp_path: Path, *texts: str) -> list[str]:
    """The milestones that a log of dnsmasq with these lines has, a second apart, each with its second."""
    log = tmp_path / "logs" / "firewall" / "dnsmasq.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(
        "".join(
            f"2026-11-30T16:57:{second:02}.000000Z dnsmasq[2]: {text}\n"
            for second, text in enumerate(texts)
        )
    )
    started = 1796057820
    return [f"{m.time - started:g} {m.text}" for m in milestones.find(tmp_path)]


def asked(name: str, kind: str = "A") -> tuple[str, str]:
    return f"query[{kind}] {name} from 192.168.10.10", f"forwarded {name} to 203.0.113.54"


def test_of_names_only_what_leads_nowhere_is_told_and_once(tmp_path: Path) -> None:
    known = ("reply a.test is <CNAME>", "reply b.test is 129.42.160.48")
    ask = (*asked("a.test"), *asked("a.test", "AAAA"))
    assert names_told(tmp_path, *ask, *known, "reply a.test is NODATA-IPv6") == []
    assert names_told(
        tmp_path,
        "started, version 2.90 cachesize 150",
        *asked("no.test"),
        "reply no.test is NXDOMAIN",
        *asked("no.test"),
        "reply no.test is NXDOMAIN",
        "query[A] no.test from 192.168.10.10",
        "cached no.test is NXDOMAIN",
    ) == ["3 reply no.test is NXDOMAIN"]
    assert names_told(
        tmp_path, "query[A] no.test from 198.51.100.2", "config no.test is NXDOMAIN"
    ) == ["1 config no.test is NXDOMAIN"]


@pytest.mark.parametrize("outcome", ["NXDOMAIN", "REFUSED", "SERVFAIL"])
def test_a_name_that_is_known_again_is_told_as_well(tmp_path: Path, outcome: str) -> None:
    ask, good = asked("a.test"), "reply a.test is 129.42.160.48"
    bad = f"reply a.test is {outcome}"
    assert names_told(tmp_path, *ask, good, *ask, bad, *ask, bad, *ask, good, *ask, good) == [
        f"5 {bad}",
        f"11 {good}",
    ]


def test_a_server_that_stays_silent_is_told_once_a_name(tmp_path: Path) -> None:
    twice = (*asked("a.test"), *asked("a.test", "AAAA"))
    silent = "forwarded a.test to 203.0.113.54: no answer"
    # Asked again means not answered; the last question of a log is answered by nobody.
    assert names_told(tmp_path, *twice) == [f"1 {silent}"]
    assert names_told(tmp_path, *twice, *twice, *twice, *asked("b.test")) == [
        f"1 {silent}",
        "13 forwarded b.test to 203.0.113.54: no answer",
    ]
    good = "reply a.test is 129.42.160.48"
    assert names_told(tmp_path, *twice, *twice, good, *twice, good) == [f"1 {silent}", f"8 {good}"]
    # Who answered: another server, which does not say of what.
    failed = "reply error is SERVFAIL"
    assert names_told(tmp_path, *twice, failed, *twice, good) == [f"4 {failed}"]


def test_trouble_with_a_server_is_told(tmp_path: Path) -> None:
    text = "nameserver 203.0.113.54 refused to do a recursive query"
    other = "failed to send packet: Operation not permitted"
    assert names_told(tmp_path, text, other, text, other) == [f"0 {text}", f"1 {other}"]
    good = (*asked("a.test"), "reply a.test is 129.42.160.48")
    assert names_told(tmp_path, text, *good, text) == [f"0 {text}", f"4 {text}"]


def a_life(run_dir: RunDir) -> Path:
    """A recorded run with what a life leaves beside it."""
    path = run_dir("direct")
    story = Story(path, silent=True)
    at = story.started
    begun = LifeBegun(source="hmc", program="the lab's own agent", own=True, lasts_s=9e4, time=at)
    story.tell(begun)
    story.tell(LifeHappened(source="firewall", deed="outage", subject="fw-inet", time=at + 10))
    story.tell(LifePassed(source="firewall", subject="fw-inet", time=at + 20))
    story.tell(LifeHappened(source="hmc", deed="clock", subject="by +5 s", by_s=5, time=at + 30))
    noted = [
        {"time": at + 5, "event": "queued", "report": "heartbeat-1", "kind": "heartbeat"},
        {"time": at + 40, "event": "acknowledged", "report": "heartbeat-1", "way": "internet"},
    ]
    ledger = path / "logs" / "hmc" / LEDGER
    ledger.parent.mkdir(parents=True, exist_ok=True)
    ledger.write_text("".join(f"{json.dumps(each)}\n" for each in noted) + '{"time": 17')
    return path


def test_a_life_is_told_with_its_script_and_its_agent_and_without_packets(run_dir: RunDir) -> None:
    path = a_life(run_dir)
    found = written(path)
    assert {each["kind"] for each in found} == {"event", "script", "agent", "ledger", "finding"}
    begun = next(each["time"] for each in found if each.get("event") == "life-begun")
    own = [each for each in found if each["kind"] in ("script", "agent")]
    assert [(round(e["time"] - begun, 3), e["kind"], e["source"], e["text"]) for e in own] == [
        (5, "agent", "hmc", "queued, report heartbeat-1, kind heartbeat"),
        (10, "script", "firewall", "firewall: outage fw-inet"),
        (20, "script", "firewall", "firewall: fw-inet is back"),
        (30, "script", "hmc", "hmc: clock by +5 s"),
        # By the lab's clock, and not by the agent's, which is ahead by now.
        (35, "agent", "hmc", "acknowledged, report heartbeat-1, way internet"),
    ]
    # Without such an event it is a run, and what is in the ledger's place is nobody's.
    other = run_dir("direct-snat")
    (other / "logs" / "hmc").mkdir(parents=True, exist_ok=True)
    shutil.copy(path / "logs" / "hmc" / LEDGER, other / "logs" / "hmc" / LEDGER)
    assert (
        {"packet"} < {e["kind"] for e in written(other)} <= {"event", "packet", "ledger", "finding"}
    )


@pytest.mark.parametrize(
    ("leaps", "told", "was"),
    [
        ([], [1, 2, 3], [1, 2, 3]),
        ([(10, 5)], [1, 9, 15, 16, 30], [1, 9, 10, 11, 25]),
        ([(10, 5), (20, 100)], [9, 15, 24, 125], [9, 10, 19, 20]),
        # Backwards a time comes twice: the second time it is before a line that came earlier.
        ([(10, -5)], [1, 9, 6, 9, 20], [1, 9, 11, 14, 25]),
        ([(10, 5), (20, -5)], [9, 15, 24, 20, 30], [9, 10, 19, 20, 30]),
        # The agent's program takes the leap in a moment later than it was told.
        ([(10, 500)], [9, 10.5, 511], [9, 10.5, 11]),
    ],
)
def test_the_time_of_an_agent_whose_clock_leaps_is_the_labs(
    leaps: list[tuple[float, float]], told: list[float], was: list[float]
) -> None:
    assert [*life_lines.by_the_labs_clock(told, leaps)] == was


def test_fault_and_findings_are_there(run_dir: RunDir) -> None:
    found = written(run_dir("vpn-nat.wrong-psk"))
    (fault,) = texts(found, "fault")
    assert "wrong-psk" in fault
    failed = [each for each in found if each["kind"] == "finding" and each["verdict"] == "fail"]
    assert {"P-01", "P-02"} <= {each["requirement"] for each in failed}
    first = next(each for each in failed if each["requirement"] == "P-01")
    evidence = first["evidence"][0]
    shown = [
        each
        for each in found
        if each["kind"] == "packet"
        and (each["segment"], each["frame"])
        in {(evidence["segment"], n) for n in evidence["frames"]}
    ]
    assert all(each["time"] >= first["time"] for each in shown)


@pytest.mark.parametrize("name", ["vpn-nat", "dial", "proxy-auth", "vpn-dial"])
def test_no_secret_of_the_run_is_in_it(run_dir: RunDir, name: str) -> None:
    path = run_dir(name)
    case, result = judged(path)
    timeline.write(case, result)
    text = (path / timeline.TIMELINE).read_text()
    secrets = _secrets(case.topology)
    assert secrets
    assert [each for each in secrets if each in text] == []


def _secrets(value: Any) -> set[str]:
    """Every secret of a model."""
    if isinstance(value, Secret):
        return {value.reveal()}
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, list | tuple):
        return {each for part in value for each in _secrets(part)}
    names = getattr(type(value), "__dataclass_fields__", ())
    return {each for name in names for each in _secrets(getattr(value, name))}


@pytest.mark.parametrize(("name", "again"), [("first.txt", False), (report.PAGE, True)])
def test_a_writer_that_fails_is_told_in_one_line_and_the_others_write(
    run_dir: RunDir,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    again: bool,
) -> None:
    case, result = judged(run_dir("direct"))

    def broken(_case: Case, _result: object) -> None:
        raise ValueError("it is broken\nand how")

    monkeypatch.setattr(report, "WRITERS", {**report.WRITERS, name: broken})
    report.write(case, result)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"lab: {name} of ")
    assert "it is broken" in line
    assert ("`lab report " in line) == again, "that makes the page alone"
    assert timeline.read(case.run_dir)
