"""The report: all of a run on one page, whatever the run was, and nothing that is not to be told."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest

from lab.linux import configuration
from lab.report import findings, html, page, redaction
from lab.report.material import Material
from lab.report.timeline import TIMELINE
from lab.topology.claims import requirement_ids
from lab.verify.finding import Verdict
from tests.unit.report.conftest import judged

RunDir = Callable[[str], Path]
MOST_BYTES = 2_000_000
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{x}</pre></title><!--"
KINDS = (
    "direct",
    "direct-ipv6",
    "vpn-nat",
    "vpn-nat.wrong-psk",
    "vpn-nat.drop-udp-4500",
    "vpn-nat.wrong-chap-secret",
    "vpn-dial",
    "dial",
    "dial.busy",
    "dial.wrong-pap-password",
    "proxy-auth",
    "proxy.proxy-refuses-connect",
    "pass-through-vpn",
    "pass-through-modem",
    "consoles-failover",
    "service-modem",
    "simplified.back-end-down",
)
"""A recording of each kind of way, and faults of each."""
GOOD = (
    "direct",
    "direct-ipv6",
    "direct-names",
    "dual-stack",
    "vpn",
    "vpn-nat",
    "vpn-dial",
    "dial",
    "proxy-auth",
    "pass-through-vpn",
    "pass-through-modem",
    "service-vpn",
)
"""Recordings of ways that came up at once."""
VOID = {"meta", "input", "br", "img", "hr", "link"}


class PageOutline(HTMLParser):
    """Checks that tags close in their order, and keeps what the page is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    @property
    def ids(self) -> list[str]:
        return [own for _, attrs in self.tags if (own := attrs.get("id"))]


def outline(text: str) -> PageOutline:
    found = PageOutline()
    found.feed(text)
    found.close()
    assert not found.open
    return found


def made(run_dir: Path) -> str:
    case, result = judged(run_dir)
    html.write(case, result)
    return (run_dir / html.REPORT).read_text()


@pytest.fixture(scope="session")
def pages(unpacked: Callable[[str], Path]) -> Callable[[str], str]:
    """The report of a recording, made once."""
    there: dict[str, str] = {}

    def make(name: str) -> str:
        if name not in there:
            there[name] = made(unpacked(name))
        return there[name]

    return make


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_way_has_a_whole_page(pages: Callable[[str], str], name: str) -> None:
    text = pages(name)
    found = outline(text)

    assert len(text.encode()) < MOST_BYTES
    assert "Not all of this run can be shown" not in text
    assert len(found.ids) == len({*found.ids})
    targets = [a["href"] or "" for tag, a in found.tags if tag == "a"]
    assert {each.removeprefix("#") for each in targets} <= {*found.ids}
    for part in ("findings", "picture", "conversation", "traffic", "rules", "settings"):
        assert part in found.ids, part


@pytest.mark.parametrize("name", KINDS)
def test_a_page_asks_nobody_for_anything(pages: Callable[[str], str], name: str) -> None:
    for tag, attrs in outline(pages(name)).tags:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base", "form"), tag
        assert not {"src", "style", "action"} & attrs.keys(), attrs
        assert not [each for each in attrs if each.startswith("on")], attrs
        assert (attrs.get("href") or "#").startswith("#"), attrs
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest", pages(name))


def test_the_policy_lets_the_pages_own_style_and_script_run_and_no_other(
    pages: Callable[[str], str],
) -> None:
    text = pages("direct")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert "default-src &#x27;none&#x27;" in policy[1]
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(__import__("hashlib").sha256(content.encode()).digest()).decode()
        assert f"{tag}-src &#x27;sha256-{digest}&#x27;" in policy[1]


def test_the_diagnosis_comes_before_the_findings_and_what_failed_is_open(
    pages: Callable[[str], str], run_dir: RunDir
) -> None:
    text = pages("vpn-nat.wrong-psk")
    places = [text.index(word) for word in ("✕ fail", "Diagnosis", 'id="findings"', 'id="picture"')]
    assert places == sorted(places)
    result = judged(run_dir("vpn-nat.wrong-psk"))[1]
    heads = {f.requirement for f in result.findings if f.verdict is Verdict.failed and f.shown}
    assert heads
    own = {
        (a.get("id") or "").removeprefix("finding-"): "open" in a
        for tag, a in outline(text).tags
        if tag == "details" and (a.get("id") or "").startswith("finding-")
    }
    assert {name for name, is_open in own.items() if is_open} == heads
    assert own.keys() == {f.requirement for f in result.findings}
    assert re.search(r"\d+ more findings follow from", text)
    assert "broke first" in text


def test_the_ladder_of_a_vpn_goes_from_ike_to_tls(pages: Callable[[str], str]) -> None:
    found = outline(pages("vpn-nat")).text
    steps = (
        "Main mode 1: offers", "Main mode 2", "Main mode 6", "Quick mode", "SCCRQ", "SCCRP", "SCCCN", "ICRQ",
        "ICRP", "ICCN", "Configure-Request", "Challenge", "Response", "Success",
        "SYN: opens a connection to port 443", "ClientHello", "ServerHello",
    )  # fmt: skip
    at = 0
    for step in steps:
        at = found.index(step, at)


def test_the_ladder_of_a_call_goes_from_the_modem_to_tls(pages: Callable[[str], str]) -> None:
    found = outline(pages("dial")).text
    at = 0
    steps = ("ATDT18005550100", "CONNECT 33600", "Configure-Request, with PAP", "Authenticate-Request",
             "Authenticate-Ack", "Configure-Nak: ", "ClientHello")  # fmt: skip
    for step in steps:
        at = found.index(step, at)


@pytest.mark.parametrize("name", ["direct", "vpn-nat", "dial", "vpn-nat.wrong-psk"])
def test_every_frame_that_a_finding_names_leads_to_a_packet(
    pages: Callable[[str], str], name: str
) -> None:
    text = pages(name)
    for frames in re.findall(r"<dt>Frames</dt><dd>(.*?)</dd>", text):
        assert not re.search(r"(?:: |, )\d", re.sub(r"<a .*?</a>", "", frames)), frames


def test_an_arrow_opens_the_packet_with_its_layers(pages: Callable[[str], str]) -> None:
    text = pages("vpn-nat")
    row = text[text.index("ClientHello") :]
    packet = row[: row.index("</details>")]
    for layer in (
        "Ethernet",
        "Internet Protocol",
        "ESP",
        "Layer 2 Tunneling",
        "Transport Layer Security",
    ):
        assert layer.lower() in packet.lower(), layer


def test_repeated_data_is_one_arrow_with_a_number(pages: Callable[[str], str]) -> None:
    assert re.search(r'data <span class="times">\(\d+ packets, ', pages("direct"))


def test_a_packet_that_was_lost_says_where(pages: Callable[[str], str]) -> None:
    found = outline(pages("vpn-nat.drop-udp-4500")).text
    assert "not seen unchanged beyond firewall" in found
    assert "✕ kept or changed 7 packets" in found


@pytest.mark.parametrize("name", GOOD)
def test_nothing_is_lost_or_unanswered_where_nothing_was(
    pages: Callable[[str], str], name: str
) -> None:
    for told in ("not seen unchanged", "✕ no answer", "✕ kept or changed"):
        assert told not in pages(name)


def test_a_question_without_an_answer_is_flagged(pages: Callable[[str], str]) -> None:
    assert "✕ no answer" in pages("pass-through-vpn.i5-silent")
    assert "✕ no answer" not in pages("vpn-nat")


def test_requests_are_commands_for_curl(pages: Callable[[str], str]) -> None:
    found = outline(pages("direct")).text
    assert (
        'curl --silent --show-error --include --cacert "$LAB_CA_FILE" '
        "--resolve esupport.ibm.com:443:129.42.56.189 --request POST --data-binary @body "
        "https://esupport.ibm.com/heartbeat" in found
    )


def test_what_comes_from_a_run_is_escaped(run_dir: RunDir) -> None:
    path = run_dir("direct")
    record = json.loads((path / "record.json").read_text())
    entry = next(each for each in record["ledger"] if each["method"])
    entry |= {"target": f"/{HOSTILE}", "system": HOSTILE, "server": HOSTILE, "detail": HOSTILE}
    (path / "record.json").write_text(json.dumps(record))
    log = path / "logs" / HOSTILE.replace("/", "") / "agent.log"
    log.parent.mkdir(parents=True)
    log.write_text(HOSTILE * 3 + "\x00\x1b[31m")
    text = made(path)

    tags = [tag for tag, _ in outline(text).tags]
    assert tags.count("script") == 1
    assert "img" not in tags
    assert text.count("<title>") == 1 + text.count("<title>", text.index("<body>"))
    assert "alert(1)" in text
    assert not re.search(r"[\x00\x1b]", text)


def test_no_secret_is_in_any_artefact(run_dir: RunDir) -> None:
    path = run_dir("vpn-nat")
    secrets = redaction.secrets_of(path, judged(path)[0].topology)
    assert len(secrets) >= 6
    log = path / "logs" / "hmc" / "agent.log"
    log.parent.mkdir(parents=True)
    told = [form(each) for each in secrets for form in FORMS]
    log.write_text("\n".join(told))
    text = made(path)

    assert redaction.SHOWN in text
    for each in secrets:
        for form in FORMS:
            assert form(each) not in text, form
    for name in ("verdict.json", "events.jsonl", "record.json", TIMELINE):
        content = (path / name).read_text() if (path / name).exists() else ""
        assert not [each for each in secrets for form in FORMS if form(each) in content], name


FORMS: tuple[Callable[[str], str], ...] = (
    str,
    lambda text: text.encode().hex(),
    lambda text: base64.b64encode(text.encode()).decode().rstrip("="),
    lambda text: quote(text, safe=""),
)
"""Ways to write a secret that come about by themselves."""


@pytest.mark.parametrize("user", ["", "a", "ab", "abc"])
def test_a_secret_in_a_log_in_of_http_is_found(user: str) -> None:
    digits = base64.b64encode(f"{user}:hunter2 & co\n".encode()).decode()
    told = redaction.without(f"Authorization: Basic {digits}", ["hunter2 & co"])
    assert redaction.SHOWN in told
    assert digits[len(user) + 4 : -6] not in told


def test_a_long_log_is_cut_and_says_where_all_of_it_is(run_dir: RunDir) -> None:
    path = run_dir("direct")
    log = path / "logs" / "hmc" / "agent.log"
    log.parent.mkdir(parents=True)
    log.write_text("first\n" + "x" * 3_000_000 + "\nlast\n")
    text = made(path)

    assert len(text) < MOST_BYTES
    assert "first" in text
    assert "last" in text
    assert "all of it is in logs/hmc/agent.log" in text


def test_what_daemons_were_told_is_shown(run_dir: RunDir) -> None:
    path = run_dir("direct")
    told = path / configuration.FOLDER / "hmc" / HOSTILE.replace("/", "")
    told.parent.mkdir(parents=True)
    told.write_text(f"ike = 4 {HOSTILE}\n")
    (told.parent / "zz.conf").write_text("first\n" + "x" * 3_000_000 + "\nlast\n")
    text = made(path)

    assert len(text) < MOST_BYTES
    assert "ike = 4" in text
    assert "all of it is in etc/hmc/zz.conf" in text
    assert [tag for tag, _ in outline(text).tags].count("script") == 1


def test_every_requirement_says_why_it_matters() -> None:
    assert set(findings.reasons()) == set(requirement_ids())
    assert all(why.endswith(".") for why in findings.reasons().values())


# -- run directories that are not whole ------------------------------------------------------------


def remade(path: Path) -> str:
    html.remake(path)
    return (path / html.REPORT).read_text()


def test_a_report_can_be_made_again(run_dir: RunDir, pages: Callable[[str], str]) -> None:
    path = run_dir("vpn-nat")
    assert outline(remade(path)).ids == outline(pages("vpn-nat")).ids


def test_a_capture_that_is_cut_off_is_told_and_the_rest_is_shown(run_dir: RunDir) -> None:
    path = run_dir("vpn-nat")
    capture = path / "wire" / "fw-inet.pcapng"
    capture.write_bytes(capture.read_bytes()[:2000])
    found = outline(remade(path))
    assert "Not all of this run can be shown" in found.text
    assert "fw-inet.pcapng is cut off" in found.text
    assert {"findings", "conversation", "picture"} <= {*found.ids}


@pytest.mark.parametrize("name", ["verdict.json", "record.json", "keys/model.json", "wire"])
def test_what_is_missing_is_told_and_the_rest_is_shown(run_dir: RunDir, name: str) -> None:
    path = run_dir("vpn-nat")
    gone = path / name
    if gone.is_dir():
        for each in gone.iterdir():
            each.unlink()
    else:
        gone.unlink()
    found = outline(remade(path))
    assert "Not all of this run can be shown" in found.text
    assert ("findings" in found.ids) == (name != "verdict.json")


def test_a_run_of_another_version_is_told(run_dir: RunDir) -> None:
    path = run_dir("direct")
    (path / "keys" / "model.json").write_text('{"name": "direct", "shape": 7}')
    assert "another version of the lab" in outline(remade(path)).text


def test_a_part_that_cannot_be_made_does_not_take_the_others_along(
    run_dir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(material: Material) -> None:
        raise ValueError("broken on purpose")

    monkeypatch.setitem(page.SECTIONS, "traffic", (5, break_down))
    found = outline(made(run_dir("direct")))
    assert "The part 'Traffic' could not be made (ValueError: broken on purpose)" in found.text
    assert "findings" in found.ids
    assert "traffic" not in found.ids
