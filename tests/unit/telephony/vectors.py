"""Conversations with a modem, most of them from what V.250 (07/2003) says, clause by clause.

Steps on the left, what has to come out on the right: the whole of it, in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from lab.telephony.command_line import MAX_BODY
from lab.telephony.flow import GO_ON_AT_BYTES, STOP_AT_BYTES
from lab.telephony.modulation import offer
from lab.telephony.repertoire import Value
from lab.telephony.result_codes import HAYES, IBM, CodeTable
from lab.telephony.signals import (
    Carrier,
    DialDigits,
    Effect,
    Heard,
    Hook,
    Modulation,
    ToLine,
    Trained,
)
from lab.telephony.signals import ToTerminal as T
from tests.unit.telephony.terminal import Backlog, PortRate, Received, Step

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
NO_CARRIER = b"\r\nNO CARRIER\r\n"
QUIETLY = {"E": 0}


@dataclass(frozen=True)
class Vector:
    """One conversation."""

    name: str
    steps: tuple[Step, ...]
    out: tuple[Effect, ...]
    factory: Mapping[str, Value] = field(default_factory=lambda: QUIETLY)
    table: CodeTable = HAYES

    def quietly(self, first: bytes) -> Vector:
        """The same, with another answer to the first line."""
        return replace(self, out=(*([T(first)] if first else []), *self.out[1:]))


def _text(name: str, sent: bytes, got: bytes, **factory: Value) -> Vector:
    """Only text both ways."""
    return Vector(name, (sent,), (T(got),) if got else (), {**QUIETLY, **factory})


def _of_call(data: bytes) -> T:
    return T(data, carried=True)


def _offered(*values: int | str) -> Modulation:
    """What +MS with these four values, and no other limits for what is received, offers."""
    return Modulation(offer((*values, 0, 0)))


def _info(*texts: bytes) -> bytes:
    return b"".join(b"\r\n" + text + b"\r\n" for text in texts)


LINES = (
    _text("5.2.1 prefix and nothing", b"AT\r", OK),
    _text("5.2.1 small prefix", b"at\r", OK),
    _text("5.2.1 mixed prefix is none", b"At\raT\r", b""),
    _text("5.2.1 anything before the prefix", b"+++ x AAT\r", OK),
    _text("5.2.1 spaces and small letters", b"AT e 0 v1\r", OK),
    _text("5.2.2 control characters are dropped", b"AT\x01S\x007\x7f?\n\r", _info(b"050") + OK),
    _text(
        "5.2.1 no space within a number",
        b"ATS7=6 0\rAT S0 = 5 S 7 ?\rATE1 2\rATS0?\rAT+ES=1, 1;+ES=1 1\r",
        ERROR + _info(b"050") + OK + ERROR + _info(b"005") + OK + ERROR,
    ),
    _text("5.2.1 as long as allowed", b"AT" + b" " * (MAX_BODY - 2) + b"E0\r", OK),
    _text("5.2.1 too long: nothing of it", b"ATE1" + b" " * MAX_BODY + b"\rAT\r", ERROR + OK),
    _text("5.2.1 line end by S3", b"ATS3=33\rATV1!ATS3?!", b"!\nOK!\n" * 2 + b"!\n033!\n!\nOK!\n"),
    _text("5.1 any parity", bytes(b | 0x80 for b in b"ATS0=3S0?\r"), _info(b"003") + OK),
    _text("5.2.2 backspace", b"ATS7=1\x08\x089?\x08\x08=8\r\nATS7?\r", OK + _info(b"008") + OK),
    _text("5.2.2 the prefix cannot be taken back", b"AT\x08\x08\x08E0\r", OK),
    _text("5.2.2 backspace by S5", b"ATS5=35\rATX##E0\r", OK + OK),
    _text("5.2.3 echo", b"AT\r", b"AT\r" + OK, E=1),
    _text("5.2.3 echo of parity and case", b"a\xf4S0?\r", b"a\xf4S0?\r" + _info(b"000") + OK, E=1),
    _text("5.2.3 echo of backspace", b"ATX\x08E\r", b"ATX\x08 \x08E\r" + OK, E=1),
    _text("5.2.3 nothing to take back, nothing echoed", b"AT\x08\r", b"AT\r" + OK, E=1),
    _text("5.2.3 what is no prefix is not echoed", b"\r\nNO CARRIER\r\nhello", b"", E=1),
    _text("5.2.3 echo off within the line", b"ATE0\rAT\r", b"ATE0\r" + OK + OK, E=1),
    _text("5.2.4 repeat", b"ATS0?\rA/a/", (_info(b"000") + OK) * 3),
    _text("5.2.4 repeat with echo", b"AT\rA/", b"AT\r" + OK + b"A/" + OK, E=1),
    _text("5.2.4 repeat nothing", b"A/", OK),
    _text("5.2.4 repeat an error", b"ATU\rA/", ERROR * 2),
)

COMMANDS = (
    _text("5.3.1 missing number is 0", b"ATS0=9\rATQV1X\rATS0?\r", OK * 2 + _info(b"009") + OK),
    _text("5.3.1 leading zeros", b"ATX0004\r", OK),
    _text("5.3.1 number too big", b"ATX5\rATE2\rATE" + b"9" * 200 + b"\r", ERROR * 3),
    _text("5.3.1 unknown letters", b"ATU\rATK0\rAT&A\rAT%Y7\rAT\\Z\rAT-C1\rAT;\rAT1\r", ERROR * 8),
    _text("5.3.1 E? asks for nothing and changes nothing", b"ATE?\rATX=1\rATE1\r", ERROR * 2 + OK),
    _text("5.3.2 write and read", b"ATS7=60S7?\r", _info(b"060") + OK),
    _text("5.3.2 missing value is 0", b"ATS0=5S0=S0?\r", _info(b"000") + OK),
    _text("5.3.2 missing register is S0", b"ATS=4\rATS?\r", OK + _info(b"004") + OK),
    _text(
        "Hayes: the register that is meant", b"ATS7\rAT=61?\rAT?\r", OK + (_info(b"061") + OK) * 2
    ),
    _text(
        "Hayes: no other register is meant by a refused one",
        b"ATS7S13?\rAT?\r",
        ERROR + _info(b"050") + OK,
    ),
    _text(
        "5.6.2 register out of range",
        b"ATS7=0\rATS6=1\rATS0=256\rATS3=128\rATS7?\r",
        ERROR * 4 + _info(b"050") + OK,
    ),
    _text("5.6.2 unknown register", b"ATS13?\rATS13=1\rATS99\r", ERROR * 3),
    _text(
        "5.6 what stands before an error is done",
        b"ATS0=2S7=0S0=3\rATS0?\r",
        ERROR + _info(b"002") + OK,
    ),
    _text(
        "5.4.4 read",
        b"AT+IPR?\rAT+IFC?;+ICF?\r",
        _info(b"+IPR:0") + OK + _info(b"+IFC:2,2", b"+ICF:3,3") + OK,
    ),
    _text(
        "5.4.4 test",
        b"AT+IFC=?\rAT+FCLASS=?\r",
        _info(b"+IFC:(0-3),(0-2)") + OK + _info(b"0") + OK,
    ),
    _text(
        "5.4.4 some values",
        b"AT+ES=1,,4\rAT+ES?\rAT+ES=,1;+ES?\r",
        OK + _info(b"+ES: 1,0,4") + OK + _info(b"+ES: 1,1,4") + OK,
    ),
    Vector(
        "5.4.4 words, quoted or not",
        (b'AT+MS=v32b,0,,9600;+MS?;+MS="V22";+MS?\r',),
        (
            _offered("V32B", 0, 0, 9600),
            T(_info(b"+MS: V32B,0,0,9600,0,0")),
            _offered("V22", 1, 0, 0),
            T(_info(b"+MS: V22,1,0,0,0,0") + OK),
        ),
    ),
    Vector(
        "6.4.1 what is left out",
        (b"AT+MS=,0,300,9600,,4800;+MS=;+MS?\r",),
        (
            _offered("V34", 0, 300, 4800),
            _offered("V34", 1, 0, 0),
            T(_info(b"+MS: V34,1,0,0,0,0") + OK),
        ),
    ),
    Vector(
        "6.4.1 the profile's again",
        (b"AT+MS=V22\r", b"AT+FCLASS=0Z\r", b"ATZ\r"),
        (_offered("V22", 1, 0, 0), T(OK + ERROR), _offered("V34", 1, 0, 0), T(OK)),
    ),
    _text(
        "5.4.4.2 what is left out",
        b"AT+ICF=5,1;+ICF=3;+ICF?;+ICF=,2;+ICF?\r",
        _info(b"+ICF:3,1", b"+ICF:3,2") + OK,
    ),
    Vector(
        "6.2.10 a rate that is found out has a format that is found out",
        (b"AT+ICF?;+IPR=9600;+ICF?\rAT+IPR=;+IPR?;+ICF?\r",),
        (T(_info(b"+ICF:3,3", b"+ICF:3,3") + OK + _info(b"+IPR:0", b"+ICF:0,3") + OK),),
    ),
    _text(
        "5.4.4 all of it or nothing",
        b"AT+ES=0,0,99\rAT+ES=0,0,0,0\rAT+ES?\r",
        ERROR * 2 + _info(b"+ES: 3,0,2") + OK,
    ),
    _text(
        "5.4.4 refused",
        b"AT+MS=V99\rAT+IPR=1\rAT+IPR\rAT+FCLASS=1\rAT+IPR=-1\rAT+X=1\rAT+\r",
        ERROR * 7,
    ),
    _text(
        "5.4.5 basic commands behind a semicolon",
        b"ATS0=1+IFC=0,0;S0?+IFC?;\r",
        _info(b"001", b"+IFC:0,0") + OK,
    ),
    _text("5.4.5 no semicolon", b"AT+IFC=0,0S0?\rAT+IFC?S0?\r", ERROR * 2),
    _text("5.4.2 quotes hold a semicolon", b'AT+MS="V;"\rAT+MS="V\r', ERROR * 2),
    _text("5.4.3 test of an action", b"AT+GMI=?;+GMR=?\rAT+GMI?\rAT+GMI=1\r", OK + ERROR * 2),
    *(
        _text(
            f"{section} {name}",
            b"AT%b=?\rAT%b?\r" % (name.encode(), name.encode()),
            _info(name.encode() + test) + OK + _info(name.encode() + read) + OK,
        )
        for section, name, test, read in (
            (
                "6.2.10",
                "+IPR",
                b":(0,300,1200,2400,4800,9600,19200,38400,57600,115200,230400)",
                b":0",
            ),
            ("6.2.11", "+ICF", b":(0-6),(0-3)", b":3,3"),
            ("6.2.12", "+IFC", b":(0-3),(0-2)", b":2,2"),
            (
                "6.4.1",
                "+MS",
                b": (V21,V22,V22B,V32,V32B,V34,V90,V92),(0,1)" + b",(0,300-56000)" * 4,
                b": V34,1,0,0,0,0",
            ),
            ("6.5.1", "+ES", b": (0-4),(0-4),(0-6)", b": 3,0,2"),
            ("6.6.1", "+DS", b": (0-3),(0,1),(512-65535),(6-250)", b": 3,0,512,6"),
        )
    ),
    _text("T.31 +FCLASS", b"AT+FCLASS=?\rAT+FCLASS?\r", (_info(b"0") + OK) * 2),
    _text("numbers that some commands do not take", b"AT&V1\rAT&F2\rATO2\r", ERROR * 3),
    _text("5.3.1 commands that take no number", b"ATA0\rATP0\rATT0\rATA1\r", ERROR * 4),
    _text(
        "6.1 identity",
        b"AT+GMI;+GMM;+GMR;+GSN;+GCAP\r",
        _info(b"callhome-lab", b"V.34 modem", b"1", b"1", b"+GCAP: +FCLASS,+MS,+ES,+DS") + OK,
    ),
    _text("6.1.3 identity", b"ATI0I3\rATI10\r", _info(b"V.34 modem", b"1") + OK + ERROR),
    _text("6.2.5 no results", b"ATQ1\rATI3\rATU\rATQ0\r", _info(b"1") + OK),
    _text("6.2.6 numbers", b"ATV0\rATI3\rATU\rATV1\r", b"0\r" + b"1\r\n0\r" + b"4\r" + OK),
    _text("6.2.1 result characters", b"ATS4=42\rATS3=36\rATV0$", b"\r*OK\r*$*OK$*0$"),
    _text("6.3.2, 6.3.3 tone and pulse", b"ATT\rATP\rATT1\r", OK * 2 + ERROR),
    _text(
        "&K is a part of +IFC",
        b"AT&K0+IFC?;&K3+IFC?;&K4+IFC?\rAT&K1\r",
        _info(b"+IFC:0,0", b"+IFC:2,2", b"+IFC:1,1") + OK + ERROR,
    ),
    _text("minicom's first words", b"AT S7=45 S0=0 L1 V1 X4 &c1 E1 Q0\r", OK),
    _text("a mail system's first words", b"ATQ0V1E0&C1&D2S0=0+FCLASS=0\r", OK),
)

PROFILES = (
    _text("6.1.1 reset", b"ATS0=5X1\rATZ\rATS0?\r", OK * 2 + _info(b"000") + OK),
    _text("6.1.1 what follows is passed over", b"ATZS0=5E1U\rATS0?\r", OK + _info(b"000") + OK),
    _text("6.1.1 the result as after the reset", b"ATV0\rATZ\r", b"0\r" + OK),
    _text("6.1.2 factory settings, and then", b"ATS0=5&F S7?S0?\r", _info(b"050", b"000") + OK),
    _text(
        "stored",
        b"ATS0=5&W1S0=6&W\rAT&F\rATZ1\rATS0?\rATZ\rATS0?\r",
        OK * 3 + _info(b"005") + OK * 2 + _info(b"006") + OK,
    ),
    _text("stored: not the line's own characters", b"ATS4=42\rAT&W\rATZ\r", b"\r*OK\r*" * 2 + OK),
    _text("no such profile", b"ATZ2\rAT&W2\rAT&F2\r", ERROR * 3),
    _text(
        "numbers",
        b"AT&Z2= 9, (555) 12;\rAT&Z2?\rAT&Z4=1\rAT&Z0\rAT&Z0=S=1\rAT&Z0=L\r",
        OK + _info(b"9,(555)12;") + OK + ERROR * 4,
    ),
)

# A call under way: dial tone, ringing, answer, training.
_CONNECTS = (Heard.dial_tone, 0.5, Heard.ringback, 4.0, Heard.answered, 6.0, Trained(33600))
_CONNECTED = (T(b"\r\nCONNECT 33600\r\n"), Carrier(True))


def _dialled(digits: str) -> tuple[Effect, ...]:
    return Hook.off, DialDigits(digits)


CALLS = (
    Vector("6.3.1 dial", (b"ATDT5551234\r", *_CONNECTS), (*_dialled("5551234"), *_CONNECTED)),
    Vector(
        "6.3.1 what is no digit", (b"ATDT +1 (555) 12-34\r", Heard.dial_tone), _dialled("15551234")
    ),
    Vector(
        "6.3.1.1 every digit",
        (b"ATD0123456789*#abcd\r", Heard.dial_tone),
        _dialled("0123456789*#ABCD"),
    ),
    Vector(
        "6.3.1.4 pulses carry digits only, and stay",
        (b"ATDP1*A2T#3P4\r", Heard.dial_tone, 1.0, b"x", b"ATD5\r", Heard.dial_tone),
        (
            Hook.off,
            DialDigits("12#34"),
            Hook.on,
            T(NO_CARRIER),
            Hook.off,
            DialDigits("5"),
        ),
    ),
    Vector(
        "6.3.1.2 pause by S8",
        (b"ATS8=3D9,,1\r", Heard.dial_tone, 2.9, Heard.ringback, 3.0, 0.1),
        (Hook.off, DialDigits("9"), DialDigits("1")),
    ),
    Vector(
        "6.3.1.2 no pause",
        (b"ATS8=0D9,1\r", Heard.dial_tone),
        (Hook.off, DialDigits("9"), DialDigits("1")),
    ),
    Vector(
        "6.3.1.6 second dial tone",
        (b"ATD9W1\r", Heard.dial_tone, 3.0, Heard.dial_tone),
        (Hook.off, DialDigits("9"), DialDigits("1")),
    ),
    Vector("6.3.1.6 W at the first dial tone", (b"ATDW1\r", Heard.dial_tone), _dialled("1")),
    Vector(
        "6.3.1.6 no second dial tone",
        (b"ATS7=9D9W1\r", Heard.dial_tone, 8.9, 0.2),
        (*_dialled("9"), Hook.on, T(b"\r\nNO DIALTONE\r\n")),
    ),
    Vector(
        "6.3.1.5 hook flash",
        (b"ATD9!W1\r", Heard.dial_tone, 0.6, Heard.dial_tone),
        (Hook.off, DialDigits("9"), Hook.flash, DialDigits("1")),
    ),
    Vector(
        "6.3.1.7 quiet",
        (b"ATD9@1\r", Heard.dial_tone, Heard.ringback, 6.0, Heard.quiet),
        (Hook.off, DialDigits("9"), DialDigits("1")),
    ),
    Vector(
        "6.3.1.7 voice is quiet enough",
        (b"ATD9@1\r", Heard.dial_tone, Heard.voice),
        (Hook.off, DialDigits("9"), DialDigits("1")),
    ),
    Vector(
        "6.3.1.7 never quiet",
        (b"ATS7=5D9@1\r", Heard.dial_tone, 5.0),
        (*_dialled("9"), Hook.on, T(b"\r\nNO ANSWER\r\n")),
    ),
    Vector(
        "6.3.1.7 a modem instead of quiet",
        (b"ATD9@1\r", Heard.dial_tone, Heard.answered, Trained(33600)),
        (*_dialled("9"), *_CONNECTED),
    ),
    Vector(
        "6.3.1 back to command state",
        (b"ATD9;\r", Heard.dial_tone, b"ATH\r"),
        (*_dialled("9"), T(OK), Hook.on, T(OK)),
    ),
    Vector(
        "6.3.1 and further commands",
        (b"ATD9,;S0?H\r", Heard.dial_tone, 2.0),
        (*_dialled("9"), T(_info(b"000")), Hook.on, T(OK)),
    ),
    Vector(
        "6.3.1 and further digits",
        (b"ATD9;D,1\r", Heard.dial_tone, 2.0),
        (*_dialled("9"), DialDigits("1")),
    ),
    Vector(
        "6.3.1 the other end is faster",
        (b"ATD9;\r", Heard.dial_tone, Heard.answered, Trained(33600), b"ATD\r"),
        (*_dialled("9"), T(OK + b"\r\nCONNECT 33600\r\n"), Carrier(True)),
    ),
    Vector("6.3.1 nothing to dial", (b"ATD\r", Trained(33600)), (Hook.off, *_CONNECTED)),
    Vector(
        "Hayes: last number",
        (b"ATDT9,1\r", 5.0, b"ATDL\r", Heard.dial_tone, 2.0),
        (Hook.off, Hook.on, T(b"\r\nNO DIALTONE\r\n"), *_dialled("9"), DialDigits("1")),
    ),
    Vector(
        "Hayes: no last number; 6.3.1.8 no stored number",
        (b"ATDL\rATDS=0\rATDS=4\rATDS=\r",),
        (T(ERROR * 4),),
    ),
    Vector("6.3.1.8 stored number", (b"AT&Z3=9,\rATDTS=31;\r",), (T(OK + ERROR),)),
    Vector(
        "6.3.1.8 a stored number ends the string",
        (b"AT&Z3=T9,\rATDP5S=3,1\r", Heard.dial_tone, 4.0),
        (T(OK), Hook.off, DialDigits("59")),
    ),
    Vector(
        "6.3.1.8 S alone, and a semicolon behind it",
        (b"AT&Z0=77\r", b"ATDS5;\r", Heard.dial_tone, b"ATD;\r"),
        (T(OK), *_dialled("77"), T(OK + OK)),
    ),
    Vector(
        "6.3.15 +ASTO",
        (b'AT+ASTO=1,"(555) 1-2t\\22\\2c";+ASTO=2,"9;";+ASTO?\r', b"ATDPS=1\r", Heard.dial_tone),
        (
            T(_info(b'+ASTO: 1,55512T",\r\n+ASTO: 2,9;') + OK),
            Hook.off,
            DialDigits("55512"),
        ),
    ),
    _text(
        "6.3.15 +ASTO=?, and refused",
        b'AT+ASTO?;+ASTO=?\rAT+ASTO=4,"1"\rAT+ASTO=1\rAT+ASTO=1,5\rAT+ASTO\r'
        b'AT+ASTO=1,"' + b"5" * 65 + b'"\rAT+ASTO=1,"5";+ASTO=1,"";+ASTO?\r',
        _info(b"+ASTO: (0-3),(64)") + OK + ERROR * 5 + OK,
    ),
    Vector("Hayes: R is taken", (b"ATDT5R\r", *_CONNECTS), (*_dialled("5"), *_CONNECTED)),
    Vector(
        "X: no dial tone",
        (b"ATD1\r", Heard.no_dial_tone),
        (Hook.off, Hook.on, T(b"\r\nNO DIALTONE\r\n")),
    ),
    Vector(
        "X: no dial tone in time",
        (b"ATD1\r", 4.9, 0.2),
        (Hook.off, Hook.on, T(b"\r\nNO DIALTONE\r\n")),
    ),
    Vector("X: no dial tone by S6", (b"ATS6=9D1\r", 8.9, Heard.dial_tone), _dialled("1")),
    Vector(
        "X: blindly by S6",
        (b"ATX3S6=4D1\r", Heard.dial_tone, 3.9, Heard.no_dial_tone, 0.1),
        _dialled("1"),
    ),
    Vector(
        "X4 busy",
        (b"ATD1\r", Heard.dial_tone, Heard.busy),
        (*_dialled("1"), Hook.on, T(b"\r\nBUSY\r\n")),
    ),
    Vector(
        "X2 does not hear busy",
        (b"ATX2D1\r", Heard.dial_tone, Heard.busy, 49.9, 0.1),
        (*_dialled("1"), Hook.on, T(NO_CARRIER)),
    ),
    Vector(
        "X0: no word for it", (b"ATX0D1W\r", 2.0, 50.0), (*_dialled("1"), Hook.on, T(NO_CARRIER))
    ),
    Vector(
        "X0: no rate",
        (b"ATX0D1\r", 2.0, Trained(33600)),
        (*_dialled("1"), T(b"\r\nCONNECT\r\n"), Carrier(True)),
    ),
    Vector(
        "S7", (b"ATS7=10D1\r", Heard.dial_tone, 9.9, 0.1), (*_dialled("1"), Hook.on, T(NO_CARRIER))
    ),
    Vector(
        "rang to the end",
        (b"ATD1\r", Heard.dial_tone, Heard.ringback, 50.0),
        (*_dialled("1"), Hook.on, T(b"\r\nNO ANSWER\r\n")),
    ),
    Vector(
        "rang, and a person came",
        (b"ATD1\r", Heard.dial_tone, Heard.ringback, Heard.voice, 50.0),
        (*_dialled("1"), Hook.on, T(NO_CARRIER)),
    ),
    Vector(
        "unobtainable",
        (b"ATD1\r", Heard.dial_tone, Heard.unobtainable, 50.0),
        (*_dialled("1"), Hook.on, T(NO_CARRIER)),
    ),
    Vector(
        "no training",
        (b"ATD1\r", Heard.dial_tone, Heard.answered, Heard.training_failed),
        (*_dialled("1"), Hook.on, T(NO_CARRIER)),
    ),
    Vector(
        "the other end hangs up",
        (b"ATD1\r", Heard.dial_tone, Heard.answered, Heard.dropped),
        (*_dialled("1"), Hook.on, T(NO_CARRIER)),
    ),
    Vector(
        "5.6.1 a line feed does not abort",
        (b"ATD1\r\n", Heard.dial_tone, 0.1, b"\n"),
        _dialled("1"),
    ),
    Vector(
        "5.6.1 anything else does",
        (b"ATD1\r", 1.0, b"AT\rAT\r"),
        (Hook.off, Hook.on, T(NO_CARRIER + OK)),
    ),
    Vector(
        "5.6.1 and ends the line",
        (b"ATD9,;S0?\r", Heard.dial_tone, 1.0, b" "),
        (*_dialled("9"), Hook.on, T(NO_CARRIER)),
    ),
    Vector(
        "6.3.1.5 a new dial tone after a flash",
        (b"ATD!W1\r", Heard.dial_tone, 0.6, Heard.dial_tone),
        (Hook.off, Hook.flash, DialDigits("1")),
    ),
    Vector(
        "6.3.1 no dial tone of a call before",
        (b"ATH1\r", Heard.dial_tone, b"ATH\r", b"ATD1\r", 1.0, Heard.dial_tone),
        (Hook.off, T(OK), Hook.on, T(OK), *_dialled("1")),
    ),
    Vector(
        "6.3.1 the other end is faster, and gone",
        (b"ATD9;\r", Heard.dial_tone, Trained(33600), Heard.dropped, b"ATD\r", 1.0, b"x"),
        (*_dialled("9"), T(OK), Hook.on, T(NO_CARRIER)),
    ),
    Vector(
        "S0: aborted, with no line before",
        (Heard.ringing, b"x", b"ATS1?\r"),
        (T(b"\r\nRING\r\n"), Hook.answer, Hook.on, T(NO_CARRIER + _info(b"000") + OK)),
        {**QUIETLY, "S0": 1},
    ),
    Vector(
        "S0: half a line is gone",
        (b"ATI3", Heard.ringing, Heard.dropped, b"\r"),
        (T(b"\r\nRING\r\n"), Hook.answer, Hook.on, T(NO_CARRIER)),
        {**QUIETLY, "S0": 1},
    ),
    Vector("H1", (b"ATH1\r", Heard.dial_tone, b"ATDW1\r"), (Hook.off, T(OK), DialDigits("1"))),
    Vector("H, O on hook", (b"ATH\rATO\rATH2\rATO2\r",), (T(OK + NO_CARRIER + ERROR * 2),)),
    Vector(
        "6.3.5 answer",
        (b"ATA\r", Trained(9600)),
        (Hook.answer, T(b"\r\nCONNECT 9600\r\n"), Carrier(True)),
    ),
    Vector(
        "6.3.5 what follows is passed over",
        (b"ATAU\r", 49.9, 0.1),
        (Hook.answer, Hook.on, T(NO_CARRIER)),
    ),
    Vector("6.3.5 aborted", (b"ATA\r", 0.2, b"A"), (Hook.answer, Hook.on, T(NO_CARRIER))),
    Vector(
        "6.3.8 S0",
        (b"ATS0=2\r", Heard.ringing, 6.0, Heard.ringing, Trained(9600)),
        (
            T(OK + b"\r\nRING\r\n\r\nRING\r\n"),
            Hook.answer,
            T(b"\r\nCONNECT 9600\r\n"),
            Carrier(True),
        ),
    ),
    Vector(
        "S1 counts",
        (
            Heard.ringing,
            6.0,
            Heard.ringing,
            6.0,
            Heard.ringing,
            b"ATS1?\r",
            Heard.ringing_stopped,
            b"ATS1?\r",
        ),
        (T(b"\r\nRING\r\n" * 3 + _info(b"003") + OK + _info(b"000") + OK),),
    ),
    Vector(
        "S1 begins anew",
        (b"ATS0=2\r", Heard.ringing, 8.1, Heard.ringing),
        (T(OK + b"\r\nRING\r\n" * 2),),
    ),
    Vector(
        "Q2 while answering",
        (b"ATQ2\r", Heard.ringing, b"ATA\r", Trained(9600), Heard.dropped, b"AT\r"),
        (T(OK), Hook.answer, Carrier(True), Hook.on, Carrier(False), T(OK)),
    ),
    Vector(
        "Q2 while calling",
        (b"ATQ2D1\r", Heard.dial_tone, Heard.busy),
        (*_dialled("1"), Hook.on, T(b"\r\nBUSY\r\n")),
    ),
    Vector(
        "numeric, Hayes",
        (b"ATV0D1\r", Heard.dial_tone, Trained(2400)),
        (*_dialled("1"), T(b"10\r"), Carrier(True)),
    ),
    Vector(
        "numeric, IBM",
        (b"ATV0D1\r", Heard.dial_tone, Trained(2400)),
        (*_dialled("1"), T(b"9\r"), Carrier(True)),
        table=IBM,
    ),
    Vector(
        "numeric, no such rate",
        (b"ATV0D1\r", Heard.dial_tone, Trained(33600)),
        (*_dialled("1"), T(b"1\r"), Carrier(True)),
        table=IBM,
    ),
    Vector(
        "300 bit/s is plain",
        (b"ATA\r", Trained(300)),
        (Hook.answer, T(b"\r\nCONNECT\r\n"), Carrier(True)),
    ),
)

_ANSWERED = (b"ATA\r", Trained(9600))
_IS_ANSWERED = (Hook.answer, T(b"\r\nCONNECT 9600\r\n"), Carrier(True))

DATA = (
    Vector(
        "everything goes through",
        (*_ANSWERED, b"ATH\r\x00\xff+++\x11"),
        (*_IS_ANSWERED, ToLine(b"ATH\r\x00\xff+++\x11")),
    ),
    Vector(
        "escape", (*_ANSWERED, b"x", 1.0, b"+++", 0.9, 0.1), (*_IS_ANSWERED, ToLine(b"x+++"), T(OK))
    ),
    Vector(
        "escape, and back",
        (*_ANSWERED, 1.0, b"+++", 1.0, b"ATO\r", b"x"),
        (*_IS_ANSWERED, ToLine(b"+++"), T(OK + b"\r\nCONNECT 9600\r\n"), ToLine(b"x")),
    ),
    Vector(
        "escape, and end",
        (*_ANSWERED, 1.0, b"+++", 1.0, b"ATH\r"),
        (*_IS_ANSWERED, ToLine(b"+++"), T(OK), Hook.on, Carrier(False), T(OK)),
    ),
    Vector(
        "escape, and reset",
        (*_ANSWERED, 1.0, b"+++", 1.0, b"ATZ\r"),
        (*_IS_ANSWERED, ToLine(b"+++"), T(OK), Hook.on, Carrier(False), T(OK)),
    ),
    Vector(
        "escape, and the other end",
        (*_ANSWERED, 1.0, b"+++", 1.0, Heard.dropped),
        (*_IS_ANSWERED, ToLine(b"+++"), T(OK), Hook.on, Carrier(False), T(NO_CARRIER)),
    ),
    Vector(
        "no second call",
        (*_ANSWERED, 1.0, b"+++", 1.0, b"ATDP1\rATA\rATH1\r"),
        (*_IS_ANSWERED, ToLine(b"+++"), T(OK + ERROR * 3)),
    ),
    Vector(
        "no silence before",
        (*_ANSWERED, 1.0, b"x", 0.9, b"+++", 9.0),
        (*_IS_ANSWERED, ToLine(b"x+++")),
    ),
    Vector(
        "no silence behind",
        (*_ANSWERED, 1.0, b"+++", 0.9, b"x", 9.0),
        (*_IS_ANSWERED, ToLine(b"+++x")),
    ),
    Vector(
        "slowly",
        (*_ANSWERED, 1.0, b"+", 0.9, b"+", 0.9, b"+", 1.0),
        (*_IS_ANSWERED, ToLine(b"+++"), T(OK)),
    ),
    Vector(
        "too slowly",
        (*_ANSWERED, 1.0, b"+", 0.9, b"+", 1.0, b"+", 1.0),
        (*_IS_ANSWERED, ToLine(b"+++")),
    ),
    Vector("too many", (*_ANSWERED, 1.0, b"++++", 9.0), (*_IS_ANSWERED, ToLine(b"++++"))),
    Vector(
        "something between",
        (*_ANSWERED, 1.0, b"+x+", 9.0, b"++", 9.0),
        (*_IS_ANSWERED, ToLine(b"+x+++")),
    ),
    Vector(
        "S2",
        (b"ATS2=35\r", *_ANSWERED, 1.0, b"+++", 1.0, b"###", 1.0),
        (T(OK), *_IS_ANSWERED, ToLine(b"+++###"), T(OK)),
    ),
    Vector(
        "S2: none",
        (b"ATS2=128\r", *_ANSWERED, 1.0, b"\x80\x80\x80", 9.0),
        (T(OK), *_IS_ANSWERED, ToLine(b"\x80\x80\x80")),
    ),
    Vector(
        "S12",
        (b"ATS12=5\r", *_ANSWERED, 0.1, b"+++", 0.1),
        (T(OK), *_IS_ANSWERED, ToLine(b"+++"), T(OK)),
    ),
    Vector(
        "S12=0: at once",
        (b"ATS12=0\r", *_ANSWERED, b"x++y+", b"++ATH\r"),
        (T(OK), *_IS_ANSWERED, ToLine(b"x++y+++"), T(OK), Hook.on, Carrier(False), T(OK)),
    ),
    Vector(
        "&C0",
        (b"AT&C0\r", *_ANSWERED, Heard.dropped, b"AT&C1\r"),
        (
            Carrier(True),
            T(OK),
            Hook.answer,
            T(b"\r\nCONNECT 9600\r\n"),
            Hook.on,
            T(NO_CARRIER),
            Carrier(False),
            T(OK),
        ),
    ),
    Vector("&D0", (b"AT&D0\r", *_ANSWERED, False, b"x"), (T(OK), *_IS_ANSWERED, ToLine(b"x"))),
    Vector(
        "&D1",
        (b"AT&D1\r", *_ANSWERED, False, True, b"ATO\r"),
        (T(OK), *_IS_ANSWERED, T(OK + b"\r\nCONNECT 9600\r\n")),
    ),
    Vector(
        "&D2",
        (b"ATS0=1\r", *_ANSWERED, False, Heard.ringing, True, Heard.ringing),
        (
            T(OK),
            *_IS_ANSWERED,
            Hook.on,
            Carrier(False),
            T(NO_CARRIER + b"\r\nRING\r\n" * 2),
            Hook.answer,
        ),
    ),
    Vector("table 8: &D2 while dialling", (b"ATD1\r", False), (Hook.off, Hook.on, T(OK))),
    Vector(
        "table 9: &D1 while answering",
        (b"AT&D1\r", b"ATA\r", False, True, b"AT\r"),
        (T(OK), Hook.answer, Hook.on, T(OK + OK)),
    ),
    Vector("&D0 while dialling", (b"AT&D0D1\r", False, Heard.dial_tone), _dialled("1")),
    Vector("&D2 off hook", (b"ATH1\r", False, False, b"AT\r"), (Hook.off, T(OK), Hook.on, T(OK))),
    Vector("&D3", (b"ATS0=7&D3V0\r", False, b"ATS0?\r"), (T(b"0\r" + _info(b"000") + OK),)),
    Vector(
        "&D3 brings back the carrier's meaning",
        (b"AT&C0&D3\r", False),
        (Carrier(True), T(OK), Carrier(False)),
    ),
    Vector("half a line is gone with the terminal", (b"ATE1", False, True, b"Q1\rAT\r"), (T(OK),)),
)


def _flow(value: str, *steps: Step) -> tuple[Step, ...]:
    return (f"AT+IFC={value}\r".encode(), *_ANSWERED, *steps)


_DURING = (T(OK), *_IS_ANSWERED)
_FULL, _FREE = Backlog(STOP_AT_BYTES), Backlog(GO_ON_AT_BYTES)

FLOW = (
    Vector(
        "6.2.12 by the terminal: it stops and goes on",
        _flow("1", b"a\x13", Received(b"12"), b"b", Received(b"3"), b"\x11c", Received(b"4")),
        (*_DURING, ToLine(b"ab"), _of_call(b"123"), ToLine(b"c"), _of_call(b"4")),
    ),
    Vector(
        "6.2.12 within one write",
        _flow("1,1", b"\x13a", Received(b"1"), b"b\x11c\x13d", Received(b"2"), b"\x13\x11"),
        (*_DURING, ToLine(b"ab"), _of_call(b"1"), ToLine(b"cd"), _of_call(b"2")),
    ),
    Vector(
        "6.2.12 passed on, too",
        _flow("3", b"a\x13b", Received(b"1"), b"\x11c"),
        (*_DURING, ToLine(b"a\x13b\x11"), _of_call(b"1"), ToLine(b"c")),
    ),
    *(
        Vector(
            f"6.2.12 not by {value}",
            _flow(value, b"a\x13", Received(b"1\x13"), b"\x11"),
            (*_DURING, ToLine(b"a\x13"), _of_call(b"1\x13"), ToLine(b"\x11")),
        )
        for value in ("0", "2", "2,1")
    ),
    Vector(
        "6.2.12 in data state only",
        _flow("1,1", b"\x13", 1.0, b"+++", 1.0, Received(b"1"), _FULL, b"AT\x13\r", b"ATO\r"),
        (*_DURING, ToLine(b"+++"), T(OK + OK + b"\r\nCONNECT 9600\r\n"), _of_call(b"1")),
    ),
    Vector(
        "6.2.12 it ends with the escape, and what it held waits",
        _flow("1", b"\x13", Received(b"1"), 1.0, b"+++", 1.0, b"\x11AT\r", b"ATO\r"),
        (*_DURING, ToLine(b"+++"), T(OK + OK + b"\r\nCONNECT 9600\r\n"), _of_call(b"1")),
    ),
    Vector(
        "6.2.12 no byte of an escape sequence, nor an end of its silence",
        _flow("1", 1.0, b"+\x13+\x11+", 0.9, b"\x13", 0.1, b"AT\r"),
        (*_DURING, ToLine(b"+++"), T(OK + OK)),
    ),
    Vector(
        "6.2.12 behind an escape sequence at once it is a character of a line",
        (b"ATS12=0E1\r", *_flow("1", b"+++AT\x13\r", b"ATO\r", Received(b"1"))),
        (
            T(b"ATS12=0E1\r" + OK + b"AT+IFC=1\r" + OK + b"ATA\r"),
            *_IS_ANSWERED,
            ToLine(b"+++"),
            T(OK + b"AT\x13\r" + OK + b"ATO\r\r\nCONNECT 9600\r\n"),
            _of_call(b"1"),
        ),
        {},
    ),
    Vector(
        "6.2.8 what is held comes before the end of the call",
        _flow("1", b"\x13", Received(b"12"), Heard.dropped, b"AT\r"),
        (*_DURING, Hook.on, _of_call(b"12"), Carrier(False), T(NO_CARRIER + OK)),
    ),
    Vector(
        "6.2.8 and not to a terminal that has gone",
        _flow("1", b"\x13", Received(b"12"), False),
        (*_DURING, Hook.on, Carrier(False), T(NO_CARRIER)),
    ),
    Vector(
        "6.2.12 by the modem: it stops the terminal once, and lets it go on once",
        _flow(
            ",1",
            Backlog(STOP_AT_BYTES - 1),
            _FULL,
            _FULL,
            Backlog(GO_ON_AT_BYTES + 1),
            _FREE,
            _FREE,
        ),
        (*_DURING, _of_call(b"\x13\x11")),
    ),
    *(
        Vector(f"6.2.12 not by the modem's {value}", _flow(f"1,{value}", _FULL, _FREE), _DURING)
        for value in ("0", "2")
    ),
    Vector(
        "6.2.12 no terminal stays stopped when data state ends",
        _flow(",1", _FULL, Heard.dropped, _FREE),
        (*_DURING, _of_call(b"\x13"), Hook.on, _of_call(b"\x11"), Carrier(False), T(NO_CARRIER)),
    ),
    Vector("6.2.12 nor in command state", (b"AT+IFC=1,1\r", _FULL, b"\x13AT\r"), (T(OK + OK),)),
)

_CONNECT_V22B = b"\r\nCONNECT 2400\r\n"


def _reported(
    name: str, line: bytes, out: bytes, port_bit_s: int = 0, answered: bytes = b"ATA\r"
) -> Vector:
    """What is said of a connection at 2400 bit/s by V.22 bis."""
    return Vector(
        name,
        (line + b"\r", PortRate(port_bit_s), answered, Trained(2400, "V22B")),
        (T(OK), Hook.answer, *([T(out)] if out else []), Carrier(True)),
    )


REPORTS = (
    _reported("6.4.2 +MR", b"AT+MR=1", _info(b"+MCR: V22B", b"+MRR: 2400") + _CONNECT_V22B),
    _reported("6.5.5 +ER", b"AT+ER=1", _info(b"+ER: NONE") + _CONNECT_V22B),
    _reported("6.6.2 +DR", b"AT+DR=1", _info(b"+DR: NONE") + _CONNECT_V22B),
    _reported(
        "6.2.13 +ILRR: what the program has set",
        b"AT+ILRR=1",
        _info(b"+ILRR: 115200") + _CONNECT_V22B,
        115200,
    ),
    _reported(
        "6.2.13 +ILRR: by +IPR",
        b"AT+IPR=9600;+ILRR=1",
        _info(b"+ILRR: 9600") + _CONNECT_V22B,
        115200,
    ),
    _reported(
        "all of them, in order",
        b"AT+ILRR=1;+DR=1;+ER=1;+MR=2",
        _info(b"+MCR: V22B", b"+MRR: 2400", b"+ER: NONE", b"+DR: NONE", b"+ILRR: 300")
        + _CONNECT_V22B,
        300,
    ),
    _reported("5.7.2 words only", b"AT+ER=1;V0", b"+ER: NONE\r10\r").quietly(b"0\r"),
    _reported("5.7.2 not by X", b"ATX0+ER=1", _info(b"+ER: NONE") + b"\r\nCONNECT\r\n"),
    _reported("5.7.2 none by Q1", b"AT+MR=1;Q1", b"").quietly(b""),
    _reported("5.7.2 none by Q2 while answering", b"AT+MR=1;Q2", b""),
    _reported("S95 is +MR, +ER and +DR", b"ATS95=8", _info(b"+ER: NONE") + _CONNECT_V22B),
    _text(
        "S95 is +MR, +ER and +DR, to read",
        b"ATS95=45\rAT+MR?;+ER?;+DR?;+MR=0;S95?\rAT+ER=0;+DR=0;+MR=2;S95?\r",
        OK + _info(b"+MR: 1", b"+ER: 1", b"+DR: 1", b"041") + OK + _info(b"005") + OK,
    ),
    _reported(
        "W1: reports, and the rate of the port",
        b"ATW1",
        _info(b"+MCR: V22B", b"+MRR: 2400", b"+ER: NONE") + b"\r\nCONNECT 57600\r\n",
        57600,
    ),
    _reported("W0: the rate of the port", b"ATW0", b"\r\nCONNECT 19200\r\n", 19200),
    _reported("W0: no rate that is known", b"ATW0", b"\r\nCONNECT\r\n"),
    _reported("W0, but by S95 the line's", b"ATW0S95=1", _CONNECT_V22B, 19200),
    Vector(
        "5.7.2 none when it goes on",
        (b"AT+MR=1\r", b"ATA\r", Trained(2400, "V22B"), 1.0, b"+++", 1.0, b"ATO\r"),
        (
            T(OK),
            Hook.answer,
            T(_info(b"+MCR: V22B", b"+MRR: 2400") + _CONNECT_V22B),
            Carrier(True),
            ToLine(b"+++"),
            T(OK + _CONNECT_V22B),
        ),
    ),
    Vector(
        "+MR of a call that was there before",
        (b"AT+MR=1\r", b"ATD9;\r", Heard.dial_tone, Trained(2400, "V22B"), b"ATD\r"),
        (
            T(OK),
            *_dialled("9"),
            T(OK + _info(b"+MCR: V22B", b"+MRR: 2400") + _CONNECT_V22B),
            Carrier(True),
        ),
    ),
)

_GONE = (Hook.on, Carrier(False), T(NO_CARRIER))

INACTIVITY = (
    Vector("S30", (b"ATS30=2\r", *_ANSWERED, 19.9, 0.1), (T(OK), *_IS_ANSWERED, *_GONE)),
    Vector("S30 is off", (*_ANSWERED, 9000.0), _IS_ANSWERED),
    Vector(
        "S30: data of either end",
        (b"ATS30=2\r", *_ANSWERED, 19.0, b"x", 19.0, Received(b"y"), 19.9, b"z"),
        (T(OK), *_IS_ANSWERED, ToLine(b"x"), _of_call(b"y"), ToLine(b"z")),
    ),
    Vector(
        "S30 counts in data state only, and anew",
        (b"ATS30=1\r", *_ANSWERED, 5.0, b"+++", 1.0, 60.0, b"ATO\r", 9.9, 0.1),
        (
            T(OK),
            *_IS_ANSWERED,
            ToLine(b"+++"),
            T(OK + b"\r\nCONNECT 9600\r\n"),
            *_GONE,
        ),
    ),
    Vector(
        "S30: an escape comes first",
        (b"ATS30=1S12=255\r", *_ANSWERED, 6.0, b"+++", 5.1, 5.0, b"ATO\r", 9.0),
        (T(OK), *_IS_ANSWERED, ToLine(b"+++"), T(OK + b"\r\nCONNECT 9600\r\n")),
    ),
)

SETTINGS = (
    _text(
        "\\Q and &K are a part of +IFC",
        b"AT\\Q0+IFC?;\\Q1+IFC?;\\Q2+IFC?;\\Q3+IFC?;&K5+IFC?\r",
        _info(b"+IFC:0,0", b"+IFC:1,1", b"+IFC:0,2", b"+IFC:2,2", b"+IFC:3,1") + OK,
    ),
    _text("&F0 and &F1", b"ATS0=5&F1S0?\rATS0=5&F0S0?\r", (_info(b"000") + OK) * 2),
    _text(
        "taken, and kept",
        b"AT\\N0%C0&Q0B1W0&W\rAT&FZ\rATS36=3S36?\rAT+EB=2;+EB?;+EWIND=7;+EWIND?\r",
        OK * 2 + _info(b"003") + OK + _info(b"+EB: 2,0,30", b"+EWIND: 7,0") + OK,
    ),
    _text("only as they are", b"ATS32=17S33=19\rATS32=1\rAT&X1\rATC\r", OK + ERROR * 3),
    _text(
        "identity by other numbers",
        b"ATI5\rATI6I7I8I9\r",
        _info(b"B5") + OK + _info(b"V.34 modem", b"1", b"1", b"V.34 modem") + OK,
    ),
)

VECTORS = (*REPORTS, *INACTIVITY, *SETTINGS, *LINES, *COMMANDS, *PROFILES, *CALLS, *DATA, *FLOW)
