"""A program of its own, in a node: has an image for its root, and becomes the image's command.

    python -I -S enter.py RUN_DIR COMMAND...

``LAB_IMAGE_PLAN`` in the environment is an ``ImagePlan`` as JSON. Where the command cannot be run, this
program says so and exits as ``lab`` does; once the command runs, all is the command's own. Nothing is
imported after the root has changed: our own files are not in the image.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, os.fspath(Path(__file__).resolve().parents[2]))

from lab import codec
from lab.errors import LabBroke, LabError, UsageError
from lab.image import account, root
from lab.image.plan import PLAN, ImagePlan

_ELF = b"\x7fELF"


def main(argv: list[str]) -> int:
    """The exit status, where the command was not run."""
    plan = codec.load(ImagePlan, os.environ.pop(PLAN))
    try:
        _become(plan, argv[0], argv[1:])
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return error.exit_status
    except OSError as error:
        print(f"lab: the image {plan.name} cannot be a root: {error}", file=sys.stderr)
        return LabBroke.exit_status
    return 0


def _become(plan: ImagePlan, run_dir: str, command: list[str]) -> None:
    root.enter(plan, run_dir)
    user = account.of(plan.user, plan.name)
    env = plan.command_environment(os.environ, user.home, os.uname().nodename)
    Path(plan.workdir).mkdir(parents=True, exist_ok=True)
    os.chdir(plan.workdir)
    user.assume()
    program = _find(command[0], env["PATH"], plan)
    try:
        os.execve(program, command, env)
    except OSError as error:
        raise _cannot(program, error, plan) from error


def _find(name: str, path: str, plan: ImagePlan) -> str:
    """The program's file in the image; raises UsageError if there is none that may be run."""
    places = [name] if "/" in name else [f"{folder or '.'}/{name}" for folder in path.split(":")]
    there = [place for place in places if Path(place).is_file()]
    for place in there:
        if os.access(place, os.X_OK):
            return place
    if there:
        raise UsageError(
            f"{there[0]} of the image {plan.name} may not be executed",
            hint="start the program that reads it, or make it executable in the image",
        )
    where = f"in its PATH, {path}" if "/" not in name else f"in {plan.workdir}"
    raise UsageError(
        f"there is no program {name!r} in the image {plan.name}",
        hint=f"it was looked for {where}; try: --image {plan.name} --entrypoint '' -- ls",
    )


def _cannot(program: str, error: OSError, plan: ImagePlan) -> UsageError:
    """Why the kernel does not run a file that is there."""
    what = f"{program} of the image {plan.name} cannot be run"
    with Path(program).open("rb") as file:
        first = file.read(256)
    if first.startswith(_ELF) and error.errno == errno.ENOEXEC:
        return UsageError(
            f"{what}: it is for another processor (ELF machine {int.from_bytes(first[18:20], 'little')})",
            hint=f"build the image for this one, {os.uname().machine}",
        )
    if error.errno == errno.ENOENT:
        by = first[2:].split(b"\n")[0].strip().decode(errors="replace")
        missing = f"its interpreter {by}" if first.startswith(b"#!") else "the loader that it names"
        return UsageError(f"{what}: {missing} is not in the image", hint="add it to the image")
    if error.errno == errno.ENOEXEC:
        return UsageError(
            f"{what}: it is no program, nor a script that begins with #!",
            hint=f"-- sh {program}, where the image has a shell",
        )
    return UsageError(f"{what}: {error.strerror}", hint="look at it: -- ls -l")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
