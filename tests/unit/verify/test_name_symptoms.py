"""What a run tells of names: who is silent, what is not known, what leads elsewhere; and when it is mute."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from scapy.layers.dns import DNS, DNSQR, DNSRR
from scapy.layers.inet import IP, TCP, UDP

from lab.verify import name_symptoms
from lab.verify.symptom import Diagnosis, Trail
from tests.recordings.true_run import Recordings, TrueRun

CLIENT, RESOLVER = "203.0.113.10", "203.0.113.1"


def asked(run: TrueRun, name: str, *, number: int = 77) -> None:
    """The HMC asks its resolver for a name, at the end of the run."""
    packet = IP(src=CLIENT, dst=RESOLVER) / UDP(sport=4000, dport=53)
    run.put("lan", "hmc", "firewall", bytes(packet / DNS(id=number, qd=DNSQR(qname=name))), run.end)


def answered(run: TrueRun, name: str, *addresses: str, number: int = 77, code: int = 0) -> None:
    told = [DNSRR(rrname=name, type="A", rdata=address) for address in addresses]
    answer = DNS(id=number, qr=1, rcode=code, qd=DNSQR(qname=name), an=told)
    packet = IP(src=RESOLVER, dst=CLIENT) / UDP(sport=53, dport=4000) / answer
    run.put("lan", "firewall", "hmc", bytes(packet), run.end)


def calls(run: TrueRun, address: str, *, is_taken: bool = False) -> None:
    syn = IP(src=CLIENT, dst=address) / TCP(sport=4001, dport=443, flags="S")
    run.put("lan", "hmc", "firewall", bytes(syn), run.end + 1.0)
    if is_taken:
        taken = IP(src=address, dst=CLIENT) / TCP(sport=443, dport=4001, flags="SA")
        run.put("lan", "firewall", "hmc", bytes(taken), run.end + 1.1)


def told_of(run: TrueRun, ask: Callable[[Trail], Diagnosis | None]) -> Diagnosis | None:
    return ask(Trail(run.case(), "hmc", None))


@pytest.mark.parametrize(
    ("code", "addresses", "cause", "words"),
    [
        (3, (), "name-unknown", "there is no such name"),
        (2, (), "dns-refuses", "code 2"),
        (0, (), "name-without-address", "no record of type A"),
    ],
)
def test_an_answer_without_an_address_is_explained(
    code: int, addresses: tuple[str, ...], cause: str, words: str, recordings: Recordings
) -> None:
    run = recordings("direct")
    asked(run, "nosuch.ibm.com")
    answered(run, "nosuch.ibm.com", *addresses, code=code)

    found = told_of(run, name_symptoms.find_failed_lookup)

    assert found is not None
    assert (found.cause, words in found.sentence) == (cause, True), found
    assert "nosuch.ibm.com" in found.sentence


def test_silence_of_the_resolver_is_told_apart_from_that_of_the_server(
    recordings: Recordings,
) -> None:
    run = recordings("direct")
    asked(run, "nosuch.ibm.com")

    found = told_of(run, name_symptoms.find_failed_lookup)

    assert found is not None
    assert found.sentence.startswith(f"the name server {RESOLVER} is silent"), found
    theirs = recordings("direct.dns-silent").diagnose()
    assert theirs.sentence.startswith("IBM's name server 198.18.0.54 is silent"), theirs


@pytest.mark.parametrize(
    ("name", "server"),
    [("direct.dns-silent", "198.18.0.54"), ("direct-ipv6.ipv6-broken", "2001:db8::54")],
)
def test_lookups_that_do_not_get_to_the_server_say_nothing_of_it(
    name: str, server: str, recordings: Recordings
) -> None:
    run = recordings(name)
    if "silent" in name:
        run.drop("dmz", run.find("dmz", lambda p: p.destination == server))
    passed = len(run.find("fw-inet", lambda p: p.destination == server))
    family = "IPv6" if ":" in server else "IPv4"

    found = run.diagnose()

    assert found.cause == "lookups-lost"
    assert found.sentence == (
        f"{family} of firewall to IBM's name server {server} is lost at internet, so no name is told: "
        f"{passed} packets on fw-inet, none on dmz"
    )
    assert found.hint == f"let {family} and UDP 53 to {server} pass internet"


def test_one_lookup_that_came_to_the_server_is_no_loss_on_the_way(recordings: Recordings) -> None:
    run = recordings("direct.dns-silent")
    run.drop("dmz", run.find("dmz", lambda p: p.destination == "198.18.0.54")[1:])

    assert run.diagnose().cause == "dns-silent"


def test_who_found_the_address_has_no_trouble_with_names(recordings: Recordings) -> None:
    run = recordings("direct")
    asked(run, "esupport.ibm.com")
    answered(run, "esupport.ibm.com", "129.42.56.189")

    assert told_of(run, name_symptoms.find_failed_lookup) is None


def test_a_name_that_a_client_did_without_explains_nothing(recordings: Recordings) -> None:
    """A client that goes on to connect has not failed at a name, whatever it asked for before."""
    run = recordings("direct")
    asked(run, "telemetry.example")
    answered(run, "telemetry.example", code=3)
    calls(run, "129.42.56.189")

    assert told_of(run, name_symptoms.find_failed_lookup) is None


def test_a_name_that_leads_elsewhere_is_told_where_nobody_answers(recordings: Recordings) -> None:
    run = recordings("direct")
    asked(run, "esupport.ibm.com")
    answered(run, "esupport.ibm.com", "198.51.100.66")
    calls(run, "198.51.100.66")

    found = told_of(run, name_symptoms.find_misled)

    assert found is not None
    assert "esupport.ibm.com leads to 198.51.100.66" in found.sentence


def test_a_name_that_leads_elsewhere_is_nothing_where_somebody_answers(
    recordings: Recordings,
) -> None:
    run = recordings("direct")
    asked(run, "esupport.ibm.com")
    answered(run, "esupport.ibm.com", "198.51.100.66")
    calls(run, "198.51.100.66", is_taken=True)

    assert told_of(run, name_symptoms.find_misled) is None


@pytest.mark.parametrize("name", ["direct", "direct-names", "direct.server-down"])
def test_runs_in_which_names_are_right_have_no_such_symptom(
    name: str, recordings: Recordings
) -> None:
    run = recordings(name)

    for ask in (
        name_symptoms.find_failed_lookup,
        name_symptoms.find_misled,
        name_symptoms.find_moved_server,
    ):
        assert told_of(run, ask) is None, ask.__name__


def test_what_is_no_dns_is_passed_over(recordings: Recordings) -> None:
    run = recordings("direct")
    before = len(Trail(run.case(), "hmc", None).lookups)
    for junk in (b"", b"\0", bytes(11), b"\xff" * 40, bytes(range(200))):
        packet = IP(src=CLIENT, dst=RESOLVER) / UDP(sport=4000, dport=53) / junk
        run.put("lan", "hmc", "firewall", bytes(packet), run.end)

    assert len(Trail(run.case(), "hmc", None).lookups) == before
