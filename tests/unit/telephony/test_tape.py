"""What is kept of calls and dialogues, and that no password gets into the text."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import pytest
from scapy.utils import RawPcapNgReader

from lab.linux import process
from lab.telephony.modem import Modem, State
from lab.telephony.signals import ToTerminal
from lab.telephony.tape import MAX_UTTERANCE_BYTES, Tape, recording
from lab.topology.telephone import CallRule, ModemLine, Outcome
from lab.wire.dialled import enframe
from tests.unit.telephony.exchange_hall import HMC, LIG, LIG_1, Hall

LCP = bytes.fromhex("ff03 c021 01 01 000a 0506 12345678")
PAP = bytes.fromhex("ff03 c023 01 02 0016") + b"\x06remote" + b"\x0aS3cr3t-Wrd"
IPCP = bytes.fromhex("ff03 8021 01 03 000a 0306 00000000")
EPOCH_NS = 1_700_000_000_000_000_000


class Text:
    """A tape with its dialogue."""

    def __init__(self) -> None:
        self.file = BytesIO()
        self.tape = Tape(None, self.file)

    @property
    def lines(self) -> list[str]:
        return self.file.getvalue().decode().splitlines()

    @property
    def said(self) -> list[str]:
        """Without times."""
        return [line.split(maxsplit=1)[1] for line in self.lines]


def test_an_utterance_is_a_line_with_time_name_and_direction() -> None:
    text = Text()
    text.tape.from_terminal("hmc", b"ATDT18005550100\r", 12.3)
    text.tape.to_terminal("hmc", b"ATDT18005550100\r", 12.3)
    text.tape.to_terminal("hmc", b"\r\nCONNECT 33600\r\n", 19.5)
    assert text.lines == [
        "    12.300  hmc       > ATDT18005550100<CR>",
        "    12.300  hmc       < ATDT18005550100<CR>",
        "    19.500  hmc       < <CR><LF>CONNECT 33600<CR><LF>",
    ]


def test_an_utterance_that_comes_in_parts_is_one_line_from_its_beginning() -> None:
    text = Text()
    for at, byte in enumerate(b"AT\b\bATS0=1\r"):
        text.tape.from_terminal("hmc", bytes([byte]), at)
        text.tape.to_terminal("hmc", bytes([byte]), at)
    for part in (b"\r\n", b"OK", b"\r\n"):
        text.tape.to_terminal("hmc", part, 20)
    assert text.said[:2] == [
        "hmc       > AT<BS><BS>ATS0=1<CR>",
        "hmc       < AT<BS><BS>ATS0=1<CR>",
    ]
    assert text.lines[0].split()[0] == "0.000"
    assert text.said[2:] == ["hmc       < <CR><LF>OK<CR><LF>"]


def test_several_utterances_at_once_are_several_lines() -> None:
    text = Text()
    text.tape.to_terminal("hmc", b"AT\r\r\nOK\r\n\r\nRING\r\n0\r", 1)
    assert [line.partition("< ")[2] for line in text.said] == [
        "AT<CR>",
        "<CR><LF>OK<CR><LF>",
        "<CR><LF>RING<CR><LF>",
        "0<CR>",
    ]


def test_the_repeat_command_has_no_end_of_line() -> None:
    text = Text()
    text.tape.from_terminal("hmc", b"A/", 1)
    assert text.said == ["hmc       > A/"]


@pytest.mark.parametrize("cut", range(1, 41))
@pytest.mark.parametrize("accm", [0, 0xFFFFFFFF])
def test_ppp_to_a_modem_without_carrier_and_its_echo_stay_out(cut: int, accm: int) -> None:
    """Wherever the carrier went away within the frame."""
    line = enframe(PAP, accm) + b"\r" + enframe(PAP, accm)
    text = Text()
    for at in range(cut, len(line), 9):
        text.tape.from_terminal("hmc", line[at : at + 9], at)
        text.tape.to_terminal("hmc", line[at : at + 9], at)
    text.tape.to_terminal("hmc", b"\r\nERROR\r\n", 99)
    text.tape.end()
    assert "S3cr" not in "".join(text.said)
    assert "Wrd" not in "".join(text.said)
    assert any("no dialogue:" in said for said in text.said)


def test_after_ppp_a_result_is_shown_and_after_a_command_everything() -> None:
    text = Text()
    text.tape.from_terminal("hmc", enframe(PAP), 1)
    text.tape.to_terminal("hmc", b"\r\nNO CARRIER\r\n3\rsecret\r", 2)
    text.tape.to_terminal("hmc", b"\r\n+MCR: V34\r\n", 2)
    text.tape.from_terminal("hmc", b"\r", 3)
    text.tape.from_terminal("hmc", b"ATI\r", 4)
    text.tape.to_terminal("hmc", b"callhome-lab modem\r\n", 5)
    assert text.said == [
        "hmc       < <CR><LF>NO CARRIER<CR><LF>",
        "hmc       < 3<CR>",
        "hmc       < no dialogue: 7 bytes",
        "hmc       < <CR><LF>+MCR: V34<CR><LF>",
        f"hmc       > no dialogue: {len(enframe(PAP)) + 1} bytes",
        "hmc       > ATI<CR>",
        "hmc       < callhome-lab modem<CR><LF>",
    ]


def test_what_is_no_command_is_not_shown_nor_its_echo() -> None:
    text = Text()
    text.tape.from_terminal("hmc", b"secret\r", 1)
    text.tape.to_terminal("hmc", b"secret\r", 1)
    text.tape.to_terminal("hmc", b"\r\nERROR\r\n", 1)
    assert text.said == [
        "hmc       > no dialogue: 7 bytes",
        "hmc       < no dialogue: 7 bytes",
        "hmc       < <CR><LF>ERROR<CR><LF>",
    ]


def test_endless_talk_is_cut_and_fills_no_memory() -> None:
    text = Text()
    for at in range(100):
        text.tape.from_terminal("hmc", bytes(100), at)
    assert len(text.lines) == 100 * 100 // (MAX_UTTERANCE_BYTES + 76)
    text.tape.end()
    text.tape.end()
    assert sum(int(said.split()[-2]) for said in text.said) == 10_000


def test_data_of_a_call_is_a_line_with_its_size_where_the_talk_goes_on() -> None:
    text = Text()
    text.tape.connected(1, HMC, LIG_1, LIG, 33600, 5)
    for at in range(10):
        text.tape.sent(1, "hmc", 100, 6 + at)
        text.tape.arrived(1, "lig-1", bytes(90), 7 + at)
    text.tape.to_terminal("hmc", b"\r\nOK\r\n", 21)
    text.tape.from_terminal("hmc", b"ATO\r", 22)
    text.tape.sent(1, "hmc", 6, 22)
    text.tape.ended(1, 30)
    assert text.said == [
        "pstn      * call 1: hmc and lig-1 are connected at 33600 bit/s",
        "hmc       > ... data: 1000 bytes, call 1",
        "hmc       < <CR><LF>OK<CR><LF>",
        "hmc       > ATO<CR>",
        "lig-1     < ... data: 900 bytes, call 1",
        "hmc       > ... data: 6 bytes, call 1",
    ]
    assert text.lines[1].split()[0] == "6.000"


def test_data_of_a_call_that_nobody_ended_is_told_at_the_end() -> None:
    """As where the lab goes down while the modems are connected."""
    text = Text()
    text.tape.connected(1, HMC, LIG_1, LIG, 33600, 5)
    text.tape.sent(1, "hmc", 100, 6)
    text.tape.arrived(1, "lig-1", bytes(90), 7)
    text.tape.end()
    text.tape.end()
    assert text.said[1:] == [
        "hmc       > ... data: 100 bytes, call 1",
        "lig-1     < ... data: 90 bytes, call 1",
    ]


def test_with_no_files_it_keeps_nothing() -> None:
    hall = Hall(tape=Tape())
    hall.connect()
    hall.send("hmc", b"x")
    hall.wait(1)
    assert hall.data("lig-1") == b"x"


# With the exchange.


def recorded_call(wire_dir: Path, rules: tuple[CallRule, ...] = ()) -> None:
    with recording(wire_dir, epoch_ns=EPOCH_NS) as tape:
        hall = Hall(rules, tape=tape)
        hall.connect()
        hall.send("hmc", enframe(LCP) + enframe(PAP))
        hall.wait(1)
        hall.send("lig-1", enframe(LCP) + enframe(IPCP) + b"\x7e\xff\x03cut off")
        hall.wait(1)
        hall.hang_up("lig-1")
        hall.wait(1)
        hall.hang_up("hmc")


def packets_of(path: Path) -> list[tuple[int, bytes, float, bytes]]:
    with RawPcapNgReader(str(path)) as reader:
        return [
            (
                meta.linktype,
                meta.ifname,
                (((meta.tshigh << 32) | meta.tslow) - EPOCH_NS) / 1e9,
                data,
            )
            for data, meta in cast(Iterable[tuple[bytes, Any]], reader)
        ]


def test_a_calls_frames_have_their_direction_from_the_callers_view(tmp_path: Path) -> None:
    recorded_call(tmp_path)
    packets = packets_of(tmp_path / "pstn.pcapng")
    assert [data for _, _, _, data in packets] == [
        b"\x01" + LCP,
        b"\x01" + PAP,
        b"\x00" + LCP,
        b"\x00" + IPCP,
        b"\xff\x03cut off",
    ]
    assert [linktype for linktype, *_ in packets] == [204] * 4 + [147]
    assert packets[0][1] == b"call 1 hmc-lig-1"
    size = len(enframe(LCP))
    # Connected and settled for 15 s after 0.8 s; then its time on the line, and the delay.
    expected = 0.8 + 15 + size * 8 / 33600 + 0.03
    assert packets[0][2] == pytest.approx(expected, abs=0.021)


def test_the_text_tells_the_calls_story(tmp_path: Path) -> None:
    recorded_call(tmp_path)
    text = (tmp_path / "pstn.txt").read_text()
    said = [line.split(maxsplit=1)[1] for line in text.splitlines()]
    sent = len(enframe(LCP) + enframe(PAP))
    back = len(enframe(LCP) + enframe(IPCP)) + 10
    assert said == [
        f"pstn      * call 1: hmc to {LIG}: lig-1 rings",
        "pstn      * call 1: lig-1 answers",
        "pstn      * call 1: hmc and lig-1 are connected at 33600 bit/s",
        f"hmc       > ... data: {sent} bytes, call 1",
        f"lig-1     < ... data: {sent} bytes, call 1",
        f"lig-1     > ... data: {back} bytes, call 1",
        f"hmc       < ... data: {back} bytes, call 1",
        "pstn      * call 1: lig-1 hangs up",
    ]
    assert "S3cr" not in text


def test_a_wrong_number_is_written_as_it_was_dialled() -> None:
    text = Text()
    hall = Hall([CallRule(outcome=Outcome.busy, number=LIG)], tape=text.tape)
    hall.dial("hmc", "18015550100")
    hall.hang_up("hmc")
    hall.dial("hmc", LIG)
    assert text.said == [
        "pstn      * call 1: hmc to 18015550100: unobtainable",
        f"pstn      * call 2: hmc to {LIG}: busy",
    ]


def test_everything_is_on_disk_before_the_end(tmp_path: Path) -> None:
    with recording(tmp_path) as tape:
        hall = Hall(tape=tape)
        hall.connect()
        hall.send("hmc", enframe(LCP))
        hall.wait(1)
        assert len(packets_of(tmp_path / "pstn.pcapng")) == 1
        assert "connected at 33600" in (tmp_path / "pstn.txt").read_text()
        tape.from_terminal("hmc", b"AT&V", 30)
    assert (tmp_path / "pstn.txt").read_text().endswith("> AT&V\n")


def test_noise_makes_frames_with_wrong_checksums_and_nothing_is_left_out(tmp_path: Path) -> None:
    recorded_call(tmp_path, (CallRule(outcome=Outcome.noise, bit_error_rate=0.05),))
    packets = packets_of(tmp_path / "pstn.pcapng")
    assert {linktype for linktype, *_ in packets} == {147}
    size = len(enframe(LCP) + enframe(PAP) + enframe(LCP) + enframe(IPCP)) + 10
    assert sum(len(data) for *_, data in packets) == pytest.approx(size, abs=12)


@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
def test_tshark_reads_the_login(tmp_path: Path) -> None:
    recorded_call(tmp_path)
    argv = ("tshark", "-r", tmp_path / "pstn.pcapng", "-T", "json", "-e", "frame.protocols")
    found = json.loads(process.run((*argv, "-e", "pap.peer_id"), deadline_s=60))
    layers = [entry["_source"]["layers"] for entry in found]
    protocols = [entry["frame.protocols"][0].rpartition(":")[2] for entry in layers]
    assert protocols[:4] == ["lcp", "pap", "lcp", "ipcp"]
    assert layers[1]["pap.peer_id"] == ["remote"]


# With modems.


class Desk(Hall):
    """Two modems on the exchange, with everything on the tape, as the equipment will have it."""

    def __init__(self, tape: Tape, lines: tuple[ModemLine, ...] = (HMC, LIG_1)) -> None:
        super().__init__(lines=lines, tape=tape)
        self.tape = tape
        self.modems = {line.name: Modem() for line in lines}

    def types(self, line: str, data: bytes) -> None:
        effects = self.modems[line].from_terminal(data, self.now)
        self.tape.from_terminal(line, bytes(self.modems[line].addressed), self.now)
        self.carry(line, effects)

    def carry(self, line: str, effects: list[Any]) -> None:
        for effect in effects:
            if isinstance(effect, ToTerminal) and not effect.carried:
                self.tape.to_terminal(line, effect.data, self.now)
            self._hand(self.exchange.effect(line, effect, self.now))

    def _hand(self, told: list[Any]) -> None:
        for line, what in told:
            modem = self.modems[line]
            if isinstance(what, bytes):
                modem.from_line(what, self.now)
            else:
                self.carry(line, modem.line(what, self.now))

    def run_until(self, at: float) -> None:
        while True:
            times = [self.exchange.wake_at, *(modem.wake_at for modem in self.modems.values())]
            due = min((time for time in times if time is not None), default=at)
            if due >= at:
                break
            self.now = max(self.now, due)
            self._hand(self.exchange.tick(self.now))
            for line, modem in self.modems.items():
                self.carry(line, modem.tick(self.now))
        self.now = at


def test_two_modems_talk_and_the_password_is_in_the_capture_only(tmp_path: Path) -> None:
    with recording(tmp_path) as tape:
        desk = Desk(tape)
        desk.types("lig-1", b"ATS0=2\r")
        desk.types("hmc", b"ATDT" + LIG.encode() + b"\r")
        desk.wait(20)
        assert {modem.state for modem in desk.modems.values()} == {State.data}
        desk.types("hmc", enframe(PAP))
        desk.wait(3)
        desk.types("hmc", b"+++")
        desk.wait(3)
        desk.types("hmc", b"ATH\r")
        desk.wait(3)
        desk.types("hmc", enframe(PAP))
        desk.types("lig-1", enframe(PAP))
        desk.wait(3)

    text = (tmp_path / "pstn.txt").read_text()
    said = [line.split(maxsplit=1)[1] for line in text.splitlines()]
    for expected in (
        "lig-1     > ATS0=2<CR>",
        f"hmc       > ATDT{LIG}<CR>",
        "lig-1     < <CR><LF>RING<CR><LF>",
        "hmc       < <CR><LF>CONNECT 33600<CR><LF>",
        f"hmc       > ... data: {len(enframe(PAP)) + 3} bytes, call 1",
        "hmc       > ATH<CR>",
        "lig-1     < <CR><LF>NO CARRIER<CR><LF>",
    ):
        assert expected in said, text
    assert "S3cr" not in text
    assert b"S3cr3t-Wrd" in (tmp_path / "pstn.pcapng").read_bytes()
