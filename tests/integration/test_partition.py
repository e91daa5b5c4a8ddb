"""A partition of i5/OS in the kernel, between xl2tpds, charons and modems. Needs root, L2TP and PPP."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from lab.i5 import clearing
from lab.i5.events import PartitionDialled, PassThroughCleared, PassThroughJoined
from lab.inside import deaths
from lab.l2tp.control_plane import ControlPlane
from lab.l2tp.outputs import SendDatagram
from lab.l2tp.settings import L2tpSettings
from lab.linux import links
from lab.machine import trials
from lab.record.cause import DialCause, GatewayCause
from lab.record.dial_event import ModemProbed
from lab.topology.model import Topology
from lab.topology.telephone import CallRule, ModemFault, Outcome
from lab.wait import wait_until
from lab.ways.vpn.events import GatewayFailed
from lab.ways.vpn.plan import SessionLayout
from lab.wire.l2tp_codes import CdnResult
from tests.integration.partitions import (
    DEADLINE_S,
    CallNotPlaced,
    PartitionLab,
    messages,
    partition_lab,
    tshark,
)
from tunnels.l2tp import GatewayGivesNone

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root and namespaces"),
    pytest.mark.skipif(not Path("/dev/ppp").exists(), reason="needs PPP in the kernel"),
]

HMC, HMC_B, I5 = "203.0.113.10", "203.0.113.11", "203.0.113.20"
NUMBER = "18005550100"


def threads_of_i5() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "i5" in thread.name]


def judge_control_messages(folder: Path) -> None:
    """By a dissector that is not ours: nothing on the wire in clear is malformed or suspect."""
    bad = "l2tp && (_ws.malformed || _ws.expert.severity >= 6291456)"
    assert tshark(folder, "i5-lan", "-Y", bad) == []


def sessions_of(lab: PartitionLab) -> list[str]:
    return [name for name in lab.kernel_table() if name.startswith("sess")]


def test_the_doctor_tries_whether_channels_can_be_joined() -> None:
    before = [*Path("/proc/self/fd").iterdir()]
    assert trials.native_bridging() == "tried, works"
    assert len([*Path("/proc/self/fd").iterdir()]) == len(before)


# Its VPN.


def test_ppp_with_chap_runs_between_the_hmc_and_the_gateway(tmp_path: Path) -> None:
    with partition_lab(tmp_path, "vpn") as lab:
        lab.start_gateway("vpn1")
        lac = lab.lac("hmc")
        (session,) = lac.dial(DEADLINE_S)
        server = lab.topology.ways[1].servers[0]  # type: ignore[attr-defined]
        assert session.peer_ip == server.ppp.local_ip
        assert (
            "CHAP authentication succeeded" in (lab.nodes["hmc"].log_dir / "pppd-0.log").read_text()
        )
        argv = ["ping", "-c", "3", "-i", "0.2", "-s", "1374", "-M", "do", session.peer_ip]
        assert "3 received" in lab.nodes["hmc"].run(argv)
        assert [e.source for e in lab.record.ike] == ["i5"]
        assert len(lab.kernel_table()) == 4
        # No PPP frame has gone through the partition's own process, not even an early one.
        assert lab.partition.ignored == {}

        lac.hang_up()
        lab.idle()
        assert lab.kernel_table() == []
        assert all(sa.removed for sa in lab.record.esp)
        lab.partition.check()
        (cleared,) = lab.told(PassThroughCleared)
        assert (cleared.by, cleared.far, cleared.result) == ("hmc", "vpn1", CdnResult.carrier_lost)
        # IPsec goes once StopCCN is acknowledged: the way to the gateway takes 20 ms.
        assert all(sa.removed > cleared.time + 0.039 for sa in lab.record.esp if sa.node == "i5")
        gateway_log = (lab.nodes["vpn1"].log_dir / "xl2tpd.log").read_text()
        assert "Connection closed to 203.0.113.20, serial 1 (Goodbye!)" in gateway_log
        assert "Connection closed to 203.0.113.20, port 1701 (no call needs it)" in gateway_log
        # Nothing was sent twice.
        assert "out of order" not in gateway_log
    assert threads_of_i5() == []

    judge_control_messages(tmp_path)
    expected = [(HMC, 1), (I5, 2), (HMC, 3), (HMC, 10), (I5, 11), (HMC, 12), (HMC, 14), (HMC, 4)]
    assert [line.split()[:2] for line in messages(tmp_path)] == [
        [source, str(number)] for source, number in expected
    ]
    # In clear on i5-lan, and nowhere else; IKE and ESP are the partition's alone.
    assert tshark(tmp_path, "i5-lan", "-Y", "chap && ip.addr == 203.0.113.10")
    assert tshark(tmp_path, "fw-inet", "-Y", "l2tp || ppp || ip.addr == 203.0.113.10") == []
    outside = tshark(tmp_path, "fw-inet", "-Y", "esp || isakmp", "-T", "fields", "-e", "ip.src")
    assert {*outside} == {I5, "129.42.160.16"}


@pytest.mark.parametrize("layout", SessionLayout)
def test_calls_of_two_hmcs_share_ipsec_and_one_tunnel(
    tmp_path: Path, layout: SessionLayout
) -> None:
    with partition_lab(tmp_path, "vpn") as lab:
        lab.start_gateway("vpn1")
        first, second = lab.lac("hmc", calls=2, layout=layout), lab.lac("hmc-b")
        sessions = [*first.dial(DEADLINE_S), *second.dial(DEADLINE_S)]
        assert len({session.local_ip for session in sessions}) == 3
        assert len(lab.record.ike) == 1
        # The tunnels of the HMCs and one to the gateway, with three sessions on either side.
        of_hmcs = 2 if layout is SessionLayout.sessions else 3
        assert len(lab.kernel_table()) - len(sessions_of(lab)) == of_hmcs + 1
        for session in sessions[:2]:
            argv = ["ping", "-c", "2", "-i", "0.2", "-I", session.interface, session.peer_ip]
            assert "2 received" in lab.nodes["hmc"].run(argv)
        assert len(sessions_of(lab)) == 6

        first.hang_up()
        wait_until("its sessions have gone", lambda: len(sessions_of(lab)) == 2, DEADLINE_S)
        argv = ["ping", "-c", "2", "-i", "0.2", sessions[2].peer_ip]
        assert "2 received" in lab.nodes["hmc-b"].run(argv)
        assert not all(sa.removed for sa in lab.record.esp)
        second.hang_up()
        lab.idle()
        assert all(sa.removed for sa in lab.record.esp)
    judge_control_messages(tmp_path)


def test_the_second_gateway_takes_the_call_when_the_first_is_silent(tmp_path: Path) -> None:
    with partition_lab(tmp_path, "vpn") as lab:
        lab.start_gateway("vpn2")
        lac = lab.lac("hmc")
        lac.dial(DEADLINE_S)
        (failed,) = lab.told(GatewayFailed)
        assert (failed.source, failed.gateway, failed.cause) == ("i5", "vpn1", GatewayCause.no_ike)
        assert [joined.far for joined in lab.told(PassThroughJoined)] == ["vpn2"]
        lac.hang_up()
        lab.idle()


def test_the_hmc_hears_which_gateways_gave_no_way(tmp_path: Path) -> None:
    with partition_lab(tmp_path, "vpn") as lab:
        lac = lab.lac("hmc")
        with pytest.raises(GatewayGivesNone, match="vpn1: the other end does not answer"):
            lac.dial(DEADLINE_S)
        (cleared,) = lab.told(PassThroughCleared)
        assert (cleared.by, cleared.result, cleared.error) == ("i5", 2, 4)
        assert cleared.words.startswith("vpn1: the other end does not answer")
        assert lab.record.ike == []
        lab.partition.check()
    judge_control_messages(tmp_path)


@pytest.mark.parametrize("direction", ["ip saddr", "ip daddr"])
def test_without_either_direction_of_port_1701_there_is_no_ike(
    tmp_path: Path, direction: str
) -> None:
    with partition_lab(tmp_path, "vpn") as lab:
        lab.start_gateway("vpn1")
        hook = "input" if direction == "ip saddr" else "output"
        chain = f"add chain ip lost c {{ type filter hook {hook} priority -300; }}"
        rule = f"add rule ip lost c {direction} {HMC} udp dport 1701 drop"
        if hook == "output":
            rule = f"add rule ip lost c {direction} {HMC} udp sport 1701 drop"
        lab.nodes["i5"].run(["nft", f"add table ip lost; {chain}; {rule}"])
        with pytest.raises(GatewayGivesNone, match="Maximum retries exceeded"):
            lab.lac("hmc").dial(DEADLINE_S)
        assert lab.record.ike == []
        assert lab.record.ike_failed == []
        assert lab.events == []
    assert tshark(tmp_path, "i5-lan", "-Y", "isakmp") == []


def test_a_gateway_that_stops_answering_clears_the_hmcs_call(tmp_path: Path) -> None:
    with partition_lab(tmp_path, "vpn") as lab:
        lab.start_gateway("vpn1")
        lac = lab.lac("hmc")
        (session,) = lac.dial(DEADLINE_S)
        (server,) = lab.topology.node("vpn1").interfaces[:1]
        links.unplug(lab.nodes["vpn1"], [server.name])

        wait_until("the call is cleared", lambda: lab.told(PassThroughCleared), 2 * DEADLINE_S)
        (cleared,) = lab.told(PassThroughCleared)
        assert (cleared.by, cleared.result) == ("vpn1", CdnResult.general_error)
        assert cleared.words == "vpn1: no answer to HELLO"
        wait_until("the HMC knows", lambda: lac.refresh()[0].closed, DEADLINE_S)
        assert session.closed
        lac.hang_up()
        lab.idle()
        assert lab.kernel_table() == []


def test_an_hmc_that_is_gone_has_its_calls_cleared_at_the_gateway(tmp_path: Path) -> None:
    with partition_lab(tmp_path, "vpn") as lab:
        lab.start_gateway("vpn1")
        lab.lac("hmc").dial(DEADLINE_S)
        links.unplug(lab.nodes["hmc"], ["i5-lan"])

        wait_until("the call is cleared", lambda: lab.told(PassThroughCleared), 2 * DEADLINE_S)
        (cleared,) = lab.told(PassThroughCleared)
        assert (cleared.by, cleared.far) == ("hmc", "vpn1")
        assert "no answer to HELLO" in cleared.words
        lab.idle()
        log = (lab.nodes["vpn1"].log_dir / "xl2tpd.log").read_text()
        assert (
            "Connection closed to 203.0.113.20, serial 1 (the tunnel of the caller has gone" in log
        )


def test_a_partition_that_dies_says_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    with partition_lab(tmp_path, "vpn") as lab:
        lab.start_gateway("vpn1")
        lab.lac("hmc").dial(DEADLINE_S)
        before = len(messages_so_far(lab))
        deaths.die(lab.ground, "i5")
        assert lab.kernel_table() == []
        assert [name for name in threads_of_i5() if name == "i5 i5"] == []
        lab.partition.check()
        assert not lab.told(PassThroughCleared)
        assert len(messages_so_far(lab)) == before
    assert threads_of_i5() == []


@pytest.mark.parametrize("end", ["death", "shut-down"])
def test_a_partition_that_goes_while_a_gateway_is_silent_leaves_nothing(
    tmp_path: Path, end: str
) -> None:
    """IKE would go on for 24 s."""
    with partition_lab(tmp_path, "vpn") as lab:
        lac = lab.lac("hmc")
        lac.command("c i5-0")
        wait_until("IKE has begun", lambda: "sending packet" in charon_log(lab), DEADLINE_S)
        if end == "death":
            deaths.die(lab.ground, "i5")
            lab.partition.check()
        lab.own.close()
        assert "giving up" not in charon_log(lab)
        assert threads_of_i5() == []
        assert lab.told(PassThroughCleared) == []
        assert lab.record.ike_failed == []


def charon_log(lab: PartitionLab) -> str:
    return (lab.nodes["i5"].log_dir / "charon.log").read_text()


def messages_so_far(lab: PartitionLab) -> list[str]:
    """What xl2tpd at the HMC has logged."""
    return (lab.nodes["hmc"].log_dir / "xl2tpd.log").read_text().splitlines()


def test_a_partition_that_is_shut_down_tells_its_peers(tmp_path: Path) -> None:
    with partition_lab(tmp_path, "vpn") as lab:
        lab.start_gateway("vpn1")
        lac = lab.lac("hmc")
        lac.dial(DEADLINE_S)
        # As at the end of a lab whose HMC is a program of the user's.
        lab.own.close()
        wait_until("the HMC knows", lambda: lac.refresh()[0].closed, DEADLINE_S)
        assert lab.kernel_table() == []
        assert threads_of_i5() == []
    sent = [line.split() for line in messages(tmp_path)]
    assert [I5, "4", "6"] in sent


# Its modem.


def test_ppp_with_pap_runs_between_the_hmc_and_atts_gateway(tmp_path: Path) -> None:
    with partition_lab(tmp_path, "modem") as lab:
        (found,) = lab.told(ModemProbed)[:1]
        assert (found.source, found.answer) == ("i5", "OK")
        caller = lab.caller("hmc")
        for turn in range(2):
            link = caller.call(NUMBER, DEADLINE_S)
            call = lab.record.lig[turn]
            wait_until("the gateway has opened the call", lambda: call.opened, DEADLINE_S)  # noqa: B023
            assert (link.local_ip, call.user) == (call.address, "usibm.hmc01")
            assert call.rate_bit_s == 33600
            caller.hang_up()
            wait_until("the gateway's call has ended", lambda: call.closed, DEADLINE_S)  # noqa: B023
            wait_until("the modem is free", lambda: not lab.partition.calling, DEADLINE_S)
        assert lab.partition.ignored == {}
        lab.partition.check()
        assert [e.rate_bit_s for e in lab.told(PartitionDialled)] == [33600, 33600]
        assert [e.by for e in lab.told(PassThroughCleared)] == ["hmc", "hmc"]
    assert threads_of_i5() == []

    judge_control_messages(tmp_path)
    hmc, i5 = "192.168.10.10", "192.168.10.20"
    sent = [line.split() for line in messages(tmp_path)]
    assert sent[3:7] == [[hmc, "7", NUMBER], [i5, "8"], [i5, "9"], [hmc, "14", "1"]]
    # Asynchronous framing alone is asked for, and given.
    asked = "l2tp.avp.message_type in {7, 9}"
    framing = ("-e", "l2tp.avp.async_framing_type", "-e", "l2tp.avp.sync_framing_type")
    kinds = tshark(tmp_path, "i5-lan", "-Y", asked, "-T", "fields", "-E", "separator=,", *framing)
    assert {*kinds} == {"1,0"}
    frames = tshark(tmp_path, "i5-lan", "-Y", "pap", "-T", "fields", "-e", "ip.src")
    assert {*frames} == {hmc, i5}


@pytest.mark.parametrize("option", ["", "default-asyncmap", "asyncmap a0000"])
def test_every_octet_gets_through_in_both_framings(tmp_path: Path, option: str) -> None:
    """The ends negotiate which characters are escaped; the framing of the line ends at the partition.

    With ``default-asyncmap`` neither end may send a control character as it is (pppd(8)).
    """
    with partition_lab(tmp_path, "modem") as lab:
        caller = lab.caller("hmc")
        script = f"echo {option} >>/etc/ppp/options.i5"
        lab.nodes["hmc"].run(["sh", "-c", script])
        link = caller.call(NUMBER, DEADLINE_S)
        wait_until("the gateway has opened the call", lambda: lab.record.lig[0].opened, DEADLINE_S)
        before = received(lab)
        with lab.nodes["hmc"].socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.interface.encode())
            for start in range(0, 256, 32):
                data = bytes(range(start, start + 32)) * 40
                sender.sendto(data, ("203.0.113.129", 9))
        wait_until("every packet is there", lambda: received(lab) == before + 8, DEADLINE_S)
        log = (lab.nodes["hmc"].log_dir / "pppd.log").read_text()
        asked = re.findall(r"sent \[LCP ConfReq id=0x1 (?:<mru \d+> )?(?:<asyncmap (\w+)>)?", log)
        assert asked[0] == {"": "0x0", "default-asyncmap": ""}.get(option, "0xa0000")
        caller.hang_up()


def received(lab: PartitionLab) -> int:
    """The packets on AT&T's end of the call that were whole."""
    statistics = Path("/sys/class/net/ppp0/statistics")
    assert lab.nodes["lig"].run(["cat", statistics / "rx_errors"]).strip() == "0"
    return int(lab.nodes["lig"].run(["cat", statistics / "rx_packets"]))


OUTCOMES = {
    Outcome.busy: (DialCause.busy, 8),
    Outcome.no_dialtone: (DialCause.no_dialtone, 9),
    Outcome.no_answer: (DialCause.no_answer, 10),
    Outcome.training_fails: (DialCause.no_carrier, 7),
}


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_call_that_does_not_come_is_cleared_with_its_cause(
    tmp_path: Path, outcome: Outcome
) -> None:
    cause, result = OUTCOMES[outcome]
    with partition_lab(tmp_path, "modem", with_calls(outcome)) as lab:
        caller = lab.caller("hmc")
        with pytest.raises(CallNotPlaced) as refused:
            caller.call(NUMBER, DEADLINE_S)
        assert clearing.dial_cause(result, refused.value.words) is cause
        assert [told.cause for told in lab.told(PartitionDialled)] == [cause]
        assert [(e.by, e.result) for e in lab.told(PassThroughCleared)] == [("line", result)]
        # The tunnel is there still, and so is the modem: the next call comes.
        caller.call(NUMBER, DEADLINE_S)
        caller.hang_up()
    judge_control_messages(tmp_path)
    assert ["192.168.10.20", "14", str(result)] in [line.split() for line in messages(tmp_path)]


def with_calls(outcome: Outcome) -> Callable[[Topology], Topology]:
    """One call has such an outcome."""

    def change(topology: Topology) -> Topology:
        assert topology.telephone is not None
        rules = (CallRule(outcome=outcome, times=1),)
        return replace(topology, telephone=replace(topology.telephone, rules=rules))

    return change


def test_a_second_hmc_finds_the_modem_in_use(tmp_path: Path) -> None:
    with partition_lab(tmp_path, "modem") as lab:
        first, second = lab.caller("hmc"), lab.caller("hmc-b")
        first.call(NUMBER, DEADLINE_S)
        with pytest.raises(CallNotPlaced) as refused:
            second.call(NUMBER, DEADLINE_S)
        assert refused.value.words == "the modem is in use"
        first.hang_up()
        wait_until("the modem is free", lambda: not lab.partition.calling, DEADLINE_S)
        second.call(NUMBER, DEADLINE_S)
        second.hang_up()
    assert ["192.168.10.20", "14", "4"] in [line.split() for line in messages(tmp_path)]


def test_each_of_two_modems_has_a_call(tmp_path: Path) -> None:
    with partition_lab(tmp_path, "modem", modems=2) as lab:
        callers = [lab.caller("hmc"), lab.caller("hmc-b")]
        found = [caller.call(NUMBER, DEADLINE_S) for caller in callers]
        assert len({link.local_ip for link in found}) == 2
        assert {e.device for e in lab.told(PartitionDialled)} == {"/dev/modem0", "/dev/modem1"}
        for caller in callers:
            caller.hang_up()


def test_a_lost_carrier_clears_the_hmcs_call(tmp_path: Path) -> None:
    def drops(topology: Topology) -> Topology:
        assert topology.telephone is not None
        rules = (CallRule(outcome=Outcome.line_drops, after_s=20.0, times=1),)
        return replace(topology, telephone=replace(topology.telephone, rules=rules))

    with partition_lab(tmp_path, "modem", drops) as lab:
        caller = lab.caller("hmc")
        caller.call(NUMBER, DEADLINE_S)
        wait_until("the call is cleared", lambda: lab.told(PassThroughCleared), DEADLINE_S)
        (cleared,) = lab.told(PassThroughCleared)
        assert (cleared.by, cleared.result) == ("line", CdnResult.carrier_lost)
        wait_until("the HMC knows", lambda: not caller.open_calls, DEADLINE_S)
        caller.call(NUMBER, DEADLINE_S)
        caller.hang_up()


def test_an_hmc_that_gives_up_while_it_rings_ends_the_call(tmp_path: Path) -> None:
    with partition_lab(tmp_path, "modem", with_calls(Outcome.no_answer)) as lab:
        caller = lab.caller("hmc")
        with pytest.raises(CallNotPlaced):
            caller.call(NUMBER, 5.0)
        caller.command("d i5")
        wait_until("the modem is free", lambda: not lab.partition.calling, 5.0)
        (dialled,) = lab.told(PartitionDialled)
        assert dialled.result == "NO CARRIER"
        assert [e.by for e in lab.told(PassThroughCleared)] == ["hmc"]
        lab.idle()


def test_a_partition_whose_modem_is_dead_says_so(tmp_path: Path) -> None:
    def dead(topology: Topology) -> Topology:
        assert topology.telephone is not None
        broken = (("i5", ModemFault.dead),)
        return replace(topology, telephone=replace(topology.telephone, broken=broken))

    with partition_lab(tmp_path, "modem", dead) as lab:
        with pytest.raises(CallNotPlaced) as refused:
            lab.caller("hmc").call(NUMBER, DEADLINE_S)
        assert refused.value.words == "the partition has no modem"


def test_who_borrows_nothing_gets_no_answer(tmp_path: Path) -> None:
    with partition_lab(tmp_path, "modem") as lab:
        stranger = L2tpSettings(host_name="stranger")
        plane = ControlPlane(stranger, Random(1))
        plane.open(("192.168.10.20", 1701), 0.0)
        (asked,) = plane.take()
        assert isinstance(asked, SendDatagram)
        other = "192.168.10.99"
        lab.nodes["hmc"].run(["ip", "address", "add", f"{other}/24", "dev", "i5-lan"])
        for address, answered in ((other, False), ("192.168.10.10", True)):
            with lab.nodes["hmc"].socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.bind((address, 0))
                sender.settimeout(5)
                sender.sendto(asked.data, asked.peer)
                try:
                    sender.recv(1500)
                except TimeoutError:
                    assert not answered
                else:
                    assert answered
        lab.partition.check()


def test_a_partition_that_goes_while_it_dials_hangs_up(tmp_path: Path) -> None:
    with partition_lab(tmp_path, "modem", with_calls(Outcome.no_answer)) as lab:
        caller = lab.caller("hmc")
        with pytest.raises(CallNotPlaced):
            caller.call(NUMBER, 5.0)
        lab.own.close()
        assert "NO ANSWER" not in {dialled.result for dialled in lab.told(PartitionDialled)}
        assert threads_of_i5() == []
