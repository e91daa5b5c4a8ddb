"""The states of control connections and calls, and every transition in one table, ``TRANSITIONS``.

The table is that of RFC 2661: 7.2.1 for control connections, 7.4.1 and 7.4.2 for incoming calls, 7.5.1 and
7.5.2 for outgoing ones. A signal is a message of the peer that is well formed and acceptable, or a
``LocalSignal``. What differs from the RFC's tables, and why:

- A call that a peer asks for waits in ``wait_decision`` until the local side answers or refuses it.
- A LAC whose incoming call is replied to waits in ``wait_bearer`` until the local side connects it; the
  RFC's LAC does so at once. So a call can go on over a second tunnel before it is connected here.
- ``closed`` is the RFC's ``idle`` after the clean-up: nothing leads out of it.

A message that has no place in a state ends the call (CDN) or the control connection (StopCCN), as in
RFC 2661 7.1. A local signal that has none is not granted, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import NamedTuple, TypeAlias

from lab.wire.l2tp_codes import ControlType


class Machine(Enum):
    """Whose states: the control connection's, or those of one of the four kinds of call."""

    control = "control connection (RFC 2661 7.2.1)"
    incoming_lac = "incoming call at the LAC (RFC 2661 7.4.1)"
    incoming_lns = "incoming call at the LNS (RFC 2661 7.4.2)"
    outgoing_lac = "outgoing call at the LAC (RFC 2661 7.5.1)"
    outgoing_lns = "outgoing call at the LNS (RFC 2661 7.5.2)"


CALLS = (Machine.incoming_lac, Machine.incoming_lns, Machine.outgoing_lac, Machine.outgoing_lns)


class L2tpState(Enum):
    """Where a control connection or a call is; the value is the RFC's name where it has one."""

    idle = "idle"
    wait_ctl_reply = "wait-ctl-reply"
    wait_ctl_conn = "wait-ctl-conn"
    wait_tunnel = "wait-tunnel"
    wait_decision = "wait-decision"
    wait_reply = "wait-reply"
    wait_bearer = "wait-bearer"
    wait_connect = "wait-connect"
    wait_cs_answer = "wait-cs-answer"
    established = "established"
    closed = "closed"


class LocalSignal(Enum):
    """What the local side wants, or what happens to it."""

    open = auto()
    tunnel_open = auto()
    """The control connection that the call waits for is established."""
    answer = auto()
    """Accept a call that the peer asks for."""
    connect = auto()
    """The call is up at the LAC: a carrier and framing are there."""
    close = auto()
    lost = auto()
    """The peer does not answer any more."""
    lose_tie = auto()
    """Both sides asked for a control connection, and the peer's stays (RFC 2661 4.4.3)."""


class Tell(Enum):
    """What the local side is told."""

    asked = auto()
    """The peer asks for a call."""
    accepted = auto()
    """The peer accepts a call that is not up yet."""
    up = auto()
    down = auto()
    line_errors = auto()
    link_info = auto()


L2tpSignal: TypeAlias = ControlType | LocalSignal


class L2tpTransition(NamedTuple):
    """What a signal does in a state."""

    send: ControlType | None
    tell: Tell | None
    to: L2tpState


_M, _S, _T, _L, _C = Machine, L2tpState, Tell, LocalSignal, ControlType
_INCOMING = (_C.ICRQ, _C.ICRP, _C.ICCN)
_OUTGOING = (_C.OCRQ, _C.OCRP, _C.OCCN)
_REPORTS = (_C.WEN, _C.SLI)
OF_CALLS = (*_INCOMING, *_OUTGOING, _C.CDN, *_REPORTS)
"""The messages that belong to a call; all others are about the control connection."""
_OPEN = (_S.wait_ctl_reply, _S.wait_ctl_conn, _S.established)
_IN_LAC = (_S.wait_reply, _S.wait_bearer, _S.established)
_IN_LNS = (_S.wait_decision, _S.wait_connect, _S.established)
_OUT_LAC = (_S.wait_decision, _S.wait_cs_answer, _S.established)
_OUT_LNS = (_S.wait_reply, _S.wait_connect, _S.established)

_Row: TypeAlias = tuple[
    tuple[L2tpState, ...], tuple[L2tpSignal, ...], ControlType | None, Tell | None, L2tpState | None
]
# fmt: off
_ROWS: Mapping[Machine, tuple[_Row, ...]] = {
        # states               signals                         send        tell            to
    _M.control: (
        ((_S.idle,),           (_L.open,),                     _C.SCCRQ,   None,           _S.wait_ctl_reply),
        ((_S.idle,),           (_C.SCCRQ,),                    _C.SCCRP,   None,           _S.wait_ctl_conn),
        ((_S.wait_ctl_reply,), (_C.SCCRP,),                    _C.SCCCN,   _T.up,          _S.established),
        ((_S.wait_ctl_reply,), (_L.lose_tie,),                 None,       _T.down,        _S.closed),
        ((_S.wait_ctl_reply,), (_C.SCCRQ, _C.SCCCN),           _C.StopCCN, _T.down,        _S.closed),
        ((_S.wait_ctl_conn,),  (_C.SCCCN,),                    None,       _T.up,          _S.established),
        ((_S.wait_ctl_conn,),  (_C.SCCRQ, _C.SCCRP),           _C.StopCCN, _T.down,        _S.closed),
        ((_S.established,),    (_C.SCCRQ, _C.SCCRP, _C.SCCCN), _C.StopCCN, _T.down,        _S.closed),
        (_OPEN[:2],            OF_CALLS,                       _C.StopCCN, _T.down,        _S.closed),
        (_OPEN,                (_C.HELLO,),                    None,       None,           None),
        (_OPEN,                (_C.StopCCN, _L.lost),          None,       _T.down,        _S.closed),
        (_OPEN,                (_L.close,),                    _C.StopCCN, _T.down,        _S.closed),
        ((_S.closed,),         (*_C,),                         None,       None,           None),
    ),
    _M.incoming_lac: (
        ((_S.idle,),           (_L.open,),                     None,       None,           _S.wait_tunnel),
        ((_S.wait_tunnel,),    (_L.tunnel_open,),              _C.ICRQ,    None,           _S.wait_reply),
        ((_S.wait_reply,),     (_C.ICRP,),                     None,       _T.accepted,    _S.wait_bearer),
        ((_S.wait_reply,),     (_C.ICCN,),                     None,       _T.down,        _S.closed),
        ((_S.wait_reply,),     (_C.ICRQ,),                     _C.CDN,     _T.down,        _S.closed),
        ((_S.wait_bearer,),    (_L.connect,),                  _C.ICCN,    _T.up,          _S.established),
        (_IN_LAC[1:],          _INCOMING,                      _C.CDN,     _T.down,        _S.closed),
        ((_S.established,),    (_C.SLI,),                      None,       _T.link_info,   None),
        (_IN_LAC[:2],          (_C.SLI,),                      _C.CDN,     _T.down,        _S.closed),
        (_IN_LAC,              (*_OUTGOING, _C.WEN),           _C.CDN,     _T.down,        _S.closed),
        (_IN_LAC,              (_C.CDN, _L.lost),              None,       _T.down,        _S.closed),
        (_IN_LAC,              (_L.close,),                    _C.CDN,     _T.down,        _S.closed),
        ((_S.wait_tunnel,),    (_L.close, _L.lost),            None,       _T.down,        _S.closed),
    ),
    _M.incoming_lns: (
        ((_S.idle,),           (_C.ICRQ,),                     None,       _T.asked,       _S.wait_decision),
        ((_S.wait_decision,),  (_L.answer,),                   _C.ICRP,    None,           _S.wait_connect),
        ((_S.wait_decision,),  _INCOMING,                      _C.CDN,     _T.down,        _S.closed),
        ((_S.wait_connect,),   (_C.ICCN,),                     None,       _T.up,          _S.established),
        ((_S.wait_connect,),   (_C.ICRQ, _C.ICRP),             _C.CDN,     _T.down,        _S.closed),
        ((_S.established,),    _INCOMING,                      _C.CDN,     _T.down,        _S.closed),
        ((_S.established,),    (_C.WEN,),                      None,       _T.line_errors, None),
        (_IN_LNS[:2],          (_C.WEN,),                      _C.CDN,     _T.down,        _S.closed),
        (_IN_LNS,              (*_OUTGOING, _C.SLI),           _C.CDN,     _T.down,        _S.closed),
        (_IN_LNS,              (_C.CDN, _L.lost),              None,       _T.down,        _S.closed),
        (_IN_LNS,              (_L.close,),                    _C.CDN,     _T.down,        _S.closed),
    ),
    _M.outgoing_lac: (
        ((_S.idle,),           (_C.OCRQ,),                     None,       _T.asked,       _S.wait_decision),
        ((_S.wait_decision,),  (_L.answer,),                   _C.OCRP,    None,           _S.wait_cs_answer),
        ((_S.wait_cs_answer,), (_L.connect,),                  _C.OCCN,    _T.up,          _S.established),
        (_OUT_LAC,             _OUTGOING,                      _C.CDN,     _T.down,        _S.closed),
        ((_S.established,),    (_C.SLI,),                      None,       _T.link_info,   None),
        (_OUT_LAC[:2],         (_C.SLI,),                      _C.CDN,     _T.down,        _S.closed),
        (_OUT_LAC,             (*_INCOMING, _C.WEN),           _C.CDN,     _T.down,        _S.closed),
        (_OUT_LAC,             (_C.CDN, _L.lost),              None,       _T.down,        _S.closed),
        (_OUT_LAC,             (_L.close,),                    _C.CDN,     _T.down,        _S.closed),
    ),
    _M.outgoing_lns: (
        ((_S.idle,),           (_L.open,),                     None,       None,           _S.wait_tunnel),
        ((_S.wait_tunnel,),    (_L.tunnel_open,),              _C.OCRQ,    None,           _S.wait_reply),
        ((_S.wait_reply,),     (_C.OCRP,),                     None,       _T.accepted,    _S.wait_connect),
        ((_S.wait_reply,),     (_C.OCRQ, _C.OCCN),             _C.CDN,     _T.down,        _S.closed),
        ((_S.wait_connect,),   (_C.OCCN,),                     None,       _T.up,          _S.established),
        ((_S.wait_connect,),   (_C.OCRQ, _C.OCRP),             _C.CDN,     _T.down,        _S.closed),
        ((_S.established,),    _OUTGOING,                      _C.CDN,     _T.down,        _S.closed),
        ((_S.established,),    (_C.WEN,),                      None,       _T.line_errors, None),
        (_OUT_LNS[:2],         (_C.WEN,),                      _C.CDN,     _T.down,        _S.closed),
        (_OUT_LNS,             (*_INCOMING, _C.SLI),           _C.CDN,     _T.down,        _S.closed),
        (_OUT_LNS,             (_C.CDN, _L.lost),              None,       _T.down,        _S.closed),
        (_OUT_LNS,             (_L.close,),                    _C.CDN,     _T.down,        _S.closed),
        ((_S.wait_tunnel,),    (_L.close, _L.lost),            None,       _T.down,        _S.closed),
    ),
}
# fmt: on

TRANSITIONS: Mapping[tuple[Machine, L2tpState, L2tpSignal], L2tpTransition] = {
    (machine, state, signal): L2tpTransition(send, tell, to or state)
    for machine, rows in _ROWS.items()
    for states, signals, send, tell, to in rows
    for state in states
    for signal in signals
}
