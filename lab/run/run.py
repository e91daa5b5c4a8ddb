"""A run, seen from the host: prepare its directory, carry it out inside an engine, judge it.

run = Run.prepare("vpn-nat", ...)
status = run.carry_out(...)
result = run.judge()
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lab import codec, names, ways
from lab.container.joined import NONE, find
from lab.engine.attendant import ONLY_IN_NODES
from lab.engine.host import (
    Clock,
    Engine,
    OpenLab,
    choose,
    memory_bytes,
    open_lab,
    program_path,
    run_program,
)
from lab.engine.inside import MODEL_FILE, Order
from lab.engine.run_dir import new_run_dir
from lab.errors import LabError, PrerequisiteError, UsageError
from lab.linux import users
from lab.machine import memory, sudo
from lab.paths import CA_FILE, shown
from lab.record.record import Record
from lab.run import preload

if TYPE_CHECKING:
    from lab.image.plan import ImagePlan
    from lab.life.script import Script
    from lab.linux.users import LocalUser
    from lab.topology.model import Topology
    from lab.verify.finding import Finding
    from lab.verify.verdict import Result

RECORD_FILE = "record.json"
IMAGE_FILE = "keys/image.json"
"""The image in which the command ran, if it ran in one; perhaps with what the user keeps secret."""
VERDICT_FILE = "verdict.json"
SCRIPT_FILE = "keys/script.json"
"""Of a life: what is to happen, as ``lab.life.keeping`` reads it."""
RULES_FOLDER = "rules"
"""Where the files of rules of the user's own are kept, as they were loaded."""

IN_THIS_KERNEL = "a container's network belongs to this machine's kernel"

PlanImage = Callable[[int], "ImagePlan"]
"""Makes an image ready for a lab of so many bytes of memory; raises LabError."""


class Run:
    """One topology in one run directory."""

    def __init__(self, topology: Topology, run_dir: Path, engine: Engine, clock: Clock) -> None:
        self.topology = topology
        self.run_dir = run_dir
        self.engine = engine
        self.clock = clock
        self.given = topology.name
        """The topology as the user named it: perhaps a file."""
        self.image: ImagePlan | None = None
        """The root file system of the command; without one, it is this machine's."""
        self.user: LocalUser | None = None
        """As whom the command runs; None: as root."""
        self.script: Script | None = None
        """Of a life, which is lived in the place of the topology's own scenario."""
        self.cause = ""
        """What ``judge`` found to have gone wrong, for programs (``Diagnosis.cause``); empty: nothing."""
        self._started = time.monotonic()
        self.notes: tuple[str, ...] = ()
        """What was decided for the user, who must know it: sentences without a full stop."""
        self.containers = NONE
        """Those that are nodes."""
        self.container_user = ""
        """As whom commands run in them; empty: as each container says."""
        self.memory = 0
        """What was asked for the lab's own kernel, in bytes; 0: what it has by default."""

    @classmethod
    def prepare(
        cls,
        name: str,
        *,
        fault: str = "",
        engine: Engine = Engine.auto,
        clock: Clock = Clock.virtual,
        out: Path | None = None,
        node: str = "",
        command: tuple[str, ...] = (),
        user: str = "",
        own_agent: bool | None = None,
        image: PlanImage | None = None,
        memory_size: str = "",
        containers: Sequence[str] = (),
    ) -> Run:
        """Load and resolve a topology, and make the run directory with its fresh secrets.

        Raises TopologyError or UsageError before anything is made, also for a node or a command
        that there is not, or a ``user`` that this machine does not know.
        ``own_agent``: whether the lab's own agent will call home, as it does where no command is
        given. ``image``: what makes the command's root file system; without it the command has
        this machine's files. ``containers``: those that are nodes, as ``joined.find`` takes them.
        """
        started = time.monotonic()
        topology = resolved(name, fault)
        if node:
            names.check_known("node", node, [each.name for each in topology.nodes])
        notes: list[str] = []
        if containers:
            _check_containers(engine, image)
            notes += [] if engine is Engine.native else [f"--engine native: {IN_THIS_KERNEL}"]
            engine = Engine.native
        joined = find(containers, topology)
        if command:
            joined.check_command(node or topology.agents[0], name)
        elsewhere = image is not None or (node or topology.agents[0]) in joined.containers
        known = users.check_known_here(user) if user and not elsewhere else None
        if command and not elsewhere:
            _check_program(command[0])
        befalls_call = topology.deaths or any(rule.passing for rule in topology.drops)
        if befalls_call and not (not command if own_agent is None else own_agent):
            raise UsageError(
                f"{fault} happens while the lab's own agent calls home, and here it does not call",
                hint=f"lab run {name} --fault {fault}, without a command",
            )
        room = memory.parse(memory_size) if memory_size else 0
        chosen = engine
        if engine is Engine.native:
            from lab.run import machine_kernel

            topology, unshaped = machine_kernel.fit(topology)
            notes += [unshaped] if unshaped else []
        else:
            chosen = choose(engine)
        room = memory.for_nodes(room, len(topology.nodes), chosen.value)
        for kind in dict.fromkeys(way.kind for way in topology.ways):
            ways.stage(kind, "checks").machine()

        planned = image(memory_bytes(chosen, room)) if image is not None else None
        run = cls(topology, new_run_dir(topology.name, out), chosen, clock)
        run.given = name
        # As docker run has it: a user of the image.
        run.image = replace(planned, user=user) if planned and user else planned
        run.memory = room
        run.user = known
        run.notes = tuple(notes)
        run.containers = joined
        run.container_user = user
        run._started = started
        return run

    @property
    def shown_dir(self) -> str:
        """The run directory as a user would type it."""
        return shown(self.run_dir)

    def write_keys(self) -> None:
        """The model with its secrets, and the lab's own CA; readable by their owner only."""
        from lab.ibm import authority

        path = self.run_dir / MODEL_FILE
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(codec.dump(self.topology, reveal=True))
        authority.issue(self.topology, self.run_dir / "keys", renewed=self.script is not None)
        if self.script is not None:
            (self.run_dir / SCRIPT_FILE).write_text(codec.dump(self.script))
        if self.image is not None:
            (self.run_dir / IMAGE_FILE).write_text(codec.dump(self.image))
        for own in self.topology.own_rules:
            folder = self.run_dir / RULES_FOLDER
            folder.mkdir(exist_ok=True)
            suffix = Path(own.name).suffix
            (folder / f"{own.node}{suffix}").write_text(own.text)
        # For users who may not enter that folder.
        shutil.copyfile(self.run_dir / "keys" / authority.CA_FILE, self.run_dir / CA_FILE)
        (self.run_dir / CA_FILE).chmod(0o644)

    def carry_out(
        self,
        *,
        node: str = "",
        command: tuple[str, ...] = (),
        quiet: bool = False,
        path: bool = True,
    ) -> int:
        """Run the scenario, or a command in a node, and return its exit status.

        Without ``path`` the command finds the way home down; the scenario brings it up itself.
        """
        order = Order(
            run_dir=os.fspath(self.run_dir),
            verb="command" if command else "scenario",
            node=node or self.topology.agents[0],
            command=command,
            quiet=quiet,
            user=None if self.user is None else asdict(self.user),
            path=path,
            image=codec.dump(self.image, indent=None) if self.image else "",
            containers=self.container_nodes(),
        )
        return self._run_order(order, stdin=bool(command))

    def live(self, script: Script, agent: str, *, quiet: bool = False) -> int:
        """Have an agent live a life on its host: a user's, a line for a shell here, or the lab's own."""
        self.script = script
        order = Order(
            run_dir=os.fspath(self.run_dir), verb="life", node=self.topology.agents[0], quiet=quiet,
            agent=agent, cwd=os.fspath(Path.cwd()),
        )  # fmt: skip
        return self._run_order(order, stdin=False)

    def _run_order(self, order: Order, *, stdin: bool) -> int:
        if native := self.engine is Engine.native:
            # Containers get the lab's authority before anything else.
            self.write_keys()
        with self.opened() as opened:
            if not native:
                # While the guest boots.
                self.write_keys()
            return run_program(opened, order.argv(), own=True, stdin=stdin, meanwhile=preload.judge)

    def container_nodes(self) -> str:
        """What the inside is told of containers that are nodes; empty without any."""
        nodes = self.containers.nodes(self.container_user)
        return codec.dump(nodes, indent=None) if nodes.by_node else ""

    @contextlib.contextmanager
    def opened(self) -> Iterator[OpenLab]:
        """Start an inside for this run, and note which engine and clock it has."""
        try:
            with open_lab(
                self.engine,
                self.clock,
                self.run_dir,
                memory=self.memory,
                containers=self.containers,
            ) as opened:
                self.engine, self.clock = opened.engine, opened.clock
                yield opened
        except BaseException:
            # Why it ended is what is to be told.
            with contextlib.suppress(LabError):
                self.collect_captures()
            raise
        self.collect_captures()

    def collect_captures(self) -> None:
        """Make a file a segment of what was captured, also where the inside was killed."""
        from lab.wire import pcapng

        spool = self.run_dir / "wire" / pcapng.SPOOL
        if not spool.exists():
            return
        try:
            pcapng.convert_once(spool)
        except OSError as error:
            raise PrerequisiteError(
                f"the captures cannot be written to {spool.parent}: {error.strerror}",
                hint=f"make room there; all that was captured is still in {spool.name}",
            ) from error

    def judge(self) -> Result:
        """Judge what was seen, write verdict.json and the evidence; a run that was never made is an error."""
        from lab import report, verify
        from lab.verify import verdict

        self.collect_captures()
        record = self.record()
        # Only 0 and 1 are a scenario's own; anything else says that the lab broke.
        findings: tuple[Finding, ...] = ()
        diagnosis = first = ""
        case = verify.Case(self.topology, record or Record(started=time.time()), self.run_dir)
        if record is not None:
            findings, first = verify.sort_out(case, verify.judge(case))
            found = verify.diagnose(case)
            self.cause = "" if found.cause == verify.NOTHING else found.cause
            diagnosis = _losses(record) or (str(found) if self.cause else "")
            if record.broke_off:
                diagnosis = f"the run broke off: {record.error.splitlines()[0]}"
        result = verdict.result(
            self.topology,
            case.record,
            findings,
            engine=self.engine.value,
            clock=self.clock.value,
            wall_s=self.wall_s,
            diagnosis=diagnosis,
            broke_first=first,
            lab_broke=record is None or record.broke_off or record.frames_lost > 0,
        )
        verdict.write(self.run_dir / VERDICT_FILE, result)
        report.write(case, result)
        sudo.give_back([self.run_dir])
        return result

    def record(self) -> Record | None:
        """What the run noted; None if it never came so far."""
        path = self.run_dir / RECORD_FILE
        return codec.load(Record, path.read_text()) if path.exists() else None

    @property
    def verdict_text(self) -> str:
        """What ``judge`` wrote: verdict.json."""
        return (self.run_dir / VERDICT_FILE).read_text().rstrip()

    @property
    def wall_s(self) -> float:
        """How long the run has taken so far."""
        return time.monotonic() - self._started

    def began_at(self, epoch_s: float) -> None:
        """Count the wall time from then on (a lab that was up)."""
        self._started = time.monotonic() - (time.time() - epoch_s)


def resolved(topology: str, fault: str) -> Topology:
    """The model of a topology file, by name or path, with fresh secrets and perhaps a fault put in."""
    from lab.machine import packages
    from lab.topology.load import load
    from lab.topology.own_rules import RulesFormat
    from lab.topology.resolve import resolve
    from lab.ways import faults

    model = resolve(load(topology), secrets.token_bytes(32))
    for own in model.own_rules:
        if own.format is RulesFormat.iptables:
            packages.require("iptables-nft-restore", f"the rules {own.name}")
    for program in model.own_programs:
        _check_program(program.argv[0], program.node)
    return faults.apply(fault, model) if fault else model


def _check_containers(engine: Engine, image: PlanImage | None) -> None:
    if image is not None:
        raise UsageError(
            "--image and --container are two ways to run one command",
            hint="--image runs it in a node of the lab's, --container in what runs already",
        )
    if engine is Engine.uml:
        raise UsageError(
            f"--container needs the native engine: {IN_THIS_KERNEL}, and not to the lab's own",
            hint="--engine native, as root; or --image docker:NAME, which runs the image in either engine",
        )


def _check_program(name: str, own_of: str = "") -> None:
    """The nodes see the host's files, so that what is not here is not there either.

    ``own_of``: the node whose topology names the program, in the place of a command.
    """
    if name in ONLY_IN_NODES and not own_of:
        return
    folders = [""] if "/" in name else program_path().split(os.pathsep)
    modes = {path: _mode(path) for path in (Path(folder, name) for folder in folders)}
    found = [path for path, mode in modes.items() if stat.S_ISREG(mode)]
    if not found:
        from lab.machine import packages

        beside = "a program beside the topology is written with a slash: ./my-server"
        raise UsageError(
            f"there is no program {name!r}, which {own_of} is to run"
            if own_of
            else f"there is no program {name!r} in this node",
            hint=packages.hint_for(name) or (beside if own_of else "check its name and PATH"),
        )
    # In the guest we are root, who may execute whatever anybody may.
    if not any(modes[path] & 0o111 for path in found):
        fix = f"chmod +x {found[0]}" if own_of else "start the program that reads it"
        raise UsageError(f"{found[0]} is not executable", hint=fix)


def _mode(path: Path) -> int:
    """Kind and rights of a file; 0 if it is not there, or in a folder that we may not look into."""
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def _losses(record: Record) -> str:
    """What a capture that missed frames means for the findings."""
    if not record.frames_lost:
        return ""
    lost = names.count(record.frames_lost, "frame")
    return f"the captures lost {lost}, so nothing that was not seen is proven; send less"
