"""What can be wrong with a call home through proxies, as mutations of true runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from scapy.layers.inet import IP, TCP
from scapy.packet import Raw

from lab.topology.model import Topology
from lab.ways.fault import change_ways
from lab.ways.proxy.bring_up import ELSEWHERE
from lab.ways.proxy.events import ConnectTried
from lab.ways.proxy.papers import credentials
from lab.ways.proxy.plan import ProxyPlan
from lab.wire.decode import Packet
from tests.recordings.true_run import TrueRun, edited
from tests.unit.verify.mutation import (
    LISTED,
    SYN,
    Change,
    crosses,
    judged_by,
    leaves,
    lost,
    mutation,
)

HMC, FIRST, SECOND = "192.168.10.10", "192.168.10.21", "192.168.10.22"
ECCGW = "207.25.252.197"
SMTP = TCP(sport=4000, dport=25, flags="S")
SSH = TCP(sport=4000, dport=22, flags="S")


def reworded(old: bytes, new: bytes) -> Change:
    """Other words, of the same length, on the customer's wire."""
    assert len(old) == len(new)

    def change(run: TrueRun) -> None:
        frames = [frame for frame in run.wire["lan"] if old in frame.data]
        assert frames
        for frame in frames:
            run.change(frame, frame.data.replace(old, new))

    return change


def is_to(address: str) -> Callable[[Packet], bool]:
    return lambda packet: packet.destination == address


def speak_in_clear(run: TrueRun) -> None:
    """What follows the proxy's 200 is HTTP, and not TLS."""
    hello = b"\x16\x03\x01"
    sent = run.find("lan", lambda p: p.destination == FIRST and p.payload.startswith(hello))
    assert sent
    run.change(sent[0], sent[0].data.replace(hello, b"GET", 1))


def say_hello_itself(run: TrueRun) -> None:
    """What the proxy says to the server is another ClientHello than the HMC's."""
    hello = b"\x16\x03\x01"
    sent = run.find("lan", lambda p: p.source == FIRST and p.payload.startswith(hello))
    at = sent[0].data.index(hello) + 11
    data = sent[0].data[:at] + bytes(32) + sent[0].data[at + 32 :]
    run.change(sent[0], data)


def take_another_log_in(run: TrueRun) -> None:
    token = credentials(run.topology.proxies[0]).encode()
    reworded(token, token[:-4] + b"AAAA")(run)


def pass_log_in_on(run: TrueRun) -> None:
    token = f"Basic {credentials(run.topology.proxies[0])}".encode()
    leaves(LISTED, TCP(sport=4001, dport=443, flags="PA") / Raw(token))(run)


def send_log_in_on(run: TrueRun) -> None:
    token = f"Basic {credentials(run.topology.proxies[0])}".encode()
    packet = IP(src=FIRST, dst=LISTED) / TCP(sport=4001, dport=443, flags="PA") / Raw(token)
    run.put("lan", "proxy-1", "firewall", bytes(packet), run.end)


def keep_proxys_address(run: TrueRun) -> None:
    """The firewall forgets its NAT for a packet of the proxy's."""
    public = run.topology.node("firewall").interface("fw-inet").ip
    frame = run.find("fw-inet", lambda p: p.source == public and not p.uses_udp(53))[-1]
    run.change(frame, edited(frame, src=FIRST))


def ask_on(run: TrueRun) -> None:
    """The first proxy is asked once more, when the second has made a tunnel."""
    asked = run.find("lan", lambda p: p.source == HMC and p.destination == SECOND and p.is_bare_syn)
    tunnel = run.find("lan", lambda p: p.source == HMC and p.payload.startswith(b"CONNECT"))
    syn = IP(asked[0].data[14:])
    syn[TCP].sport = 4001
    run.put("lan", "hmc", "proxy-2", bytes(syn), tunnel[0].time + 0.01)


def ask_a_stranger(run: TrueRun) -> None:
    """The firewall is asked to make a tunnel."""
    (asked, *_) = run.find("lan", lambda p: p.source == HMC and p.payload.startswith(b"CONNECT"))
    packet = IP(asked.data[14:])
    packet.dst = "192.168.10.1"
    del packet.chksum, packet[TCP].chksum
    run.put("lan", "hmc", "firewall", bytes(packet), asked.time + 0.01)


def with_four_slots(model: Topology) -> Topology:
    return change_ways(model, ProxyPlan, lambda way: replace(way, proxies=(*way.proxies, "")))


def go_by_itself(run: TrueRun) -> None:
    packet = IP(src="203.0.113.10", dst=ECCGW) / SYN
    run.put("fw-inet", "firewall", "internet", bytes(packet), run.end)


def forget_the_name(run: TrueRun) -> None:
    run.unhear(lambda event: isinstance(event, ConnectTried) and event.resolved)


MUTATIONS = (
    mutation("OUT-09", "no tunnel is made", "proxy",
             reworded(b"HTTP/1.1 200", b"HTTP/1.1 500"), "OUT-10"),
    mutation("OUT-09", "no TLS in the tunnel", "proxy", speak_in_clear, seen="no TLS begins"),
    mutation("OUT-09", "a tunnel to an unlisted server", "proxy",
             reworded(b"esupport.ibm.com:443", b"esupport.ibm.org:443"), seen="not listed"),
    mutation("OUT-09", "past the proxy", "proxy",
             crosses("lan", "hmc", "firewall", IP(src=HMC, dst=LISTED) / SYN),
             seen="without a proxy"),
    mutation("OUT-09", "the proxy speaks TLS of its own", "proxy", say_hello_itself,
             seen="proxy-1 reads what hmc says to esupport.ibm.com:443"),
    mutation("OUT-10", "an old version", "proxy",
             reworded(b" HTTP/1.1\r\nHost", b" HTTP/1.0\r\nHost"), seen="HTTP/1.0"),
    mutation("OUT-10", "no Host", "proxy", reworded(b"\r\nHost: es", b"\r\nHast: es")),
    mutation("OUT-10", "another method", "proxy",
             reworded(b"CONNECT esupport.ibm.com:443", b"OPTIONS esupport.ibm.com:443")),
    mutation("OUT-11", "another log-in is taken", "proxy-auth", take_another_log_in,
             seen="with another log-in"),
    mutation("OUT-11", "no log-in is asked for", "proxy-auth",
             reworded(b"HTTP/1.1 407", b"HTTP/1.1 404"), seen="no proxy asked"),
    mutation("OUT-11", "the log-in goes on", "proxy-auth", pass_log_in_on, "g4",
             seen="beyond the proxy"),
    mutation("OUT-11", "the proxy sends the log-in on", "proxy-auth", send_log_in_on,
             seen="beyond the proxy"),
    mutation("OUT-02", "the proxy calls the HMC", "proxy",
             crosses("lan", "proxy-1", "hmc", IP(src=FIRST, dst=HMC) / SSH), "g2"),
    mutation("OUT-02", "the proxy calls somebody else", "proxy",
             crosses("lan", "proxy-1", "firewall", IP(src=FIRST, dst=LISTED) / SMTP)),
    mutation("OUT-03", "the proxy's private address leaves", "proxy", keep_proxys_address, "g4"),
    mutation("OUT-12", "a connection to another port", "proxy",
             crosses("lan", "proxy-1", "firewall", IP(src=FIRST, dst=LISTED) / SSH), "OUT-02"),
    mutation("OUT-13", "a tunnel is asked of somebody else", "proxy-failover", ask_a_stranger,
             seen="hmc asks 192.168.10.1 for a tunnel, which is none of its proxies"),
    judged_by("OUT-13", "a fourth slot", "proxy-failover", with_four_slots,
              seen="hmc has 4 slots for proxies"),
    mutation("OUT-14", "the first proxy is passed over", "proxy-failover",
             lost("lan", is_to(SECOND)), "OUT-12", seen="passes over proxy-2"),
    mutation("OUT-14", "another is asked after a tunnel", "proxy-failover", ask_on,
             seen="the wire shows proxy-2, proxy-3 and proxy-2"),
    mutation("OUT-16", "an agent goes by itself", "service-proxy", go_by_itself, "F-10 g4",
             seen="of no proxy"),
    mutation("OUT-17", "it connects to another port", "service-proxy",
             crosses("lan", "ss-proxy", "firewall", IP(src="203.0.113.21", dst=ECCGW) / SMTP), "OUT-02",
             seen="not listed"),
    mutation("OUT-17", "a listed name leads elsewhere", "service-proxy",
             crosses("lan", "ss-proxy", "firewall", IP(src="203.0.113.21", dst=ELSEWHERE) / SYN),
             "OUT-02 OUT-12", seen="connects to eccgw01.boulder.ibm.com:443 (at 198.18.0.1)"),
    mutation("OUT-17", "no listed name was led elsewhere", "service-proxy", forget_the_name,
             seen="no listed name that leads to another address"),
    mutation("F-10", "mail passes", "proxy", leaves(LISTED, SMTP), "g4", seen="without a rule"),
    mutation("F-10", "the direct attempt is on no wire", "proxy",
             lost("lan", lambda p: p.source == HMC and p.destination == LISTED),
             seen="proves nothing"),
)  # fmt: skip
