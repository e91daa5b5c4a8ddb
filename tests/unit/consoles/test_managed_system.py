"""What a managed system tells the consoles that manage it (M-02)."""

from __future__ import annotations

from dataclasses import replace

from lab.consoles.hello import Hello, decode, encode
from lab.consoles.managed_system import MOST_CONSOLES, ManagedSystem
from lab.consoles.outputs import Send

A = Hello(name="hmc-a", addresses=("192.168.10.10", "192.168.128.1"), manages=("cec-1", "cec-2"))
C = Hello(name="hmc-c", addresses=("192.168.20.10",), manages=("cec-1",), asks=True)
AT = {"hmc-a": ("192.168.128.1", "svc-a"), "hmc-c": ("192.168.129.1", "svc-c")}


def heard(system: ManagedSystem, hello: Hello, now: float = 0.0) -> list[tuple[str, str, Hello]]:
    sent = system.receive(encode(hello), *AT.get(hello.name, ("192.168.128.9", "svc-a")), now)
    return [(each.address, each.card, decode(each.data)) for each in sent]


def test_each_of_two_is_told_of_the_other_at_once() -> None:
    system = ManagedSystem("cec-1")

    assert heard(system, A) == []
    assert heard(system, C, 100.0) == [
        ("192.168.128.1", "svc-a", replace(C, asks=False, via="cec-1")),
        # For as long as its own word holds.
        ("192.168.129.1", "svc-c", replace(A, manages=("cec-1",), via="cec-1", hold_s=800)),
    ]


def test_a_console_that_goes_is_told_to_be_going_and_told_of_no_more() -> None:
    system = ManagedSystem("cec-1")
    heard(system, A)
    heard(system, C)

    (bye,) = heard(system, replace(A, hold_s=0))
    assert bye == ("192.168.129.1", "svc-c", replace(A, manages=("cec-1",), via="cec-1", hold_s=0))
    assert heard(system, C) == []


def test_a_console_whose_word_has_ended_is_told_of_no_more() -> None:
    system = ManagedSystem("cec-1")
    heard(system, replace(A, hold_s=10))

    assert heard(system, C, 10.0) == []


def test_who_does_not_manage_it_is_told_nothing() -> None:
    system = ManagedSystem("cec-1")
    heard(system, A)

    assert heard(system, replace(C, manages=("cec-2",))) == []
    assert heard(system, replace(C, via="cec-2")) == []
    assert heard(system, replace(C, hold_s=0)) == []
    assert system.receive(b"{", "192.168.128.9", "svc-a", 0.0) == []
    assert sum(system.ignored.values()) == 4
    assert heard(system, A) == []


def test_many_names_do_not_fill_the_memory() -> None:
    system = ManagedSystem("cec-1")
    for number in range(MOST_CONSOLES):
        heard(system, replace(A, name=f"x{number}"))

    assert heard(system, C) == []
    assert sum(system.ignored.values()) == 1
    sent = system.receive(encode(replace(A, name="x0")), "192.168.128.9", "svc-a", 1.0)
    assert len(sent) == 2 * (MOST_CONSOLES - 1)
    assert all(isinstance(each, Send) for each in sent)
