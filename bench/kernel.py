"""How long the lab's kernel takes from the start of its program to the first command inside."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from pathlib import Path

from bench.figures import CannotRun, Figure
from bench.guest import engine, run_dir
from lab.engine.frames import FrameKind, FrameReader, json_frame
from lab.engine.host import Clock, Engine, OpenLab, open_lab
from lab.engine.session import Program

SUMMARY = "the lab's kernel, from the start of its program"


def measure(rounds: int) -> list[Figure]:
    where = engine(Engine.uml)
    booted: list[float] = []
    spoke: list[float] = []
    halted: list[float] = []
    for _ in range(rounds + 1):
        with run_dir() as directory:
            begin = time.perf_counter()
            with open_lab(where, Clock.virtual, Path(directory)) as opened:
                booted.append(time.perf_counter() - begin)
                _first_words(opened)
                spoke.append(time.perf_counter() - begin)
            halted.append(time.perf_counter() - begin)

    return [
        Figure("to init", "s", booted[1:]),
        Figure("to the first command's output", "s", spoke[1:], ("<=", 0.3)),
        Figure("to the end of the program", "s", halted[1:]),
    ]


def _first_words(opened: OpenLab) -> None:
    """Run a program and return when its output is here."""
    program = Program(argv=("/bin/echo", "ready"), env=dict(os.environ), cwd="/")
    opened.channel.sendall(json_frame(FrameKind.open, 1, asdict(program)).encode())
    reader = FrameReader()
    while data := opened.channel.recv(1 << 16):
        for frame in reader.feed(data):
            if frame.kind is FrameKind.output:
                return
            if frame.kind is FrameKind.exit:
                raise CannotRun("the first command said nothing")
    raise opened.death()
