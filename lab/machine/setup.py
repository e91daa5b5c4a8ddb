"""Setting this machine up: the packages that are absent or broken, and the kernel if there is none.

What is there and whole is left alone. Installing is ``data/install-packages``' work, which becomes
root; building is ``kernel``'s. How progress looks is not known here.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lab import kernel
from lab.errors import PrerequisiteError
from lab.linux import lock, process
from lab.machine import dpkg, packages
from lab.machine.packages import ALWAYS, Needed, Package
from lab.paths import cache_dir

if TYPE_CHECKING:
    from lab.kernel import Progress


def wanted_packages(*, building: bool, tests: bool) -> tuple[Package, ...]:
    """The packages of a machine that builds the kernel or not, and runs the test suite or not."""
    levels = [*ALWAYS]
    if building or tests:
        levels.append(Needed.build)
    if tests:
        levels.append(Needed.use)
    return packages.chosen(levels)


def kernel_wanted() -> bool:
    """Whether a kernel has to be built: there is none, or what is here now would give another.

    A kernel that was brought here ready, without its source and a compiler, serves as it is.
    """
    found = kernel.status()
    if found.current or not found.can_build:
        return False
    return found.path is None or kernel.buildable()


def install(wanted: Sequence[Package], progress: Progress) -> bool:
    """Install what is absent or broken of these; whether there was anything."""
    if not dpkg.faulty(wanted):
        return False
    with _alone(progress):
        if not (names := dpkg.faulty(wanted)):
            return True
        status = process.run_on_terminal(["sh", os.fspath(packages.INSTALLER), *names])
        if status != 0:
            # The installer has said why, and what to do.
            raise PrerequisiteError("the packages are not installed, for the reason above")
    if left := dpkg.faulty(wanted):
        raise PrerequisiteError(f"still missing after the installation: {' '.join(left)}")
    return True


def write_stamp(stamp: Path, wanted: Sequence[Package], began_ns: int) -> None:
    """Write down the files that this set-up relied on, as of its start.

    As long as they are there, and neither dpkg's state nor the lab's lists are newer, there is nothing to do.
    """
    found = kernel.status()
    relied = [*dpkg.files_of(wanted), *([os.fspath(found.path)] if found.path else [])]
    fresh = stamp.with_name(f"{stamp.name}.new")
    fresh.write_text("".join(f"{path}\n" for path in relied))
    os.utime(fresh, ns=(began_ns, began_ns))
    fresh.replace(stamp)


@contextlib.contextmanager
def _alone(progress: Progress) -> Iterator[None]:
    """One set-up of a user at a time: a second one finds everything installed."""
    file = cache_dir() / "setup.lock"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    except OSError:
        yield  # The installer has a lock of its own; with this one it is only asked once.
        return

    with lock.held(file, "set-up", progress.note):
        yield
