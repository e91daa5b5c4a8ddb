"""Every finding holds on a true run; one thing made wrong fails it, and what depends on it, and no more."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab.verify import Finding, Verdict
from lab.verify.registry import vocabulary
from tests.recordings.true_run import Recordings
from tests.unit.verify import (
    call_home_server_mutations,
    console_mutations,
    console_port_mutations,
    dial_mutations,
    direct_mutations,
    errand_mutations,
    event_mutations,
    fence_mutations,
    ipv6_mutations,
    module_mutations,
    opening_mutations,
    order_mutations,
    pass_through_mutations,
    proxy_mutations,
    relay_mutations,
    remote_modem_mutations,
    secured_mutations,
    service_mutations,
    service_server_mutations,
    service_vpn_mutations,
    target_mutations,
    terminal_mutations,
    tls_mutations,
    vpn_dial_mutations,
    vpn_mutations,
    vpn_terminal_mutations,
)
from tests.unit.verify.mutation import Mutation, as_it_is

MODULES = (
    direct_mutations,
    ipv6_mutations,
    opening_mutations,
    errand_mutations,
    module_mutations,
    vpn_mutations,
    dial_mutations,
    fence_mutations,
    order_mutations,
    pass_through_mutations,
    proxy_mutations,
    relay_mutations,
    remote_modem_mutations,
    secured_mutations,
    service_mutations,
    service_server_mutations,
    service_vpn_mutations,
    terminal_mutations,
    tls_mutations,
    vpn_terminal_mutations,
    vpn_dial_mutations,
    call_home_server_mutations,
    console_mutations,
    console_port_mutations,
    target_mutations,
    event_mutations,
)
MUTATIONS = tuple(mutation for module in MODULES for mutation in module.MUTATIONS)
ON_NO_WIRE = {"g6"}
"""What is left over after the teardown is seen when all captures have ended."""
LEFT_OPEN = {
    "consoles": {"R-09"},
    "consoles-failover": {"R-09"},
    "esa-linux": {"OUT-33"},
    "direct": {"R-09"},
    "direct-snat": {"R-09"},
    "direct-cgnat": {"R-09"},
    "direct-ipv6": {"R-09"},
    "direct-ranges": {"R-09"},
    "direct-region": {"R-02", "R-09"},
    "ds8000": {"R-02", "R-09"},
    "dual-nic": {"R-09"},
    "user-target": {"R-09"},
    "vpn": {"R-07"},
    "vpn-nat": {"R-07"},
    "vpn-two-hmcs": {"R-07"},
    "pass-through-vpn": {"R-07"},
    "pass-through-modem": {"OUT-25", "R-08"},
    "dial": {"OUT-25", "R-08"},
    "vpn-dial": {"OUT-25", "R-07", "R-08"},
}
"""What these runs do not put to the test: the first gateway and the first number are enough."""

Verdicts = dict[str, Verdict]


def verdicts(findings: dict[str, Finding]) -> Verdicts:
    return {name: found.verdict for name, found in findings.items()}


@pytest.fixture(scope="module")
def unchanged(recordings: Recordings) -> Callable[[str], Verdicts]:
    """The verdicts on a recording as it is."""
    known: dict[str, Verdicts] = {}

    def judged(name: str) -> Verdicts:
        if name not in known:
            known[name] = verdicts(recordings(name).judge())
        return known[name]

    return judged


@pytest.mark.parametrize("mutation", MUTATIONS, ids=str)
def test_one_thing_wrong_fails_its_finding_and_what_depends_on_it(
    mutation: Mutation, recordings: Recordings, unchanged: Callable[[str], Verdicts]
) -> None:
    run, before = recordings(mutation.recording), unchanged(mutation.recording)
    assert before[mutation.requirement] is Verdict.held
    mutation.change(run)

    findings = run.judge(mutation.believed(run.topology))
    after = verdicts(findings)

    changed = {name: verdict for name, verdict in after.items() if verdict is not before[name]}
    assert changed == {
        **dict.fromkeys(mutation.untested, Verdict.not_applicable),
        **dict.fromkeys(mutation.held, Verdict.held),
        **dict.fromkeys({mutation.requirement, *mutation.also}, Verdict.failed),
    }
    assert mutation.seen in findings[mutation.requirement].seen


@pytest.mark.parametrize(
    "name",
    [
        "proxy",
        "proxy-auth",
        "service-proxy",
        "dual-stack",
        "simplified",
        "traditional",
        "ursf",
        "esa-imm",
        *LEFT_OPEN,
        "dial-two-hmcs",
    ],
)
def test_a_good_run_passes(name: str, unchanged: Callable[[str], Verdicts]) -> None:
    left_open = dict.fromkeys(LEFT_OPEN.get(name, set()), Verdict.not_applicable)

    assert {n: v for n, v in unchanged(name).items() if v is not Verdict.held} == left_open


def test_every_finding_has_a_mutation_of_packets(recordings: Recordings) -> None:
    """Of what wires and lines carry or modems say, and not of the record or of the model alone."""
    found = set()
    for mutation in MUTATIONS:
        if mutation.requirement not in found and mutation.change is not as_it_is:
            run = recordings(mutation.recording)
            mutation.change(run)
            if run.record == recordings(mutation.recording).record:
                found.add(mutation.requirement)

    assert {mutation.requirement for mutation in MUTATIONS} == set(vocabulary())
    assert found == set(vocabulary()) - ON_NO_WIRE


def test_no_two_mutations_are_one() -> None:
    names = [f"{mutation}" for mutation in MUTATIONS]

    assert sorted(names) == sorted({*names})
