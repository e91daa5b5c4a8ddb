"""A recording as a file: what judging reads of a run directory, in a tar of xz, with the version of the
format.

Who made it, and where, is not in it: times, owners and rights are left out, and ``pack`` looks for names and
paths of this machine before it writes.
"""

from __future__ import annotations

import getpass
import io
import json
import lzma
import re
import socket
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

from lab.wireshark import annotated
from tests.recordings import veiled

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "data" / "recordings"
SUFFIX = ".tar.xz"
VERSION = 7
"""Of the format: raise it when a run directory has other files, or the same files say it otherwise."""
ABOUT = "recording.json"
KEPT = (
    "record.json",
    "events.jsonl",
    "keys/model.json",
    "keys/esp.json",
    "wire/*.pcapng",
)
"""What judging and diagnosis read."""
FOREIGN = re.compile(rb"/(?:home|root|Users|tmp|var/tmp|work|mnt|media|srv)/[\w.-]+")
"""A path of somebody's own; the system's are the same everywhere."""


class TracesError(Exception):
    """A recording would tell who made it, or where."""


class OutdatedError(Exception):
    """A recording is missing, or cannot be read by this version of the lab."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"the recording {name} {why}; make recordings makes it anew")


def path_of(name: str) -> Path:
    return FOLDER / f"{name}{SUFFIX}"


def names() -> list[str]:
    """Every recording that there is."""
    return sorted(path.name.removesuffix(SUFFIX) for path in FOLDER.glob(f"*{SUFFIX}"))


def pack(name: str, run_dir: Path, plan: Iterable[str]) -> Path:
    """Make a recording of a run directory; raises TracesError if something of this machine is in it."""
    files = {
        path.relative_to(run_dir).as_posix(): path.read_bytes()
        for pattern in KEPT
        for path in sorted(run_dir.glob(pattern))
    }
    # Names and findings are made anew, and the secrets of TLS are nobody's business.
    files = {
        member: annotated.plain(content) if member.endswith(".pcapng") else content
        for member, content in files.items()
    }
    for member, content in files.items():
        for trace in (*traces(content), *_own_traces(member, content, run_dir)):
            raise TracesError(f"{name}: {member} has {trace}")
    files = veiled.veil(files)
    about = {"version": VERSION, "plan": [*plan]}
    files = {ABOUT: json.dumps(about).encode(), **files}
    path = path_of(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(lzma.compress(_tar(files), preset=9 | lzma.PRESET_EXTREME))
    return path


def _tar(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for member, content in files.items():
            info = tarfile.TarInfo(member)  # of nobody, and from 1970
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def traces(content: bytes) -> list[str]:
    """Paths in it that are nobody's but a user's own."""
    return sorted({found.decode() for found in FOREIGN.findall(content)})


def _own_traces(member: str, content: bytes, run_dir: Path) -> list[str]:
    """Paths and names of this machine and of whoever records."""
    own = (ROOT, run_dir, Path.home(), Path(tempfile.gettempdir()))
    found = [f"{path}" for path in own if len(path.parts) > 1 and f"{path}/".encode() in content]
    if not member.endswith(".pcapng"):  # where any short word may come about
        for word in {socket.gethostname(), getpass.getuser()} - {"root", "localhost"}:
            if re.search(rb"\b%s\b" % re.escape(word.encode()), content):
                found.append(word)
    return found


def members(name: str) -> dict[str, bytes]:
    """What is in a recording, by its place in the run directory; raises OutdatedError."""
    path = path_of(name)
    if not path.exists():
        raise OutdatedError(name, "is missing")
    with tarfile.open(fileobj=io.BytesIO(lzma.decompress(path.read_bytes()))) as tar:
        files = {info.name: tar.extractfile(info) for info in tar}
        found = {member: file.read() for member, file in files.items() if file is not None}
    version = json.loads(found.pop(ABOUT))["version"]
    if version != VERSION:
        raise OutdatedError(name, f"is of version {version}, and this is version {VERSION}")
    return found


def unpack(name: str, run_dir: Path) -> Path:
    """Make a run directory of a recording, to be judged like any other; raises OutdatedError."""
    for member, content in members(name).items():
        path = run_dir / member
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return run_dir
