"""Which lab a test wants, from its marker ``topology``; on the host and inside alike.

Every pytest session imports this, so it imports next to nothing. No topology is read here: what is wrong
in its file is told by the test that wants it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.image.transports import is_fetched

if TYPE_CHECKING:
    from _pytest.mark import Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class LabOrder:
    """Which lab a test wants."""

    topology: str
    """A name of the lab's own, or the path of a file."""
    fault: str
    path: bool
    """Whether the way home is brought up before the test begins."""
    image: str
    """What the commands of agents' hosts have for their root; empty: this machine's files."""
    owner: str
    """The test's module: no lab is shared by two of them."""

    @property
    def id(self) -> str:
        """What stands in the test's id: ``vpn-nat``, ``vpn-nat-wrong-psk``."""
        name = Path(self.topology).stem if _is_path(self.topology) else self.topology
        return f"{name}-{self.fault}" if self.fault else name


def order(marker: Mark, item: pytest.Item) -> LabOrder:
    """The order of a marker; a marker that makes no sense is a usage error."""
    try:
        return order_of(item, *marker.args, **marker.kwargs)
    except TypeError:
        text = ", ".join(
            [*map(repr, marker.args), *(f"{k}={v!r}" for k, v in marker.kwargs.items())]
        )
        raise pytest.UsageError(
            f"{item.nodeid}: topology({text}) makes no sense; "
            "it is topology(name, fault='', path=True, image='')"
        ) from None


def order_of(
    item: pytest.Item, topology: str, *, fault: str = "", path: bool = True, image: str = ""
) -> LabOrder:
    """A topology of the lab's own by name, a file beside the test, or below the root directory.

    So is an image: what is neither is for ``lab.image.reference`` to know.
    """
    return LabOrder(
        topology=_found(topology, item) if _is_path(topology) else topology,
        fault=fault,
        path=path,
        image=_beside(image, item),
        owner=item.nodeid.partition("::")[0],
    )


def ordered(item: pytest.Item) -> LabOrder | None:
    """The order of the fixture ``lab``, if the test has one."""
    callspec = getattr(item, "callspec", None)
    wanted = callspec.params.get("lab") if callspec is not None else None
    return wanted if isinstance(wanted, LabOrder) else None


def uses_lab(item: pytest.Item) -> bool:
    """Whether a test runs in a lab."""
    return ordered(item) is not None or "lab_factory" in getattr(item, "fixturenames", ())


def give_up(item: pytest.Item, reason: str) -> None:
    """Skip a test that cannot have its lab; with ``--lab-strict`` that is a failure."""
    if item.config.getoption("lab_strict"):
        pytest.fail(reason, pytrace=False)
    item.add_marker(pytest.mark.skip(reason=reason))


def _is_path(topology: str) -> bool:
    return "/" in topology or topology.endswith((".yaml", ".yml"))


def _found(topology: str, item: pytest.Item) -> str:
    places = (item.path.parent / topology, item.config.rootpath / topology)
    return os.fspath(next((place for place in places if place.is_file()), places[0]))


def _beside(image: str, item: pytest.Item) -> str:
    """An image's file or folder beside the test or below the root directory; else as it was given."""
    if is_fetched(image):
        return image
    name, _, tag = image.partition(":")
    places = (item.path.parent / name, item.config.rootpath / name) if name else ()
    found = next((os.fspath(place) for place in places if place.exists()), name)
    return f"{found}:{tag}" if tag else found
