"""Two runs: alike where only chance is between them, and told apart where anything else is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab import cli, codec
from lab.compare import differences, traits
from lab.compare.differences import ABOUT, RunDifference, alike
from lab.compare.wires import masked, once_in_a_row
from lab.record.record import Record
from lab.report.kept import KeptRun

RunDir = Callable[[str], Path]


def diff(first: Path, second: Path) -> tuple[RunDifference, ...]:
    return differences.find(*(traits.of(KeptRun.read(path)) for path in (first, second)))


def copy(path: Path) -> Path:
    return shutil.copytree(path, path.with_name(f"{path.name}-again"))


def change(path: Path, name: str, edit: Callable[[Any], object]) -> None:
    content = json.loads((path / name).read_text())
    edit(content)
    (path / name).write_text(json.dumps(content))


def change_events(path: Path, edit: Callable[[list[dict[str, Any]]], object]) -> None:
    file = path / "events.jsonl"
    events = [json.loads(line) for line in file.read_text().splitlines()]
    edit(events)
    file.write_text("".join(f"{json.dumps(event)}\n" for event in events))


@pytest.mark.parametrize("name", ["direct", "vpn-nat", "dial", "proxy", "vpn-two-hmcs"])
def test_a_run_differs_in_nothing_from_itself(run_dir: RunDir, name: str) -> None:
    path = run_dir(name)
    assert diff(path, copy(path)) == ()


def test_what_is_random_by_protocol_is_no_difference(run_dir: RunDir) -> None:
    first = run_dir("vpn-nat")
    second = copy(first)

    def draw_anew(events: list[dict[str, Any]]) -> None:
        for event in events:
            if event["kind"] == "l2tp-up":
                event["tunnels"] = [[1, 2]]
            if event["kind"] == "call-home-tried":
                event |= {"transaction": "SDC0009999", "seconds": event["seconds"] + 0.1}

    change_events(second, draw_anew)
    record = codec.load(Record, (second / "record.json").read_text())
    for sa in record.esp:
        sa.spi ^= 0xFFFF
    for entry in record.ledger:
        entry.peer_port = 40000 + entry.peer_port % 1000
    for session in record.ppp:
        session.opened += 0.2
    (second / "record.json").write_text(codec.dump(record))
    assert diff(first, second) == ()


def test_a_finding_is_told_in_words_and_those_that_changed_alike_together(run_dir: RunDir) -> None:
    found = diff(run_dir("vpn-nat"), run_dir("vpn-nat.wrong-psk"))
    assert [each.about for each in found] == sorted((each.about for each in found), key=ABOUT.index)
    told = {each.what: each.sentence for each in found}
    (name,) = (name for name in told if "P-02" in name)
    assert {"P-01", "P-02", "P-10"} <= {*name.split(", ")}
    assert told[name].endswith(" held in A, and failed in B")
    assert told["the fault was"] == "the fault was none in A, and wrong-psk in B"
    sentences = {each.sentence for each in found}
    assert {
        "only in A: hmc's way vpn came up",
        "only in B: hmc's way vpn did not come up",
        "only in A: CHAP, IPCP, L2TP, LCP, TCP and TLS on fw-inet",
        "only in A: hmc and vpn1 agreed on keys by IKE",
    } <= sentences
    assert len(sentences) == len(found)
    assert any(each.about == "timing" for each in found)


def about(found: tuple[RunDifference, ...]) -> set[str]:
    return {each.about for each in found}


def test_the_way_that_was_taken_is_told(run_dir: RunDir) -> None:
    first = run_dir("vpn-nat")
    second = copy(first)
    change(second, "record.json", lambda r: r["gateway_in_use"].update(hmc="vpn2"))
    (one,) = diff(first, second)
    assert one.about == "ways"
    assert one.sentence == "the gateway of hmc was vpn1 in A, and vpn2 in B"


def test_another_address_is_told(run_dir: RunDir) -> None:
    first = run_dir("vpn-nat")
    second = copy(first)
    change(second, "record.json", lambda r: r["ppp"][0].update(local_ip="10.254.9.9"))
    told = {each.sentence: each.about for each in diff(first, second)}
    sentence = "hmc's address in PPP with vpn1 was 10.254.1.2 in A, and 10.254.9.9 in B"
    assert told[sentence] == "addresses"


def test_another_suite_is_told(run_dir: RunDir) -> None:
    first = run_dir("vpn-nat")
    second = copy(first)
    change(second, "record.json", lambda r: r["ike"][0].update(esp_encryption="AES_CBC"))
    (one,) = diff(first, second)
    assert one.about == "protocols"
    assert one.sentence == (
        "hmc's ESP with vpn1 was 3DES_CBC/HMAC_MD5_96 in TUNNEL mode in A, "
        "and AES_CBC/HMAC_MD5_96 in TUNNEL mode in B"
    )


def test_another_order_is_told_by_its_first_step(run_dir: RunDir) -> None:
    first = run_dir("vpn-nat")
    second = copy(first)

    def swap(events: list[dict[str, Any]]) -> None:
        up = next(e for e in events if e["kind"] == "ppp-up")
        way = next(e for e in events if e["kind"] == "way-up")
        up["time"], way["time"] = way["time"] + 1, up["time"] - 1

    change_events(second, swap)
    (one,) = diff(first, second)
    assert one.about == "order"
    assert one.sentence == (
        "“hmc and vpn1 agreed on keys by IKE” came before “hmc's way vpn came up” in A, and after it in B"
    )


def test_packets_in_another_order_are_told(run_dir: RunDir) -> None:
    """The capture of the telephone lines alone is another one: that of a call with a wrong password."""
    first = run_dir("dial")
    second = copy(first)
    shutil.copyfile(
        run_dir("dial.wrong-pap-password") / "wire/pstn.pcapng", second / "wire/pstn.pcapng"
    )
    found = diff(first, second)
    told = {each.what: each for each in found}
    assert "PAP Authenticate-Nak" in told["what called said to caller by PAP had"].second


def test_what_comes_while_the_lab_is_taken_down_is_not_compared(run_dir: RunDir) -> None:
    first = run_dir("vpn-nat")
    second = copy(first)

    down = {"gateway": "vpn1", "interface": "ppp0", "exit_status": 5, "cause": None, "detail": ""}

    def end_otherwise(events: list[dict[str, Any]]) -> None:
        last = max(event["time"] for event in events)
        events.append({"time": last + 5, "source": "hmc", "kind": "ppp-down", **down})

    change_events(second, end_otherwise)
    assert diff(first, second) == ()
    change_events(second, lambda events: events[-1].update(time=events[0]["time"] + 1))
    (one,) = diff(first, second)
    assert one.sentence == "only in B: hmc's PPP with vpn1 ended"


def test_a_number_that_is_not_drawn_is_told(run_dir: RunDir) -> None:
    first = run_dir("vpn-nat")
    second = copy(first)
    probed = [
        {
            "time": 0.0,
            "source": "hmc",
            "kind": "probed",
            "port": 22,
            "destination": "10.0.0.9",
            "answered": False,
            "address": "10.0.0.1",
        }
    ]
    change_events(second, lambda events: events.extend(probed))
    change_events(first, lambda events: events.extend([{**probed[0], "port": 23}]))
    assert [each.sentence for each in diff(first, second)] == [
        "only in A: hmc tried TCP 23 of 10.0.0.9, and got no answer",
        "only in B: hmc tried TCP 22 of 10.0.0.9, and got no answer",
    ]
    change_events(first, lambda events: events[-1].update(port=22, answered=True))
    (one,) = diff(first, second)
    assert (
        one.sentence
        == "hmc tried TCP 22 of 10.0.0.9, and was answered in A, and got no answer in B"
    )


def test_a_packet_to_somebody_else_is_told(run_dir: RunDir) -> None:
    first, second = run_dir("direct"), run_dir("direct.address-moved")
    found = diff(first, second)
    told = {each.sentence for each in found}
    assert "only in A: sdc 129.42.56.189:443 took a TCP connection of hmc 203.0.113.10" in told
    assert not any(each.second for each in found if "took a TCP connection" in each.sentence)


def test_durations_differ_by_class_and_not_by_what_a_busy_machine_adds(run_dir: RunDir) -> None:
    assert alike(0.1, 4.0)
    assert alike(26.2, 31.0)
    assert not alike(1.0, 7.0)
    assert not alike(30.0, 61.0)

    first = run_dir("vpn-nat")
    second = copy(first)
    change(second, "record.json", lambda r: r["calls"][0].update(ended=r["calls"][0]["ended"] + 1))
    assert diff(first, second) == ()
    change(second, "record.json", lambda r: r["calls"][0].update(ended=r["calls"][0]["ended"] + 60))
    (one,) = diff(first, second)
    assert (one.about, one.what) == ("timing", "call home 1 of hmc took")


def test_only_ports_that_kernels_draw_are_masked() -> None:
    assert masked(("hmc 10.0.0.1:40000", "sdc 10.0.0.2:443")) == (
        "hmc 10.0.0.1",
        "sdc 10.0.0.2:443",
    )
    assert masked(("sdc 10.0.0.2:443", "hmc 10.0.0.1:40000")) == (
        "sdc 10.0.0.2:443",
        "hmc 10.0.0.1",
    )
    assert masked(("a:40000", "b:50000")) == ("a:40000", "b:50000")
    # A NAT draws them, too.
    assert masked(("a 10.0.0.1:500", "b 10.0.0.2:83")) == ("a 10.0.0.1:500", "b 10.0.0.2")
    assert masked(("a 10.0.0.1:500", "b 10.0.0.2:500")) == ("a 10.0.0.1:500", "b 10.0.0.2:500")
    assert [*once_in_a_row(["a", "a", "b", "a"])] == ["a", "b", "a"]


def test_the_command_says_by_its_status_whether_they_differ(
    run_dir: RunDir, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    first = run_dir("direct")
    second = copy(first)
    assert cli.main(["diff", str(first), str(second)]) == 0
    assert "differ in nothing but what is random" in capsys.readouterr().out

    assert cli.main(["diff", "--json", str(first), str(run_dir("direct.blocked-443"))]) == 1
    content = json.loads(capsys.readouterr().out)
    assert content["same"] is False
    assert {"about", "what", "first", "second", "only", "sentence"} == content["differences"][
        0
    ].keys()

    assert cli.main(["diff", str(first), str(tmp_path / "nowhere")]) == 2
    assert "there is no run directory" in capsys.readouterr().err


def test_what_cannot_be_compared_is_no_sameness(
    run_dir: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    first = run_dir("direct")
    second = copy(first)
    for path in (first, second):
        (path / "record.json").unlink()
    assert cli.main(["diff", str(first), str(second)]) == 1
    told = capsys.readouterr()
    assert "record.json is missing" in told.err
    assert "differ in nothing that can be compared" in told.out


@pytest.mark.parametrize(
    "name", ["record.json", "verdict.json", "events.jsonl", "keys/model.json", "wire"]
)
def test_what_one_run_lacks_is_no_difference(run_dir: RunDir, name: str) -> None:
    first = run_dir("direct")
    second = copy(first)
    if name == "wire":
        for path in (second / name).glob("*.pcapng"):
            path.unlink()
    else:
        (second / name).unlink()
    shown = [traits.of(KeptRun.read(path)) for path in (first, second)]
    assert shown[1].lacking
    assert [each.sentence for each in differences.find(*shown)] == []
    assert [each.sentence for each in differences.find(*reversed(shown))] == []


def test_a_difference_is_a_sentence() -> None:
    one = RunDifference(
        about="events", what="what hmc told", first="", second="hmc left", only=True
    )
    assert one.sentence == "only in B: hmc left"
    assert replace(one, only=False, what="it was", first="a", second="b").sentence == (
        "it was a in A, and b in B"
    )
