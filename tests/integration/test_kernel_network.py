"""What rule sets, tunnels and queues of other machines ask of a kernel: each once, in the lab's own.

The rules are what people bring (iptables-save of firewalls, scripts of agents); the tools are Debian's.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import cast

import pytest

from tests.integration.labs import ROOT, SYSTEM_PYTHON

pytestmark = pytest.mark.kernel

RULES = """\
-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A FORWARD -m state --state INVALID -j DROP
-A INPUT -p icmp -m limit --limit 5/s -j ACCEPT
-A INPUT -m recent --name ssh --set
-A INPUT -p tcp -m recent --name ssh --update --seconds 60 --hitcount 4 -j DROP
-A INPUT -p tcp -m hashlimit --hashlimit-name a --hashlimit-above 5/sec -j DROP
-A INPUT -m addrtype --dst-type LOCAL -j ACCEPT
-A OUTPUT -m owner --uid-owner 0 -j ACCEPT
-A FORWARD -m mark --mark 1 -j ACCEPT
-A FORWARD -m connmark --mark 1 -j ACCEPT
-t mangle -A PREROUTING -j MARK --set-mark 1
-t mangle -A PREROUTING -j CONNMARK --restore-mark
-t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
-t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -m policy --dir out --pol ipsec -m tcpmss --mss \
1361:1536 \
-j TCPMSS --set-mss 1360
-t mangle -A POSTROUTING -j DSCP --set-dscp 46
-t mangle -A POSTROUTING -m dscp --dscp 46 -j RETURN
-t mangle -A POSTROUTING -j TOS --set-tos 0x10
-t mangle -A PREROUTING -m tos --tos 0x10 -j RETURN
-t mangle -A PREROUTING -m ttl --ttl-gt 1 -j TTL --ttl-set 64
-t mangle -A POSTROUTING -j CLASSIFY --set-class 1:1
-t mangle -A PREROUTING -j TEE --gateway 192.0.2.1
-t mangle -A PREROUTING -p tcp --dport 80 -j TPROXY --on-port 3128 --tproxy-mark 1
-t mangle -A PREROUTING -p tcp -m socket -j MARK --set-mark 1
-t mangle -A POSTROUTING -p udp -j CHECKSUM --checksum-fill
-t mangle -A POSTROUTING -p tcp -j TCPOPTSTRIP --strip-options timestamp
-t mangle -A POSTROUTING -p tcp -j ECN --ecn-tcp-remove
-t mangle -A PREROUTING -p tcp -m ecn --ecn-tcp-ece -j RETURN
-t raw -A PREROUTING -p udp --dport 500 -j NOTRACK
-t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp
-t raw -A PREROUTING -p udp --dport 69 -j CT --helper tftp
-t raw -A PREROUTING -p udp --dport 5060 -j CT --helper sip
-t raw -A PREROUTING -p udp --dport 161 -j CT --helper snmp
-t raw -A PREROUTING -p tcp --dport 1723 -j CT --helper pptp
-t raw -A PREROUTING -p tcp --dport 1720 -j CT --helper Q.931
-t raw -A PREROUTING -p udp --dport 1719 -j CT --helper RAS
-t raw -A PREROUTING -p tcp --dport 6667 -j CT --helper irc
-t raw -A PREROUTING -p udp --dport 10080 -j CT --helper amanda
-t raw -A PREROUTING -p udp --dport 137 -j CT --helper netbios-ns
-t raw -A PREROUTING -j CT --zone 1
-t raw -A PREROUTING -j TRACE
-t nat -A PREROUTING -p tcp --dport 443 -j DNAT --to-destination 192.168.10.10:443
-t nat -A PREROUTING -p tcp --dport 3128 -j REDIRECT --to-ports 3128
-t nat -A POSTROUTING -s 192.168.10.0/24 -j SNAT --to-source 198.51.100.2
-t nat -A POSTROUTING -m policy --dir out --pol none -j MASQUERADE
-t nat -A POSTROUTING -s 192.168.10.0/24 -j NETMAP --to 10.9.9.0/24
-A FORWARD -p tcp -m connlimit --connlimit-above 10 -j REJECT --reject-with tcp-reset
-A FORWARD -m connbytes --connbytes 1000: --connbytes-dir both --connbytes-mode bytes -j DROP
-A FORWARD -m iprange --src-range 192.168.10.5-192.168.10.20 -j ACCEPT
-A FORWARD -m length --length 1000:1500 -j ACCEPT
-A FORWARD -m string --algo bm --string foo -j DROP
-A FORWARD -m time --timestart 08:00 --timestop 18:00 -j ACCEPT
-A FORWARD -m statistic --mode random --probability 0.02 -j DROP
-A FORWARD -m physdev --physdev-in eth0 -j ACCEPT
-A FORWARD -m pkttype --pkt-type broadcast -j DROP
-A FORWARD -m u32 --u32 0>>22&0x3C@0=0 -j DROP
-A FORWARD -m mac --mac-source 02:ca:11:01:00:02 -j ACCEPT
-A FORWARD -p tcp -m multiport --dports 80,443 -j ACCEPT
-A FORWARD -m comment --comment hi -j ACCEPT
-A FORWARD -m realm --realm 1 -j ACCEPT
-A FORWARD -m cpu --cpu 0 -j ACCEPT
-A FORWARD -m devgroup --src-group 1 -j ACCEPT
-A FORWARD -m cluster --cluster-total-nodes 2 --cluster-local-node 1 --cluster-hash-seed 7 -j ACCEPT
-A FORWARD -p sctp -m sctp --dport 36412 -j ACCEPT
-A FORWARD -j LOG --log-prefix drop
-A FORWARD -j NFLOG --nflog-group 1
-A FORWARD -j NFQUEUE --queue-num 1
-A FORWARD -p esp -m esp --espspi 100:200 -j ACCEPT
-A FORWARD -p ah -m ah --ahspi 100:200 -j ACCEPT
-A FORWARD -p gre -j ACCEPT
-A FORWARD -m helper --helper ftp -j ACCEPT
-t raw -A PREROUTING -m rpfilter --invert -j DROP
-A FORWARD -m bpf --bytecode 4,48·0·0·9,21·0·1·6,6·0·0·1,6·0·0·0 -j ACCEPT
-A FORWARD -m quota --quota 1000 -j ACCEPT
-A OUTPUT -m cgroup --cgroup 1 -j ACCEPT
-A FORWARD -m set --match-set lab dst -j ACCEPT
-A FORWARD -j SET --add-set lab src
"""
"""Of case 43 and beyond. The middle dot stands for a space within a word."""

RULES6 = """\
-A FORWARD -j DROP
-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A INPUT -p icmpv6 --icmpv6-type router-advertisement -m hl --hl-eq 255 -j ACCEPT
-A FORWARD -m rt --rt-type 0 -j DROP
-A FORWARD -m frag --fragfirst -j ACCEPT
-A FORWARD -m ipv6header --header dst --soft -j DROP
-A FORWARD -m hashlimit --hashlimit-name b --hashlimit-above 5/sec -j DROP
-A FORWARD -p tcp -j REJECT --reject-with tcp-reset
-t mangle -A PREROUTING -j HL --hl-set 64
-t raw -A PREROUTING -j NOTRACK
-t nat -A POSTROUTING -j MASQUERADE
-t mangle -A POSTROUTING -s fd00::/64 -j SNPT --src-pfx fd00::/64 --dst-pfx 2001:db8::/64
-t mangle -A PREROUTING -m rpfilter --invert -j DROP
"""

COMMANDS = """\
ip link add v0 type veth peer name v1
ip link add d0 type dummy
ip link add i0 type ifb
ip link add b0 type bridge vlan_filtering 1
ip link add bo0 type bond mode active-backup
ip link add t0 type team
ip link add vrf0 type vrf table 10
ip link add link d0 name d0.7 type vlan id 7
ip link add link d0 name mv0 type macvlan mode bridge
ip link add link d0 name mt0 type macvtap mode bridge
ip link add link v0 name iv0 type ipvlan mode l2
ip link add vx0 type vxlan id 5 remote 192.0.2.1 dstport 4789
ip link add ge0 type geneve id 5 remote 192.0.2.1
ip link add wg0 type wireguard
ip link add xf0 type xfrm dev d0 if_id 42
ip link add vt0 type vti local 192.0.2.9 remote 192.0.2.1 key 1
ip link add gr0 type gre local 192.0.2.9 remote 192.0.2.1 key 1
ip link add gt0 type gretap local 192.0.2.9 remote 192.0.2.1
ip link add er0 type erspan local 192.0.2.9 remote 192.0.2.1 seq key 30 erspan_ver 1 erspan 1
ip link add ip0 type ipip local 192.0.2.9 remote 192.0.2.1
ip link add si0 type sit local 192.0.2.9 remote 192.0.2.1
ip link add i60 type ip6tnl local 2001:db8::1 remote 2001:db8::2
ip link add g60 type ip6gre local 2001:db8::1 remote 2001:db8::2
ip link add v60 type vti6 local 2001:db8::1 remote 2001:db8::2 key 2
ip link add mac0 link v1 type macsec
ip tuntap add mode tun name tun0
ip tuntap add mode tap name tap0
ip addr add 192.0.2.9/24 dev v0
ip link set v0 up
ip link set v1 up
ip l2tp add tunnel tunnel_id 1 peer_tunnel_id 1 encap ip local 192.0.2.9 remote 192.0.2.1
ip l2tp add tunnel tunnel_id 2 peer_tunnel_id 2 encap udp local 192.0.2.9 remote 192.0.2.1 udp_sport 1701 \
udp_dport 1701
ip l2tp add session tunnel_id 2 session_id 1 peer_session_id 1
ip fou add port 5555 ipproto 4
ip route add 198.51.100.0/24 nexthop via 192.0.2.1 nexthop via 192.0.2.2
ip route add 203.0.113.0/24 via 192.0.2.1 realm 1
ip rule add fwmark 1 table 10
tc qdisc add dev v1 root netem delay 10ms loss 1% duplicate 1% reorder 5% corrupt 1%
tc qdisc replace dev v1 root tbf rate 1mbit burst 10k latency 50ms
tc qdisc replace dev v1 root fq
tc qdisc replace dev v1 root fq_codel
tc qdisc replace dev v1 root codel
tc qdisc replace dev v1 root cake bandwidth 10mbit
tc qdisc replace dev v1 root sfq perturb 10
tc qdisc replace dev v1 root pie
tc qdisc replace dev v1 root fq_pie
tc qdisc replace dev v1 root red limit 100000 avpkt 1000 bandwidth 10mbit
tc qdisc replace dev v1 root choke limit 1000 bandwidth 10mbit
tc qdisc replace dev v1 root pfifo limit 10
tc qdisc replace dev v1 root drr
tc qdisc replace dev v1 root qfq
tc qdisc replace dev v1 root ets bands 4
tc qdisc replace dev v1 root hfsc default 1
tc qdisc replace dev v1 root handle 1: prio
tc filter add dev v1 parent 1: protocol ip prio 1 u32 match ip dport 80 0xffff flowid 1:1
tc filter add dev v1 parent 1: protocol ip prio 2 handle 6 fw classid 1:2
tc filter add dev v1 parent 1: protocol ip prio 3 flower ip_proto tcp dst_port 443 classid 1:3
tc filter add dev v1 parent 1: protocol ip prio 4 basic match meta(nf_mark·eq·1) classid 1:1
tc filter add dev v1 parent 1: protocol ip prio 5 matchall action drop
tc filter add dev v1 parent 1: protocol ip prio 6 handle 1 flow hash keys src,dst divisor 1024 baseclass 1:1
tc filter add dev v1 parent 1: protocol ip prio 7 route from 1 classid 1:1
tc qdisc replace dev v0 root handle 1: htb default 10
tc class add dev v0 parent 1: classid 1:10 htb rate 1mbit ceil 2mbit
tc qdisc add dev v0 parent 1:10 netem delay 5ms
tc qdisc add dev v0 ingress
tc filter add dev v0 parent ffff: protocol ip prio 1 u32 match u32 0 0 police rate 1mbit burst 10k drop \
flowid :1
tc filter add dev v0 parent ffff: protocol ip prio 2 u32 match u32 0 0 action mirred egress redirect dev i0
tc filter add dev v0 parent ffff: protocol ip prio 3 u32 match u32 0 0 action skbedit mark 1
tc filter add dev v0 parent ffff: protocol ip prio 4 u32 match u32 0 0 action pedit munge ip ttl set 9 pipe \
action csum ip
tc filter add dev v0 parent ffff: protocol ip prio 5 flower ip_proto udp action nat ingress 192.0.2.9 \
192.0.2.8
tc filter add dev v0 parent ffff: protocol ip prio 6 flower ip_proto udp action ct zone 1
tc filter add dev v0 parent ffff: protocol ip prio 7 matchall action connmark
tc filter add dev v0 parent ffff: protocol ip prio 8 matchall action vlan push id 7
iptables-legacy -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
iptables-legacy -t mangle -A PREROUTING -j MARK --set-mark 1
iptables-legacy -t raw -A PREROUTING -j NOTRACK
iptables-legacy -t nat -A POSTROUTING -j MASQUERADE
ip6tables-legacy -A FORWARD -p tcp -j REJECT
ip6tables-legacy -t mangle -A FORWARD -j MARK --set-mark 1
ip6tables-legacy -t raw -A PREROUTING -j NOTRACK
ebtables -A FORWARD -p arp --arp-ip-dst 192.0.2.1 -j DROP
ebtables -A FORWARD -p ip --ip-proto udp --limit 5/s -j ACCEPT
ebtables -t nat -A PREROUTING -s 02:00:00:00:00:01 -j dnat --to-destination 02:00:00:00:00:02
arptables -A INPUT --source-ip 192.0.2.7 -j DROP
nft add table inet f
nft add flowtable inet f ft { hook ingress priority 0 ; devices = { v0, v1 } ; }
nft add chain inet f forward { type filter hook forward priority 0 ; }
nft add rule inet f forward ct state established flow add @ft
nft add ct helper inet f ftp { type \\"ftp\\" protocol tcp ; }
nft add rule inet f forward tcp dport 21 ct helper set \\"ftp\\"
nft add set inet f seen { type ipv4_addr ; flags dynamic,timeout ; timeout 1m ; }
nft add rule inet f forward add @seen { ip saddr limit rate 5/second }
nft add rule inet f forward ct count over 10 drop
nft add rule inet f forward synproxy mss 1460 wscale 7
nft add rule inet f forward fib saddr . iif oif missing drop
nft add rule inet f forward meta ipsec exists accept
nft add rule inet f forward osf name \\"Linux\\" accept
nft add table arp a
nft add table netdev n
nft add chain netdev n out { type filter hook egress device v0 priority 0 ; }
"""

STATES = {
    "3DES and MD5": "enc des3_ede {24} auth-trunc md5 {16} 96",
    "AES and SHA-1": "enc aes {16} auth-trunc sha1 {20} 96",
    "AES and SHA-256": "enc aes {32} auth-trunc sha256 {32} 128",
    "AES and SHA-384": "enc aes {32} auth-trunc hmac(sha384) {48} 192",
    "AES and SHA-512": "enc aes {32} auth-trunc hmac(sha512) {64} 256",
    "AES-CTR and AES-XCBC": "enc rfc3686(ctr(aes)) {20} auth-trunc xcbc(aes) {16} 96",
    "AES-CMAC": "enc aes {16} auth-trunc cmac(aes) {16} 96",
    "AES-GCM, 16 bytes of ICV": "aead rfc4106(gcm(aes)) {20} 128",
    "AES-GCM, 256 bits": "aead rfc4106(gcm(aes)) {36} 128",
    "AES-CCM": "aead rfc4309(ccm(aes)) {19} 128",
    "AES-GMAC": "aead rfc4543(gcm(aes)) {20} 128",
    "ChaCha20-Poly1305": "aead rfc7539esp(chacha20,poly1305) {36} 128",
    "NULL": "enc ecb(cipher_null) '' auth-trunc sha1 {20} 96",
    "Blowfish": "enc blowfish {16} auth-trunc md5 {16} 96",
    "CAST-128": "enc cast5 {16} auth-trunc md5 {16} 96",
    "Camellia": "enc camellia {16} auth-trunc sha1 {20} 96",
    "Serpent": "enc serpent {16} auth-trunc sha1 {20} 96",
    "Twofish": "enc twofish {16} auth-trunc sha1 {20} 96",
    "RIPEMD-160": "enc aes {16} auth-trunc rmd160 {20} 96",
}
"""What IKE may agree on for ESP, in the words of `ip xfrm`; in braces, the bytes of the key."""

SETS = (
    "bitmap:ip", "bitmap:ip,mac", "bitmap:port", "hash:ip", "hash:mac", "hash:ip,mac", "hash:net",
    "hash:net,net", "hash:ip,port", "hash:net,port", "hash:ip,port,ip", "hash:ip,port,net", "hash:ip,mark",
    "hash:net,port,net", "hash:net,iface", "list:set",
)  # fmt: skip

CONNTRACK = """\
conntrack -L
conntrack -C
cat /proc/net/nf_conntrack
sysctl -w net.netfilter.nf_conntrack_udp_timeout=10
sysctl -w net.netfilter.nf_conntrack_tcp_timeout_established=600
ss -t -i
ss -w
"""

AGENT = """
import ctypes, json, re, select, shlex, subprocess, sys
ctypes.CDLL(None).unshare(0x40000000)
asked = json.load(sys.stdin)
answers = {}
for name, line in asked:
    line = re.sub(r"\\{(\\d+)\\}", lambda size: "0x" + "5a" * int(size[1]), line)
    argv = [word.replace("\u00b7", " ") for word in shlex.split(line)]
    done = subprocess.run(argv, capture_output=True, text=True)
    answers[name] = done.returncode and ((done.stdout + done.stderr).strip() or "refused")

# A listener says nothing once it listens: so one connection after the other, until it tells of one.
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
subprocess.run(["iptables", "-F", "OUTPUT"], check=True)
subprocess.run("iptables -A OUTPUT -m conntrack --ctstate NEW -j ACCEPT".split(), check=True)
watcher = subprocess.Popen(["conntrack", "-E", "-p", "icmp"], stdout=subprocess.PIPE, text=True)
for _ in range(100):
    subprocess.run(["ping", "-q", "-c", "1", "127.0.0.1"], stdout=subprocess.DEVNULL)
    if select.select([watcher.stdout], [], [], 0.1)[0]:
        answers["conntrack -E"] = watcher.stdout.readline()
        break
watcher.kill()
json.dump(answers, sys.stdout)
"""
"""Asks all of it in a network namespace of its own; 0 for each that was taken, else what the tool said."""


def _asked() -> dict[str, str]:
    ip = "ip xfrm state add src 192.0.2.9 dst 192.0.2.1"
    bitmap = {
        "bitmap:ip": " range 192.0.2.0/24",
        "bitmap:ip,mac": " range 192.0.2.0/24",
        "bitmap:port": " range 1-99",
    }
    lines = {f"set {kind}": f"ipset create s-{kind} {kind}{bitmap.get(kind, '')}" for kind in SETS}
    lines["set with an address"] = "ipset add s-hash:net 192.0.2.0/24"
    lines["set of this test"] = "ipset create lab hash:ip"
    rules = (f"iptables {line}" for line in RULES.splitlines())
    rules6 = (f"ip6tables {line}" for line in RULES6.splitlines())
    lines |= {line: line for line in (*rules, *rules6, *COMMANDS.splitlines())}
    lines["all in the form of iptables-save"] = "iptables-save"
    lines |= {
        f"ESP by {name}": f"{ip} proto esp spi {spi} mode tunnel {state}"
        for spi, (name, state) in enumerate(STATES.items(), 1000)
    }
    lines["AH"] = f"{ip} proto ah spi 7 mode transport auth-trunc sha1 {{20}} 96"
    lines["IPComp"] = f"{ip} proto comp spi 8 mode tunnel comp deflate"
    return lines | {line: line for line in CONNTRACK.splitlines()}


ASKED = _asked()


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | int]:
    done = subprocess.run(
        [sys.executable, "-m", "lab", "run", "direct-snat", "--engine=uml", "--node", "firewall", "--quiet",
         "--out", tmp_path_factory.mktemp("run") / "out", "--", SYSTEM_PYTHON, "-c", AGENT],
        input=json.dumps(list(ASKED.items())), cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return cast(dict[str, str | int], json.loads(done.stdout))


@pytest.mark.parametrize("name", ASKED)
def test_the_kernel_has(answers: dict[str, str | int], name: str) -> None:
    assert answers[name] == 0, ASKED[name]


def test_connections_are_told_of_as_they_come(answers: dict[str, str | int]) -> None:
    assert "src=127.0.0.1 dst=127.0.0.1" in str(answers["conntrack -E"])
