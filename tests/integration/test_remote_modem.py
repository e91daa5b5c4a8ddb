"""An HMC's dialler and a partition's modem, between xl2tpd and pppd. Needs root, L2TP and PPP."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from lab.i5.events import PassThroughCleared
from lab.linux.resolving import RESOLV_CONF
from lab.record.cause import DialCause, PppCause
from lab.topology.model import Topology
from lab.topology.telephone import CallRule, Outcome
from lab.verify import telephone_calls
from lab.wait import wait_until
from lab.ways.dial.plan import dialers
from lab.ways.pass_through.plan import plans
from lab.wire import ppp
from lab.wire.ppp import Code
from tests.integration.partitions import DEADLINE_S, PartitionLab, partition_lab
from tunnels.remote_modem import RemoteDialler

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root and namespaces"),
    pytest.mark.skipif(not Path("/dev/ppp").exists(), reason="needs PPP in the kernel"),
]

PACKETS, PACKET_BYTES = 60, 700
"""In all more than a serial port and a modem hold (26 kB), and a line of 33,600 bit/s carries at once."""
EARLY = bytes.fromhex("4500001c00000000401100000a000001080808080035003500080000")
"""An IP packet of a UDP datagram without data."""


@contextmanager
def dialler(lab: PartitionLab, client: str = "hmc") -> Iterator[RemoteDialler]:
    (plan,) = (d for d in dialers(lab.topology) if d.client == client)
    (below,) = plans(lab.topology)
    plan = replace(plan, redial_pause_s=0.1)
    node, tell = lab.nodes[client], lab.events.append
    made = RemoteDialler(node, plan, below.borrower(client), "lig", lab.record, tell)
    try:
        yield made
    finally:
        made.stop()


def befalls(rule: CallRule) -> Callable[[Topology], Topology]:
    def change(topology: Topology) -> Topology:
        assert topology.telephone is not None
        return replace(topology, telephone=replace(topology.telephone, rules=(rule,)))

    return change


def arrived(lab: PartitionLab) -> int:
    """The packets that AT&T's end of the call has had."""
    counter = "/sys/class/net/ppp0/statistics/rx_packets"
    return int(lab.nodes["lig"].run(["cat", counter]))


def test_a_call_comes_loses_nothing_of_a_burst_and_leaves_nothing(tmp_path: Path) -> None:
    with partition_lab(tmp_path, "modem") as lab, dialler(lab) as hmc:
        before = lab.nodes["hmc"].run(["cat", RESOLV_CONF])
        for turn in range(2):
            session = hmc.dial()
            call = lab.record.lig[turn]
            wait_until("the gateway has opened the call", lambda: call.opened, DEADLINE_S)  # noqa: B023
            assert (session.local_ip, call.user) == (call.address, "usibm.hmc01")
            assert session.mtu == 1456
            assert lab.topology.lig is not None
            assert lab.topology.lig.utility in lab.nodes["hmc"].run(["cat", RESOLV_CONF])

            had = arrived(lab)
            with lab.nodes["hmc"].socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                device = session.interface.encode()
                sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device)
                for _ in range(PACKETS):
                    sender.sendto(os.urandom(PACKET_BYTES), (session.peer_ip, 9))
            wait_until("all of it is there", lambda: arrived(lab) == had + PACKETS, DEADLINE_S)  # noqa: B023

            assert hmc.healthy()
            hmc.hang_up()
            assert not hmc.healthy()
            wait_until("the gateway's call has ended", lambda: call.closed, DEADLINE_S)  # noqa: B023
            lab.idle()
            assert lab.kernel_table() == lab.kernel_table("hmc") == []
            assert lab.nodes["hmc"].run(["cat", RESOLV_CONF]) == before
        assert [a.result for a in lab.record.dialled] == ["CONNECT 33600"] * 2
        lab.partition.check()


FATES = {
    Outcome.busy: (DialCause.busy, "BUSY"),
    Outcome.no_answer: (DialCause.no_answer, "NO ANSWER"),
    Outcome.training_fails: (DialCause.no_carrier, "NO CARRIER"),
}


@pytest.mark.parametrize("outcome", FATES)
def test_after_a_call_in_vain_the_number_is_tried_again(tmp_path: Path, outcome: Outcome) -> None:
    change = befalls(CallRule(outcome=outcome, times=1))
    with partition_lab(tmp_path, "modem", change) as lab, dialler(lab) as hmc:
        hmc.dial()
        first, second = lab.record.dialled
        assert (first.cause, first.result) == FATES[outcome]
        assert second.cause is None


def test_a_lost_carrier_is_a_lost_session(tmp_path: Path) -> None:
    change = befalls(CallRule(outcome=Outcome.line_drops, times=1, after_bytes=2000))
    with partition_lab(tmp_path, "modem", change) as lab, dialler(lab) as hmc:
        session = hmc.dial()
        with lab.nodes["hmc"].socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(10):
                sender.sendto(bytes(500), (session.peer_ip, 9))
        wait_until("the session has ended", lambda: not hmc.healthy(), DEADLINE_S)
        assert session.cause is PppCause.hangup
        assert [(c.by, c.result) for c in lab.told(PassThroughCleared)] == [("line", 1)]
        hmc.hang_up()
        hmc.dial()


def test_a_second_hmc_is_told_that_the_modem_is_in_use(tmp_path: Path) -> None:
    with (
        partition_lab(tmp_path, "modem") as lab,
        dialler(lab) as hmc,
        dialler(lab, "hmc-b") as other,
    ):
        hmc.dial()
        with pytest.raises(Exception, match="the partition's modem is in use"):
            other.dial()
        assert [a.cause for a in lab.record.dialled] == [None, *[DialCause.lender_busy] * 2]
        hmc.hang_up()
        lab.idle()
        assert other.dial().client == "hmc-b"


def test_a_packet_can_be_sent_before_ppp_is_up(tmp_path: Path) -> None:
    """P-20: whoever has the tunnel's numbers can, and AT&T's gateway is to leave it."""
    with partition_lab(tmp_path, "modem") as lab, dialler(lab) as hmc:
        hmc.dial(EARLY)
        call = lab.record.lig[0]
        hmc.hang_up()
        wait_until("the gateway's call has ended", lambda: call.closed, DEADLINE_S)
    carried = telephone_calls.read_carried(tmp_path)
    early = [i.frame.time for i in carried if i.ppp and i.ppp.body == EARLY]
    opened = [i.frame.time for i, _ in ppp.among(carried, ppp.IPCP, Code.configure_ack)]
    assert len(early) == 1
    assert early[0] < min(opened)
