"""Remote service by hand: the commands of the customer's panel and of IBM's representative."""

from __future__ import annotations

import re
import shutil
import sysconfig

import pytest

from lab.errors import LabError
from lab.run.handle import Lab
from lab.service import scan
from lab.service.marks import Purpose
from lab.wait import let_pass

CALL_S = 300.0
"""Lab time for a command that dials."""
VPN_DAEMONS = (500, 1701, 4500)
"""UDP ports at which a daemon of the HMC's is, and no listener."""
LISTED = {22, 23, 443, 2125, 2300, 8443, 9090, 9735, 9940, *range(30_000, 30_010)}
"""The 19 ports of 2017 (S3, Remote Service HMC Port List)."""


def by_hand(lab: Lab, node: str, line: str) -> str:
    """What a command says that comes with the lab; raises LabError with it if the command fails."""
    program, *words = line.split()
    path = f"{sysconfig.get_path('scripts')}/{program}"
    return lab.node(node).run([path, *words], deadline_s=CALL_S).strip()


def by_ssh(lab: Lab, line: str, user: str = "representative", server: str = "ibm-dial") -> str:
    """What a server says to somebody who logs in from the intranet; raises LabError if that fails."""
    argv = ["ssh", f"{user}@{server}", *line.split()]
    return lab.node("intranet").run(argv, deadline_s=CALL_S).strip()


def token(lab: Lab, options: str = "", server: str = "ibm-dial") -> str:
    """What an officer gives a representative."""
    return by_hand(lab, server, f"lab-service authorize --user representative {options}")


def connect(lab: Lab, options: str = "", server: str = "ibm-dial") -> str:
    return by_ssh(lab, f"connect --token {token(lab, server=server)} {options}", server=server)


def first_line(lab: Lab, node: str, address: str, port: int) -> str:
    script = f"exec 3<>/dev/tcp/{address}/{port} && head -n 1 <&3"
    return lab.node(node).run(["timeout", "5", "bash", "-c", script], deadline_s=60.0).strip()


@pytest.mark.topology("service-off")
class TestRemoteServiceByHand:
    """A life, in this order."""

    def test_it_is_off_at_first(self, lab: Lab) -> None:
        assert by_hand(lab, "hmc", "lab-inbound status") == "off: nobody is let in"
        with pytest.raises(
            LabError, match="hmc lets nobody in: the modem takes no call: NO ANSWER"
        ):
            connect(lab)

    def test_nobody_calls_without_log_in_and_authorization(self, lab: Lab) -> None:
        given = token(lab, "--minutes 10")
        by_token = f"connect --token {given}"
        for who, words, why in (
            ("representative", "connect", "an authorization is needed"),
            ("clerk", by_token, "the authorization is another user's"),
            ("root", by_token, "Permission denied"),
            ("representative", "audit", "only an officer can do that"),
        ):
            with pytest.raises(LabError, match=why):
                by_ssh(lab, words, who)
        with pytest.raises(LabError, match="nobody has logged in by SSH"):
            by_hand(lab, "ibm-dial", f"lab-service {by_token}")
        let_pass(600)
        with pytest.raises(LabError, match="the authorization has expired"):
            by_ssh(lab, by_token)
        records = by_hand(lab, "ibm-dial", "lab-service audit").splitlines()
        assert sum("refused" in record for record in records) == 6

    @pytest.mark.parametrize(
        ("options", "problem"),
        [
            ("--ppp-address 10.9.0", "10.9.0 is no IPv4 address"),
            ("--access lpar-1", "there is no partition 'lpar-1'"),
            ("--minutes 0", "0 minutes are no time"),
        ],
    )
    def test_what_makes_no_sense_lets_nobody_in(self, lab: Lab, options: str, problem: str) -> None:
        with pytest.raises(LabError, match=problem):
            by_hand(lab, "hmc", f"lab-inbound enable {options}")
        assert by_hand(lab, "hmc", "lab-inbound status").startswith("off")

    def test_it_is_enabled_once(self, lab: Lab) -> None:
        words = by_hand(lab, "hmc", "lab-inbound enable --ppp-address 10.9.0.1 --access hmc")
        assert words == "one session is let in by modem: PPP address 10.9.0.1, to hmc"
        with pytest.raises(LabError, match="remote service of hmc is enabled already"):
            by_hand(lab, "hmc", "lab-inbound enable")

    def test_another_address_gives_no_session(self, lab: Lab) -> None:
        with pytest.raises(LabError, match=r"does not take the credentials of 10\.9\.0\.2"):
            connect(lab, "--ppp-address 10.9.0.2")

    def test_a_session_reaches_what_is_listed(self, lab: Lab) -> None:
        assert connect(lab, "--ppp-address 10.9.0.1") == "connected: hmc is 10.9.0.1"
        assert (
            by_ssh(lab, "run -- curl -sm 10 telnet://10.9.0.1:22") == "This is port tcp/22 of hmc"
        )
        with pytest.raises(LabError, match="the session is another user's"):
            by_ssh(lab, "run -- curl -sm 10 telnet://10.9.0.1:22", "clerk")
        with pytest.raises(LabError):
            first_line(lab, "ibm-dial", "10.9.0.1", 80)
        assert by_hand(lab, "hmc", "lab-inbound status").startswith("a session stands by modem")
        with pytest.raises(LabError, match="a session stands already"):
            connect(lab)

    def test_the_session_ends_and_is_the_only_one(self, lab: Lab) -> None:
        assert by_ssh(lab, "hang-up") == "no session stands"
        let_pass(30)
        assert by_hand(lab, "hmc", "lab-inbound status").startswith("off")
        with pytest.raises(LabError, match="hmc lets nobody in: the modem takes no call"):
            connect(lab, "--ppp-address 10.9.0.1")

    def test_wrong_tries_add_up_over_calls(self, lab: Lab) -> None:
        by_hand(lab, "hmc", "lab-inbound enable --ppp-address 10.9.0.1 --access hmc")
        for number in range(3):
            assert by_hand(lab, "hmc", "lab-inbound status").startswith("one session is let in")
            with pytest.raises(LabError, match="does not take the credentials"):
                connect(lab, f"--ppp-address 10.9.0.{100 + number}")
            let_pass(30)
        assert by_hand(lab, "hmc", "lab-inbound status").startswith("off")

    def test_the_customer_ends_a_session(self, lab: Lab) -> None:
        by_hand(lab, "hmc", "lab-inbound enable --access hmc")
        connect(lab)
        assert by_hand(lab, "hmc", "lab-inbound disable").startswith("off")
        assert "lockdown" not in lab.node("hmc").run(["nft", "list", "tables"])
        let_pass(30)
        last = by_hand(lab, "ibm-dial", "lab-service audit").splitlines()[-2]
        record = ["representative", "10.2.0.40", "hmc", "session", "done", "ended"]
        assert last.split()[1:] == record

    def test_an_enabling_that_nobody_uses_ends_by_itself(self, lab: Lab) -> None:
        by_hand(lab, "hmc", "lab-inbound enable --minutes 30")
        let_pass(1_700)
        assert by_hand(lab, "hmc", "lab-inbound status").startswith("one session is let in")
        let_pass(200)
        assert by_hand(lab, "hmc", "lab-inbound status").startswith("off")

    def test_the_time_of_one_enabling_does_not_end_the_next(self, lab: Lab) -> None:
        by_hand(lab, "hmc", "lab-inbound enable --minutes 30 --access hmc")
        connect(lab)
        by_ssh(lab, "hang-up")
        let_pass(30)
        by_hand(lab, "hmc", "lab-inbound enable")
        let_pass(3_600)
        assert by_hand(lab, "hmc", "lab-inbound status").startswith("one session is let in")


@pytest.mark.topology("service-vpn")
class TestScans:
    def test_nothing_of_a_scan_is_lost_however_many_came_before(self, lab: Lab) -> None:
        """The HMC's firewall follows each packet: with room for 65,536 it dropped one now and then."""
        node, hmc = lab.node("console"), lab.topology.node("hmc").uplink.ip
        for _ in range(3):
            with scan.sending(node, hmc) as (own, send):
                answers = scan.run(node, own, hmc, Purpose.control, send)
            assert answers.tcp == answers.udp | {*VPN_DAEMONS} == {*scan.PORTS}
            followed = lab.node("hmc").run(["cat", "/proc/sys/net/netfilter/nf_conntrack_count"])
            assert int(followed) > 2 * len(scan.PORTS)


@pytest.mark.topology("service-vpn")
class TestRemoteServiceByVpnByHand:
    """A life, in this order."""

    def test_nobody_gets_in_before_the_customer_lets_a_session_in(self, lab: Lab) -> None:
        given = by_hand(lab, "service", "lab-service authorize --user representative")
        with pytest.raises(LabError, match="hmc lets nobody in: no session is at vpn1 or vpn2"):
            by_ssh(lab, f"connect --token {given}", server="service")
        with pytest.raises(LabError, match="refused: no session stands"):
            by_ssh(lab, "run -- id", server="service")

    def test_only_the_sessions_tools_reach_it(self, lab: Lab) -> None:
        by_hand(lab, "hmc", "lab-inbound enable --access hmc lpar-1")
        for node in ("service", "intranet"):
            with pytest.raises(LabError):
                first_line(lab, node, "10.254.1.2", 22)
        asked = ["nft", "list", "counter", "ip", "service-server", "own-to-session"]
        assert "packets 0 " not in lab.node("service").run(asked), "it is guarded already"
        given = by_hand(lab, "service", "lab-service authorize --user representative")
        with pytest.raises(LabError, match=r"hmc has no session in which it is 10\.9\.0\.1"):
            by_ssh(lab, f"connect --token {given} --ppp-address 10.9.0.1", server="service")
        words = by_ssh(lab, f"connect --token {given}", server="service")
        assert words == "connected: hmc is 10.254.1.2; perhaps lpar-1 by 10.254.1.3"
        for address, host in (("10.254.1.2", "hmc"), ("10.254.1.3", "lpar-1")):
            tool = f"run -- curl -sm 10 telnet://{address}:22"
            assert by_ssh(lab, tool, server="service") == f"This is port tcp/22 of {host}"
            with pytest.raises(LabError, match="the session is another user's"):
                by_ssh(lab, tool, "clerk", server="service")
            for node in ("service", "intranet"):
                with pytest.raises(LabError):
                    first_line(lab, node, address, 22)

    @pytest.mark.skipif(not shutil.which("nmap"), reason="needs nmap: lab setup nmap")
    @pytest.mark.parametrize("host", ["hmc", "lpar-1"])
    def test_nmap_finds_what_may_be_reached(self, lab: Lab, host: str) -> None:
        """Another's scanner, as a tool of the session: the HMC's listed ports, and all of the partition."""
        tried = {*range(1, 1_025), *LISTED, 30_010, 65_535}
        address = {"hmc": "10.254.1.2", "lpar-1": "10.254.1.3"}[host]
        ports = ",".join(map(str, sorted(tried)))
        scan = f"run -- nmap -n -Pn -sT --max-retries 1 -oG - -p {ports} {address}"
        said = by_ssh(lab, scan, server="service")
        found = {int(port) for port in re.findall(r"\b(\d+)/open/tcp", said)}
        assert found == (LISTED if host == "hmc" else tried)

    def test_the_session_ends_with_its_namespace(self, lab: Lab) -> None:
        assert by_ssh(lab, "hang-up", server="service") == "no session stands"
        let_pass(30)
        assert by_hand(lab, "hmc", "lab-inbound status").startswith("off")
        assert "tools-" not in lab.node("service").run(["ip", "link"])

    def test_a_session_that_nobody_uses_ends_by_itself(self, lab: Lab) -> None:
        """The console has called, and no packet has gone through a door."""
        by_hand(lab, "hmc", "lab-inbound enable --access hmc --minutes 30")
        let_pass(1_700)
        assert by_hand(lab, "hmc", "lab-inbound status").startswith("a session stands by vpn")
        let_pass(200)
        assert by_hand(lab, "hmc", "lab-inbound status").startswith("off")

    def test_a_session_that_is_used_outlives_its_minutes(self, lab: Lab) -> None:
        by_hand(lab, "hmc", "lab-inbound enable --access hmc --minutes 30")
        connect(lab, server="service")
        by_ssh(lab, "run -- curl -sm 10 telnet://10.254.1.2:22", server="service")
        let_pass(1_900)
        assert by_hand(lab, "hmc", "lab-inbound status").startswith("a session stands by vpn")
        assert by_hand(lab, "hmc", "lab-inbound disable").startswith("off")
