"""The drivers, one module for each layer of a tunnel, and the contract that all of them keep.

A driver renders its part of the model to text without effects, starts its daemons in nodes, waits
for facts of its protocol and writes what it learned to the record. Drivers are composed by whoever
brings a path up. Modules with an underscore know one daemon or one kernel interface each and serve the
drivers only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Protocol, TypeVar, runtime_checkable

from lab.teardown import Teardown


@runtime_checkable
class Driver(Protocol):
    """One end of a way home in one node. To make a driver has no effects: the plan is only stored."""

    @property
    def alive(self) -> bool:
        """Whether every program runs that the driver has started; False before the first starts."""

    def stop(self) -> None:
        """End what runs and give back what was acquired, also after a start that failed half-way.

        A driver that never started, or was stopped before, has nothing to end, and stays as it is.
        """


@runtime_checkable
class StandingDriver(Driver, Protocol):
    """A driver whose programs run from ``launch`` to ``stop``, whatever is done with them."""

    def launch(self) -> None:
        """Write the files and start the programs, without waiting for them.

        So several drivers can start side by side: ``launch`` of each, then ``ready`` of each.
        """

    def ready(self) -> None:
        """Wait, with a deadline, until the programs do their work; raises LabError if they do not."""


D = TypeVar("D", bound=StandingDriver)


@contextlib.contextmanager
def started(driver: D) -> Iterator[D]:
    """A driver that is ready; stopped at the end, whatever happens."""
    with Teardown() as teardown:
        teardown.add(type(driver).__name__, driver.stop)
        driver.launch()
        driver.ready()
        yield driver
