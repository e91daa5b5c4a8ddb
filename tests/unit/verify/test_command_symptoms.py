"""Why a user's own command failed: what each symptom says, and where it must stay silent."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from lab.record.command_event import NodePart
from lab.verify import Diagnosis
from lab.verify import command_symptoms as command
from lab.verify import place_symptoms as places
from lab.verify import shake_symptoms as shakes
from lab.verify.command_trail import CommandTrail
from tests.recordings.true_run import Recordings
from tests.unit.verify.scene import (
    FIREWALL,
    NEIGHBOUR,
    NOBODY,
    OLDER,
    SERVER,
    Change,
    Scene,
    built_with,
    by_telephone,
    deaf,
    dropped_own,
    from_firewall,
    many,
    nothing,
    on,
    ping,
    proxy,
    refused,
    reported,
    udp,
)

CA, CIPHER, IN_CLEAR = "tlsv1 alert unknown ca", "no shared cipher", "http request"
EXAMPLE = "www.example.com"


class Row(NamedTuple):
    """A symptom, what makes it speak, with which cause and words, and beside what it must be silent."""

    ask: Callable[[CommandTrail], object]
    telling: Change
    cause: str
    words: str
    silent: tuple[Change, ...]


ROWS = [
    Row(
        command.find_sanitizer,
        built_with("AddressSanitizer"),
        "too-few-addresses",
        "agent was built with AddressSanitizer, which reserves terabytes",
        (nothing, many(built_with("AddressSanitizer"), Scene.calls)),
    ),
    Row(
        command.find_altered_host,
        lambda s: s.is_altered(NodePart.route),
        "host-altered",
        "no packet of the command",
        (
            nothing,
            many(lambda s: s.is_altered(NodePart.route), Scene.calls),
            lambda s: s.is_altered(NodePart.mtu),
            lambda s: s.is_altered(NodePart.route, "firewall"),
        ),
    ),
    Row(
        command.find_deaf_host,
        deaf,
        "answers-dropped",
        "2 answers of 129.42.56.189 to its SYN",
        (Scene.calls, Scene.succeeds, lambda s: s.is_taken(s.calls())),
    ),
    Row(
        command.find_lost_proxy,
        many(proxy(f"https_proxy={FIREWALL}:3128"), lambda s: refused(s, port=3128)),
        "proxy-leads-nowhere",
        "https_proxy of the command leads to 203.0.113.1:3128, which refuses the connection",
        (
            nothing,
            lambda s: refused(s, port=3128),
            many(proxy("https_proxy=127.0.0.1:3128"), Scene.calls),
            many(proxy(f"https_proxy={FIREWALL}:3128"), lambda s: refused(s, port=81)),
            many(
                proxy(f"https_proxy={FIREWALL}:3128"),
                lambda s: refused(s, port=3128),
                Scene.succeeds,
            ),
        ),
    ),
    Row(
        command.find_lost_proxy,
        proxy("https_proxy=127.0.0.1:3128"),
        "proxy-leads-nowhere",
        "which is hmc itself, and no packet left it",
        (proxy(),),
    ),
    Row(
        command.find_lost_proxy,
        many(proxy("all_proxy=p.test:80"), lambda s: s.is_answered(s.asks("p.test"))),
        "proxy-leads-nowhere",
        "a name that has no address",
        (
            many(proxy("all_proxy=p.test:80"), lambda s: s.is_answered(s.asks("other.test"))),
            many(proxy("all_proxy=p.test:80"), lambda s: s.is_answered(s.asks("p.test"), SERVER)),
        ),
    ),
    Row(
        command.find_lost_proxy,
        many(proxy(f"http_proxy={NEIGHBOUR}:80"), lambda s: s.seeks(NEIGHBOUR)),
        "proxy-leads-nowhere",
        "nobody on the link has that address",
        (many(proxy(f"http_proxy={NEIGHBOUR}:80"), lambda s: s.seeks(NEIGHBOUR, answered=True)),),
    ),
    Row(
        command.find_lost_proxy,
        lambda s: s.speaks(s.calls(outside=True), b"CONNECT x:443 HTTP/1.1\r\n\r\n", b""),
        "proxy-leads-nowhere",
        "hmc asks 129.42.56.189:443 to CONNECT to x:443, and 129.42.56.189:443 is no proxy",
        (lambda s: s.speaks(s.calls(outside=True), b"GET / HTTP/1.1\r\n\r\n", b""),),
    ),
    Row(
        command.find_altered_resolver,
        many(lambda s: s.is_altered(NodePart.resolver), lambda s: s.asks("x.test", NOBODY)),
        "resolver-altered",
        "8.8.8.8 was asked for x.test, and gave no answer",
        (
            lambda s: s.asks("x.test", NOBODY),
            many(lambda s: s.is_altered(NodePart.resolver), Scene.succeeds),
            many(
                lambda s: s.is_altered(NodePart.resolver),
                lambda s: s.is_answered(s.asks("x.test"), SERVER),
            ),
        ),
    ),
    Row(
        command.find_wrong_resolver,
        lambda s: s.asks("x.test", NOBODY),
        "wrong-resolver",
        "hmc asked 8.8.8.8 for x.test 1 time, and got no answer: hmc's name server is 203.0.113.1",
        (
            lambda s: s.asks("x.test"),
            lambda s: s.is_answered(s.asks("x.test", NOBODY), SERVER),
            many(lambda s: s.asks("x.test", NOBODY), Scene.calls),
            many(by_telephone(NOBODY), lambda s: s.asks("x.test", NOBODY)),
        ),
    ),
    Row(
        command.find_unknown_name,
        lambda s: s.is_answered(s.asks("x.test")),
        "name-unknown",
        "x.test is not known: 203.0.113.1 says to hmc that there is no such name",
        (
            nothing,
            lambda s: s.asks("x.test"),
            lambda s: s.is_answered(s.asks("x.test"), SERVER),
            many(lambda s: s.is_answered(s.asks("x.test")), Scene.calls),
        ),
    ),
    Row(
        command.find_stranger,
        many(on("firewall"), from_firewall),
        "no-agent",
        "the command ran on firewall",
        (many(on("firewall"), nothing), Scene.calls, many(on("cec"), nothing)),
    ),
    Row(
        command.find_stranger,
        many(on("firewall"), dropped_own),
        "no-agent",
        "its rules dropped 5 packets of its own",
        (dropped_own, many(on("sdc"), dropped_own)),
    ),
    Row(
        places.find_absent_neighbour,
        lambda s: s.seeks(NEIGHBOUR),
        "nobody-there",
        "nobody on lan has the address 203.0.113.77",
        (
            lambda s: s.seeks(NEIGHBOUR, answered=True),
            lambda s: s.seeks(FIREWALL),
            many(lambda s: s.seeks(NEIGHBOUR), Scene.succeeds),
        ),
    ),
    Row(
        places.find_expired,
        ping(expired=True),
        "ttl-expired",
        "ICMP of hmc to 129.42.56.189 does not arrive: firewall (203.0.113.1) says by ICMP that its "
        "time to live ran out, 1 time",
        (ping(), reported(3, 13), reported(11, 0, after=True), reported(11, 1)),
    ),
    Row(
        places.find_too_big,
        reported(3, 4),
        "packet-too-big",
        "it is too big for the next link",
        (reported(11, 0), reported(3, 4, after=True)),
    ),
    Row(
        places.find_forbidden,
        reported(3, 13),
        "forbidden",
        "it is forbidden by a rule",
        (reported(11, 0), reported(3, 13, after=True)),
    ),
    Row(
        places.find_no_way,
        reported(3, 1),
        "no-way-there",
        "there is no way there",
        (reported(3, 13), reported(3, 1, after=True)),
    ),
    Row(
        places.find_unlisted_address,
        lambda s: s.calls(OLDER),
        "address-not-listed",
        "hmc calls 129.42.160.51 by TCP 443, which is not in the list of hmc-2017-simplified "
        "(hmc-2017-traditional "
        "and ds8000-2017 list it: A-26): firewall drops it, 1 SYN on lan and none on fw-inet",
        (
            Scene.calls,
            many(lambda s: s.calls(OLDER), Scene.succeeds),
            lambda s: s.calls(FIREWALL),
            many(
                lambda s: s.is_answered(s.asks("esupport.ibm.com"), NOBODY),
                lambda s: s.calls(NOBODY),
            ),
            many(lambda s: s.calls(OLDER), Scene.calls),
            lambda s: s.is_taken(s.calls(OLDER)),
        ),
    ),
    Row(
        places.find_unlisted_address,
        udp(NOBODY, 5000),
        "address-not-listed",
        "hmc calls 8.8.8.8 by UDP 5000, which is not in the list of hmc-2017-simplified, nor in that of "
        "another "
        "profile: firewall drops it, 1 packet on lan and none on fw-inet",
        (udp(SERVER, 5000), ping()),
    ),
    Row(
        places.find_unlisted_port,
        lambda s: s.calls(port=80),
        "port-not-listed",
        "hmc calls 129.42.56.189 by TCP 80, and hmc-2017-simplified lists TCP 443 for it: firewall drops it",
        (
            Scene.calls,
            lambda s: s.calls(OLDER, 80),
            many(lambda s: s.calls(port=80), Scene.succeeds),
            ping(),
            lambda s: s.is_taken(s.calls(port=80)),
        ),
    ),
    Row(
        places.find_unlisted_port,
        udp(SERVER, 443),
        "port-not-listed",
        "by UDP 443, and hmc-2017-simplified lists",
        (udp(NOBODY, 443),),
    ),
    Row(
        places.find_closed_port,
        refused,
        "port-closed",
        "firewall (203.0.113.1) has nobody at TCP 81: it answers hmc with a reset",
        (
            lambda s: refused(s, SERVER, 443),
            lambda s: s.calls(FIREWALL, 81),
            many(refused, Scene.succeeds),
        ),
    ),
    Row(
        places.find_icmp,
        ping(),
        "icmp-lost",
        "ICMP of hmc to 129.42.56.189 is lost at firewall, whose rules do not open it: 1 echo request on lan",
        (
            Scene.calls,
            ping(passed=True),
            ping(answered=True),
            many(ping(), Scene.calls),
            ping(expired=True),
        ),
    ),
    Row(
        command.find_altered_firewall,
        many(lambda s: s.is_altered(NodePart.rules, "firewall"), Scene.calls),
        "firewall-altered",
        "it loses TCP 443 of hmc to 129.42.56.189: 1 SYN on lan, none on fw-inet",
        (
            Scene.calls,
            lambda s: s.is_altered(NodePart.rules, "firewall"),
            many(lambda s: s.is_altered(NodePart.rules), Scene.calls),
            many(
                lambda s: s.is_altered(NodePart.rules, "firewall"), lambda s: s.calls(outside=True)
            ),
            many(lambda s: s.is_altered(NodePart.rules, "firewall"), Scene.succeeds),
        ),
    ),
    Row(
        shakes.find_untrusted_certificate,
        lambda s: s.notes("handshake", CA),
        "certificate-not-trusted",
        "it ends the handshake with the alert unknown_ca",
        (
            nothing,
            Scene.works,
            many(lambda s: s.notes("handshake", CA), Scene.works),
            lambda s: s.notes("handshake", CIPHER),
            lambda s: s.notes("broken", "unknown ca"),
        ),
    ),
    Row(
        shakes.find_no_shared_cipher,
        lambda s: s.notes("handshake", CIPHER),
        "no-shared-cipher",
        "have no cipher suite in common",
        (
            nothing,
            lambda s: s.notes("handshake", CA),
            many(lambda s: s.notes("handshake", CIPHER), Scene.works),
        ),
    ),
    Row(
        shakes.find_http_in_clear,
        lambda s: s.notes("handshake", IN_CLEAR),
        "http-to-tls",
        "hmc speaks HTTP in clear to 129.42.56.189:443, where the server speaks TLS",
        (
            nothing,
            lambda s: s.notes("handshake", CIPHER),
            many(lambda s: s.notes("handshake", IN_CLEAR), Scene.works),
        ),
    ),
    Row(
        shakes.find_wrong_name,
        lambda s: s.notes("no-request", sni=EXAMPLE, tls="TLSv1.3"),
        "name-not-certified",
        "hmc asked 129.42.56.189:443 for www.example.com, and left without a request",
        (
            nothing,
            lambda s: s.notes("no-request", tls="TLSv1.3"),
            lambda s: s.notes("no-request", sni="", tls="TLSv1.3"),
            lambda s: s.notes("no-request", sni=EXAMPLE),
        ),
    ),
]


def test_every_symptom_of_a_command_has_both() -> None:
    """A wrong diagnosis is worse than none."""
    assert {row.ask for row in ROWS} == {*command.AT_ONCE, *command.AFTERWARDS}
    assert all(row.silent for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.cause}-{n}" for n, row in enumerate(ROWS)])
def test_it_speaks(row: Row, recordings: Recordings) -> None:
    scene = Scene(recordings("direct"))
    row.telling(scene)
    trail = scene.trail()

    found = row.ask(trail)

    assert isinstance(found, Diagnosis)
    assert (found.cause, row.words in found.sentence) == (row.cause, True), found.sentence
    assert found.hint
    assert command.find(trail.case, lambda _: None) == found, "none of the others may speak before"


@pytest.mark.parametrize(
    ("row", "number"), [(row, n) for row in ROWS for n, _ in enumerate(row.silent)]
)
def test_it_stays_silent(row: Row, number: int, recordings: Recordings) -> None:
    scene = Scene(recordings("direct"))
    row.silent[number](scene)

    assert row.ask(scene.trail()) is None


@pytest.mark.parametrize(
    ("said", "answer", "came_through"),
    [
        (b"CONNECT x:443 HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"CONNECT x:443 HTTP/1.1\r\n\r\n", b"HTTP/1.1 403 Forbidden\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\n\r\n", b"\x15\x03\x03\x00\x02\x02\x16", False),
        (b"GET / HTTP/1.1\r\n\r\n", b"", False),
        (b"\x16\x03\x01\x00\x01x", b"\x15\x03\x03\x00\x02\x02\x28", False),
        (b"\x16\x03\x01\x00\x01x\x17\x03\x03\x00\x01x", b"\x17\x03\x03\x00\x01x", True),
    ],
)
def test_what_befell_the_way_is_asked_only_where_the_last_connection_failed(
    said: bytes, answer: bytes, came_through: bool, recordings: Recordings
) -> None:
    scene = Scene(recordings("direct"))
    scene.speaks(scene.calls(outside=True), said, answer)
    asked: list[str] = []

    command.find(scene.trail().case, lambda case: asked.append(case.topology.name))

    assert asked == ([] if came_through or said.startswith(b"CONNECT") else ["direct"])


def test_each_of_several_commands_is_told_by_its_own_packets(recordings: Recordings) -> None:
    first, second = Scene(recordings("direct")), None
    first.calls(OLDER)
    one = first.trail().command
    second = Scene(first.run)
    second.began = second.now = first.now + 1.2
    second.calls(port=80)
    trail = second.trail()
    case = trail.case

    causes = [command.find_of(case, each, lambda _: None) for each in (one, trail.command)]

    assert [found and found.cause for found in causes] == ["address-not-listed", "port-not-listed"]
    found = command.find(case, lambda _: None)
    assert found is not None
    assert found.sentence.startswith(
        f"agent on hmc at {trail.command.started - case.record.started:.1f} s: hmc calls"
    )
