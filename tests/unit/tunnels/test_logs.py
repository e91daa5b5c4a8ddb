"""What the daemons say, as they said it in a lab, turned into facts and reasons."""

from __future__ import annotations

import pytest

from lab.record.cause import CharonCause, IkeCause, PppCause
from tunnels import _charon, _xl2tpd, ppp
from tunnels._charon import Agreement, Suite
from tunnels._vici import parse_ike_sa
from tunnels._xl2tpd import (
    CallClosed,
    Calling,
    CallUp,
    OutgoingCallUp,
    PppdEnded,
    TunnelClosed,
    TunnelUp,
)

WRONG_SECRET = """\
xl2tpd[632]: Listening on IP address 192.168.10.10, port 1701
xl2tpd[632]: Connecting to host 129.42.160.16, port 1701
xl2tpd[632]: Connection established to 129.42.160.16, 1701.  Local: 7992, Remote: 31429 (ref=0/0).
xl2tpd[632]: Calling on tunnel 7992
xl2tpd[632]: Call established with 129.42.160.16, Local: 14183, Remote: 15032, Serial: 1 (ref=0/0)
xl2tpd[632]: start_pppd: I'm running:\x20
xl2tpd[632]: "/usr/sbin/pppd"\x20
xl2tpd[632]: child_handler : pppd exited for call 15032 with code 19
xl2tpd[632]: call_close: Call 14183 to 129.42.160.16 disconnected
xl2tpd[632]: control_finish: Connection closed to 129.42.160.16, serial 1 ()
xl2tpd[632]: Terminating pppd: sending TERM signal to pid 633
xl2tpd[632]: Disconnecting from 129.42.160.16, Local: 7992, Remote: 31429
xl2tpd[632]: Connection 31429 closed to 129.42.160.16, port 1701 (Goodbye!)
"""

NO_ADDRESS = (
    "xl2tpd[894]: control_finish: Connection closed to 129.42.160.16, serial 1"
    " (No available IP address)\n"
)
SILENCE = """\
xl2tpd[559]: Maximum retries exceeded for tunnel 39094.  Closing.
xl2tpd[559]: Connection 0 closed to 129.42.160.16, port 1701 (Timeout)
"""
STOPPED_BY_PEER = (
    "xl2tpd[113]: control_finish: Connection closed to 192.168.10.10, port 1701 (Goodbye!),"
    " Local: 46906, Remote: 49005\n"
)
AT_THE_GATEWAY = (
    "xl2tpd[631]: Call established with 192.168.10.10, PID: 634, Local: 15032, Remote: 14183,"
    " Serial: 1\n"
)


ASKED_FOR = (
    "xl2tpd[2]: parameters: Local: 18149 , Remote: 55 , Serial: 1 , Pid: 3 , Tunnelid: 9895 ,"
    " Phoneid: 18005550100\n"
)


def test_a_call_with_a_wrong_secret_in_order() -> None:
    assert list(_xl2tpd.parse_log(WRONG_SECRET)) == [
        TunnelUp(7992, 31429),
        Calling(7992),
        CallUp(14183, 15032, 1, "129.42.160.16"),
        PppdEnded(15032, 19),
        CallClosed(1, ""),
        TunnelClosed("Goodbye!", remote_id=31429),
    ]


@pytest.mark.parametrize(
    ("log", "facts"),
    [
        (NO_ADDRESS, [CallClosed(1, "No available IP address")]),
        (
            SILENCE,
            [TunnelClosed("Maximum retries exceeded", local_id=39094), TunnelClosed("Timeout")],
        ),
        (STOPPED_BY_PEER, [TunnelClosed("Goodbye!", local_id=46906)]),
        (ASKED_FOR, [OutgoingCallUp(18149, 55, 1, "18005550100")]),
        (AT_THE_GATEWAY, [CallUp(15032, 14183, 1, "192.168.10.10")]),
        (
            "xl2tpd[1]: child_handler : pppd terminated for call 9 by signal 9\n",
            [PppdEnded(9, -9)],
        ),
    ],
)
def test_a_line_is_a_fact(log: str, facts: list[object]) -> None:
    assert list(_xl2tpd.parse_log(log)) == facts


def test_calls_are_counted_over_all_tunnels() -> None:
    # As xl2tpd prints it: the lines of a tunnel and of its calls have no newline.
    status = (
        "xl2tpd[1]: Number of tunnels open: 2\n"
        "xl2tpd[1]: Tunnel vpn1-0, ID = 4 (local), 5 (remote) to 129.42.160.16:1701,"
        " cLr = 4, call count = 1 ref=0/refhim=0xl2tpd[1]: Call vpn1-0 # 1, ID = 8 (local)"
        "xl2tpd[1]: Tunnel vpn1-1, ID = 6 (local), 7 (remote) to 129.42.160.16:1701,"
        " cLr = 4, call count = 2 ref=0/refhim=0xl2tpd[1]: ====Config File====\n"
    )

    assert _xl2tpd.parse_call_count(status) == 3
    assert _xl2tpd.parse_call_count("xl2tpd[1]: Number of tunnels open: 0\n") == 0


def test_the_kernels_table_gives_each_session_its_interface() -> None:
    table = """\
TUNNEL 'tunl 24022', Y 3
 00000000 5/112/0 5/112/0
  SESSION 'sess 24022/45688' CB00710A/1701 5DD6/B278 -> 8A19/E60D 3 Y
   0/0/-/-/LAC 00000000 0
   0/0 5/112/0 5/112/0
   interface ppp0
  SESSION 'sess 24022/7' CB00710A/1701 5DD6/0007 -> 8A19/E60E 1 Y
   0/0/-/-/LAC 00000000 0
"""

    assert _xl2tpd.parse_sessions(table) == {0xB278: "ppp0"}


def test_every_exit_status_of_pppd_has_its_sentence() -> None:
    assert len(ppp.EXIT_STATUSES) == len(set(ppp.EXIT_STATUSES)) == 20
    assert ppp.describe_exit(19) == (
        "exit status 19: we failed to authenticate ourselves to the peer"
    )
    assert ppp.describe_exit(77) == "exit status 77, which pppd(8) does not know"


def test_the_first_complaint_of_pppd_is_the_cause() -> None:
    log = """\
sent [CHAP Response id=0x94 <5fda06>, name = "hmc-user"]
rcvd [CHAP Failure id=0x94 "Access denied"]
CHAP authentication failed: Access denied
CHAP authentication failed
sent [LCP TermReq id=0x2 "Failed to authenticate ourselves to peer"]
rcvd [LCP TermReq id=0x2 "Authentication failed"]
Connection terminated.
"""

    assert ppp.find_cause(log, 19) == (PppCause.not_accepted, "")


@pytest.mark.parametrize(
    ("line", "cause", "detail"),
    [
        ("PAP authentication failed", PppCause.not_accepted, ""),
        ("peer refused to authenticate: terminating link", PppCause.not_willing, ""),
        ("The remote system is required to authenticate itself", PppCause.not_willing, ""),
        ("Peer hmc-user failed CHAP authentication", PppCause.not_genuine, ""),
        ('rcvd [LCP TermReq id=0x2 "User request"]', PppCause.ended_by_peer, "User request"),
        ("LCP terminated by peer (Link inactive)", PppCause.ended_by_peer, "Link inactive"),
        ("No response to 4 echo-requests", PppCause.no_echo, ""),
        ("LCP: timeout sending Config-Requests", PppCause.no_lcp, ""),
        ("IPCP: timeout sending Config-Requests", PppCause.no_ipcp, ""),
        ("Could not determine remote IP address", PppCause.no_address, ""),
        ("Modem hangup", PppCause.hangup, ""),
        ("Terminating on signal 15", PppCause.terminated, ""),
    ],
)
def test_a_complaint_of_pppd_has_a_cause(line: str, cause: PppCause, detail: str) -> None:
    assert ppp.find_cause(f"using channel 1\n{line}\nConnection terminated.\n", 1) == (
        cause,
        detail,
    )


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (-1, None),
        (0, None),
        (5, PppCause.terminated),
        (10, PppCause.unexplained),
        (127, PppCause.unexplained),
    ],
)
def test_without_a_complaint_the_exit_status_counts(status: int, cause: PppCause | None) -> None:
    assert ppp.find_cause("Connection terminated.\n", status) == (cause, "")


def test_a_link_that_came_up_has_no_complaint() -> None:
    log = "CHAP authentication succeeded\nlocal  IP address 10.9.0.2\nremote IP address 10.9.0.1\n"

    assert ppp.find_cause(log, 0) == (None, "")


def test_a_charon_without_ikev1_says_so() -> None:
    said = ["vici initiate CHILD_SA 'hmc-vpn1'", "IKE version 1 not supported"]

    why = _charon.find_cause(said, "establishing CHILD_SA 'hmc-vpn1' failed")

    assert why == (IkeCause.no_ikev1, "")


PROGRESS = [
    "initiating Main Mode IKE_SA hmc-vpn1[1] to 129.42.160.16",
    "generating ID_PROT request 0 [ SA V V V V V ]",
    "sending packet: from 192.168.10.10[500] to 129.42.160.16[500] (176 bytes)",
]
VERDICT = "establishing CHILD_SA 'hmc-vpn1' failed"


@pytest.mark.parametrize(
    ("telling", "cause", "detail"),
    [
        (
            "received NO_PROPOSAL_CHOSEN error notify",
            IkeCause.refused,
            "NO_PROPOSAL_CHOSEN",
        ),
        (
            "received AUTHENTICATION_FAILED error notify",
            IkeCause.refused,
            "AUTHENTICATION_FAILED",
        ),
        (
            "IDir 'vpn1.ibm.example' does not match to 'somebody.else'",
            IkeCause.misfit,
            "IDir 'vpn1.ibm.example' does not match to 'somebody.else'",
        ),
        ("giving up after 5 retransmits", IkeCause.silent, "5"),
    ],
)
def test_the_telling_line_of_charon_is_the_cause(
    telling: str, cause: IkeCause, detail: str
) -> None:
    assert _charon.find_cause([*PROGRESS, telling], VERDICT) == (cause, detail)


def test_a_wrong_key_is_told_and_not_the_silence_that_follows_from_it() -> None:
    said = [
        "could not decrypt payloads",
        *PROGRESS,
        "could not decrypt payloads",
        "giving up after 3 retransmits",
        "establishing IKE_SA failed, peer not responding",
    ]

    assert _charon.find_cause(said, VERDICT) == (IkeCause.undecryptable, "")


def test_without_a_reason_charons_verdict_is_told() -> None:
    assert _charon.find_cause(PROGRESS, VERDICT) == (IkeCause.other, VERDICT)


COMPLAINTS = """\
1795879052.408 08[CFG] vici initiate CHILD_SA 'hmc-vpn1'
1795879052.409 07[ENC] invalid ID_V1 payload length, decryption failed?
1795879052.410 07[IKE] no peer config found
1795879052.411 07[IKE] message parsing failed
1795879052.418 00[DMN] SIGTERM received, shutting down
"""


def test_each_complaint_in_charons_log_is_found_once_with_its_time() -> None:
    assert dict(_charon.find_complaints(COMPLAINTS)) == {
        CharonCause.unreadable: 1795879052.409,
        CharonCause.unknown_identity: 1795879052.41,
    }


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("07[IKE] IKE version 1 not supported", CharonCause.unsupported),
        (
            "09[NET] received unsupported IKE version 1.0 from 198.51.100.2, sending"
            " INVALID_MAJOR_VERSION",
            CharonCause.unsupported,
        ),
        (
            "07[IKE] IDir 'vpn1.example' does not match to '129.42.160.16'",
            CharonCause.unwanted_identity,
        ),
        ("07[IKE] no proposal found", CharonCause.no_proposal),
        (
            "07[IKE] no matching CHILD_SA config found for 198.51.100.2/32[udp/l2f] === 129.42.160.16/32",
            CharonCause.other_selectors,
        ),
        ("07[IKE] received AUTHENTICATION_FAILED error notify", CharonCause.unknown_identity),
    ],
)
def test_a_complaint_of_charon_has_a_cause(line: str, cause: CharonCause) -> None:
    assert dict(_charon.find_complaints(f"1795879052.408 {line}\n")) == {cause: 1795879052.408}


AGREED = """\
1795982579.595 05[CFG] <1> selected proposal: IKE:3DES_CBC/HMAC_MD5_96/PRF_HMAC_MD5/MODP_1024
1795982579.600 06[CFG] <2> selected proposal: IKE:AES_GCM_16_256/PRF_HMAC_SHA2_256/CURVE_25519
1795982579.675 08[IKE] <hmc-vpn1|1> IKE_SA hmc-vpn1[1] established between a[a]...b[b]
1795982579.690 06[CFG] <hmc-b-vpn1|2> selected proposal: ESP:AES_GCM_16_256/NO_EXT_SEQ
1795982579.715 05[CFG] <hmc-vpn1|1> selected proposal: ESP:3DES_CBC/HMAC_MD5_96/NO_EXT_SEQ
1795982579.755 07[IKE] <hmc-vpn1|1> CHILD_SA hmc-vpn1{1} established with SPIs c05b6b4b_i c15ad730_o
1795982579.756 07[IKE] <hmc-b-vpn1|2> CHILD_SA hmc-b-vpn1{2} established with SPIs 00000100_i c15ad731_o
1795984179.755 07[IKE] <hmc-vpn1|1> CHILD_SA hmc-vpn1{3} established with SPIs c05b6b4c_i c15ad732_o
"""


def test_what_a_gateway_agreed_on_is_in_its_log_and_new_keys_are_no_agreement() -> None:
    """Two clients negotiate at a time, and are told apart by the number of the IKE SA."""
    assert list(_charon.find_agreements(AGREED)) == [
        Agreement(
            1795982579.755,
            "hmc-vpn1",
            0xC05B6B4B,
            Suite("3DES_CBC", "HMAC_MD5_96", "MODP_1024"),
            Suite("3DES_CBC", "HMAC_MD5_96"),
        ),
        Agreement(
            1795982579.756,
            "hmc-b-vpn1",
            0x100,
            Suite("AES_GCM_16_256", "PRF_HMAC_SHA2_256", "CURVE_25519"),
            Suite("AES_GCM_16_256"),
        ),
    ]


def test_a_gateway_that_agreed_with_nobody_says_nothing() -> None:
    half = "".join(line + "\n" for line in AGREED.splitlines() if "CHILD_SA" not in line)
    assert not list(_charon.find_agreements(half))


def test_a_charon_that_is_content_has_no_complaint() -> None:
    log = "".join(f"1795879052.408 07[IKE] {line}\n" for line in PROGRESS)
    assert not dict(_charon.find_complaints(log))


def test_an_ike_sa_of_vici_is_typed() -> None:
    body = {
        "uniqueid": b"1",
        "version": b"1",
        "state": b"ESTABLISHED",
        "local-host": b"192.168.10.10",
        "local-id": b"hmc.customer.test",
        "remote-host": b"129.42.160.16",
        "remote-id": b"129.42.160.16",
        "encr-alg": b"3DES_CBC",
        "integ-alg": b"HMAC_MD5_96",
        "dh-group": b"MODP_1024",
        "child-sas": {
            "hmc-vpn1-1": {
                "name": b"hmc-vpn1",
                "state": b"INSTALLED",
                "mode": b"TUNNEL",
                "encap": b"yes",
                "spi-in": b"c5574ba1",
                "spi-out": b"cdc6e656",
                "encr-alg": b"3DES_CBC",
                "integ-alg": b"HMAC_MD5_96",
                "install-time": b"12",
                "rekey-time": b"1500",
            }
        },
    }

    sa = parse_ike_sa("hmc-vpn1", body)
    (child,) = sa.children
    assert sa.established
    assert (sa.encryption, sa.integrity, sa.dh_group) == ("3DES_CBC", "HMAC_MD5_96", "MODP_1024")
    assert (child.encryption, child.udp_encapsulation) == ("3DES_CBC", True)


def test_an_ike_sa_without_an_installed_child_is_not_established() -> None:
    assert not parse_ike_sa("x", {"state": b"ESTABLISHED"}).established
