"""What programs, systems and manuals tell a modem first: each line of it must end in OK.

A line that a maker has for its own modems only, such as USRobotics' &A3&M4, is not here: docs/at-settings.md.
"""

from __future__ import annotations

import pytest

from lab.telephony.modem import Modem
from lab.telephony.result_codes import HAYES, ResultCode
from tests.unit.telephony.terminal import Bench

SOURCES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("wvdial, and systems that have its lines", ("ATZ", "ATQ0 V1 E1 S0=0 &C1 &D2 +FCLASS=0")),
    (
        "wvdial.conf for a modem with Rockwell's chips",
        (r"AT&FE0V1&C1&D2S95=45S0=0S7=60S30=0L1M1\N3%C3&K3BN1X4",),
    ),
    ("minicom's default", ("AT S7=45 S0=0 L1 V1 X4 &c1 E1 Q0",)),
    ("mgetty's init-chat", ("ATQ0V1H0", "ATS0=0Q0&D3&C1")),
    ("efax and efax-gtk's default", ("ATZ", "AT&FE&D2S7=120", "AT&C0", "ATM1L0")),
    (
        "Windows 95 and NT, mdmhayes.inf (Microsoft Q170825)",
        (
            "AT",
            "AT&FE0V0W1&C1&D2S95=47",
            "ATS7=60S30=0L0M1&Q5S36=7S48=7S46=138&K3",
            "ATB0N1X4",
            "ATS0=0",
        ),
    ),
    (
        "Windows XP, Conexant's INF",
        ("AT&FE0V1S0=0&C1&D2+MR=2;+DR=1;+ER=1;W2", "ATS7=65M1+ES=3,0,2;+DS=3;+IFC=2,2;X3"),
    ),
    ("Windows 95 with a cellular telephone (Microsoft)", (r"AT&F1&D2&C1\V1S0=0E0V1",)),
    ("MSN's list of modems (Microsoft)", ("AT&F1&K3&D0", r"AT\N3\Q3%C0", "AT&K3%C0", "AT&Q6&K3")),
    ("Windows CE and Sierra Wireless", ("AT&FE0V1&C1&D2S95=47S0=0",)),
    ("C-Kermit, Hayes Optima", ("ATQ0X4N1Y0S37=0S82=128", "AT&Q5S36=7S48=7", "ATS46=2", "ATQ0H0")),
    ("C-Kermit, Practical Peripherals", ("ATQ0X4N1Y0&S1S37=0", "AT&Q0S36=0S48=128")),
    (
        "C-Kermit, Zoltrix with Rockwell's ACI",
        (r"ATQ0E1F0W1X4Y0\K5S82=128S95=41", "AT&K4S32=17S33=19", "ATS46=138%C3", r"AT\N0"),
    ),
    ("C-Kermit, Zoom", ("ATE1Q0V1N1W1X4&S0&C1&D2S82=128S95=47",)),
    (
        "C-Kermit, Boca",
        (r"ATE1Q0V1F1N1W1&S0&C1&D2\K5S37=11S82=128S95=47X4", r"AT\N3S36=7S48=7"),
    ),
    ("C-Kermit, Supra", (r"ATQ0E1V1N1W0X4Y0&S0&C1&D2\K5S82=128", r"AT&Q5\N3S48=7", "AT%C1S46=138")),
    ("C-Kermit, MaxTech", (r"ATQ0E1X4Y0&L0&M0\K5", r"AT\Q1\X0", r"AT\N6%C1")),
    ("C-Kermit, Motorola", (r"ATE1Q0V1X4&S0&C1&D2\K5\V1", r"AT\Q3", r"AT\J0")),
    (
        "C-Kermit, Intel",
        (r"ATE1Q0V1Y0X4&S0&C1&D2\K1\V2S25=50", "ATB1+FCLASS=0", r"AT\G1\Q3", r"AT\G0"),
    ),
    (
        "AIX, Using Hayes and Hayes-compatible modems",
        ("AT&F", "ATM1", "AT&D3", "AT&K3&C1", "ATL0E0Q2", "ATS0=1", "AT&W"),
    ),
    ("AIX, Manually programming modems", ("AT&F", "AT&D2", "ATS0=1", "ATS9=12", "AT&C1", "AT&W")),
    ("AIX, Configuring automated modems", ("AT&F&C1&D3",)),
    ("IBM Remote Supervisor Adapter", ("AT&F0", "ATE0", "ATS0=1", "ATS0=0", "ATH0")),
    ("Cisco, Hayes Optima", ("AT&FS0=1&C1&D3&K3&Q6", "AT&Q5", "AT&Q9")),
    ("Cisco, AT&T Paradyne and Microcom", (r"AT&FS0=1&C1&D3\Q3\J0\N7%C1", r"AT\N6", r"AT\N0%C0")),
    ("MacPPP and Mac OS X, a 14.4 modem of Motorola", (r"ATV1Q0X4&C1&D2\N3\J0\Q3\V1%C0",)),
    ("WhatsUp Gold, paging", ("ATE0Q0V1X4F1",)),
    ("call scripts for satellite and mobile telephones", ("AT&F0&D2&C1E0V1W1S95=47",)),
)


@pytest.mark.parametrize(("source", "lines"), SOURCES, ids=[source for source, _ in SOURCES])
def test_initialisation(source: str, lines: tuple[str, ...]) -> None:
    bench = Bench(factory={"E": 0})
    for line in lines:
        said = bench.say(line.encode() + b"\r", 1.0)
        assert _framed(bench.modem, ResultCode.ok) in said, line
        assert _framed(bench.modem, ResultCode.error) not in said, line


def _framed(modem: Modem, result: ResultCode) -> bytes:
    return modem._framing.result(HAYES, result)


@pytest.mark.parametrize(
    "line", ["AT&A3", "AT&H1", "AT&K1", "AT&M4", "ATS109=2", "AT-V90=0", "AT%Y7", "ATX5", "AT&X1"]
)
def test_what_is_of_another_maker_is_an_error_and_changes_nothing(line: str) -> None:
    bench = Bench(factory={"E": 0})
    before = bench.modem.settings.copy()
    assert bench.say(line.encode() + b"\r") == _framed(bench.modem, ResultCode.error)
    assert bench.modem.settings == before
