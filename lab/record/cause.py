"""Why something failed: enumerations for programs, each member with its words for people.

Words are made last, from the entry or the event that has the cause: ``{0.device}`` in a member's sentence is
that entry's field ``device``. Imports next to nothing: the reference agent imports it.
"""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """A cause; its value is what files have."""

    sentence: str

    def __new__(cls, value: str, sentence: str) -> Cause:
        member = str.__new__(cls, value)
        member._value_, member.sentence = value, sentence
        return member


class Explained:
    """An entry or an event that may have a field ``cause``."""

    __slots__ = ()

    @property
    def went_wrong(self) -> bool:
        """Whether something did not come about that was to: by the cause, or by what it is (``bad``)."""
        return bool(getattr(self, "bad", False) or getattr(self, "cause", None))

    @property
    def cause_alone(self) -> str:
        """The cause in words, without what another program adds: that may be another text each time."""
        cause: Cause | None = getattr(self, "cause", None)
        if cause is None:
            return ""
        sentence = cause.sentence.removesuffix(": {0.detail}").removesuffix("{0.detail}")
        if not sentence:
            return str(cause.value).replace("-", " ")
        # In the middle of a sentence, and after "answered", it is a number or a word of a protocol.
        return (sentence if cause.sentence.endswith(": {0.detail}") else cause.sentence).format(
            self
        )

    @property
    def why(self) -> str:
        """The cause in words; empty if there is none."""
        cause: Cause | None = getattr(self, "cause", None)
        return cause.sentence.format(self) if cause else ""


class IkeCause(Cause):
    """Why an IPsec connection did not come up, by what charon says."""

    undecryptable = (
        "undecryptable",
        "neither end can decrypt what the other sends, as with different pre-shared keys",
    )
    no_ikev1 = "no-ikev1", "this charon was built without IKEv1"
    refused = "refused", "the other end refuses with {0.detail}"
    """The other end sent an error notify, which is the detail."""
    misfit = "misfit", "{0.detail}"
    """Identities, keys, configurations or proposals do not fit, or this kernel takes no such SA."""
    silent = "silent", "the other end does not answer, not to {0.detail} retransmissions either"
    other = "other", "{0.detail}"


class CharonCause(Cause):
    """What the log of a charon complains of; of the responder this is all that is ever known."""

    unreadable = "unreadable", "it cannot decrypt what the other end sends"
    """Another key was used to encrypt."""
    unknown_identity = "unknown-identity", "it can read an identity, and has no peer of that name"
    unwanted_identity = "unwanted-identity", "the other end is not whom it expects"
    no_proposal = "no-proposal", "the two ends have no proposal in common"
    other_key = "other-key", "the other end authenticates by another pre-shared key"
    no_peer = "no-peer", "no peer is known by the identity"
    """Both of IKEv2, which says so; with IKEv1 see ``unreadable`` and ``unknown_identity``."""
    other_selectors = (
        "other-selectors",
        "the other end wants other packets protected, or in another mode",
    )
    unsupported = "unsupported", "it was built without IKEv1"


class GatewayCause(Cause):
    """Why a VPN gateway gives no way home."""

    no_ike = "no-ike", "IPsec does not come up"
    """``ike-failed`` says why."""
    no_tunnel = "no-tunnel", "no L2TP tunnel was established"
    tunnel_closed = "tunnel-closed", "the L2TP tunnel was closed: {0.detail}"
    call_ended = "call-ended", "the L2TP call was ended: {0.detail}"
    no_session = "no-session", "PPP does not come up"
    """``ppp-down`` says why, if a session began."""


class DialCause(Cause):
    """Why a modem is none, or a call is no way home."""

    port_shut = "port-shut", "{0.device} cannot be opened: {0.detail}"
    modem_gone = "modem-gone", "the modem went away on {0.command}"
    modem_silent = "modem-silent", "{0.command} was answered with nothing within {0.detail} s"
    modem_garbage = (
        "modem-garbage",
        "{0.command} was answered with {0.detail} bytes that mean nothing",
    )
    command_refused = "command-refused", "{0.command} was answered with {0.detail}"
    busy = "busy", "the number is busy"
    no_answer = "no-answer", "nobody answers"
    no_carrier = "no-carrier", "no modem answers there"
    no_dialtone = "no-dialtone", "the line has no dial tone"
    not_dialled = "not-dialled", "the modem does not dial"
    no_ppp = "no-ppp", "PPP did not come up"
    """``ppp-down`` says why."""
    lender_silent = "lender-silent", "the partition does not answer by L2TP"
    """This and the next three: of a modem that a partition of i5/OS lends (OUT-30)."""
    lender_closed = "lender-closed", "the L2TP tunnel to the partition was closed: {0.detail}"
    lender_busy = "lender-busy", "the partition's modem is in use"
    lender_refused = "lender-refused", "the partition does not call: {0.detail}"


class PppCause(Cause):
    """Why a PPP session ended or never opened, by what its pppd says."""

    not_accepted = "not-accepted", "the peer does not accept our name or password"
    not_willing = "not-willing", "the two ends have no authentication protocol in common"
    not_genuine = "not-genuine", "the peer did not prove who it is"
    ended_by_peer = "ended-by-peer", "the peer ended LCP: {0.detail}"
    no_echo = "no-echo", "the peer answers no LCP echo request"
    no_lcp = "no-lcp", "the peer does not answer LCP"
    no_ipcp = "no-ipcp", "the peer does not answer IPCP"
    no_address = "no-address", "there is no IP address to agree on"
    hangup = "hangup", "the carrier was lost"
    terminated = "terminated", "pppd was ended by a signal"
    """So the lab ends what it gives up."""
    unexplained = "unexplained", "pppd ended with exit status {0.exit_status}, and does not say why"


class AgentCause(Cause):
    """Why a try of a server was not acknowledged."""

    timed_out = "timed-out", "no answer within {0.detail} s in all"
    unresolved = "unresolved", "{0.detail}"
    """The server's name has no address."""
    unreached = "unreached", "{0.detail}"
    """No address of the server took a TCP connection."""
    proxy_unreached = "proxy-unreached", "the proxy cannot be reached: {0.detail}"
    proxy_refused = "proxy-refused", "the proxy answers CONNECT with {0.detail}"
    proxy_log_in = "proxy-log-in", "the proxy does not take the log-in: {0.detail}"
    certificate = "certificate", "the server's certificate is refused: {0.detail}"
    tls = "tls", "{0.detail}"
    broken = "broken", "{0.detail}"
    """The connection broke."""
    status = "status", "the server answered {0.detail}"
    """An HTTP status that is no success."""
    malformed = "malformed", "{0.detail}"
    """What came is no acknowledgement."""
    digest = "digest", "the download is not what was promised: {0.detail}"
    """Its SHA-256 is another one than servers gave by TLS (OUT-41)."""
    not_enrolled = "not-enrolled", "the system is not enrolled, so it asks for no download"
    """OUT-42."""
    unpromised = "unpromised", "no server has said by TLS what is to be downloaded"


class Blame(StrEnum):
    """Who is to blame for an error that ended a run, by the error's type (``lab.errors``)."""

    path = "path"
    user = "user"
    machine = "machine"
    lab = "lab"
