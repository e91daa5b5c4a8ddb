"""IKE version 2 as scapy makes it, read by the lab: proposals, notifies, and what is encrypted."""

from __future__ import annotations

from typing import Any

import pytest
from scapy.contrib import ikev2

from lab.wire import isakmp
from lab.wire.isakmp import NO_PROPOSAL_CHOSEN, ExchangeType, TransformType


def transform(kind: int, number: int, bits: int = 0) -> Any:
    """scapy has the attribute of a key's length as one number: type, with the top bit set, and bits."""
    attribute: Any = {"length": 12, "key_length": 0x800E0000 | bits} if bits else {}
    return ikev2.IKEv2_Transform(transform_type=kind, transform_id=number, **attribute)


def message(payload: object, exchange: int, first: str) -> bytes:
    header = ikev2.IKEv2(
        init_SPI=b"initiate", resp_SPI=b"responds", next_payload=first, exch_type=exchange, id=7
    )
    return bytes(header / payload)


CHOSEN = (
    transform(1, 12, 256)
    / transform(2, 5)
    / transform(3, 12)
    / transform(4, 14)
)  # fmt: skip


def test_the_chosen_transforms_of_version_2() -> None:
    proposal = ikev2.IKEv2_Proposal(proposal=1, proto=1, trans_nb=4, trans=CHOSEN)
    data = message(ikev2.IKEv2_SA(prop=proposal), 34, "SA")

    read = isakmp.parse(data)

    assert read is not None
    assert (read.version >> 4, read.exchange) == (2, ExchangeType.ike_sa_init)
    assert read.message_id == 7
    assert read.suites == (
        {
            TransformType.encryption: (12, 256),
            TransformType.prf: (5, 0),
            TransformType.integrity: (12, 0),
            TransformType.group: (14, 0),
        },
    )
    assert not read.transforms


def test_a_notify_of_version_2_has_no_doi() -> None:
    read = isakmp.parse(message(ikev2.IKEv2_Notify(type=NO_PROPOSAL_CHOSEN), 34, "Notify"))

    assert read is not None
    assert read.notifies == (NO_PROPOSAL_CHOSEN,)


@pytest.mark.parametrize("first", [46, 53])
def test_what_is_encrypted_has_no_payloads(first: int) -> None:
    header = ikev2.IKEv2(next_payload=first, exch_type=35, id=1)
    read = isakmp.parse(bytes(header / ikev2.IKEv2_Encrypted(load=b"x" * 40)))

    assert read is not None
    assert read.exchange == ExchangeType.ike_auth
    assert (read.payloads, read.suites, read.notifies) == ((), (), ())


@pytest.mark.parametrize("size", range(28, 80, 5))
def test_a_message_that_is_cut_short_is_none(size: int) -> None:
    proposal = ikev2.IKEv2_Proposal(proposal=1, proto=1, trans_nb=4, trans=CHOSEN)
    data = message(ikev2.IKEv2_SA(prop=proposal), 34, "SA")
    assert size >= len(data) or isakmp.parse(data[:size]) is None
