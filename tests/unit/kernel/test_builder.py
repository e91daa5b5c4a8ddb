"""The kernel's build with a made-up source and a made-up make: no compiler runs here."""

from __future__ import annotations

import io
import json
import os
import select
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from lab import kernel
from lab.errors import PrerequisiteError
from lab.kernel import builder, options, source, store, workplace

REPO = Path(__file__).resolve().parents[3]

MAKE = """#!/bin/sh
# Configures by taking the list as it is; "compiles" two objects, as often as CALLS has lines.
echo "$@" >>"{calls}"
case "$*" in
*allnoconfig*)
    for word; do case $word in KCONFIG_ALLCONFIG=*) cp "${{word#*=}}" .config ;; esac; done ;;
*) {compile} ;;
esac
"""

KERNEL = "#!/bin/sh\necho seccomp=on\n"
COMPILE = f"echo '  CC      a.o'; echo '  CC      b.o'; printf %s '{KERNEL}' >linux; chmod +x linux"


class Recorder:
    def __init__(self) -> None:
        self.steps: list[tuple[str, int, int]] = []
        self.notes: list[str] = []

    def step(self, what: str, done: int, total: int) -> None:
        self.steps.append((what, done, total))

    def note(self, text: str) -> None:
        self.notes.append(text)


@cache
def _what_patches_expect() -> dict[str, bytes]:
    """Files to which our patches apply: the old side of each hunk, one after the other."""
    files: dict[str, list[str]] = {}
    for patch in options.PATCHES:
        name = ""
        for line in patch.read_text().splitlines():
            if line.startswith("--- a/"):
                name = line.removeprefix("--- a/")
            elif name and line.startswith((" ", "-")):
                files.setdefault(name, []).append(line[1:])
    return {name: "\n".join([*lines, ""]).encode() for name, lines in files.items()}


class Workshop:
    """A folder with a source, a make and a cache of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.calls = root / "calls"
        self.bin = root / "bin"
        self.store = root / "cache" / "callhome-lab" / "kernel"
        self.bin.mkdir()
        self.program("strip", 'cp "$3" "$2"')
        self.make(COMPILE)
        self.source("6.12")

    def program(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def make(self, compile_commands: str) -> None:
        self.program("make", MAKE.format(calls=self.calls, compile=compile_commands))

    def source(self, version: str, comment: str = "") -> None:
        major, minor = version.split(".")
        text = f"VERSION = {major}\nPATCHLEVEL = {minor}\nSUBLEVEL = 7\n# {comment}\n".encode()
        with tarfile.open(
            self.root / f"linux-source-{version}.tar.xz", "w:xz", preset=0
        ) as archive:
            files = dict.fromkeys(("Makefile", "drivers/gpu/big.c", "drivers/gpu/Kconfig"), text)
            for name, content in (files | _what_patches_expect()).items():
                member = tarfile.TarInfo(f"linux-source-{version}/{name}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))

    def patch(self, word: str) -> Path:
        """A patch that fits the source: it adds a line to the Makefile."""
        path = self.root / f"{word}.patch"
        hunk = f"@@ -1,1 +1,2 @@\n+# {word}\n VERSION = 6\n"
        path.write_text(f"--- a/Makefile\n+++ b/Makefile\n{hunk}")
        return path

    @property
    def compilations(self) -> int:
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        return sum("allnoconfig" not in line for line in lines)

    @property
    def leftovers(self) -> list[Path]:
        return list(self.store.glob(".build-*"))


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    shop = Workshop(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{shop.bin}:{os.environ['PATH']}")
    monkeypatch.setattr(source.find, "__defaults__", (tmp_path,))
    monkeypatch.setattr(builder, "NEEDED_BYTES", 1)
    monkeypatch.setattr(store, "SYSTEM", ())
    monkeypatch.delenv("LAB_KERNEL", raising=False)
    return shop


def test_builds_once_and_says_what_it_built(workshop: Workshop) -> None:
    assert kernel.status().path is None
    path = kernel.build(Recorder())

    assert path.read_text() == KERNEL
    assert kernel.build(Recorder()) == path
    assert workshop.compilations == 1
    assert not workshop.leftovers

    found = kernel.status()
    assert (found.path, found.current) == (path, True)
    assert found.facts["version"] == "6.12.7"
    assert found.facts["compiled"] == 2
    assert found.facts["lost"] == []
    assert found.facts["absent"] == sorted(options.of_some_sources(options.LIST.read_text()))
    assert found.facts["seccomp"] is True
    assert (path.parent / "config").read_text() == options.LIST.read_text()


def test_again_builds_again(workshop: Workshop) -> None:
    first = kernel.build(Recorder())
    assert kernel.build(Recorder(), again=True) == first
    assert workshop.compilations == 2
    assert not workshop.leftovers


def test_progress_counts_objects_against_the_last_total(workshop: Workshop) -> None:
    first, second = Recorder(), Recorder()
    kernel.build(first)
    kernel.build(second, again=True)
    assert ("compiling", 2, builder.COMPILED) in first.steps
    assert ("compiling", 2, 2) in second.steps
    assert [what for what, done, _ in second.steps if done == 0][:-2] == [
        "unpacking the source",
        *(f"applying {patch.name}" for patch in options.PATCHES),
        "configuring",
        "compiling",
    ]


def test_sources_that_are_never_compiled_stay_packed(workshop: Workshop) -> None:
    workshop.make("find . -path '*gpu*' -type f; " + COMPILE)
    kernel.build(Recorder())
    log = (workshop.store / "build.log").read_text()
    assert "./drivers/gpu/Kconfig" in log
    assert "big.c" not in log


@pytest.mark.parametrize("change", ["source", "options", "patches", "compiler"])
def test_key_follows_everything_it_is_made_of(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, change: str
) -> None:
    first = kernel.build(Recorder())
    if change == "source":
        workshop.source("6.12", comment="security update")
    elif change == "compiler":
        workshop.program("gcc", "echo gcc 99")
    elif change == "patches":
        monkeypatch.setattr(options, "PATCHES", (*options.PATCHES, workshop.patch("two")))
    else:
        altered = tmp_path / "altered.config"
        altered.write_text(options.LIST.read_text() + "CONFIG_NEW=y\n")
        monkeypatch.setattr(options, "LIST", altered)

    found = kernel.status()
    # Other options or patches: the old kernel lacks something. Else it still serves.
    assert found.path == (None if change in ("options", "patches") else first)
    assert not found.current
    assert kernel.build(Recorder()) != first
    assert kernel.status().current


def test_patches_are_applied_before_anything_is_configured(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "PATCHES", (*options.PATCHES, workshop.patch("one")))
    workshop.make("head -n 1 Makefile; " + COMPILE)
    kernel.build(Recorder())
    assert "# one" in (workshop.store / "build.log").read_text()


def test_a_patch_that_does_not_fit_is_an_error(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    misfit = workshop.patch("one")
    wrong = misfit.read_text().replace("-1,1 +1,2", "-1,1 +1,1")
    misfit.write_text(wrong.replace(" VERSION = 6", "-VERSION = 9"))
    monkeypatch.setattr(options, "PATCHES", (misfit,))
    with pytest.raises(builder.BuildError, match=r"applying one\.patch"):
        kernel.build(Recorder())
    assert not workshop.leftovers


def test_comments_in_the_option_list_change_nothing(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = store.options_digest()
    commented = tmp_path / "commented.config"
    commented.write_text("# new words\n\n" + options.LIST.read_text())
    monkeypatch.setattr(options, "LIST", commented)
    assert store.options_digest() == before


def test_a_kernel_serves_on_when_the_source_is_gone(workshop: Workshop) -> None:
    path = kernel.build(Recorder())
    (workshop.root / "linux-source-6.12.tar.xz").unlink()
    found = kernel.status()
    assert (found.path, found.current) == (path, False)
    assert "no kernel source" in found.why


def test_a_kernel_of_the_whole_machine_needs_no_build(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    built = kernel.build(Recorder())
    place = tmp_path / "whole machine"
    place.mkdir()
    built.parent.rename(place / built.parent.name)
    assert kernel.status().path is None

    monkeypatch.setattr(store, "SYSTEM", (tmp_path / "absent", place))
    found = kernel.status()
    assert found.path == place / built.parent.name / "linux"
    assert found.current
    assert kernel.build(Recorder()) == found.path
    assert workshop.compilations == 1

    # It serves as one of the user's own does, when the source here is another.
    workshop.source("6.12", comment="security update")
    assert kernel.status().path == found.path
    assert not kernel.status().current


@pytest.mark.parametrize("what", ["file", "folder", "with another name"])
def test_a_kernel_that_is_named_comes_first(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str
) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    name = "vmlinux" if what == "with another name" else "linux"
    (other / name).write_text("#!/bin/sh\necho 'seccomp=<on/auto/off>'\n")
    (other / name).chmod(0o755)
    kernel.build(Recorder())
    monkeypatch.setenv("LAB_KERNEL", os.fspath(other if what == "folder" else other / name))
    found = kernel.status()
    assert found.path == other / name
    assert found.why == "named by LAB_KERNEL"
    assert found.facts["seccomp"] is True


def test_a_named_kernel_with_other_options_is_said(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    built = kernel.build(Recorder())
    monkeypatch.setenv("LAB_KERNEL", os.fspath(built))
    assert kernel.status().current
    altered = tmp_path / "altered.config"
    altered.write_text(options.LIST.read_text() + "CONFIG_NEW=y\n")
    monkeypatch.setattr(options, "LIST", altered)
    assert "with other options" in kernel.status().why
    assert kernel.status().path == built


def test_a_named_kernel_that_is_not_there_is_no_kernel(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel.build(Recorder())
    monkeypatch.setenv("LAB_KERNEL", "/nowhere/linux")
    found = kernel.status()
    assert found.path is None
    assert "/nowhere/linux" in found.why
    assert "unset LAB_KERNEL" in found.hint


def test_a_truncated_kernel_is_built_anew(workshop: Workshop) -> None:
    path = kernel.build(Recorder())
    path.write_text("k")
    assert kernel.status().path is None
    assert kernel.build(Recorder()).read_text() == KERNEL


def test_a_failure_shows_the_end_of_the_log_and_where_it_is(workshop: Workshop) -> None:
    workshop.make("echo '  CC      a.o'; echo 'a.c:1: error: no such thing'; exit 2")
    with pytest.raises(builder.BuildError) as caught:
        kernel.build(Recorder())

    assert caught.value.exit_status == 4
    assert "a.c:1: error: no such thing" in str(caught.value)
    assert str(workshop.store / "build.log") in str(caught.value)
    assert kernel.status().path is None
    assert not workshop.leftovers


def test_options_that_the_source_drops_are_told(workshop: Workshop) -> None:
    make = workshop.bin / "make"
    kept = 'grep -v CONFIG_INET_ESP= "${word#*=}" >.config'
    make.write_text(make.read_text().replace('cp "${word#*=}" .config', kept))
    progress = Recorder()
    kernel.build(progress)
    assert kernel.status().facts["lost"] == ["CONFIG_INET_ESP=y"]
    assert any("CONFIG_INET_ESP=y" in note for note in progress.notes)


def test_no_room_is_said_before_anything_is_unpacked(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "NEEDED_BYTES", 1 << 60)
    with pytest.raises(PrerequisiteError, match="XDG_CACHE_HOME"):
        kernel.build(Recorder())
    assert workshop.compilations == 0
    assert not workshop.leftovers


def test_a_missing_program_is_named(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    (workshop.bin / "make").unlink()
    workshop.program("gcc", "echo gcc 12")
    for name in ("tar", "xz", "sh", "patch"):
        (workshop.bin / name).symlink_to(f"/bin/{name}")
    monkeypatch.setenv("PATH", str(workshop.bin))
    with pytest.raises(PrerequisiteError, match="no program make"):
        kernel.build(Recorder())


def test_a_cache_that_cannot_be_written_is_named(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocker = workshop.root / "blocker"
    blocker.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocker))
    with pytest.raises(PrerequisiteError, match="blocker"):
        kernel.build(Recorder())


BUILDER = """
import sys
from pathlib import Path
from lab import kernel
from lab.kernel import builder, source

class Lines:
    def step(self, what, done, total):
        print(what, done, total, flush=True)
    def note(self, text):
        print(text, flush=True)

source.find.__defaults__ = (Path(sys.argv[1]),)
builder.NEEDED_BYTES = 1
print(kernel.build(Lines()))
"""


def _builder(workshop: Workshop) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BUILDER, os.fspath(workshop.root)],
        cwd=REPO,
        stdout=subprocess.PIPE,
        text=True,
    )


def _read_until(process: subprocess.Popen[str], wanted: Callable[[str], bool]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if wanted(line):
            return line
    raise AssertionError("the builder ended before it said so")


def test_a_second_build_waits_says_so_and_takes_the_result(workshop: Workshop) -> None:
    gate = workshop.root / "gate"
    os.mkfifo(gate)
    workshop.make(f"echo '  CC      a.o'; read -r _ <'{gate}'; {COMPILE}")
    with _builder(workshop) as first:
        _read_until(first, lambda line: line.startswith("compiling 1 "))
        with _builder(workshop) as second:
            _read_until(second, lambda line: "another build of the kernel is running" in line)
            # It shows how far the other one is, from that one's log.
            _read_until(second, lambda line: line.startswith("another build 1 "))
            gate.write_text("go on\n")
            assert first.stdout is not None
            assert second.stdout is not None
            results = {first.stdout.read().splitlines()[-1], second.stdout.read().splitlines()[-1]}

    assert results == {os.fspath(kernel.status().path or "")}
    assert workshop.compilations == 1


def test_after_a_killed_build_nothing_goes_on_and_the_next_one_tidies_up(
    workshop: Workshop,
) -> None:
    gate = workshop.root / "gate"
    os.mkfifo(gate)
    workshop.make(f"echo $$ >'{workshop.root}/pid'; echo '  CC      a.o'; read -r _ <'{gate}'")
    with _builder(workshop) as killed:
        _read_until(killed, lambda line: line.startswith("compiling 1 "))
        maker = os.pidfd_open(int((workshop.root / "pid").read_text()))
        killed.send_signal(signal.SIGKILL)
    try:
        poller = select.poll()
        poller.register(maker)
        assert poller.poll(5000), "make goes on"
    finally:
        os.close(maker)
    assert workshop.leftovers
    assert kernel.status().path is None

    workshop.make(COMPILE)
    kernel.build(Recorder())
    assert not workshop.leftovers


def test_an_interrupted_build_ends_at_once_and_its_folder_goes_in_the_background(
    workshop: Workshop,
) -> None:
    gate, gone = workshop.root / "gate", workshop.root / "gone"
    os.mkfifo(gate)
    os.mkfifo(gone)
    workshop.make("echo '  CC      a.o'; exec sleep 60")
    # A removal that takes as long as this test wants.
    workshop.program("rm", f"read -r _ <'{gate}'; /bin/rm \"$@\"; echo done >'{gone}'")
    with _builder(workshop) as stopped:
        _read_until(stopped, lambda line: line.startswith("compiling 1 "))
        stopped.send_signal(signal.SIGINT)
        assert stopped.stdout is not None
        assert "in the background" in stopped.stdout.read()
    assert stopped.returncode != 0
    assert workshop.leftovers

    # Open for both: nobody waits here for a removal that was never started.
    opened, ended = os.open(gate, os.O_RDWR), os.open(gone, os.O_RDWR)
    os.write(opened, b"go on\n")
    poller = select.poll()
    poller.register(ended, select.POLLIN)
    assert poller.poll(5000), "nothing removes it"
    assert not workshop.leftovers
    os.close(opened)
    os.close(ended)


def test_the_folder_of_a_failed_build_is_gone_when_the_failure_is_told(workshop: Workshop) -> None:
    workshop.make("mkdir -p deep/folder; touch deep/folder/a; ln -s deep link; exit 2")
    with pytest.raises(builder.BuildError):
        kernel.build(Recorder())
    assert not workshop.leftovers


def test_removing_the_folder_is_shown_as_it_goes_on(workshop: Workshop) -> None:
    left = workshop.store / f"{workplace.PREFIX}killed"
    for name in ("one", "two"):
        (left / name).mkdir(parents=True)
        (left / name / "file").write_text("")
    progress = Recorder()
    kernel.build(progress)
    swept = [step for step in progress.steps if step[0].startswith("removing what a build left")]
    assert [done for _, done, _ in swept] == [0, 1, 2, 2]
    shown = [step for step in progress.steps if step[0] == "removing the build folder"]
    assert len({done for _, done, _ in shown}) > 3
    assert shown[-1][1] > 4
    assert not workshop.leftovers


def test_old_kernels_do_not_pile_up(workshop: Workshop) -> None:
    for number in range(builder.KEPT + 2):
        workshop.source("6.12", comment=str(number))
        kernel.build(Recorder())
    assert len(store.built()) == builder.KEPT
    assert kernel.status().current


def test_facts_are_json_that_others_can_read(workshop: Workshop) -> None:
    facts = json.loads((kernel.build(Recorder()).parent / "build.json").read_text())
    assert facts["source"] == "linux-source-6.12.tar.xz"
    assert len(facts["source_sha256"]) == 64
