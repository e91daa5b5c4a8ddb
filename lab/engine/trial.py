"""Starting the lab's own kernel once, to see whether it runs on this machine and how.

``doctor`` asks for it, but stands below the engines; so the probe lives here.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from lab.engine.host import Clock, Engine, open_lab
from lab.engine.session import Program, Session
from lab.errors import BootError

_LOOK = ("/bin/sh", "-c", "uname -r; ulimit -Hn")


def boot() -> str:
    """Boot, run a program and halt; says which Linux came up, how fast, and what it may open.

    Raises BootError, with the reason in words, if the kernel does not start here.
    """
    with tempfile.TemporaryDirectory(prefix="callhome-lab-boot-") as name:
        folder = Path(name)
        began = time.monotonic()
        with (
            open_lab(Engine.uml, Clock.virtual, folder) as opened,
            open(os.memfd_create("answer"), "rb") as answer,
        ):
            session = Session(opened.channel, opened.death, sinks=(answer.fileno(),) * 2)
            status = session.run(Program(argv=_LOOK, env={}, cwd="/"), stdin=False)
            seconds = time.monotonic() - began
            way = opened.drives_by()
            answer.seek(0)
            said = answer.read().decode(errors="replace").split()

        if status or len(said) != 2:
            raise BootError(f"its first program ended with status {status}: {' '.join(said)}")
        return f"Linux {said[0]} came up in {seconds:.2f} s; processes by {way}; at most {said[1]} open files"
