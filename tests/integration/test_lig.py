"""AT&T's gateway in the kernel: calls, leases, the fence packet by packet. Needs root and /dev/ppp."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from contextlib import ExitStack
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from random import Random

import pytest

from lab.errors import DaemonError
from lab.linux import fence
from lab.record.cause import PppCause
from lab.secret import Secret
from lab.topology.telephone import FenceList, Lig
from lab.wait import wait_until
from tests.integration.answering import DEADLINE_S, Hall, hall, ip, udp
from tunnels import ppp

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root and namespaces"),
    pytest.mark.skipif(not Path("/dev/ppp").exists(), reason="needs PPP in the kernel"),
]

LISTED, OTHER_LISTED = "129.42.160.48", "207.25.252.200"
NEIGHBOUR = "129.42.160.47"
CALLER, FREE = "203.0.113.130", "203.0.113.131"
UTILITY = "203.0.113.53"
USER_REQUEST, PEER_AUTH_FAILED, HANGUP, AUTH_TO_PEER_FAILED = 5, 11, 16, 19
"""Of pppd(8) EXIT STATUS."""


def counted(made: Hall, **expected: int) -> None:
    """Wait until the fence has counted just this; names are given without their requirement."""
    wanted = {getattr(fence, name): count for name, count in expected.items()}
    wait_until(
        f"the fence counts {wanted}",
        lambda: made.counters == wanted,
        DEADLINE_S,
        seen=lambda: str(made.counters),
    )


def ask(made: Hall, name: str, server: str = UTILITY) -> bytes:
    """A DNS query for an address (RFC 1035 4.1), sent by the caller; the answer."""
    labels = b"".join(bytes((len(x),)) + x.encode() for x in name.split("."))
    question = struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!xHH", 1, 1)
    with made.nodes["hmc"].socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver:
        resolver.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"ppp0")
        resolver.settimeout(3)
        resolver.sendto(question, (server, 53))
        return resolver.recv(512)


def said(made: Hall) -> str:
    """What the gateway's pppd logged of the first line's calls."""
    return (made.nodes["lig"].log_dir / "pppd-lig-1.log").read_text()


def test_a_call_gets_an_address_and_a_name_server_until_it_ends(tmp_path: Path) -> None:
    with hall(tmp_path) as made:
        pppd, link = made.open()

        call = made.last()
        assert (link.local_ip, link.peer_ip) == (CALLER, made.lig.ppp.local_ip)
        assert (call.address, call.user, call.interface) == (CALLER, "usibm.hmc01", "ppp0")
        assert (call.rate_bit_s, call.number) == (33600, 1)
        assert 0 < call.rang <= call.answered <= call.admitted <= call.opened
        assert made.elements() == 5
        assert ask(made, "sas-1.sdc.test")[-4:] == socket.inet_aton(LISTED)
        assert ask(made, "www.example.com")[3] & 15 == 3
        counted(made, UTILITY=2, UTILITY_REPLY=2)

        assert made.hang_up().exit_status == HANGUP
        assert made.elements() == 0
        assert pppd.wait(DEADLINE_S) == HANGUP
        _, again = made.open()
        assert again.local_ip == CALLER
        assert made.last().number == 2


def test_a_caller_who_hangs_up_ends_the_call(tmp_path: Path) -> None:
    with hall(tmp_path) as made:
        pppd, _ = made.open()
        pppd.stop()

        # pppd makes no difference between the two ways in which a peer goes; its log does.
        assert made.ended().exit_status == HANGUP
        assert "LCP terminated by peer (User request)" in said(made)
        assert made.elements() == 0


def test_a_wrong_password_is_refused(tmp_path: Path) -> None:
    with hall(tmp_path) as made:
        user = made.lig.ppp.accounts[0]
        ppp.write_secrets(made.nodes["hmc"], [replace(user, secret=Secret("wrong"))])
        pppd = made.call()

        # The gateway hangs up: pppd tells of that, if it comes before the end of LCP.
        ends = (AUTH_TO_PEER_FAILED, HANGUP)
        assert pppd.wait(DEADLINE_S) in ends
        assert ppp.find_cause(pppd.log.text(), AUTH_TO_PEER_FAILED)[0] is PppCause.not_accepted
        call = made.ended()
        assert call.exit_status == PEER_AUTH_FAILED
        assert (call.admitted, call.opened) == (0, 0)


def test_two_callers_have_two_addresses_and_a_third_only_hears_ringing(tmp_path: Path) -> None:
    def two_addresses(lig: Lig) -> Lig:
        return replace(lig, ppp=replace(lig.ppp, pool=lig.ppp.pool[:2]))

    with hall(tmp_path, two_addresses, lines=3) as made:
        addresses = [made.open(line)[1].local_ip for line in (0, 1)]
        assert addresses == [CALLER, FREE]
        made.wires[2].ring()
        wait_until("the call is noted", lambda: len(made.record.lig) == 3, DEADLINE_S)
        assert (made.last(2).number, made.last(2).answered) == (0, 0)
        assert made.last(2).rang > made.last(1).opened
        assert "ATA" not in made.wires[2].heard

        made.hang_up(0)
        _, link = made.open(2)
        assert link.local_ip == CALLER


def test_a_caller_cannot_choose_its_address(tmp_path: Path) -> None:
    with hall(tmp_path) as made:
        pppd = made.call(addresses=("192.168.10.10", ""))
        pppd.wait(DEADLINE_S)
        made.ended()

        asked = "rcvd [IPCP ConfReq id=0x1 <addr 192.168.10.10>]"
        assert f"{asked}\nsent [IPCP ConfNak id=0x1 <addr {CALLER}>]" in said(made)
        assert "local  IP address" not in pppd.log.text()


def test_a_caller_who_would_like_another_address_gets_one_of_the_pool(tmp_path: Path) -> None:
    with hall(tmp_path) as made:
        _, link = made.open(addresses=("10.9.8.7", ""), extra="ipcp-accept-local")

        assert link.local_ip == CALLER
        asked = "rcvd [IPCP ConfReq id=0x1 <addr 10.9.8.7>]"
        assert f"{asked}\nsent [IPCP ConfNak id=0x1 <addr {CALLER}>]" in said(made)
        for source, counter in (("10.9.8.7", {"SPOOFED_SOURCE": 1}), (CALLER, {"LISTED": 1})):
            made.send("hmc", udp(source, LISTED, 7777), "ppp0")
            counted(made, **{"SPOOFED_SOURCE": 1, **counter})


def test_what_a_caller_sends_is_fenced_in(tmp_path: Path) -> None:
    with hall(tmp_path) as made, made.listening("sdc", 7777) as server:
        made.open()
        quiet = made.nodes["hmc"].socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        for source in ("192.168.10.10", FREE):
            made.send("hmc", udp(source, LISTED, 7777), "ppp0")
        for destination in (NEIGHBOUR, "129.42.160.50", "198.51.100.2", FREE):
            made.send("hmc", udp(CALLER, destination, 443), "ppp0")
        made.send("hmc", udp(CALLER, NEIGHBOUR, 443, ttl=1), "ppp0")
        made.send("hmc", udp(CALLER, "8.8.8.8", 53), "ppp0")
        made.send("hmc", udp(CALLER, "203.0.113.2", 53), "ppp0")
        made.send("hmc", udp(CALLER, "203.0.113.2", 22), "ppp0")
        made.send("hmc", udp(CALLER, UTILITY, 123), "ppp0")
        made.send("hmc", udp(CALLER, LISTED, 7777), "ppp0")

        counted(made, SPOOFED_SOURCE=2, UNLISTED=4, OTHER_DNS=2, OTHER=2, LISTED=1, SILENCED=1)
        assert server.recvfrom(100) == (b"lab!", (CALLER, 4000))
        quiet.settimeout(0.5)
        with quiet, pytest.raises(TimeoutError):
            quiet.recv(100)


def test_what_comes_from_outside_must_be_a_reply(tmp_path: Path) -> None:
    with hall(tmp_path) as made, made.listening("sdc", 7777) as server:
        made.open(0)
        made.open(1)
        made.send("hmc", udp(CALLER, LISTED, 7777), "ppp0")
        server.recvfrom(100)

        with made.listening("hmc", 4000) as client:
            made.send("sdc", udp(OTHER_LISTED, CALLER, 4000, 7777))
            made.send("sdc", udp(LISTED, FREE, 4000, 7777))
            made.send("sdc", udp("192.0.2.20", CALLER, 4000, 7777))
            made.send("sdc", udp(LISTED, "203.0.113.135", 4000, 7777))
            made.send("sdc", udp(LISTED, "203.0.113.129", 4000, 7777))
            made.send("sdc", udp(LISTED, UTILITY, 53))
            made.send("sdc", udp(LISTED, CALLER, 4000, 7777))
            assert client.recvfrom(100) == (b"lab!", (LISTED, 7777))
            counted(made, LISTED=1, UNSOLICITED=3, FREE_ADDRESS=1, OTHER=2, REPLY=1)


def test_no_caller_takes_the_place_of_another_or_reaches_it(tmp_path: Path) -> None:
    with hall(tmp_path) as made, made.listening("sdc", 7777) as server:
        made.open(0)
        made.open(1)
        with made.listening("hmc", 4000) as others:
            made.inject("hmc", udp(FREE, LISTED, 7777), "ppp0")
            made.inject("hmc", udp(CALLER, LISTED, 7777), "ppp1")
            made.inject("hmc", udp(LISTED, FREE, 4000, 7777), "ppp0")
            made.inject("hmc", udp(CALLER, FREE, 4000), "ppp0")
            made.inject("hmc", udp(FREE, CALLER, 4000), "ppp1")
            made.inject("hmc", udp(CALLER, LISTED, 7777), "ppp0")
            counted(made, SPOOFED_SOURCE=3, UNLISTED=2, LISTED=1)
            assert server.recvfrom(100) == (b"lab!", (CALLER, 4000))

            # Only the one who has asked may hear, and by no line but its own.
            made.send("sdc", udp(LISTED, FREE, 4000, 7777))
            counted(made, SPOOFED_SOURCE=3, UNLISTED=2, LISTED=1, UNSOLICITED=1)
            made.nodes["lig"].run(["ip", "route", "replace", f"{CALLER}/32", "dev", "ppp1"])
            made.send("sdc", udp(LISTED, CALLER, 4000, 7777))
            dropped = {"SPOOFED_SOURCE": 3, "UNLISTED": 2, "UNSOLICITED": 1, "FREE_ADDRESS": 1}
            counted(made, LISTED=1, **dropped)
            others.settimeout(0.5)
            with pytest.raises(TimeoutError):
                others.recv(100)

            made.nodes["lig"].run(["ip", "route", "replace", f"{CALLER}/32", "dev", "ppp0"])
            made.send("sdc", udp(LISTED, CALLER, 4000, 7777))
            counted(made, LISTED=1, REPLY=1, **dropped)
            others.settimeout(DEADLINE_S)
            assert others.recvfrom(100) == (b"lab!", (LISTED, 7777))


def test_the_gateway_has_no_word_for_anybody(tmp_path: Path) -> None:
    icmp = (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    with hall(tmp_path) as made, ExitStack() as stack:
        made.open()
        quiet = [stack.enter_context(made.nodes[name].socket(*icmp)) for name in ("hmc", "sdc")]
        made.send("hmc", udp(CALLER, LISTED, 9, ttl=1), "ppp0")
        made.send("internet", udp(LISTED, CALLER, 9, ttl=1))
        for own in ("203.0.113.2", UTILITY):
            made.send("hmc", udp(CALLER, own, 9), "ppp0")
            made.send("internet", udp(LISTED, own, 9))
        counted(made, SILENCED=2, OTHER=4)
        for errors in quiet:
            errors.settimeout(0.5)
            with pytest.raises(TimeoutError):
                errors.recv(100)


def test_the_name_server_is_heard_by_those_who_have_asked_only(tmp_path: Path) -> None:
    with hall(tmp_path) as made, made.listening("hmc", 4000) as client:
        made.open()
        with pytest.raises(PermissionError):
            made.send("lig", udp(UTILITY, CALLER, 4000, 53))
        counted(made, SILENCED=1)
        # From outside its kernel takes it for a lie, before the fence (RFC 1812 5.3.7).
        made.send("internet", udp(UTILITY, CALLER, 4000, 53))
        made.send("internet", udp(LISTED, CALLER, 4000, 53))
        counted(made, SILENCED=1, UNSOLICITED=1)
        client.settimeout(0.5)
        with pytest.raises(TimeoutError):
            client.recv(100)


TUPLES = 1000


def random_packet(random: Random, source: str, destination: str) -> bytes:
    protocol = random.choice((1, 6, 17, 50, random.randrange(256)))
    return ip(source, destination, protocol, random.randbytes(40))


def random_address(random: Random) -> str:
    """One that may stand in a packet on its way: neither loopback nor multicast."""
    first = random.choice([x for x in range(1, 224) if x != 127])
    return ".".join(map(str, (first, *random.randbytes(3))))


def test_of_a_thousand_random_packets_each_way_only_the_allowed_pass(tmp_path: Path) -> None:
    random = Random(0)
    with hall(tmp_path) as made:
        made.open()
        made.nodes["hmc"].run(["ip", "link", "set", "ppp0", "txqueuelen", "2000"])

        # From outside first: later there would be answers and errors in between. One goes ahead,
        # as few packets can wait for ARP.
        made.send("internet", udp(LISTED, CALLER, 443))
        counted(made, UNSOLICITED=1)
        for _ in range(1, TUPLES):
            source = random.choice((LISTED, random_address(random)))
            destination = random.choice((CALLER, random.choice(made.lig.ppp.pool), UTILITY))
            made.send("internet", random_packet(random, source, destination))
        wait_until(
            "all were counted",
            lambda: sum(made.counters.values()) == TUPLES,
            DEADLINE_S,
            seen=lambda: str(made.counters),
        )
        assert set(made.counters) == {fence.UNSOLICITED, fence.FREE_ADDRESS, fence.OTHER}

        listed = made.lig.lists[0].addresses
        allowed = 0
        for _ in range(TUPLES):
            source = random.choice((CALLER, random_address(random)))
            near = str(IPv4Address(random.choice(listed)) + random.choice((-1, 0, 0, 1)))
            destination = random.choice((near, random_address(random)))
            allowed += source == CALLER and destination in listed
            made.send("hmc", random_packet(random, source, destination), "ppp0")

        names = (fence.LISTED, fence.SPOOFED_SOURCE, fence.UNLISTED, fence.OTHER_DNS)
        wait_until(
            "all were counted",
            lambda: sum(made.counters.get(name, 0) for name in names) == TUPLES,
            DEADLINE_S,
            seen=lambda: str(made.counters),
        )
        assert allowed > 100
        assert made.counters[fence.LISTED] == allowed


def test_a_listed_server_may_refuse_any_port_itself(tmp_path: Path) -> None:
    with hall(tmp_path) as made:
        made.open()
        with made.nodes["hmc"].socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"ppp0")
            client.settimeout(DEADLINE_S)
            client.connect((LISTED, 9))
            client.send(b"?")
            with pytest.raises(ConnectionRefusedError):
                client.recv(100)
        counted(made, LISTED=1, REPLY=1)

        # Such an error from anybody else is not for the caller.
        error = struct.pack("!BBHI", 3, 1, 0, 0) + udp(CALLER, LISTED, 9)[:28]
        made.send("sdc", ip("192.0.2.20", CALLER, 1, error))
        counted(made, LISTED=1, REPLY=1, UNSOLICITED=1)


def test_a_late_reply_does_not_reach_the_next_holder_of_the_address(tmp_path: Path) -> None:
    with hall(tmp_path) as made, made.listening("sdc", 7777) as server:
        made.open()
        made.send("hmc", udp(CALLER, LISTED, 7777), "ppp0")
        server.recvfrom(100)
        late = udp(LISTED, CALLER, 4000, 7777)
        made.send("sdc", late)
        counted(made, LISTED=1, REPLY=1)

        made.hang_up()
        made.send("sdc", late)
        counted(made, LISTED=1, REPLY=1, FREE_ADDRESS=1)

        _, link = made.open()
        assert link.local_ip == CALLER
        made.send("sdc", late)
        counted(made, LISTED=1, REPLY=1, FREE_ADDRESS=1, UNSOLICITED=1)

        # Once the new caller has spoken to it, on the same ports, it may answer.
        made.send("hmc", udp(CALLER, LISTED, 7777), "ppp0")
        server.recvfrom(100)
        made.send("sdc", late)
        counted(made, LISTED=2, REPLY=2, FREE_ADDRESS=1, UNSOLICITED=1)


def test_another_users_list_is_another_and_an_old_flow_does_not_open_it(tmp_path: Path) -> None:
    def two_users(lig: Lig) -> Lig:
        first = lig.ppp.accounts[0]
        second = replace(first, user="usibm.other")
        lists = (
            FenceList(user=first.user, addresses=(LISTED,)),
            FenceList(user=second.user, addresses=(OTHER_LISTED,)),
        )
        return replace(lig, ppp=replace(lig.ppp, accounts=(first, second)), lists=lists)

    with hall(tmp_path, two_users) as made, made.listening("sdc", 7777) as server:
        made.open()
        made.send("hmc", udp(CALLER, LISTED, 7777), "ppp0")
        assert server.recvfrom(100)[1][0] == CALLER
        made.hang_up()

        made.open(name="usibm.other")
        assert made.last().user == "usibm.other"
        made.send("hmc", udp(CALLER, LISTED, 7777), "ppp0")
        made.send("sdc", udp(LISTED, CALLER, 4000, 7777))
        made.send("hmc", udp(CALLER, OTHER_LISTED, 7777), "ppp0")
        assert server.recvfrom(100)[1][0] == CALLER
        counted(made, LISTED=2, UNLISTED=1, UNSOLICITED=1)


def test_with_ports_the_fence_looks_at_them(tmp_path: Path) -> None:
    with hall(tmp_path, lambda lig: replace(lig, ports=(("udp", 500), ("esp", 0)))) as made:
        made.open()
        made.send("hmc", udp(CALLER, LISTED, 500), "ppp0")
        made.send("hmc", ip(CALLER, LISTED, 50, bytes(40)), "ppp0")
        made.send("hmc", udp(CALLER, LISTED, 501), "ppp0")
        counted(made, LISTED=2, PORT=1, REPLY=1)


def test_to_the_letter_the_utility_service_is_not_heard(tmp_path: Path) -> None:
    with hall(tmp_path, lambda lig: replace(lig, literal_replies=True)) as made:
        made.open()
        with pytest.raises(TimeoutError):
            ask(made, "sas-1.sdc.test")
        counted(made, UTILITY=1, LITERAL=1)


def test_a_silent_name_server_does_not_even_refuse(tmp_path: Path) -> None:
    with hall(tmp_path, lambda lig: replace(lig, dns_silent=True)) as made:
        made.open()
        with pytest.raises(TimeoutError):
            ask(made, "sas-1.sdc.test")
        counted(made, UTILITY=1, SILENCED=1)


def test_a_gateway_that_answers_no_echo_is_given_up_and_can_be_called_again(tmp_path: Path) -> None:
    with hall(tmp_path, lambda lig: replace(lig, echo_silent=True)) as made:
        pppd, _ = made.open(echo_interval_s=2, echo_failures=2)
        made.send("hmc", udp(CALLER, NEIGHBOUR, 443), "ppp0")
        counted(made, UNLISTED=1)

        pppd.wait(DEADLINE_S)
        assert "No response to 2 echo-requests" in pppd.log.text()
        made.hang_up()
        made.open()
        assert made.elements() == 5


def test_at_the_end_callers_are_told_to_go(tmp_path: Path) -> None:
    with hall(tmp_path) as made:
        pppd, _ = made.open()
        made.bank.stop()

        pppd.wait(DEADLINE_S)
        assert "LCP terminated by peer (User request)" in pppd.log.text()
        assert made.last().exit_status == USER_REQUEST
        assert made.elements() == 0
        assert not made.nodes["lig"].daemons


def test_a_killed_pppd_leaves_nothing_behind(tmp_path: Path) -> None:
    with hall(tmp_path) as made:
        made.open()
        for daemon in made.nodes["lig"].daemons:
            with contextlib.suppress(ProcessLookupError):
                if daemon.name.startswith("pppd"):
                    os.kill(daemon.pid, 9)

        assert made.ended().exit_status == -9
        assert made.elements() == 0
        with pytest.raises(DaemonError, match="lig's pppd-lig-1: ended by SIGKILL"):
            made.bank.check()
