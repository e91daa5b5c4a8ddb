"""Building the lab's kernel, as an ordinary user, into the user's cache.

One build at a time (a lock in the store), in a folder of its own (``workplace``); the result appears
whole or not at all. How progress looks is not known here.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, TextIO

from lab.errors import LabBroke, PrerequisiteError
from lab.kernel import options, store, workplace
from lab.kernel.source import HINT
from lab.kernel.store import Recipe, built, recipe, status
from lab.linux import lock, syscalls

NEEDED_BYTES = 800_000_000
"""Measured: 530 MB at the end of a build, sources and objects; the rest is margin."""

KEPT = 3
"""So many kernels stay in the cache: other checkouts and older option lists find theirs again."""

UNPACKED = 44_000
COMPILED = 1_745
"""How many lines tar and make print: for the estimate, until a build here has counted them."""

LEFT_OUT = Path(__file__).with_name("left-out.txt")
"""Patterns of tar for what no configuration of ours ever compiles. Without it, unpacking takes a third of the
disk space. Kconfig files and Makefiles stay: the configuration of every architecture reads them all."""

_STEP = re.compile(r"^  [A-Z]+ ")


class Progress(Protocol):
    """Somebody who wants to know how far a build is."""

    def step(self, what: str, done: int, total: int) -> None:
        """``done`` of about ``total`` pieces of this step are there; called often."""

    def note(self, text: str) -> None:
        """A sentence worth telling once."""


class BuildError(LabBroke):
    """A program that builds the kernel failed; carries the end of its log."""

    def __init__(self, what: str, log: Path) -> None:
        lines = log.read_text(errors="replace").splitlines()[-20:]
        tail = "".join(f"\n    | {line}" for line in lines)
        super().__init__(f"{what} failed{tail}", hint=f"the whole log is {log}")


def build(progress: Progress, *, again: bool = False) -> Path:
    """The kernel of today's recipe, built if it is not there (or ``again``)."""
    wanted = recipe()
    if not again and (found := status()).current and found.path is not None:
        return found.path

    try:
        store.folder().mkdir(parents=True, exist_ok=True)
        # The other one's log tells us how far it is.
        with lock.held(
            store.folder() / "lock",
            "build of the kernel",
            progress.note,
            lambda: progress.step("another build", _steps(_log_path()), _total()),
        ) as waited:
            if (not again or waited) and (found := status()).current and found.path is not None:
                return found.path
            _sweep(progress)
            _check_space()
            return _build(wanted, progress)
    except KeyboardInterrupt:
        progress.note("stopped; what was unpacked is being removed in the background")
        raise
    except OSError as error:
        raise PrerequisiteError(
            f"cannot build in {store.folder()}: {error.strerror or error}",
            hint="set XDG_CACHE_HOME to a folder that you may write, with 0.8 GB of room",
        ) from error


def _sweep(progress: Progress) -> None:
    """Remove what a killed build left, as the holder of the lock."""
    for folder in workplace.left(store.folder()):
        _remove(folder, "removing what a build left that did not end", UNPACKED, progress)


def _remove(folder: Path, what: str, files: int, progress: Progress) -> None:
    progress.step(what, 0, files)
    workplace.remove(folder, lambda gone: progress.step(what, gone, max(files, gone)))


def _check_space() -> None:
    free = shutil.disk_usage(store.folder()).free
    if free < NEEDED_BYTES:
        raise PrerequisiteError(
            f"building the kernel takes {NEEDED_BYTES / 1e9:.1f} GB in {store.folder()},"
            f" and {free / 1e9:.1f} GB are free",
            hint="free some, or set XDG_CACHE_HOME to a folder with more room",
        )


def _build(wanted: Recipe, progress: Progress) -> Path:
    began = time.monotonic()
    with (
        workplace.made(store.folder()) as folder,
        _log_path().open("w") as log,
    ):
        tree, result = folder / "tree", folder / "result"
        tree.mkdir()
        result.mkdir()
        maker = _Maker(tree, log, progress)

        unpack: list[str | Path] = [
            "tar",
            "xvf",
            wanted.source.path,
            "--strip-components=1",
            f"--exclude-from={LEFT_OUT}",
        ]
        maker.run(
            unpack, "unpacking the source", total=UNPACKED, counts=re.compile("."), kept=False
        )
        unpacked = maker.counted
        for patch in options.patches_for(wanted.source.version):
            maker.run(
                ["patch", "-p1", "--batch", "--forward", "-i", patch], f"applying {patch.name}", total=1
            )  # fmt: skip
        make = ["make", "ARCH=um"]
        maker.run(
            [*make, f"KCONFIG_ALLCONFIG={options.LIST}", "allnoconfig"], "configuring", total=20
        )
        config = (tree / ".config").read_text()
        listed = options.LIST.read_text()
        absent = options.absent(listed, tree)
        lost = options.lost(options.parse(listed), config, absent)
        for line in lost:
            progress.note(f"this source does not know the option {line}, or not so")

        jobs = len(os.sched_getaffinity(0))
        maker.run([*make, f"-j{jobs}", "linux"], "compiling", total=_total())
        compiled = maker.counted
        maker.run(["strip", "-o", result / "linux", "linux"], "stripping", total=1)

        facts = {
            "version": _version(tree),
            "source": wanted.source.path.name,
            "source_sha256": wanted.digest,
            "options": wanted.options,
            "compiler": wanted.compiler,
            "lost": lost,
            "absent": absent,
            "seccomp": store.knows_seccomp(result / "linux"),
            "compiled": compiled,
            "seconds": round(time.monotonic() - began),
            "finished": time.time(),
            "size": (result / "linux").stat().st_size,
        }
        (result / "config").write_text(config)
        (result / "build.json").write_text(json.dumps(facts, indent=2) + "\n")
        kernel = _publish(result, wanted.key)
        # Each step leaves an object and the command that made it.
        _remove(folder, "removing the build folder", unpacked + 2 * compiled, progress)

    for former, _ in built()[KEPT:]:
        shutil.rmtree(former, ignore_errors=True)
    return kernel


def _publish(result: Path, key: str) -> Path:
    """Put the result in its place at once; a kernel that runs from there goes on running."""
    place = store.folder() / key
    if place.exists():
        place.rename(result.with_name("former"))
    result.chmod(0o755)
    result.rename(place)
    return place / "linux"


class _Maker:
    """Runs the programs of a build in a tree, into a log, counting what they report."""

    def __init__(self, tree: Path, log: TextIO, progress: Progress) -> None:
        self.counted = 0
        self._tree = tree
        self._log = log
        self._progress = progress

    def run(
        self,
        argv: Sequence[str | Path],
        what: str,
        *,
        total: int,
        counts: re.Pattern[str] = _STEP,
        kept: bool = True,
    ) -> None:
        """Run one program to its end; ``kept``: whether the lines that count go into the log."""
        self.counted = 0
        self._progress.step(what, 0, total)
        with _running([os.fspath(word) for word in argv], self._tree) as process:
            assert process.stdout is not None
            for line in process.stdout:
                counted = counts.match(line) is not None
                if kept or not counted or line.startswith("tar: "):
                    self._log.write(line)
                    self._log.flush()
                if counted:
                    self.counted += 1
                    self._progress.step(what, self.counted, max(total, self.counted))
            failed = process.wait() != 0

        if failed:
            if shutil.disk_usage(self._tree).free < NEEDED_BYTES / 20:
                _check_space()
            raise BuildError(f"{what} ({argv[0]})", Path(self._log.name))


@contextlib.contextmanager
def _running(argv: list[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A program of the build; nothing is left of it afterwards, also after Ctrl-C in the middle."""
    # Neither make's variables (we may run below `make`) nor compiler flags of the user's shell.
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env |= {"LC_ALL": "C", "KBUILD_BUILD_USER": "lab", "KBUILD_BUILD_HOST": "callhome-lab"}
    env["XZ_OPT"] = "--threads=0"  # tar unpacks on all processors.
    try:
        process = subprocess.Popen(
            argv,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            # On SIGTERM make ends its children too: nothing goes on after a `kill -9` of lab.
            preexec_fn=lambda: syscalls.die_with_parent(signal.SIGTERM),
        )
    except FileNotFoundError as error:
        raise PrerequisiteError(f"there is no program {argv[0]}", hint=HINT) from error
    with process:  # Waits for it, and closes its pipe.
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _log_path() -> Path:
    return store.folder() / "build.log"


def _steps(log: Path) -> int:
    try:
        return sum(1 for line in log.read_text(errors="replace").splitlines() if _STEP.match(line))
    except FileNotFoundError:
        return 0


def _total() -> int:
    """How many steps the compilation will have: as many as last time."""
    counts = (facts.get("compiled") for _, facts in built())
    return next((int(count) for count in counts if count), COMPILED)


def _version(tree: Path) -> str:
    """Such as 6.12.43, from the head of the source's Makefile."""
    head = (tree / "Makefile").read_text(errors="replace")[:1000]
    fields = dict(re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL) = (\d+)$", head, re.MULTILINE))
    return ".".join(fields.get(name, "?") for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL"))
