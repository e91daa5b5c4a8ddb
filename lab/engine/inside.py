"""Our main program inside: runs one order of the host's in the kernel that holds the lab.

The order is JSON in the first argument; the model, the CA and the captures are in the run directory.
In the guest this runs in a fork of the attendant, so its imports are what a run's start-up costs.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lab.errors import LabBroke, LabError, PathError
from lab.linux import syscalls

if TYPE_CHECKING:
    from lab.inside.containers import Containers
    from lab.inside.running import RunningLab
    from lab.record.look import Look


def colourful() -> bool:
    """Whether standard error shows colours (https://no-color.org)."""
    dumb = os.environ.get("TERM", "dumb") == "dumb"
    return os.isatty(2) and not dumb and "NO_COLOR" not in os.environ


def columns() -> int:
    """How wide standard error is, where it is a terminal; 0 elsewhere: nothing is folded in a log."""
    if not os.isatty(2):
        return 0
    wanted = os.environ.get("COLUMNS", "")
    return int(wanted) if wanted.isdecimal() and int(wanted) else os.get_terminal_size(2).columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the host wants."""

    run_dir: str
    verb: str
    """``scenario``, ``command``, ``life`` or ``up``; to a lab that is up ``path-up`` or ``path-down``."""
    node: str = ""
    command: tuple[str, ...] = ()
    quiet: bool = False
    user: dict[str, Any] | None = None
    """As whom the command runs (``lab.linux.users``); None: as root."""
    path: bool = True
    """Whether the way home is brought up before the command, or before the lab is left up."""
    image: str = ""
    """The command's ``ImagePlan`` as JSON, if it has an image for its root."""
    containers: str = ""
    """``ContainerNodes`` as JSON, if nodes are containers."""
    way: str = ""
    """Which way is to go up or down, by the host ``node``; empty: the first that comes, or what is up."""

    colour: bool = field(default_factory=colourful)
    columns: int = field(default_factory=columns)
    """How the story looks on the host's standard error: ``lab.record.look``."""
    agent: str = ""
    """Of a life: the user's agent, a line for a shell in the folder ``cwd``; empty: the lab's own."""
    cwd: str = ""

    @property
    def look(self) -> Look:
        from lab.record.look import Look

        return Look(colour=self.colour, columns=self.columns)

    def argv(self) -> tuple[str, ...]:
        return (json.dumps(asdict(self)),)


MODEL_FILE = "keys/model.json"
"""The topology in a run directory, with its secrets."""
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
UP = "up"
PATH_UP, PATH_DOWN = "path-up", "path-down"
NAME = "lab-main"
"""What ``ps`` calls the process of a native lab that holds nodes, wires, captures and servers."""


class Terminated(KeyboardInterrupt):
    """SIGTERM: take down and end, as for an interrupt, and say so in the exit status."""


def main(argv: list[str]) -> int:
    """Carry out an order; every failure is told on standard error and in the exit status."""
    order = Order(**json.loads(argv[0]))
    if order.verb in (PATH_UP, PATH_DOWN):
        from lab.inside import control

        return control.ask(order.verb, order.way, order.node)
    if os.environ.get("LAB_INSIDE") == "uml":
        # A page fault costs fifty microseconds in the guest, a page that is there already four.
        syscalls.populate_memory()
    else:
        syscalls.set_name(NAME)
    signal.signal(signal.SIGTERM, _terminate)

    try:
        return _carry_out(order)
    except Terminated:
        return EXIT_TERMINATED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        for note in getattr(error, "__notes__", ()):
            print(f"lab: {note}", file=sys.stderr)
        return error.exit_status
    # A defect of ours: the user must see where, and that it is not the agent's fault.
    except Exception:  # noqa: BLE001
        import traceback

        traceback.print_exc()
        print(
            "lab: this is a defect of the lab; please report it with the run directory",
            file=sys.stderr,
        )
        return LabBroke.exit_status


def _terminate(*_: object) -> None:
    raise Terminated


def _carry_out(order: Order) -> int:
    from lab import codec
    from lab.inside.running import start_lab
    from lab.record.story import Story
    from lab.topology.model import Topology

    run_dir = Path(order.run_dir)
    topology = codec.load(Topology, (run_dir / MODEL_FILE).read_text())

    story, containers = Story(run_dir, silent=order.quiet, look=order.look), _containers(order)
    with start_lab(topology, run_dir, story, containers) as lab:
        if order.verb in ("scenario", "life"):
            return _by_itself(lab, order)

        try:
            if order.path:
                lab.path_up()
            else:
                lab.homeward.stand_by()
        except PathError as error:
            lab.path_failed(error)
            return error.exit_status
        if order.image:
            from lab.image.plan import ImagePlan

            lab.images[order.node] = codec.load(ImagePlan, order.image)
        if order.verb == "command":
            if order.user is not None:
                from lab.linux.users import LocalUser

                lab.user = LocalUser.of(order.user)
            # The program gets the same interrupt, and decides for itself what becomes of it.
            signal.signal(signal.SIGINT, lambda *_: None)
            if topology.is_stood_in(order.node):
                from lab.scenarios import stand_in

                status = stand_in.run(lab, order.node, list(order.command))
            else:
                status = lab.attend(order.node, list(order.command))
            signal.signal(signal.SIGINT, signal.default_int_handler)
            lab.record.command_status = status
            return status

        lab.furnish()
        containers.tell_commands(run_dir, lab.environment)
        # The supervisor waits for this one line of output.
        from lab.inside import control, way_desk

        names = [node.name for node in topology.nodes]
        with control.listening() as listener, way_desk.opened(lab, names) as desk:
            print(UP, flush=True)
            by_host = {listener.fileno(): partial(control.carry_out, lab, listener)}
            _wait_for_the_end(by_host | desk.orders)
        return 0


def _by_itself(lab: RunningLab, order: Order) -> int:
    """What a lab does without a command of the user's."""
    if order.verb == "scenario":
        from lab.scenarios import call_home

        return call_home.run(lab)
    from lab.life import keeping

    return keeping.run(lab, order.node, order.agent, order.cwd)


def _containers(order: Order) -> Containers:
    from lab.inside.containers import NO_CONTAINERS

    if not order.containers:
        return NO_CONTAINERS
    from lab import codec
    from lab.container.node import ContainerNodes
    from lab.inside.containers import Containers

    return Containers(codec.load(ContainerNodes, order.containers).by_node)


def _wait_for_the_end(orders: Mapping[int, Callable[[], None]] = MappingProxyType({})) -> None:
    """Until the supervisor says so by a signal, also by one that comes just before the wait begins.

    ``orders`` are carried out meanwhile, each when its descriptor can be read. signal.pause() would sleep on:
    Python runs a handler only between two steps of its own.
    """
    heard, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    before = signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    try:
        while True:
            readable, _, _ = select.select([heard, *orders], [], [])
            for descriptor in readable:
                if descriptor == heard:
                    os.read(heard, 64)
                else:
                    orders[descriptor]()
    except KeyboardInterrupt:
        return
    finally:
        signal.set_wakeup_fd(before)
        os.close(heard)
        os.close(wakes)
