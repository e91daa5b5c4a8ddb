"""The plugin's part inside the lab's kernel: labs up and down, the header, what a failing test shows."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from lab.engine.host import INSIDE, Clock, Engine
from lab.engine.run_dir import new_run_dir
from lab.errors import ExpectationFailed, LabError, UsageError
from lab.pytest_plugin.carrying import SESSION_DIR, SESSION_FILE
from lab.pytest_plugin.traceback import shortened
from lab.run import evidence
from lab.run.orders import LabOrder, give_up, ordered, uses_lab

if TYPE_CHECKING:
    from lab.image.plan import ImagePlan
    from lab.run.handle import Lab


class Labs:
    """The labs of a session: those that stand, and those that broke and are not tried again."""

    def __init__(
        self,
        folder: Path,
        engine: Engine,
        clock: Clock,
        images: Mapping[str, Any],
        *,
        full: bool,
    ) -> None:
        self.folder = folder
        self._images = images
        """What the host has made ready, by the name that the marker gives."""
        self.engine = engine
        self.clock = clock
        self._full = full
        """Whether a failing test shows all that there is to know of its lab."""
        self.broken: dict[LabOrder, str] = {}
        self._made = 0
        self._standing: list[Lab] = []
        self._shown: list[Lab] = []
        self._parting: list[tuple[str, str]] = []
        """What a lab that broke while it was built had to show; shown once."""

    @contextlib.contextmanager
    def running(self, order: LabOrder, folder: Path) -> Iterator[Lab]:
        """A lab with its path up, as ordered; taken down at the end, whatever became of it."""
        self._made += 1
        name = f"{self._made}-{order.id}"
        lab = self._up(order, new_run_dir(name, folder / name))
        self._standing.append(lab)
        try:
            yield lab
        finally:
            self._standing.remove(lab)
            lab.close()

    def _up(self, order: LabOrder, run_dir: Path) -> Lab:
        """Build a lab and its path; what goes wrong is a failure of the test, told without our insides."""
        from lab.run.handle import Lab

        lab, failure = None, ""
        try:
            lab = Lab.up(order, run_dir, self.engine, self.clock, full=self._full)
            if order.image:
                lab.take_image(self._plan(order.image))
            if order.path:
                lab.path_up()
            else:
                lab.stand_by()
        except LabError as error:
            failure = str(error)
            if not isinstance(error, ExpectationFailed):
                self.broken[order] = error.message
            self._parting = self._remains(lab, order, run_dir)
        if lab is None or failure:
            pytest.fail(failure, pytrace=False)
        return lab

    def _plan(self, image: str) -> ImagePlan:
        from lab import codec
        from lab.image.plan import ImagePlan

        if image not in self._images:
            raise UsageError(
                f"the image {image} is not ready: only images of the marker `topology` are made ready",
                hint="name it in the marker of a selected test, in a session that begins outside of a lab",
            )
        return cast(ImagePlan, codec.build(ImagePlan, self._images[image]))

    def _remains(self, lab: Lab | None, order: LabOrder, run_dir: Path) -> list[tuple[str, str]]:
        """Take down what is left of a lab that broke; what it has to show."""
        if lab is None:
            return evidence.remains(run_dir) if self._full else evidence.brief(order.id, run_dir)
        sections = lab.sections()
        # Now that it is of no more use, the captures can be complete, and say why.
        with contextlib.suppress(LabError):
            lab.finish()
        lab.close()
        return [*lab.brief(), *sections[1:]]

    def sections(self) -> list[tuple[str, str]]:
        """Of every lab that stands; one that is finished does not change, and shows itself once."""
        found, self._parting = self._parting, []
        for lab in self._standing:
            sections = lab.sections()
            if not lab.is_up and lab in self._shown:
                sections = sections[:1]
            elif not lab.is_up:
                self._shown.append(lab)
            found += sections
        return found


labs = pytest.StashKey[Labs]()


class InsideHooks:
    """The hooks that only a session inside has."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._facts = _facts()
        self._full = config.getoption("lab_report") == "full"
        self._labs = Labs(
            _folder(),
            Engine(os.environ[INSIDE]),
            Clock(self._facts["clock"]),
            self._facts["images"],
            full=self._full,
        )
        config.stash[labs] = self._labs

    def pytest_report_header(self) -> str:
        versions = {"Linux": os.uname().release, **self._facts["versions"]}
        listed = ", ".join(f"{name} {version}" for name, version in versions.items())
        return f"lab: {listed}; engine {self._labs.engine}, {self._labs.clock} clock"

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """A lab that broke is not built again for each of its tests."""
        order = ordered(item)
        if order in self._labs.broken:
            give_up(item, f"this lab broke before: {self._labs.broken[order]}")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        with contextlib.nullcontext() if self._full else shortened(call, item):
            report = yield
        if report.failed and report.when != "teardown" and uses_lab(item):
            report.sections.extend(self._labs.sections())
        return report


def _facts() -> dict[str, Any]:
    """What the host wrote down, if it was a pytest session that was carried here."""
    if folder := os.environ.get(SESSION_DIR):
        facts: dict[str, Any] = json.loads((Path(folder) / SESSION_FILE).read_text())
        return facts
    return {"clock": "real", "versions": {}, "images": {}}


def _folder() -> Path:
    """Where results go; a session that a command started in a lab's node keeps them with that lab."""
    return Path(os.environ.get(SESSION_DIR) or os.environ.get("LAB_RUN_DIR") or "runs")
