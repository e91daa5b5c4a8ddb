"""``lab decode`` and ``lab wireshark`` as their users type them."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest

from lab.cli import main
from tests.recordings import archive


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return archive.unpack("vpn-nat", tmp_path / "run")


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main([*words])
    out, err = capsys.readouterr()
    return status, out, err


def test_a_line_a_packet(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = said(capsys, "decode", str(run_dir), "fw-inet")

    lines = out.splitlines()
    assert status == 0
    assert [int(line.split()[0]) for line in lines] == list(range(1, len(lines) + 1))
    assert lines[2].split(None, 2)[2] == (
        "firewall → vpn1            ISAKMP 222 Identity Protection (Main Mode)"
    )
    assert any("hmc → vpn1            PPP LCP 134 Configuration Request" in line for line in lines)


def test_one_packet_with_all_its_layers(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = said(capsys, "decode", str(run_dir), "fw-inet", "--frame", "43")

    titles = [
        line.strip() for line in out.splitlines()[1:] if line.startswith("    ") and line[4] != " "
    ]
    assert [title.split(",")[0] for title in titles] == [
        "Ethernet II", "Internet Protocol Version 4", "User Datagram Protocol",
        "UDP Encapsulation of IPsec Packets", "Encapsulating Security Payload",
        "Internet Protocol Version 4", "User Datagram Protocol", "Layer 2 Tunneling Protocol",
        "Point-to-Point Protocol", "Internet Protocol Version 4", "Transmission Control Protocol",
        "Transport Layer Security",
    ]  # fmt: skip
    assert "        Server name: sas-1.sdc.test" in out.splitlines()


def test_a_range_and_the_rest(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = said(capsys, "decode", str(run_dir), "lan", "--frame", "3-5", "--json")
    assert [each["number"] for each in json.loads(out)] == [3, 4, 5]
    _, out, _ = said(capsys, "decode", str(run_dir), "lan", "--json")
    every = json.loads(out)
    _, out, _ = said(capsys, "decode", str(run_dir), "lan", "--frame", "4-", "--json")
    assert json.loads(out) == every[3:]
    assert every[2]["layers"][0]["fields"][0] == {
        "name": "Destination",
        "value": "02:ca:11:01:00:02 (firewall)",
    }


def test_the_telephone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_dir = archive.unpack("dial", tmp_path)
    _, out, _ = said(capsys, "decode", str(run_dir), "pstn")

    assert "            hmc → lig             PPP LCP" in out
    assert "            lig → hmc             PPP LCP" in out
    assert "Authenticate-Request (Peer-ID='usibm.hmc01')" in out


@pytest.mark.parametrize(
    ("words", "sentence", "hint"),
    [
        (["lann"], "there is no capture of lann in", "did you mean lan? captured: core, dmz"),
        (["pstn"], "there is no capture of pstn in", "  hint: captured: core, dmz, fw-inet, lan\n"),
        ([], "which segment?", "core, dmz, fw-inet, lan"),
        (["lan", "--frame", "0"], "--frame 0 names no frames", "--frame 12-20"),
        (["lan", "--frame", "5-3"], "--frame 5-3 names no frames", "--frame 12-20"),
        (["lan", "--frame", "x"], "--frame x names no frames", "--frame 12-20"),
        (["lan", "--frame", "9999"], "has no frame 9999", "lists those that there are"),
    ],
)
def test_mistakes(
    words: list[str],
    sentence: str,
    hint: str,
    run_dir: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, _, err = said(capsys, "decode", str(run_dir), *words)

    assert status == 2
    assert sentence in err
    assert hint in err


def test_no_run_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in (["decode", str(tmp_path), "lan"], ["wireshark", str(tmp_path / "nosuch")]):
        status, _, err = said(capsys, *verb)
        assert status == 2
        assert "run directory" in err


def test_what_is_there_of_a_capture_that_is_cut_off(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture = run_dir / "wire" / "lan.pcapng"
    capture.write_bytes(capture.read_bytes()[:-3000])

    status, out, err = said(capsys, "decode", str(run_dir), "lan")

    assert status == 0
    count = len(out.splitlines())
    assert count > 10
    assert (
        f"is cut off or broken after {count} packets; what follows is left out; copy it again,"
        in err
    )


def test_calls_that_are_cut_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_dir = archive.unpack("dial", tmp_path)
    capture = run_dir / "wire" / "pstn.pcapng"
    capture.write_bytes(capture.read_bytes()[:2000])

    status, out, err = said(capsys, "decode", str(run_dir), "pstn")

    assert status == 0
    assert out.startswith("    1    0.000000")
    assert "is cut off or broken after" in err


def test_without_keys_esp_stays_closed(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for each in (run_dir / "keys").iterdir():
        each.unlink()

    status, out, err = said(capsys, "decode", str(run_dir), "fw-inet")

    assert status == 0
    assert "198.51.100.2 → 129.42.160.16   ESP 214 ESP (SPI=0x" in out
    assert "keys/model.json is missing" in err


def test_the_command_for_wireshark(
    run_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)

    status, out, err = said(capsys, "wireshark", str(run_dir))

    folder = run_dir / "keys" / "wireshark"
    assert status == 0
    assert shlex.split(out) == [
        "env", f"WIRESHARK_CONFIG_DIR={folder}", "wireshark", "-r", f"{run_dir}/wire/fw-inet.pcapng"
    ]  # fmt: skip
    assert "this opens it:" in err
    # A run of an earlier version, or one that was ended, has no folder yet.
    assert (folder / "esp_sa").read_text().count("IPv4") >= 2


def test_who_may_not_write_there_has_a_copy(
    run_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wireshark complains where it cannot note which files were open."""
    program = tmp_path / "bin" / "wireshark"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        f'cat "$WIRESHARK_CONFIG_DIR"/esp_sa >{tmp_path}/sas\n'
        f'echo "$WIRESHARK_CONFIG_DIR" >{tmp_path}/where\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(os, "access", lambda _, mode, **__: mode != os.W_OK)

    assert said(capsys, "wireshark", str(run_dir))[0] == 0

    where = Path((tmp_path / "where").read_text().strip())
    assert not where.is_relative_to(run_dir)
    assert not where.exists()
    assert (tmp_path / "sas").read_text() == (run_dir / "keys/wireshark/esp_sa").read_text()


def test_it_opens_what_is_asked_for(
    run_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = tmp_path / "bin" / "wireshark"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$WIRESHARK_CONFIG_DIR" "$@" > {tmp_path}/opened\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("DISPLAY", ":0")

    assert said(capsys, "wireshark", str(run_dir), "lan")[0] == 0

    opened = (tmp_path / "opened").read_text().split()
    assert opened == [f"{run_dir}/keys/wireshark", "-r", f"{run_dir}/wire/lan.pcapng"]
    capsys.readouterr()
    assert said(capsys, "wireshark", str(run_dir), "lan", "--print")[1].startswith("env WIRESHARK")
