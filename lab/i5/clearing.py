"""Why a partition clears a call: result, error and words of a CDN (RFC 2661 4.4.2). Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import replace

from lab.l2tp.avps import Q931Cause
from lab.l2tp.requests import ClearedBy, Clearing
from lab.record.cause import DialCause
from lab.wire.l2tp_codes import CdnResult, GeneralError

USER_BUSY, NO_ANSWER, NO_CIRCUIT = 17, 19, 34
"""Of Q.850: what the network would say of the call. A modem hears tones, and tells these three apart."""
MOST_BYTES = 100
"""Of a text that is made up: xl2tpd (1.3.18) keeps 119 bytes of a CDN's."""

LOST_CARRIER = Clearing.call(CdnResult.carrier_lost, "the carrier was lost")
MODEM_IN_USE = Clearing.call(
    CdnResult.no_facilities_now, "the modem is in use", cause=Q931Cause(NO_CIRCUIT)
)
NO_MODEM = Clearing.call(CdnResult.no_facilities, "the partition has no modem")
NO_VPN = Clearing.call(CdnResult.no_facilities, "the partition has no VPN to lend")
NO_NUMBER = Clearing.call(CdnResult.invalid_destination, "this is no telephone number")
CANNOT_JOIN = Clearing.call(
    CdnResult.general_error, "the two calls cannot be joined", error=GeneralError.no_resources
)

NOT_CONNECTED: Mapping[DialCause, Clearing] = {
    DialCause.busy: Clearing.call(CdnResult.busy, "BUSY", cause=Q931Cause(USER_BUSY)),
    DialCause.no_answer: Clearing.call(
        CdnResult.not_in_time, "NO ANSWER", cause=Q931Cause(NO_ANSWER)
    ),
    DialCause.no_carrier: Clearing.call(CdnResult.no_carrier, "NO CARRIER"),
    DialCause.no_dialtone: Clearing.call(CdnResult.no_dial_tone, "NO DIALTONE"),
    **{
        cause: Clearing.call(CdnResult.no_facilities, text)
        for cause, text in {
            DialCause.port_shut: "the modem's port cannot be opened",
            DialCause.modem_gone: "the modem went away",
            DialCause.modem_silent: "the modem does not answer",
            DialCause.modem_garbage: "the modem answers with garbage",
            DialCause.command_refused: "the modem refuses to be set up",
            DialCause.not_dialled: "the modem does not dial",
        }.items()
    },
}
"""By what went wrong when a number was dialled; the first four texts are V.250's result codes."""


def no_gateway(reasons: Mapping[str, str]) -> Clearing:
    """No VPN gateway has taken a call; ``reasons`` by gateway, in the order in which they were asked."""
    told = [f"{gateway}: {why}" for gateway, why in reasons.items()]
    if len("; ".join(told)) > MOST_BYTES:
        # Each has an equal share, and no word is cut.
        share = MOST_BYTES // len(told) - len("; ")
        told = [textwrap.shorten(each, share, placeholder="...") for each in told]
    return _general("; ".join(told))


def lost_gateway(gateway: str, why: str) -> Clearing:
    """The tunnel to a gateway has gone, and with it a call that was connected."""
    return _general(f"{gateway}: {why}")


def lost_hmc(why: Clearing) -> Clearing:
    """The tunnel to an HMC has gone, and with it the HMC's calls."""
    return _general(f"the tunnel of the caller has gone: {why.text or why}")


def _general(text: str) -> Clearing:
    error = GeneralError.no_resources
    return Clearing.call(CdnResult.general_error, text[:MOST_BYTES], error=error)


def passed_on(why: Clearing) -> Clearing:
    """What one peer has said in CDN, for the other."""
    return replace(why, by=ClearedBy.local)


def dial_cause(result: int, text: str) -> DialCause | None:
    """What befell a call of a partition's modem, by the CDN; None if the modem has not dialled."""
    for cause, clearing in NOT_CONNECTED.items():
        if (clearing.result, clearing.text) == (result, text):
            return cause
    return None
