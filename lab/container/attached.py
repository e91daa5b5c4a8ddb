"""Containers while they are nodes: what the lab changes in them, and what puts it back.

What was there is first written to a file of the run directory (``NOTED``), which is removed once all is
back. After a lab that was killed, ``lab gc`` finds the file, and does the same.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lab import codec
from lab.container import before, node
from lab.container.client import WITHOUT_NETWORK, RunningContainer
from lab.container.proc_entry import ProcEntry
from lab.errors import LabError, UsageError
from lab.linux import resolving
from lab.linux.process import MARK
from lab.linux.within_root import OtherRoot
from lab.paths import CA_FILE
from lab.teardown import Teardown
from lab.topology.model import NodePlan

NOTED = "keys/containers.json"
"""In a run directory, as long as not all is back."""
_SIGN = "# a node of callhome-lab, until it is down: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One container, as it was."""

    node: str
    container: str
    entry: ProcEntry
    network: before.NetworkBefore
    interfaces: tuple[str, ...]
    """The lab's, which are in the container meanwhile."""
    files: dict[str, str | None]
    """What the lab writes there: path to former text; None where there was no file."""
    folders: tuple[str, ...]
    """Those that the lab makes, the uppermost first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachments:
    """What ``NOTED`` holds."""

    all: tuple[Attachment, ...]


def check_free(container: RunningContainer) -> None:
    """Raise UsageError if a container is a node already, was not put back, or has interfaces of its own."""
    with OtherRoot.of(f"{container.entry.path}/root") as root:
        text = root.read(resolving.HOSTS) or ""
    signs = [line for line in text.splitlines() if line.startswith(_SIGN)]
    if signs:
        run_dir = signs[0].removeprefix(_SIGN)
        raise UsageError(
            f"the container {container.name} is a node of the lab in {run_dir}",
            hint=f"take that lab down: lab down; if it was killed: lab gc {run_dir}",
        )
    if others := container.entry.links() - {"lo"}:
        client = Path(container.client).name
        raise UsageError(
            f"the container {container.name} has interfaces of its own: {', '.join(sorted(others))}",
            hint=WITHOUT_NETWORK.replace("docker", client),
        )


@contextlib.contextmanager
def attach(
    containers: Mapping[str, RunningContainer],
    plans: Mapping[str, NodePlan],
    run_dir: Path,
) -> Iterator[None]:
    """Give containers the names and the authority of a lab; on leaving, all is put back.

    Both by the node's name. Raises UsageError for a container whose files cannot be written.
    """
    if not containers:
        yield
        return
    done: set[str] = set()
    with contextlib.ExitStack() as open_roots, Teardown() as undo:
        roots = {
            name: open_roots.enter_context(OtherRoot.of(f"{container.entry.path}/root"))
            for name, container in containers.items()
        }
        attachments = [_noted(plans[name], containers[name], root) for name, root in roots.items()]
        _write_down(run_dir, Attachments(all=tuple(attachments)))

        def forget() -> None:
            # What could not be put back is left to ``lab gc``.
            if done == set(roots):
                (run_dir / NOTED).unlink()

        def back(attachment: Attachment) -> None:
            _put_back(attachment, roots[attachment.node], run_dir)
            done.add(attachment.node)

        undo.add("the note of what containers were", forget)
        for attachment in attachments:
            undo.add(f"the container {attachment.container}", partial(back, attachment))
        for attachment in attachments:
            name = attachment.node
            _furnish(attachment, _texts(plans[name], run_dir), roots[name])
        yield


def put_back(run_dir: Path) -> Iterator[str]:
    """After a lab that was killed: put its containers back, and tell of each; raises LabError or OSError."""
    path = run_dir / NOTED
    if not path.exists():
        return
    for attachment in codec.load(Attachments, path.read_text()).all:
        what = f"what was the lab's in the container {attachment.container}"
        if not attachment.entry.lives:
            left = [name for name, text in attachment.files.items() if text is None]
            yield f"{what}, which has ended: its files may still have {', '.join(left) or 'nothing'}"
            continue
        with OtherRoot.of(f"{attachment.entry.path}/root") as root:
            _put_back(attachment, root, run_dir)
        yield what
    path.unlink()


def _noted(plan: NodePlan, container: RunningContainer, root: OtherRoot) -> Attachment:
    paths = (resolving.HOSTS, resolving.RESOLV_CONF, node.CA_FILE)
    return Attachment(
        node=plan.name,
        container=container.name,
        entry=container.entry,
        network=before.look(container.entry),
        interfaces=tuple(interface.name for interface in plan.interfaces),
        files={path: root.read(path) for path in paths},
        folders=tuple(root.missing_folders(node.CA_FOLDER)),
    )


def _write_down(run_dir: Path, attachments: Attachments) -> None:
    path = run_dir / NOTED
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(codec.dump(attachments))


def _texts(plan: NodePlan, run_dir: Path) -> dict[str, str]:
    texts = resolving.files(plan.name, plan.hosts, plan.resolver)
    texts[resolving.HOSTS] = f"{_SIGN}{run_dir}\n{texts[resolving.HOSTS]}"
    return {**texts, node.CA_FILE: (run_dir / CA_FILE).read_text()}


def _furnish(attachment: Attachment, texts: Mapping[str, str], root: OtherRoot) -> None:
    try:
        for folder in attachment.folders:
            root.make_folder(folder)
        for path, text in texts.items():
            root.write(path, text)
    except OSError as error:
        raise UsageError(
            f"{error.filename or 'a file'} of the container {attachment.container} cannot be written: "
            f"{error.strerror}",
            hint="start the container without --read-only, and without volumes at /etc/hosts, "
            f"/etc/resolv.conf and {node.CA_FOLDER}",
        ) from error


def _put_back(attachment: Attachment, root: OtherRoot, run_dir: Path) -> None:
    """All of it, also where one part fails, so that the next attempt finds little left."""
    entry, files = attachment.entry, attachment.files
    with Teardown() as undo:
        for folder in attachment.folders:
            undo.add(folder, partial(root.remove_folder, folder))
        for path in (path for path, text in files.items() if text is None):
            undo.add(path, partial(root.remove, path))
        if not entry.lives:
            # Its network is gone, and the other files are made anew when it is started again.
            return
        for path, text in files.items():
            if text is not None:
                undo.add(path, partial(_while_it_lives, entry, partial(root.write, path, text)))
        network = partial(before.put_back, entry, attachment.network, attachment.interfaces)
        undo.add("the network", partial(_while_it_lives, entry, network))
        undo.add(
            "commands", partial(_while_it_lives, entry, partial(_end_commands, entry, run_dir))
        )


def _while_it_lives(entry: ProcEntry, undo: Callable[[], None]) -> None:
    try:
        undo()
    except (OSError, LabError):
        # It may have ended just now, and all of that with it.
        if entry.lives:
            raise


def _end_commands(entry: ProcEntry, run_dir: Path) -> None:
    """End what a command of ``lab run`` has left in the container: its client's end does not end it there."""
    for pid in entry.neighbours(f"{MARK}={run_dir}"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
