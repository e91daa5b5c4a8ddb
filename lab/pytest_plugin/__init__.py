"""The pytest plugin: options, the marker ``topology``, the fixtures ``lab`` and ``lab_factory``.

A session in which a selected test uses a lab is carried whole into the lab's kernel; every other
session is left alone. So this module is imported by every pytest session of its owner: nothing but
pytest and the standard library is imported before a lab is really wanted. What happens inside is in
``pytest_inside``, how a session is carried in ``carrying``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.run.orders import give_up, order, order_of, ordered, uses_lab

if TYPE_CHECKING:
    from contextlib import ExitStack

    from lab.pytest_plugin.inside import Labs
    from lab.run.handle import Lab

LabFactory = Callable[..., "Lab"]

_INSIDE = "LAB_INSIDE"
_WITHOUT_RUNNING = "collectonly", "setupplan"


class SessionExit(pytest.exit.Exception):  # type: ignore[name-defined,misc]
    """Ends the host's part of a session with the status of the part that ran inside."""


# pytest shows the name of this class and its message on the last line of the session.
SessionExit.__name__ = "lab"

outcome = pytest.StashKey[tuple[int, str]]()
"""Exit status and last words of the part inside."""

missing = pytest.StashKey[str]()
"""Why no lab can be had here."""


# Options and marker.


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("lab", "callhome-lab: tests in a lab's network")
    group.addoption(
        "--lab-engine", choices=("auto", "uml", "native", "none"), default="auto",
        help="where the lab's kernel comes from; none: skip every test that needs a lab",
    )  # fmt: skip
    group.addoption(
        "--lab-clock", choices=("virtual", "real"), default="virtual",
        help="virtual: waiting costs nothing (default); real: for throughput",
    )  # fmt: skip
    group.addoption(
        "--lab-memory", default="", metavar="SIZE",
        help="memory of the lab's own kernel, such as 4G (default: 2G); only what is used is taken",
    )  # fmt: skip
    group.addoption(
        "--lab-out", type=Path, metavar="DIR",
        help="where captures, logs and records go (default: runs/pytest-<time>)",
    )  # fmt: skip
    group.addoption(
        "--lab-strict", action="store_true",
        help="a test that cannot have its lab here fails instead of being skipped",
    )  # fmt: skip
    group.addoption(
        "--lab-report", choices=("short", "full"), default="short",
        help="what a failing test shows of its lab; short: the diagnosis and where the files are (default); "
        "full: also the ends of the logs, SAs, packet rules, and the lab's own frames in tracebacks",
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "topology(name, fault='', path=True, image=''): run in a lab of this topology (a name from `lab "
        "list`, or a file beside the test or below the root directory); path=False: do not bring the way "
        "home up; image: a container image in which lab.attend runs the commands of agents' hosts",
    )
    if _INSIDE in os.environ:
        from lab.pytest_plugin import inside as pytest_inside

        config.pluginmanager.register(pytest_inside.InsideHooks(config), "lab-inside")


# Which lab a test gets.


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make the marker a parameter of ``lab``: pytest then shares, changes and ends labs by itself."""
    marker = metafunc.definition.get_closest_marker("topology")
    if marker is None or "lab_factory" in metafunc.fixturenames:
        return

    if "lab" not in metafunc.fixturenames:
        metafunc.fixturenames.append("lab")
    wanted = order(marker, metafunc.definition)
    metafunc.parametrize("lab", [wanted], ids=[wanted.id], indirect=True, scope="module")


def pytest_itemcollected(item: pytest.Item) -> None:
    """A test that has the marker gets its lab even if it does not ask for the fixture."""
    names = getattr(item, "fixturenames", [])
    if "lab" not in names and ordered(item) is not None:
        names.append("lab")


# Carrying.


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Go on inside if a selected test needs that; None leaves the session to pytest."""
    config = session.config
    if (
        _INSIDE in os.environ
        # A worker of pytest-xdist: there the fixture says what is wrong.
        or hasattr(config, "workerinput")
        or any(getattr(config.option, name, False) for name in _WITHOUT_RUNNING)
        or (session.testsfailed and not config.option.continue_on_collection_errors)
        or not any(map(uses_lab, session.items))
    ):
        return None
    return _carry(session)


def _carry(session: pytest.Session) -> bool | None:
    config = session.config
    if config.getoption("lab_engine") == "none":
        config.stash[missing] = "--lab-engine none was asked for"
        return None

    from contextlib import ExitStack

    with ExitStack() as images:
        return _carry_with(session, images)


def _carry_with(session: pytest.Session, images: ExitStack) -> bool | None:
    from lab.errors import LabError, PrerequisiteError, UsageError
    from lab.machine import hints
    from lab.pytest_plugin import carrying

    config = session.config
    wanted = {order.image: None for order in map(ordered, session.items) if order and order.image}
    try:
        carriage = carrying.Carriage.prepare(config, wanted, images)
    except PrerequisiteError as error:
        # What needs no lab can be run here.
        config.stash[missing] = f"no lab can run here: {hints.typed(str(error))}"
        return None
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None

    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is not None:
        reporter.write_line("")
        reporter.write_line(carriage.sentence)
        reporter.flush()
    try:
        with carrying.own_streams(config):
            status = carriage.carry_out()
        words = f"results in {carriage.shown_dir}"
    except LabError as error:
        status, words = pytest.ExitCode.INTERNAL_ERROR, hints.typed(str(error))
    config.stash[outcome] = int(status), words
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip or fail a test that cannot have its lab; any other runs here."""
    if missing in item.config.stash and uses_lab(item):
        give_up(item, item.config.stash[missing])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line that labs' tests did not run: a reader who sees "1 skipped" takes it for a pass."""
    config = terminalreporter.config
    if missing not in config.stash:
        return
    from lab.names import count

    number = sum(map(uses_lab, getattr(terminalreporter._session, "items", ())))
    tests = count(number, "test that needs", "tests that need")
    reason = "; ".join(line.strip() for line in config.stash[missing].splitlines())
    terminalreporter.write_line(f"lab: {tests} a lab did not run: {reason}", yellow=True)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """End a carried session here: whatever there is to report has been reported inside.

    The exception keeps every other plugin from writing an empty report over the true one.
    """
    if outcome in session.config.stash:
        status, words = session.config.stash[outcome]
        raise SessionExit(words, returncode=status)


# Fixtures; each may be overridden.


@pytest.fixture(scope="session")
def lab_clock(pytestconfig: pytest.Config) -> str:
    """How time passes: ``virtual`` or ``real``."""
    return str(_labs(pytestconfig).clock)


@pytest.fixture(scope="session")
def lab_run_dir(pytestconfig: pytest.Config) -> Path:
    """Where the labs of this session leave what they saw; one directory each below."""
    return _labs(pytestconfig).folder


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """The lab of the marker ``topology``, shared by the tests of a module that have the same one."""
    wanted = getattr(request, "param", None)
    if wanted is None:
        pytest.fail("which lab? @pytest.mark.topology(NAME) says it; `lab list` lists them", False)
    # Only now: the host has none to give.
    folder = request.getfixturevalue("lab_run_dir")
    with _labs(request.config).running(wanted, folder) as handle:
        yield handle


@pytest.fixture
def lab_factory(request: pytest.FixtureRequest, lab_run_dir: Path) -> Iterator[LabFactory]:
    """Make labs for this test alone: ``lab_factory("vpn", fault="wrong-psk", path=False)``."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def make(topology: str, *, fault: str = "", path: bool = True, image: str = "") -> Lab:
            wanted = order_of(request.node, topology, fault=fault, path=path, image=image)
            return stack.enter_context(_labs(request.config).running(wanted, lab_run_dir))

        yield make


def _labs(config: pytest.Config) -> Labs:
    if _INSIDE not in os.environ:
        pytest.fail("the lab's tests run one after the other in one process: use -n 0", False)
    from lab.pytest_plugin.inside import labs

    return config.stash[labs]
