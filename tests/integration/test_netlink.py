"""The netlink channel against a real kernel: batches over one sendmsg, and refusals in them."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from lab.errors import KernelError
from lab.linux import inventory, netlink
from lab.linux.netlink import NetlinkRequest
from lab.linux.nodes import Node

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root and namespaces"),
]

RTM_NEWADDR = 20
LOOPBACK = bytes((2, 32, 0, 0, 1, 0, 0, 0))


def address(number: int) -> NetlinkRequest:
    ip = socket.inet_aton(f"10.0.{number // 256}.{number % 256}")
    body = LOOPBACK + netlink.attribute(2, ip) + netlink.attribute(1, ip)
    flags = netlink.CREATE | netlink.EXCL
    return NetlinkRequest("add address to", f"number {number}", RTM_NEWADDR, flags, body)


def test_a_long_batch_is_carried_out_whole(tmp_path: Path) -> None:
    with Node.create_bare("n", tmp_path) as node:
        node.netlink.transact([address(number) for number in range(2000)])
        seen = inventory.take(node)

    assert sum(text.startswith("lo 10.0.") for text in seen.addresses) == 2000


@pytest.mark.parametrize("twice", [0, 700, 1999])
def test_the_refused_request_is_named_wherever_it_is_in_the_batch(
    twice: int, tmp_path: Path
) -> None:
    with Node.create_bare("n", tmp_path) as node:
        node.netlink.transact([address(twice)])
        with pytest.raises(KernelError) as refused:
            node.netlink.transact([address(number) for number in range(2000)])
        # And the channel is in step again.
        node.netlink.transact([address(3000)])
        seen = inventory.take(node)

    assert str(refused.value).startswith(f"cannot add address to number {twice}: File exists")
    assert "lo 10.0.11.184/32" in seen.addresses


def test_an_unknown_question_is_a_kernel_error(tmp_path: Path) -> None:
    with (
        Node.create_bare("n", tmp_path) as node,
        pytest.raises(KernelError, match="cannot list nothing"),
    ):
        node.netlink.dump(0x7FF0, bytes(16), "nothing")
