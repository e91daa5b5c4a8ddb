"""Ways home, one folder a kind, found through this registry.

A kind is a package; each of its modules is one stage of the walk from a topology file to a verdict:

    spec       what a user may write about the way: the class ``Spec``
    checks     what makes no sense about it: ``complaints``, ``routes``, ``machine``
    plan       what is decided about it: the class ``Plan``, a part of the model
    resolve    from the one to the other: ``plan``; and what the firewall opens for it: ``rules``
    picture    how ``lab show`` draws it: ``hops``, ``blocks``
    bring_up   how it comes up and goes down in the lab: ``start``
    faults     what can be wrong with it: ``FAULTS``
    findings   the requirements that it is judged by: ``CHECKS``, ``WAY_HOME``
    symptoms   how a failure is told: ``failure``, ``survived``; at which step each cause stops it: ``STOPS``
    wires      what it puts on the wires: ``allows``, ``signs`` and others

``claims.tsv`` beside them says what the papers claim about the way (``lab.topology.claims``).

No module is imported before it is needed: the guest imports ``plan`` and ``bring_up`` of the ways that its
topology has, and nothing else. Other packages bring kinds of their own by the entry point group
``callhome_lab.ways``: docs/extending.md.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

from lab.errors import PrerequisiteError, UsageError

BUILT_IN = ("direct", "vpn", "dial", "proxy", "pass-through", "consoles")
ENTRY_POINTS = "callhome_lab.ways"


@cache
def packages() -> dict[str, str]:
    """Every kind of way that there is here, and the package that brings it."""
    # Not at the top: the guest needs no metadata of packages for the lab's own kinds.
    from importlib.metadata import entry_points

    found = {kind: _own(kind) for kind in BUILT_IN}
    for entry in entry_points(group=ENTRY_POINTS):
        if entry.name in found:
            raise PrerequisiteError(
                f"{entry.value} brings the kind of way {entry.name!r}, and so does {found[entry.name]}",
                hint="uninstall one of the two packages",
            )
        found[entry.name] = entry.value
    return found


def kinds() -> tuple[str, ...]:
    """The names of all kinds, the lab's own first."""
    return tuple(packages())


@cache
def stage(kind: str, name: str) -> Any:
    """The module of a kind for one stage.

    Raises UsageError if there is no such kind here, PrerequisiteError if its package cannot be imported.
    """
    if kind in BUILT_IN:
        return importlib.import_module(f"{_own(kind)}.{name}")
    package = packages().get(kind)
    if package is None:
        problem = f"no package here brings the kind of way {kind!r}"
        raise UsageError(problem, hint=f"known: {', '.join(kinds())}")
    try:
        return importlib.import_module(f"{package}.{name}")
    except (ImportError, SyntaxError) as error:
        raise PrerequisiteError(
            f"{package}.{name} cannot be imported, and {package} brings the kind of way {kind!r}: {error}",
            hint="install the package that has it, or uninstall the package that names it as an entry point",
        ) from error


def _own(kind: str) -> str:
    """The package of a kind of the lab's own."""
    return f"{__name__}.{kind.replace('-', '_')}"
