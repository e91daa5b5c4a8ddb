"""JUnit XML as the schemas of Jenkins and of Ant have it: elements, their order, attributes, and counts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, fromstring

import pytest

from lab.matrix import junit
from lab.matrix.job import Came, JobOutcome
from tests.unit.matrix.made_up import finding, job, outcome

CHILDREN = {
    "testsuites": "(testsuite )*",
    "testsuite": "properties (testcase )*system-out system-err ",
    "properties": "(property )*",
    "property": "",
    "testcase": "(skipped |error |failure )?",
    "skipped": "", "error": "", "failure": "", "system-out": "", "system-err": "",
}  # fmt: skip
"""What is in what, in which order, so that both schemas allow it: junit-10.xsd, at version 0c375225 of
github.com/jenkinsci/xunit-plugin, leaves the order open and has each part optional; JUnit.xsd, at version
2378e66f of github.com/windyroad/JUnit-Schema, has this order, wants properties, system-out and system-err,
and one of a case's three at most."""
TEXT, WHOLE, TIME = "(?s).*", "[0-9]{1,9}", r"[0-9]+(\.[0-9]+)?"
TOKEN = r"(?s).*\S.*"
"""JUnit.xsd: xs:token of a length of 1 at least, once blanks at both ends are taken away."""
TIMESTAMP = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"
"""JUnit.xsd: without a zone, and without fractions."""
ATTRIBUTES = {
    # JUnit.xsd allows none; junit-10.xsd name, time, tests, failures and errors.
    "testsuites": {},
    # All are required by JUnit.xsd, and four of them by junit-10.xsd, too; but for skipped.
    "testsuite": {
        "id": WHOLE, "name": TOKEN, "package": TOKEN, "hostname": TOKEN, "time": TIME, "tests": WHOLE,
        "timestamp": TIMESTAMP, "failures": WHOLE, "errors": WHOLE, "skipped": WHOLE,
    },
    "property": {"name": TOKEN, "value": TEXT},
    "testcase": {"name": TOKEN, "classname": TOKEN, "time": TIME},
    "skipped": {"message": TEXT},
    # JUnit.xsd requires the type.
    "error": {"message": TEXT, "type": ".+"},
    "failure": {"message": TEXT, "type": ".+"},
}  # fmt: skip
WITH_TEXT = {"failure", "error", "skipped", "system-out", "system-err"}


def complaints(element: Element) -> Iterator[str]:
    """What the schemas would say."""
    within = "".join(f"{child.tag} " for child in element)
    if not re.fullmatch(CHILDREN[element.tag], within):
        yield f"{element.tag} has {within}"
    wanted = ATTRIBUTES.get(element.tag, {})
    if element.attrib.keys() != wanted.keys():
        yield f"{element.tag} has the attributes {sorted(element.attrib)}"
    for name, value in element.attrib.items():
        if not re.fullmatch(wanted.get(name, TEXT), value):
            yield f"{element.tag}: {name} is {value!r}"
    texts = [element.text, *(child.tail for child in element)]
    if element.tag not in WITH_TEXT and "".join(filter(None, texts)).strip():
        yield f"{element.tag} has text of its own"
    for child in element:
        yield from complaints(child)


OUTCOMES = [
    outcome(
        job(), finding("OUT-23"), finding("g1", "not-applicable"),
        finding("F-07", "fail", "<sdc> & \x1b[31mred\x00"), diagnosis="a \x07 bell",
    ),
    outcome(
        job("vpn", "wrong-psk", number=1, cause="wrong-psk", survives=False), finding("OUT-23", "fail"),
        cause="wrong-psk", tried=("vpn",),
    ),
    outcome(
        job("vpn", "drop-esp", number=2, cause="esp-lost", survives=False), finding("OUT-23", "fail"),
        cause="udp-500-lost", tried=("vpn",),
    ),
    outcome(job("dial", number=3), verdict={}, status=4, problem="its process ended by signal 9"),
    outcome(job("fleet", number=4), verdict={}, status=130, problem="it was not begun"),
    outcome(
        job("a  b\n<é>&\"'\u2028\x85\ud800\ufffe\U0001d4b3", number=5),
        finding("OUT-23", "fail", "]]> &amp; \x00\x0b \t\n tab 😀 \ufdd0"), diagnosis="]]> <!-- -- > \r\n",
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def root() -> Element:
    return fromstring(junit.document(OUTCOMES))


def case(root: Element, suite: int, name: str) -> Element:
    found = root[suite].find(f"testcase[@name='{name}']")
    assert found is not None
    return found


def test_the_schemas_are_kept(root: Element) -> None:
    assert [*complaints(root)] == []
    assert [suite.get("name") for suite in root] == [
        "vpn", "vpn with wrong-psk", "vpn with drop-esp", "dial", "fleet",
        "a  b\n<é>&\"'\u2028\x85��\U0001d4b3",
    ]  # fmt: skip
    # JUnit.xsd: "Starts at '0' for the first testsuite and is incremented by 1".
    assert [suite.get("id") for suite in root] == ["0", "1", "2", "3", "4", "5"]
    assert [*complaints(fromstring(junit.document([])))] == []


def test_counts_are_those_of_the_cases(root: Element) -> None:
    for suite in root:
        assert suite.get("tests") == str(len(suite.findall("testcase")))
        for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert suite.get(count) == str(len(suite.findall(f"testcase/{tag}")))
    sums = [sum(int(s.get(name, "")) for s in root) for name in ("tests", "failures", "errors")]
    assert sums == [12, 3, 1]


def test_a_finding_that_failed_says_expected_seen_and_frames(root: Element) -> None:
    failure = case(root, 0, "F-07").find("failure")

    assert failure is not None
    assert failure.get("message") == "<sdc> & �[31mred�"
    assert failure.text == (
        "expected: expected of F-07\nseen: <sdc> & �[31mred�\nframes: fw-inet: 3, 7"
    )
    assert [*case(root, 0, "OUT-23")] == []
    skipped = case(root, 0, "g1").find("skipped")
    assert skipped is not None
    assert skipped.get("message") == "not put to the test: seen"


def test_a_fault_is_a_failure_only_if_it_is_not_told(root: Element) -> None:
    assert OUTCOMES[1].came is Came.right
    assert [*case(root, 1, "the fault is told")] == []
    failed = case(root, 1, "OUT-23").find("skipped")
    assert failed is not None
    assert failed.get("message") == "failed, as it may with wrong-psk: seen"

    mistaken = case(root, 2, "the fault is told").find("failure")
    assert mistaken is not None
    assert (
        mistaken.get("message")
        == "the run was told as udp-500-lost, and drop-esp must be told as esp-lost"
    )


def test_a_run_that_broke_is_an_error_and_one_that_was_ended_is_not(root: Element) -> None:
    error = case(root, 3, "the run is judged").find("error")
    assert error is not None
    assert error.get("message") == "its process ended by signal 9"
    skipped = case(root, 4, "the run is judged").find("skipped")
    assert skipped is not None
    assert skipped.get("message") == "it was not begun"


def test_a_call_home_that_failed_is_a_failure_where_every_finding_held() -> None:
    failed: JobOutcome = outcome(job(), finding("g1"), status=1)
    failed.verdict["verdict"] = "fail"
    root = fromstring(junit.document([failed]))

    assert root[0].get("failures") == "1"
