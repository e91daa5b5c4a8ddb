"""What a partition makes of the calls that HMCs ask it for."""

from __future__ import annotations

import pytest

from lab.i5 import clearing
from lab.i5.events import PassThroughCleared
from lab.l2tp.requests import Clearing
from lab.record.cause import DialCause, GatewayCause
from lab.wire.l2tp_codes import CdnResult, GeneralError
from tests.unit.i5.world import CONNECTED, OTHER_HMC, World
from tunnels.calling import FinalResult

BY_HMC = Clearing.call(CdnResult.administrative, "bye")
UNUSED = ["secure vpn1", "open vpn1", "call vpn1", "join hmc vpn1"]


def test_icrp_waits_for_the_gateway_whose_iccn_goes_first() -> None:
    world = World()
    near = world.call()
    assert (world.done, near.said) == (["secure vpn1"], [])
    world.ike("vpn1")
    assert world.done[1:] == ["open vpn1"]
    world.passing.gateway_up("vpn1")
    far = world.legs[-1]
    assert (world.done[2:], near.said, far.said) == (["call vpn1"], [], [])
    world.passing.answered(far)
    assert world.done == UNUSED
    assert (near.said, far.said) == (["reply"], ["connect 0"])
    assert world.said == ["vpn1 connect 0", "hmc reply"]
    assert world.kinds == ["pass-through-asked", "pass-through-joined"]


def test_the_hmcs_cdn_goes_through_and_nothing_is_left_up() -> None:
    world = World()
    near = world.call()
    far = world.through()
    world.passing.cleared(near, BY_HMC, "hmc")
    assert far.cleared == BY_HMC
    assert world.done[-1] == "close vpn1"
    assert not world.passing.idle
    world.passing.gateway_down("vpn1", GatewayCause.tunnel_closed, "by us")
    assert world.done[-1] == "release vpn1"
    assert world.passing.idle
    assert "gateway-failed" not in world.kinds


def test_the_gateways_cdn_goes_through_with_its_codes() -> None:
    world = World()
    near = world.call()
    far = world.through()
    why = Clearing.call(CdnResult.general_error, "no more", error=GeneralError.no_resources)
    world.passing.cleared(far, why, "vpn1")
    assert near.cleared == why
    told = world.events[-1]
    assert isinstance(told, PassThroughCleared)
    assert (told.by, told.far, told.words) == ("vpn1", "vpn1", "no more")


def test_the_next_gateway_is_tried_until_one_answers() -> None:
    world = World()
    near = world.call()
    world.ike("vpn1", "the other end does not answer")
    assert world.done == ["secure vpn1", "secure vpn2"]
    world.through("vpn2")
    assert near.said == ["reply"]
    assert world.kinds == ["pass-through-asked", "gateway-failed", "pass-through-joined"]


def test_reasons_that_are_too_long_have_an_equal_share_and_whole_words() -> None:
    silent = "the other end does not answer, not to 3 retransmissions either"
    told = clearing.no_gateway({"vpn1": silent, "vpn2": silent})
    assert told.text == (
        "vpn1: the other end does not answer, not to 3...; vpn2: the other end does not answer, not to 3..."
    )
    assert len(told.text) <= clearing.MOST_BYTES
    assert clearing.no_gateway({"vpn1": silent}).text == f"vpn1: {silent}"


def test_a_call_that_no_gateway_takes_is_cleared_with_every_reason() -> None:
    world = World()
    near = world.call()
    world.ike("vpn1", "silent")
    world.ike("vpn2")
    world.passing.gateway_up("vpn2")
    world.passing.cleared(world.legs[-1], Clearing.call(CdnResult.no_facilities, "full"), "vpn2")
    assert near.cleared == Clearing.call(
        CdnResult.general_error,
        "vpn1: silent; vpn2: the L2TP call was ended: full",
        error=GeneralError.no_resources,
    )
    assert world.done[-1] == "close vpn2"
    world.passing.gateway_down("vpn2", GatewayCause.tunnel_closed, "by us")
    assert world.passing.idle


@pytest.mark.parametrize("cause", [GatewayCause.no_tunnel, GatewayCause.tunnel_closed])
def test_a_tunnel_that_does_not_come_up_has_the_next_gateway_tried(cause: GatewayCause) -> None:
    world = World()
    world.call()
    world.ike("vpn1")
    world.passing.gateway_down("vpn1", cause, "no")
    assert world.done[2:] == ["release vpn1", "secure vpn2"]


def test_calls_share_ipsec_and_tunnel_which_go_with_the_last() -> None:
    world = World()
    first, second = world.call(), world.call(OTHER_HMC)
    assert world.done == ["secure vpn1"]
    world.ike("vpn1")
    world.passing.gateway_up("vpn1")
    assert world.done[2:] == ["call vpn1", "call vpn1"]
    one, other = world.legs[-2:]
    for far in (one, other):
        world.passing.answered(far)
    third = world.call()
    world.passing.answered(world.legs[-1])
    assert world.done[4:] == ["join hmc vpn1", "join hmc-b vpn1", "call vpn1", "join hmc vpn1"]

    for near, client in ((first, "hmc"), (second, OTHER_HMC)):
        world.passing.cleared(near, BY_HMC, client)
    assert "close vpn1" not in world.done
    world.passing.cleared(third, BY_HMC, "hmc")
    assert world.done[-1] == "close vpn1"


def test_a_further_call_goes_to_the_gateway_that_is_in_use() -> None:
    """R-07: the first one, which is silent, is asked no more while the second one serves."""
    world = World()
    first = world.call()
    world.ike("vpn1", "silent")
    second = world.call(OTHER_HMC)
    assert world.done == ["secure vpn1", "secure vpn2"]
    world.ike("vpn2")
    world.passing.gateway_up("vpn2")
    for far in world.legs[-2:]:
        world.passing.answered(far)
    third = world.call()
    world.passing.answered(world.legs[-1])
    assert "secure vpn1" not in world.done[1:]
    assert [near.said for near in (first, second, third)] == [["reply"]] * 3

    # If that gives no way, the others are asked all the same.
    fourth = world.call()
    busy = Clearing.call(CdnResult.no_facilities_now, "full")
    world.passing.cleared(world.legs[-1], busy, "vpn2")
    assert world.done[-1] == "secure vpn1"
    world.ike("vpn1", "silent")
    assert fourth.cleared is not None
    assert fourth.cleared.text.startswith("vpn2: ")

    # With the last call it is over: then the first is the first again.
    for near in (first, second, third):
        world.passing.cleared(near, BY_HMC, "hmc")
    world.passing.gateway_down("vpn2", GatewayCause.tunnel_closed, "by us")
    world.call()
    assert world.done[-1] == "secure vpn1"


def test_a_lost_gateway_clears_every_call_and_is_tried_no_more_for_them() -> None:
    world = World()
    nears = [world.call(), world.call(OTHER_HMC)]
    world.ike("vpn1")
    world.passing.gateway_up("vpn1")
    world.passing.answered(world.legs[-2])
    world.passing.gateway_down("vpn1", GatewayCause.tunnel_closed, "no answer to HELLO")
    assert nears[0].cleared == clearing.lost_gateway("vpn1", "no answer to HELLO")
    # The other had no ICRP yet, so it has lost nothing.
    assert nears[1].cleared is None
    assert world.done[-2:] == ["release vpn1", "secure vpn2"]


def test_who_gives_up_early_leaves_nothing_to_be_done() -> None:
    world = World()
    near = world.call()
    world.passing.cleared(near, BY_HMC, "hmc")
    world.ike("vpn1")
    assert world.done == ["secure vpn1", "release vpn1"]
    assert world.passing.idle

    near = world.call()
    world.ike("vpn1")
    world.passing.cleared(near, BY_HMC, "hmc")
    world.passing.gateway_up("vpn1")
    assert world.done[2:] == ["secure vpn1", "open vpn1", "close vpn1"]
    world.passing.gateway_down("vpn1", GatewayCause.tunnel_closed, "by us")
    assert world.passing.idle


def test_a_call_while_the_tunnel_is_being_closed_gets_a_new_one_in_the_same_ipsec() -> None:
    world = World()
    near = world.call()
    world.through()
    world.passing.cleared(near, BY_HMC, "hmc")
    again = world.call()
    assert world.done[-1] == "close vpn1"
    world.passing.gateway_down("vpn1", GatewayCause.tunnel_closed, "by us")
    assert world.done[-1] == "open vpn1"
    world.passing.gateway_up("vpn1")
    world.passing.answered(world.legs[-1])
    assert again.said == ["reply"]
    assert "release vpn1" not in world.done


def test_who_borrows_no_vpn_is_refused_at_once() -> None:
    world = World()
    near = world.call("hmc-c")
    assert near.cleared == clearing.NO_VPN
    assert world.done == []
    assert world.passing.idle


def test_a_kernel_that_cannot_join_clears_both() -> None:
    world = World()
    world.joins = False
    near = world.call()
    far = world.through()
    assert near.cleared == far.cleared == clearing.CANNOT_JOIN
    assert near.said == ["clear"]


# The modem.


def test_ocrp_comes_at_once_and_occn_after_connect() -> None:
    world = World()
    near = world.ask()
    assert (world.done, near.said) == (["dial 18005550100"], ["reply"])
    world.modem_says(CONNECTED)
    assert world.done[1:] == ["join hmc 18005550100"]
    assert near.said == ["reply", "connect 33600"]


@pytest.mark.parametrize(
    ("cause", "result"),
    [
        (DialCause.busy, 8),
        (DialCause.no_carrier, 7),
        (DialCause.no_dialtone, 9),
        (DialCause.no_answer, 10),
        (DialCause.modem_silent, 5),
    ],
)
def test_a_call_that_does_not_come_is_cleared_by_the_rfcs_result(
    cause: DialCause, result: int
) -> None:
    world = World()
    near = world.ask()
    world.modem_says(FinalResult("", cause, 0))
    assert near.cleared is not None
    assert near.cleared.result == result
    assert clearing.dial_cause(near.cleared.result, near.cleared.text) is cause
    assert world.lines[0].said == ["hang up"]
    assert world.passing.idle


def test_every_cause_of_a_modem_has_a_result_of_its_own() -> None:
    """``no_ppp`` is no cause of the partition's: it never hears PPP; and it is itself the lender."""
    of_hmcs = {cause for cause in DialCause if cause.name.startswith("lender")}
    assert {*clearing.NOT_CONNECTED} == {*DialCause} - {DialCause.no_ppp} - of_hmcs
    assert len({*clearing.NOT_CONNECTED.values()}) == len(clearing.NOT_CONNECTED)


def test_a_second_call_finds_the_modem_in_use() -> None:
    world = World()
    world.ask()
    near = world.ask(client=OTHER_HMC)
    assert near.said == ["clear"]
    assert near.cleared == clearing.MODEM_IN_USE
    assert near.cleared.result == CdnResult.no_facilities_now


def test_a_partition_without_a_modem_says_so() -> None:
    near = World(0).ask()
    assert near.cleared == clearing.NO_MODEM


@pytest.mark.parametrize("number", ["", "1800;", "1\rATH", "T1800", "1" * 41, "+1"])
def test_what_is_no_number_is_not_dialled(number: str) -> None:
    world = World()
    near = world.ask(number)
    assert near.cleared == clearing.NO_NUMBER
    assert world.done == []


def test_a_lost_carrier_clears_the_hmcs_call() -> None:
    world = World()
    near = world.ask()
    world.modem_says(CONNECTED)
    world.passing.line_lost(world.lines[0])
    assert near.cleared == clearing.LOST_CARRIER
    assert world.lines[0].said == ["hang up"]
    assert world.passing.idle


def test_an_hmc_that_clears_ends_the_telephone_call() -> None:
    world = World()
    near = world.ask()
    world.modem_says(CONNECTED)
    world.passing.cleared(near, BY_HMC, "hmc")
    assert world.lines[0].said == ["hang up"]
    assert world.passing.idle


def test_an_hmc_that_clears_while_it_rings_ends_that() -> None:
    world = World()
    near = world.ask()
    world.passing.cleared(near, BY_HMC, "hmc")
    assert world.lines[0].said == ["give up"]
    assert not world.passing.idle
    # The modem may have been faster.
    world.modem_says(CONNECTED)
    assert world.lines[0].said == ["give up", "hang up"]
    assert "connect 33600" not in near.said
    assert world.passing.idle


def test_a_line_that_cannot_be_joined_is_hung_up() -> None:
    world = World()
    world.joins = False
    near = world.ask()
    world.modem_says(CONNECTED)
    assert near.cleared == clearing.CANNOT_JOIN
    assert world.lines[0].said == ["hang up"]
