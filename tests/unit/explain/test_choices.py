"""The lab's choices: each is read from what uses it; a change there shows, and reaches what is rendered."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.explain import choices
from lab.linux import fence
from lab.relay import channels, frames
from lab.secret import Secret
from lab.service import by_modem, challenge
from lab.service.server import authorized
from lab.telephony.settings import Settings
from lab.topology import (
    catalogue,
    check_service,
    load,
    proxy,
    resolve_servers,
    resolve_telephone,
    service,
    terminal,
)
from lab.topology.catalogue import Row
from lab.topology.model import PppAuth
from lab.topology.resolve import resolve
from lab.topology.servers import Speaks
from lab.topology.site import Site
from lab.ways.dial import resolve as dial_resolve
from lab.ways.vpn import resolve as vpn_resolve
from lab.ways.vpn.plan import plans
from tunnels import ipsec, l2tp, ppp

Patch = pytest.MonkeyPatch

NOT_MODELLED = {"Q-13"}
ELSEWHERE = Row(purpose="a test", hosts={"esupport.ibm.com": ("2001:db8::11",)}).named(
    "X-21", ("esa-aix-2025",)
)


def said() -> dict[str, str]:
    return {choice.id: choice.value for choice in choices.choices()}


def attribute(owner: Any, name: str, value: object) -> Callable[[Patch], None]:
    return lambda patch: patch.setattr(owner, name, value)


def changed(owner: Any, name: str, **fields: object) -> Callable[[Patch], None]:
    """What a function gives, with other fields."""
    made = getattr(owner, name)

    def change(*args: Any) -> Any:
        return dataclasses.replace(made(*args), **fields)

    return lambda patch: patch.setattr(owner, name, change)


def more(owner: Any, name: str, text: str) -> Callable[[Patch], None]:
    """What a function renders, and a line more."""
    made = getattr(owner, name)
    return lambda patch: patch.setattr(owner, name, lambda *args: f"{made(*args)}{text}\n")


CHANGES: list[tuple[str, Callable[[Patch], None], str]] = [
    (
        "Q-01",
        attribute(vpn_resolve, "IKE_PROPOSAL", "aes256-{integrity}-modp2048"),
        "aes256-md5-modp2048",
    ),
    ("Q-01", changed(vpn_resolve, "_connection", ike_lifetime_s=28800), "after 8 h"),
    ("Q-02", attribute(Site, "secret", lambda *_: Secret("abcd")), "20 bits"),
    (
        "Q-03",
        attribute(vpn_resolve, "ESP_PROPOSAL", "3des-{integrity}-modp1024"),
        "on (ESP proposal",
    ),
    ("Q-04", more(l2tp, "render_server", "challenge = yes"), "tunnel authentication yes"),
    ("Q-04", attribute(vpn_resolve, "CUSTOMER_DOMAIN", "elsewhere.test"), "hmc.elsewhere.test"),
    ("Q-05", more(ppp, "render_options", "chap-interval 300"), "challenged every 300 s"),
    ("Q-06", attribute(by_modem, "DEMAND", PppAuth.pap), "PAP"),
    ("Q-07", attribute(service, "PPP_ADDRESS", "10.9.9.9"), "ibm.10.9.9.9"),
    ("Q-08", attribute(check_service, "PPP_ADDRESS", "10.9.9.9"), "representative 10.9.9.10"),
    ("Q-09", attribute(authorized, "MINUTES", 7), "7 min"),
    ("Q-10", changed(l2tp, "client_options", ask_dns=True), "asks for a name server"),
    ("Q-11", changed(vpn_resolve, "_connection", dpd_delay_s=77), "DPD 77 s"),
    ("Q-11", attribute(vpn_resolve, "HELLO_S", 78), "HELLO 78 s"),
    ("Q-11", attribute(dial_resolve, "LCP_ECHO_INTERVAL_S", 79), "by telephone 79 s"),
    ("Q-12", changed(dial_resolve, "_dialer", init="AT&F"), "AT&F, then"),
    ("Q-02", changed(vpn_resolve, "_ike_side", identity="192.0.2.9"), "client is ID_IPV4_ADDR"),
    ("Q-11", changed(vpn_resolve, "_connection", dpd_timeout_s=80), "dead after 80 s"),
    ("Q-11", attribute(vpn_resolve, "LCP_ECHO_FAILURES", 8), "8 unanswered"),
    ("Q-12", attribute(Settings, "text", lambda self, name: "9"), "&C9, &D9"),
    ("Q-16", attribute(frames, "VERSION", 9), "version 9"),
    ("Q-16", attribute(frames, "MOST_BODY", 99), "at most 99 of body"),
    ("Q-15", attribute(resolve_servers, "_BY_PORT", {11111: Speaks.http}), "HTTP and HTTPS"),
    ("Q-14", attribute(proxy, "BUSY", 429), "with 429"),
    ("Q-16", attribute(service, "CODE_DIGITS", 9), "codes of 9 digits"),
    ("Q-17", attribute(challenge, "DIGITS", 16), "16 hexadecimal"),
    ("Q-18", changed(vpn_resolve, "_client", mtu=1000), "by VPN 1000"),
    ("Q-20", changed(vpn_resolve, "plan", gateways=("vpn2", "vpn1")), "vpn2, then vpn1"),
    ("Q-16", attribute(channels, "WINDOW", 4711), "windows of 4711"),
    ("Q-17", attribute(challenge, "NONCE_BYTES", 8), "nonce of 64 bits"),
    ("Q-17", attribute(terminal, "TERMINAL_PORT", 2300), "TCP 2300"),
    ("Q-18", attribute(resolve_telephone, "PPP_MTU", 576), "by telephone 576"),
    ("Q-18", attribute(by_modem, "MTU", 577), "by modem 577"),
    (
        "Q-19",
        changed(vpn_resolve, "_connection", rekey_max_s=3600),
        "and 1 h (charon: rekey_time 3600s",
    ),
    ("Q-19", changed(vpn_resolve, "_connection", rekey_min_s=1000), "rand_time 780s"),
    ("Q-20", attribute(vpn_resolve, "RETRANSMIT_TRIES", 0), "after 2 s"),
    ("Q-21", lambda patch: patch.setitem(fence.COUNTERS, fence.SILENCED, "passed"), "passed; "),
    ("X-21", attribute(catalogue, "choices", lambda: (ELSEWHERE,)), "2001:db8::11"),
]


def test_every_question_is_answered_in_order() -> None:
    found = choices.choices()

    assert [choice.id for choice in found] == [*(f"Q-{n:02}" for n in range(1, 22)), "X-21"]
    assert {choice.source for choice in found} == {"lab choice"}
    assert {c.id for c in found if c.value == choices.NOT_YET} == NOT_MODELLED
    assert all(choice.value for choice in found)


def test_every_answer_is_put_to_the_test() -> None:
    assert {each for each, _, _ in CHANGES} | NOT_MODELLED == {*said()}


@pytest.mark.parametrize(
    ("question", "change", "shown"), CHANGES, ids=[f"{q}-{shown}" for q, _, shown in CHANGES]
)
def test_a_change_where_it_is_used_shows(
    question: str, change: Callable[[Patch], None], shown: str, monkeypatch: Patch
) -> None:
    before = said()[question]
    assert shown not in before
    change(monkeypatch)

    assert shown in said()[question]


def rendered() -> str:
    """What charon, xl2tpd and pppd are told in the lab's own VPN."""
    plan = plans(resolve(load.load("vpn"), b"tests"))[0]
    line, client, server = plan.connections[0], plan.clients[0], plan.servers[0]
    return "\n".join(
        [
            repr(ipsec.render_connection(line, line.client)),
            ipsec.render_strongswan([line], Path("log"), Path("keys")),
            l2tp.render_server(server),
            repr(l2tp.lac_sections(client, server)),
            ppp.render_options(l2tp.client_options(client, Path("log"))),
        ]
    )


@pytest.mark.parametrize(
    ("question", "name", "value", "written"),
    [
        ("Q-01", "IKE_PROPOSAL", "aes256-{integrity}-modp2048", "aes256-md5-modp2048"),
        ("Q-03", "ESP_PROPOSAL", "3des-{integrity}-modp1024", "'3des-md5-modp1024'], 'mode'"),
        ("Q-04", "CUSTOMER_DOMAIN", "elsewhere.test", "hmc.elsewhere.test"),
        ("Q-11", "LCP_ECHO_INTERVAL_S", 79, "lcp-echo-interval 79"),
        ("Q-20", "RETRANSMIT_TRIES", 0, "retransmit_tries = 0"),
    ],
)
def test_a_change_reaches_the_configuration(
    question: str, name: str, value: object, written: str, monkeypatch: Patch
) -> None:
    """What is told of a daemon is what the daemon is told."""
    assert written not in rendered()
    before = said()[question]
    monkeypatch.setattr(vpn_resolve, name, value)

    assert written in rendered()
    assert said()[question] != before


def test_the_time_of_dead_peers_reaches_the_configuration(monkeypatch: Patch) -> None:
    """A topology may give it, so that no constant of the lab's is told."""
    assert "'dpd_delay': '77s'" not in rendered()
    changed(vpn_resolve, "_connection", dpd_delay_s=77)(monkeypatch)
    assert "'dpd_delay': '77s'" in rendered()


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(604800, "7 d"), (28800, "8 h"), (1560, "26 min"), (90, "90 s"), (0, "0 s")],
)
def test_a_duration_is_in_its_largest_whole_unit(seconds: float, shown: str) -> None:
    assert choices._duration(seconds) == shown
