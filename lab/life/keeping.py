"""Keeps an agent through its life: starts it as a service, has the script's events happen at their times,
serves what it orders, and ends it. One loop, in the thread that holds the lab's ways.
"""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from lab import codec
from lab.errors import PrerequisiteError
from lab.inside import way_desk
from lab.inside.running import RunningLab
from lab.inside.way_desk import WayDesk
from lab.life import own_agent
from lab.life.dozing import Dozing, dozing
from lab.life.events import LEDGER, LifeBegun, LifeEnded
from lab.life.machine import Hardware
from lab.life.program import AgentProgram
from lab.life.script import Deed, Script
from lab.life.world import CLOCK, World, configured, hosts
from lab.linux import idling

SCRIPT_FILE = "keys/script.json"
"""In the run directory: what is to happen."""
FAKETIME = "/usr/lib/*/faketime/libfaketime.so.1"


def run(lab: RunningLab, node: str, command: str, cwd: str) -> int:
    """Live a life: 0, whatever the agent made of it; that is judged on the host. ``command``: the user's
    agent, a line for a shell in the user's folder; empty: the lab's own."""
    idling.quieten()
    script = codec.load(Script, (lab.run_dir / SCRIPT_FILE).read_text())
    lab.homeward.stand_by()
    servers = configured(lab, script)
    environment = {
        **os.environ,
        **own_agent.environment(
            lab.topology,
            node,
            os.fspath(lab.run_dir),
            servers,
            lab.environment(node),
            script.system,
        ),
    }
    there = lab.node(node)
    with Hardware(there) as machine, dozing(lab) as dozers:
        there.call(os.makedirs, own_agent.STATE, 0o700, exist_ok=True)
        if script.having(Deed.clock):
            there.write(CLOCK, "+0\n", 0o644)
            environment |= faked_clock()
        if command:
            argv: tuple[str, ...] = ("/bin/sh", "-c", f"cd {shlex.quote(cwd)} && {command}")
            called = argv
        else:
            argv, called = own_agent.argv(), own_agent.inventory_argv()
            environment["PYTHONPATH"] = ":".join(sys.path)
            text = own_agent.settings(lab.topology, node, lab.run_dir, servers, script.system)
            there.write(own_agent.SETTINGS, text)
        program = AgentProgram(lab, node, argv, environment)
        world = World(lab, node, script, program, machine, called)
        with way_desk.opened(lab, lab.topology.agents) as desk:
            _live(lab, node, script, world, program, desk, dozers, own=not command)
        _collect(lab, node, machine)
    lab.check()
    return 0


def _live(
    lab: RunningLab,
    node: str,
    script: Script,
    world: World,
    program: AgentProgram,
    desk: WayDesk,
    dozers: list[Dozing],
    *,
    own: bool,
) -> None:
    world.begin()
    name = "the lab's own agent" if own else "the user's agent"
    begun = LifeBegun(
        source=node,
        program=name,
        own=own,
        lasts_s=script.lasts_s,
        vendor=script.system.vendor,
        hmc_managed=script.system.hmc_managed,
        web_port=script.system.web_port,
        ibm_ids=script.system.ibm_ids,
        hosts=tuple(sorted(hosts(configured(lab, script)))),
    )
    lab.story.tell(begun)
    turn = _Turn(program, world, desk, dozers)
    if not script.system.hmc_managed:  # There the HMC calls the agent.
        program.start()
    try:
        for event in script.events:
            turn.until(begun.time + event.at_s)
            world.carry_out(event)
            lab.check()
        turn.until(begun.time + script.lasts_s)
        lab.story.tell(LifeEnded(source=node))
    finally:
        program.stop()
        world.end()


class _Turn:
    """What is waited for between two events of the script."""

    def __init__(
        self, program: AgentProgram, world: World, desk: WayDesk, dozers: list[Dozing]
    ) -> None:
        self._program = program
        self._world = world
        self._desk = desk
        self._dozers = dozers

    def until(self, moment: float) -> None:
        """Wait on the lab's clock, and do meanwhile what is due."""
        while (now := time.time()) < moment:
            dues = [moment, self._program.due, self._world.due, *(d.due for d in self._dozers)]
            left_s = min(due for due in dues if due is not None) - now
            self._serve(max(0.0, left_s))
            now = time.time()
            if self._world.due is not None and self._world.due <= now:
                self._world.pass_on()
            if self._program.due is not None and self._program.due <= now:
                self._program.start()
            for dozer in self._dozers:
                if dozer.due is not None and dozer.due <= now:
                    dozer.look()

    def _serve(self, longest_s: float) -> None:
        handlers: dict[int, Callable[[], None]] = dict(self._desk.orders)
        handlers |= {dozer.fd: dozer.wake for dozer in self._dozers if dozer.due is None}
        if self._program.fd >= 0:
            handlers[self._program.fd] = self._program.note_end
        for descriptor in select.select([*handlers], [], [], longest_s)[0]:
            handlers[descriptor]()


def faked_clock() -> Mapping[str, str]:
    """What has a program read the clock through libfaketime; PrerequisiteError if it is not installed."""
    found = sorted(Path("/").glob(FAKETIME.lstrip("/")))
    if not found:
        raise PrerequisiteError(
            "the script has the agent's clock leap, and libfaketime is not installed",
            hint="lab setup libfaketime",
        )
    return {
        "LD_PRELOAD": os.fspath(found[0]),
        "FAKETIME_TIMESTAMP_FILE": CLOCK,
        # Timers go on as they would: only the date leaps.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


def _collect(lab: RunningLab, node: str, machine: Hardware) -> None:
    """Keep what the agent wrote of itself, and of its tests: no password is in the ledger."""
    for name, text in machine.results().items():
        (lab.run_dir / "logs" / node / f"test-{name}").write_text(text)

    def read() -> str:
        with contextlib.suppress(OSError):
            return Path(own_agent.STATE, "ledger.jsonl").read_text(errors="replace")
        return ""

    if text := lab.node(node).call(read):
        (lab.run_dir / "logs" / node / LEDGER).write_text(text)
