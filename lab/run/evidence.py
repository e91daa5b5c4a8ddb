"""What a failing test shows of its lab: where things are, ends of logs, network, SAs, rules. No secrets.

Nothing here changes the lab: a lab that fails is asked in the state that it is in.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import LabError
from lab.linux import firewall, inventory
from lab.paths import shown
from lab.ways.vpn.plan import connections

if TYPE_CHECKING:
    from lab.inside.running import RunningLab
    from lab.linux.nodes import Node

LOG_LINES = 20
_TAIL_BYTES = 8192

Section = tuple[str, str]
"""A title and a text."""


def brief(name: str, run_dir: Path, diagnosis: str = "") -> list[Section]:
    """One section: why, if that is known, and where everything else is."""
    why = [f"diagnosis: {diagnosis}"] if diagnosis else []
    more = "more here:     --lab-report full"
    return [(f"lab {name}", "\n".join([*why, where(run_dir), more]))]


def collect(lab: RunningLab) -> list[Section]:
    """The sections of a lab that stands."""
    return [
        (f"lab {lab.topology.name}", where(lab.run_dir)),
        *logs(lab.run_dir),
        *_asked("links, addresses and routes", lambda: _each(lab, inventory.take)),
        *_asked("IKE SAs", lambda: _ike_sas(lab)),
        *_asked("IPsec SAs", lambda: _esp_sas(lab)),
        *_asked("packet rules", lambda: _each(lab, firewall.ruleset)),
    ]


def remains(run_dir: Path) -> list[Section]:
    """The sections of a lab that never stood."""
    return [("lab", where(run_dir)), *logs(run_dir)]


def where(run_dir: Path) -> str:
    """The directory of a run and what is in it, as a user would type it."""
    folder = shown(run_dir)
    return (
        f"run directory: {folder}\n"
        f"captures:      {folder}/wire/*.pcapng (complete once the lab is down)\n"
        f"logs:          {folder}/logs/<node>/<daemon>.log"
    )


def logs(run_dir: Path) -> list[Section]:
    """The end of every log of every node that has something in it."""
    found = []
    for path in sorted((run_dir / "logs").glob("*/*.log")):
        if lines := _tail(path):
            found.append((f"end of {path.parent.name}/{path.name}", "\n".join(lines)))
    return found


def _tail(path: Path) -> list[str]:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return file.read().decode(errors="replace").splitlines()[-LOG_LINES:]


def _asked(title: str, ask: Callable[[], str]) -> list[Section]:
    """One section, or why there is none: what is asked may be what has broken."""
    try:
        text = ask()
    except (LabError, OSError) as error:
        text = f"cannot be read: {error}"
    return [(title, text)] if text else []


def _each(lab: RunningLab, ask: Callable[[Node], object]) -> str:
    """What there is to say of each node."""
    said = {node.name: str(ask(lab.node(node.name))).strip() for node in lab.topology.nodes}
    return "\n".join(f"{name}:\n{text}" for name, text in said.items() if text)


def _ike_sas(lab: RunningLab) -> str:
    sas = {node: lines for each in lab.homeward.details() for node, lines in each.items()}
    return "\n".join(f"{node}: {line}" for node, lines in sas.items() for line in lines or ["none"])


def _esp_sas(lab: RunningLab) -> str:
    """As ip-xfrm(8) shows them, never with their keys."""
    ends = dict.fromkeys(end for c in connections(lab.topology) for end in (c.client, c.gateway))
    argv = ["ip", "-s", "xfrm", "state", "list", "nokeys"]
    return "\n".join(f"{name}:\n{lab.node(name).run(argv) or 'none'}" for name in ends)
