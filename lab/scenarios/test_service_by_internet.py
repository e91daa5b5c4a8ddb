"""Remote service by Internet, by hand: the customer's panel, and a representative with a code."""

from __future__ import annotations

import re

import pytest

from lab.errors import LabError
from lab.run.handle import Lab
from lab.scenarios.test_remote_service import by_hand, by_ssh, first_line, token
from lab.wait import let_pass

SERVER = "service"


def at_server(lab: Lab, line: str, user: str = "representative") -> str:
    """What the server says to somebody who logs in from the intranet."""
    return by_ssh(lab, line, user, SERVER)


def curl(lab: Lab, place: str, user: str = "representative") -> str:
    """What a port says to a tool of the session's."""
    return at_server(lab, f"run -- curl -s -m 10 telnet://{place}", user)


def invite(lab: Lab) -> str:
    """A code of the relay's."""
    words = at_server(lab, f"invite --token {token(lab, server=SERVER)}")
    found = re.match(
        r"the code is (\d{7}), valid for 300 s from then on: lab-inbound enable", words
    )
    assert found, words
    return found[1]


def sessions(lab: Lab) -> str:
    """The interfaces to which the customer's own rules do not apply."""
    return lab.node("hmc").run(["nft", "list", "set", "inet", "lab", "sessions"])


@pytest.mark.topology("service-aos")
class TestServiceByInternetByHand:
    """A life, in this order."""

    code = ""

    def test_it_is_off_at_first(self, lab: Lab) -> None:
        assert by_hand(lab, "hmc", "lab-inbound status") == "off: nobody is let in"
        assert at_server(lab, "status") == "no session stands"
        with pytest.raises(LabError, match="an authorization is needed"):
            at_server(lab, "connect")

    @pytest.mark.parametrize(
        ("options", "problem"),
        [
            ("", "remote service by Internet needs a code"),
            ("--code 123456", "123456 is no code"),
            ("--code 12345x7", "12345x7 is no code"),
            ("--code 1234567 --ports 22 80", "80 is not a port of remote service"),
            ("--code 1234567 --ppp-address 10.9.0.1", "a session by Internet has no PPP address"),
            ("--code 1234567 --access lpar-1", "lpar-1 cannot be reached by Internet"),
            ("--code 1234567 --by modem", "of a generation that has no remote service by modem"),
            ("--code 1234567", "relay refuses: nobody has been given this code"),
        ],
    )
    def test_what_makes_no_sense_lets_nobody_in(self, lab: Lab, options: str, problem: str) -> None:
        with pytest.raises(LabError, match=problem):
            by_hand(lab, "hmc", f"lab-inbound enable {options}")
        assert by_hand(lab, "hmc", "lab-inbound status") == "off: nobody is let in"

    def test_a_code_is_waited_with_and_extended_once(self, lab: Lab) -> None:
        TestServiceByInternetByHand.code = invite(lab)
        words = at_server(lab, "extend")
        assert re.fullmatch(rf"the code {self.code} is valid for (899|900) s from now", words)
        with pytest.raises(LabError, match="the code cannot be extended again"):
            at_server(lab, "extend")
        let_pass(800)

    def test_the_customer_lets_a_session_in(self, lab: Lab) -> None:
        enable = f"lab-inbound enable --by internet --code {self.code} --ports 22 443"
        assert by_hand(lab, "hmc", enable) == "a session stands by internet, to TCP 22, 443 of hmc"
        assert at_server(lab, "connect").splitlines() == [
            "connected to hmc",
            "  22 of hmc is 127.0.0.2 port 22",
            "  443 of hmc is 127.0.0.2 port 443",
        ]
        with pytest.raises(LabError, match="a session stands already"):
            invite(lab)
        with pytest.raises(LabError, match="remote service of hmc is enabled already"):
            by_hand(lab, "hmc", enable)

    def test_it_leads_to_what_is_permitted(self, lab: Lab) -> None:
        assert curl(lab, "127.0.0.2:443") == "This is port tcp/443 of hmc"
        with pytest.raises(LabError):
            curl(lab, "127.0.0.2:8443")

    def test_only_its_tools_reach_it(self, lab: Lab) -> None:
        with pytest.raises(LabError, match="the session is another user's"):
            curl(lab, "127.0.0.2:443", "clerk")
        with pytest.raises(LabError):
            first_line(lab, SERVER, "127.0.0.2", 443)

    def test_of_all_ports_only_those_are_opened(self, lab: Lab) -> None:
        asked = at_server(lab, "ask")
        assert asked == "hmc opens TCP 22, 443 of 65,535 asked for"
        one = at_server(lab, "ask 8443")
        assert one == "hmc opens TCP none of 1 asked for"

    def test_the_representative_leaves(self, lab: Lab) -> None:
        assert '"lo"' in sessions(lab)
        assert at_server(lab, "hang-up") == "no session stands"
        let_pass(5)
        assert by_hand(lab, "hmc", "lab-inbound status") == "off: nobody is let in"
        assert '"lo"' not in sessions(lab)
        with pytest.raises(LabError):
            curl(lab, "127.0.0.2:443")
        with pytest.raises(LabError, match="the code has been used already"):
            by_hand(lab, "hmc", f"lab-inbound enable --code {self.code}")

    def test_the_customer_ends_a_session(self, lab: Lab) -> None:
        by_hand(lab, "hmc", f"lab-inbound enable --code {invite(lab)}")
        assert "  30009 of hmc is 127.0.0.2 port 30009" in at_server(lab, "connect")
        assert by_hand(lab, "hmc", "lab-inbound disable") == "off: nobody is let in"
        let_pass(5)
        assert at_server(lab, "status") == "no session stands"
        with pytest.raises(LabError, match="no session stands"):
            at_server(lab, "ask 22")

    def test_an_expired_code_is_refused(self, lab: Lab) -> None:
        code = invite(lab)
        let_pass(301)
        assert at_server(lab, "status") == "representative is at the entrance of hmc"
        with pytest.raises(LabError, match="the code has expired"):
            by_hand(lab, "hmc", f"lab-inbound enable --code {code}")

    def test_three_wrong_codes_lock_the_customer_s_address(self, lab: Lab) -> None:
        let_pass(600)
        code = invite(lab)
        for _ in range(3):
            with pytest.raises(LabError, match="relay refuses"):
                by_hand(lab, "hmc", "lab-inbound enable --code 7654321")
        with pytest.raises(LabError, match="three wrong codes from one address"):
            by_hand(lab, "hmc", f"lab-inbound enable --code {code}")

    @pytest.mark.parametrize("port", [8200, 443, 80])
    def test_openssl_agrees_that_the_relay_speaks_tls(self, lab: Lab, port: int) -> None:
        authority = lab.run_dir / "keys" / "ca.pem"
        said = lab.node("hmc").run(
            ["openssl", "s_client", "-connect", f"192.0.2.50:{port}", "-CAfile", f"{authority}",
             "-verify_hostname", "relay", "-verify_return_error"],
            deadline_s=60.0,
        )  # fmt: skip
        assert "Verify return code: 0 (ok)" in said
        assert "TLSv1.3" in said
