"""A DS8000's terminal by VPN, read inside of ESP: what TCP repeats or loses, and what is no terminal's."""

from __future__ import annotations

from collections.abc import Callable

from lab.service.challenge import response
from lab.verify import Verdict, terminal_calls
from lab.verify.sightings import Inside
from lab.wire import ppp
from lab.wire.decode import TCP, Frame
from tests.recordings import sealing
from tests.recordings.true_run import Recordings, TrueRun, ppp_frame
from tests.unit.verify.terminal_mutations import account
from tests.unit.verify.vpn_mutations import inner
from tests.unit.verify.vpn_terminal_mutations import RUN, again, handshake, with_text

SYN, SYN_ACK = 0x02, 0x12


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


def shown(run: TrueRun) -> list[Inside]:
    """The console's segments of the first connection."""
    port = terminal_port(run)
    return run.inside_session(
        lambda i: i.outgoing and i.data and i.data.destination_port == port and i.data.payload
    )


def terminal_port(run: TrueRun) -> int:
    first = run.inside_session(handshake(SYN))[0]
    assert first.data is not None
    return first.data.source_port


def grown(item: Inside, more: bytes) -> bytes:
    """A segment with more behind it, in all that carries it."""
    assert item.ppp is not None
    assert item.data is not None
    packet = sealing.ip(item.data.source, item.data.destination, TCP, item.ppp.body[20:] + more)
    return sealing.in_l2tp(item, ppp_frame(ppp.IP, packet))


def test_segments_that_overtake_each_other_are_put_in_order(recordings: Recordings) -> None:
    run, whole = recordings(RUN), screens(recordings(RUN))
    first, second = shown(run)[2:4]
    run.retime(first, second.frame.time + 0.0001)
    assert screens(run) == whole


def test_a_segment_that_overlaps_adds_what_is_new(recordings: Recordings) -> None:
    """What is sent again may be cut otherwise (RFC 9293 3.8.1): here two segments in one, and the second."""
    run, whole = recordings(RUN), screens(recordings(RUN))
    first, second = shown(run)[2:4]
    assert first.data is not None
    assert second.data is not None
    run.reseal(first, grown(first, second.data.payload))
    assert screens(run) == whole


def test_what_was_lost_is_unread_and_fails_nothing(recordings: Recordings) -> None:
    """Text after a gap may be anybody's answer to anything."""
    run, (whole, other) = recordings(RUN), screens(recordings(RUN))
    run.unseal(run.inside_session(with_text(b"Challenge: ", typed=False))[:1])
    cut, still = screens(run)
    assert whole.startswith(cut)
    assert "Challenge: " not in cut
    assert still == other
    found = run.judge()["I-23"]
    assert found.verdict is Verdict.not_applicable
    assert found.seen.endswith("could not be read whole")


def like_frame(frame: Frame) -> Callable[[Inside], object]:
    return lambda item: item.frame.number == frame.number


def test_a_session_of_which_nothing_is_seen_ends_in_no_error(recordings: Recordings) -> None:
    run = recordings(RUN)
    for dialogue in terminal_calls.of(run.case()):
        begun = next(p for p in dialogue.line.pieces if p.typed and p.text == "id -un\r")
        run.unseal(run.inside_session(like_frame(begun.frame)))
    assert run.judge()["I-22"].verdict is Verdict.failed


def test_a_port_that_is_used_again_is_another_connection(recordings: Recordings) -> None:
    run, known = recordings(RUN), screens(recordings(RUN))
    end = terminal_calls.of(run.case())[0].line.ended
    for flags in (SYN, SYN_ACK):
        first = run.inside_session(handshake(flags))[0]
        content = inner(first)
        assert first.data is not None
        at = content.index(first.data.tcp_sequence.to_bytes(4, "big"))
        other = content[:at] + bytes(4) + content[at + 4 :]
        run.seal(first, other, end + 0.001 * flags)
    assert screens(run) == [known[0], "", known[1]]


def test_a_connection_that_was_not_taken_is_none(recordings: Recordings) -> None:
    """A SYN alone, from another port, in the session."""
    run = recordings(RUN)
    began = terminal_calls.of(run.case())[0].line.began
    port = terminal_port(run).to_bytes(2, "big")
    for flags, count in ((SYN, 2), (SYN_ACK, 3)):
        like = run.inside_session(handshake(flags))[0]
        run.seal(like, inner(like).replace(port, (1000).to_bytes(2, "big")), began + 0.001 * count)
        assert len(screens(run)) == count
