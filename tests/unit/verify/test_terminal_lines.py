"""A DS8000's terminal by VPN, read inside of ESP: what TCP repeats or loses, and what is no terminal's."""

from __future__ import annotations

from lab.service.challenge import response
from lab.verify import terminal_calls
from tests.recordings.true_run import Recordings, TrueRun
from tests.unit.verify.terminal_mutations import account
from tests.unit.verify.vpn_mutations import inner
from tests.unit.verify.vpn_terminal_mutations import RUN, again, with_text


def screens(run: TrueRun) -> list[str]:
    return [dialogue.screen for dialogue in terminal_calls.of(run.case())]


def test_a_log_in_is_read_to_the_letter(recordings: Recordings) -> None:
    run = recordings(RUN)
    first, second = terminal_calls.of(run.case())
    wrong, right = first.tries
    assert (wrong.denied, wrong.let_in, right.denied, right.let_in) == (True, False, False, True)
    assert (right.user, right.password) == ("ibmservice", account(run).password.reveal())
    assert right.response == response(account(run).key, right.challenge)
    replay, _ = second.tries
    assert replay.response == right.response
    assert first.commands[:2] == ["id -un", "uname -n"]
    assert first.output_of("uname -n").split()[0] == "hmc"


def test_segments_that_come_again_say_nothing_twice(recordings: Recordings) -> None:
    run, whole = recordings(RUN), screens(recordings(RUN))
    again(run)
    assert screens(run) == whole


def test_what_was_lost_ends_the_reading_there(recordings: Recordings) -> None:
    """Text after a gap may be anybody's answer to anything."""
    run, (whole, other) = recordings(RUN), screens(recordings(RUN))
    run.unseal(run.inside_session(with_text(b"Challenge: ", typed=False))[:1])
    cut, still = screens(run)
    assert whole.startswith(cut)
    assert "Challenge: " not in cut
    assert still == other


def test_a_connection_that_was_not_taken_is_none(recordings: Recordings) -> None:
    """A SYN alone, from another port."""
    run = recordings(RUN)
    count = len(screens(run))
    first = run.inside_session(lambda i: i.data and i.data.is_bare_syn and not i.outgoing)[0]
    assert first.data is not None
    port = first.data.source_port.to_bytes(2, "big")
    run.seal(first, inner(first).replace(port, (1000).to_bytes(2, "big")), run.end)
    assert len(screens(run)) == count
