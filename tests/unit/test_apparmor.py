"""Profiles that are enforced for a daemon of the lab are told, with the command that lifts them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lab.errors import DaemonError, PrerequisiteError
from lab.linux import apparmor
from lab.linux.process import Daemon
from lab.machine import trials

PROFILES = """\
/usr/sbin/charon-systemd (enforce)
/usr/sbin/swanctl (complain)
/usr/bin/man (enforce)
nvidia_modprobe (enforce)
nvidia_modprobe//kmod (enforce)
"""


@pytest.fixture
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "profiles"
    path.write_text(PROFILES)
    monkeypatch.setattr(apparmor, "PROFILES", path)
    return path


def test_doctor_names_the_profile_and_the_command(profiles: Path) -> None:
    with pytest.raises(PrerequisiteError, match=r"enforces /usr/sbin/charon-systemd\n") as caught:
        trials.native_apparmor()
    assert caught.value.hint.endswith("--Complain /etc/apparmor.d/usr.sbin.charon-systemd")
    assert caught.value.hint.startswith("sudo ")


@pytest.mark.parametrize(
    "text", ["/usr/sbin/charon-systemd (complain)\n/usr/bin/man (enforce)\n", None]
)
def test_what_does_not_confine_us_is_no_matter(profiles: Path, text: str | None) -> None:
    profiles.unlink() if text is None else profiles.write_text(text)
    assert apparmor.enforced() == ()
    assert "nothing" in trials.native_apparmor()


def test_a_daemon_that_ends_says_what_confined_it(profiles: Path, tmp_path: Path) -> None:
    confined = Path(sys.executable).name
    profiles.write_text(f"/usr/bin/man (enforce)\n/somewhere/{confined} (enforce)\n")
    apparmor_daemons = apparmor.DAEMONS | {confined}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apparmor, "DAEMONS", apparmor_daemons)
        daemon = Daemon.start(
            [sys.executable, "-c", "raise SystemExit(66)"], name="charon", log_dir=tmp_path
        )
        daemon.wait(30.0)
        with pytest.raises(DaemonError, match="status 66; AppArmor enforces its profile") as caught:
            daemon.check()
        assert "apparmor_parser" in caught.value.hint
