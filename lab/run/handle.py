"""A running lab as a test sees it: ``lab`` of the pytest plugin. Runs inside the lab's kernel.

A thin shell: building is ``running``'s business, judging ``runs``'s. Nothing here knows pytest.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from lab.engine.host import Clock, Engine
from lab.errors import ExpectationFailed, LabBroke, UsageError
from lab.inside import control
from lab.inside.running import RunningLab, start_lab
from lab.record.story import Story
from lab.run import evidence
from lab.run.run import Run, resolved

if TYPE_CHECKING:
    from lab.image.plan import ImagePlan
    from lab.linux.nodes import Node
    from lab.record.record import Record
    from lab.run.orders import LabOrder
    from lab.topology.model import Topology, Way
    from lab.verify import Finding
    from lab.verify.verdict import Result


class Lab:
    """One lab, from ``up`` until it is finished or closed."""

    def __init__(self, run: Run, down: ExitStack, running: RunningLab, *, full: bool) -> None:
        self._run = run
        self._down = down
        """Takes the lab down."""
        self._running = running
        self._full = full
        """Whether ``sections`` shows all that there is to know."""
        self._up = True
        self._result: Result | None = None
        self._last: list[evidence.Section] = []

    @classmethod
    def up(
        cls, order: LabOrder, run_dir: Path, engine: Engine, clock: Clock, *, full: bool = False
    ) -> Lab:
        """Resolve with fresh secrets, and build; ``run_dir`` must be fresh."""
        run = Run(resolved(order.topology, order.fault), run_dir, engine, clock)
        run.write_keys()
        down = ExitStack()
        running = down.enter_context(start_lab(run.topology, run.run_dir, Story(run.run_dir)))
        return cls(run, down, running, full=full)

    # What there is.

    @property
    def running(self) -> RunningLab:
        """The lab itself, for scenarios; raises UsageError once it is down."""
        if not self._up:
            raise UsageError(
                f"the lab {self.topology.name} is down since finish()",
                hint="ask before, or give this test a lab of its own: lab_factory",
            )
        return self._running

    @property
    def is_up(self) -> bool:
        return self._up

    @property
    def topology(self) -> Topology:
        return self._run.topology

    @property
    def record(self) -> Record:
        """What was seen beside the captures; complete once the lab is down."""
        return self._running.record

    @property
    def run_dir(self) -> Path:
        return self._run.run_dir

    def way(self, agent: str) -> Way | None:
        """The way home that an agent has; None if none is up."""
        return self.running.homeward.in_use(agent)

    def node(self, name: str) -> Node:
        """A node by name: ``lab.node("hmc").run(["ping", "-c1", lab.topology.probe])``."""
        return self.running.node(name)

    def environment(self, node: str) -> dict[str, str]:
        """What a command in a node is told: ``LAB_SERVER``, ``LAB_CA_FILE``, ``LAB_PROBE`` and so on."""
        return self._running.environment(node)

    # What a test does with it.

    def path_up(self, way: str = "", agent: str = "") -> None:
        """Bring the way home up; raises ProtocolError if it does not come; the lab goes on standing.

        With ``way`` this one, with ``agent`` for that host alone; raises UsageError if it is up already.
        """
        if way or agent:
            control.bring_up(self.running, way, agent)
        else:
            self.running.path_up()

    def path_down(self, way: str = "", agent: str = "") -> None:
        """Take the way home down, or this one, until ``path_up``; raises UsageError if it is not up."""
        control.take_down(self.running, way, agent)

    def stand_by(self) -> None:
        """Have the far end of every way answer, for clients of the user's own."""
        self.running.homeward.stand_by()

    def attend(self, node: str, argv: list[str]) -> int:
        """Run a command in a node with its environment, on our own streams; its exit status.

        On an agent's host of a lab with an image, as ``docker run``: ``argv`` is what follows the
        image's entrypoint, in the place of its own default.
        """
        image = self.running.images.get(node)
        return self.running.attend(node, [*image.command(argv)] if image else argv)

    def take_image(self, image: ImagePlan) -> None:
        """Have the commands of agents' hosts run in an image."""
        for agent in self.topology.agents:
            self.running.images[agent] = image

    def call_home(self) -> bool:
        """The topology's own scenario: the reference agent calls home, the path is put to the test."""
        from lab.scenarios import call_home

        return call_home.run(self.running) == 0

    def finish(self) -> Result:
        """Take the lab down, so that its captures are complete, and judge what was seen."""
        if self._result is None:
            if self._up:
                self.close()
            self._result = self._run.judge()
        return self._result

    def finding(self, requirement: str) -> Finding:
        """The judged finding of a requirement (takes the lab down); raises UsageError if not expected."""
        for finding in self.finish().findings:
            if finding.requirement == requirement:
                return finding
        raise UsageError(
            f"the topology {self.topology.name} does not expect {requirement}",
            hint=f"it expects: {', '.join(self.topology.expect)}",
        )

    def expect(self, requirement: str) -> Finding:
        """The finding, if nothing speaks against it; else raises ExpectationFailed."""
        from lab.verify import Verdict

        finding = self.finding(requirement)
        if finding.verdict is Verdict.failed:
            frames = "; ".join(
                f"{e.segment} {', '.join(map(str, e.frames))}" for e in finding.evidence
            )
            raise ExpectationFailed(
                f"{requirement}: {finding.seen}",
                hint=f"expected: {finding.expected}" + (f"\n  frames: {frames}" if frames else ""),
            )
        return finding

    # The end.

    @property
    def diagnosis(self) -> str:
        """What went wrong, if the lab was judged; empty before that, and if nothing did."""
        return self._result.diagnosis if self._result else ""

    def brief(self) -> list[evidence.Section]:
        """What went wrong, if the lab was judged, and where everything is."""
        return evidence.brief(self.topology.name, self.run_dir, self.diagnosis)

    def sections(self) -> list[evidence.Section]:
        """``brief``, or with ``full`` also how everything stands, or stood when the lab went down."""
        if not self._full:
            return self.brief()
        return evidence.collect(self._running) if self._up else self._last

    def close(self) -> None:
        """Take the lab down; raises LabBroke if anything of it is left over."""
        if not self._up:
            return
        if self._full:
            self._last = evidence.collect(self._running)
        self._up = False
        self._down.close()
        self._run.collect_captures()
        if self.record.leftovers:
            left = "\n".join(f"  {thing}" for thing in self.record.leftovers)
            raise LabBroke(f"the lab {self.topology.name} left over:\n{left}")
