"""Fetching a charon that knows IKEv1, as an ordinary user, into the user's cache.

The packages are those of an older release of the distribution, from the mirror that apt on this machine
uses already, with the signatures checked by the distribution's own keys. apt gets lists, cache and
configuration of its own in a folder that is removed afterwards: nothing that apt knows of this
machine is read or changed, and nothing is installed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

from lab.charon import store
from lab.errors import DaemonError, LabError, PrerequisiteError
from lab.linux import lock, process

SUITES = ("trixie", "bookworm")
"""Debian's releases with a strongSwan that knows IKEv1, newest first: 6.0 and 5.9."""

PACKAGES = (
    "charon-systemd",
    "strongswan-libcharon",
    "libstrongswan",
    "libstrongswan-standard-plugins",  # openssl
    "strongswan-swanctl",  # vici
    "libssl3t64",
)
"""What is unpacked. OpenSSL comes along, as a later one may lack the old algorithms or have another
name; of the machine remain the C library, libsystemd and libcap, which stay compatible."""

OTHER_NAMES = {"libssl3t64": "libssl3"}
"""What a package was called before Debian 13."""

KEPT = 2
"""So many stay in the cache: a lab that is up may still run the former one."""

STEP_S = 300.0

_KEYS = ("debian-archive-keyring.pgp", "debian-archive-keyring.gpg")
_KEYRINGS = Path("/usr/share/keyrings")
_MIRROR = re.compile(r"^'(\S+)/dists/\S+/InRelease'", re.MULTILINE)
_PASSED_ON = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy", "apt_config")

_HINT = (
    "with the network back, `lab charon fetch` again; or put the packages "
    f"{', '.join(PACKAGES)} of Debian 13 into a folder: `lab charon fetch --from FOLDER`"
)


def fetch(tell: Callable[[str], None], source: Path | None = None) -> Path:
    """A charon of the lab's own, from the network or a folder of packages; returns its program.

    Fetches nothing if the installed charon, or one that was fetched before, knows IKEv1.
    """
    if (there := _there(source)) is not None:
        return there
    try:
        store.folder().mkdir(parents=True, exist_ok=True)
        with lock.held(store.folder() / "lock", "`lab charon fetch`", tell):
            if (there := _there(source)) is not None:
                return there
            for left in store.folder().glob(".fetch-*"):
                shutil.rmtree(left, ignore_errors=True)
            tree = _from_folder(source, tell) if source is not None else _from_mirrors(tell)
    except OSError as error:
        raise PrerequisiteError(
            f"cannot fetch into {store.folder()}: {error.strerror or error}",
            hint="set XDG_CACHE_HOME to a folder that you may write, with 0.1 GB of room",
        ) from error
    for former, _ in store.kept()[KEPT:]:
        shutil.rmtree(former, ignore_errors=True)
    return tree / store.PROGRAM[1:]


def _there(source: Path | None) -> Path | None:
    """What makes fetching needless; raises if fetching would be in vain."""
    found = store.status()
    if found.path is None and not found.can_fetch:
        hint = found.hint or "install the packages that `lab doctor` lists"
        raise PrerequisiteError(found.why, hint=hint)
    wanted = source is not None and found.own is not None
    return None if wanted else found.path


@contextlib.contextmanager
def _workshop() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=store.folder(), prefix=".fetch-") as name:
        yield Path(name)


def _from_folder(source: Path, tell: Callable[[str], None]) -> Path:
    packages = sorted(source.glob("*.deb"))
    if not packages:
        raise PrerequisiteError(
            f"no package (*.deb) in {source}", hint=f"put {', '.join(PACKAGES)} there"
        )
    with _workshop() as work:
        tell(f"unpacking {len(packages)} packages of {source}")
        return _keep(work, packages, suite="")


def _from_mirrors(tell: Callable[[str], None]) -> Path:
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise PrerequisiteError(f"there is no {program} to fetch packages with", hint=_HINT)
    keys = next((_KEYRINGS / n for n in _KEYS if (_KEYRINGS / n).exists()), None)
    if keys is None:
        raise PrerequisiteError(
            f"no keys of Debian's archive in {_KEYRINGS}",
            hint=f"install debian-archive-keyring; or {_HINT}",
        )

    mirrors = parse_mirrors(_run(["apt-get", "update", "--print-uris"]))
    reasons = [] if mirrors else ["apt has no mirror to fetch from"]
    for suite in SUITES:
        for mirror in mirrors:
            tell(f"fetching strongSwan of Debian {suite}")
            try:
                with _workshop() as work:
                    return _keep(work, _download(work, mirror, suite, keys), suite)
            except LabError as error:
                reasons.append(f"{suite}: {_gist(error)}")
    raise PrerequisiteError(
        f"no strongSwan that knows IKEv1 could be fetched: {'; '.join(reasons)}", hint=_HINT
    )


def parse_mirrors(uris: str) -> list[str]:
    """The archives of ``apt-get update --print-uris``; those of security updates only are no help."""
    found = dict.fromkeys(_MIRROR.findall(uris))
    return [uri for uri in found if not uri.endswith("-security") and not uri.startswith("cdrom:")]


def render_configuration(work: Path) -> str:
    """apt's configuration: everything in ``work``, and no hook of this machine's."""
    return f"""\
#clear APT::Update;
#clear DPkg;
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Dir::State "{work}/state";
Dir::State::status "{work}/status";
Dir::Cache "{work}/cache";
Dir::Etc::sourcelist "{work}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
"""


def _download(work: Path, mirror: str, suite: str, keys: Path) -> list[Path]:
    for place in ("state/lists/partial", "cache/archives/partial", "packages"):
        (work / place).mkdir(parents=True)
    (work / "status").touch()
    (work / "sources.list").write_text(f"deb [signed-by={keys}] {mirror} {suite} main\n")
    configuration = work / "apt.conf"
    configuration.write_text(render_configuration(work))

    apt = ["apt-get", "--quiet=2", "-c", os.fspath(configuration)]
    _run([*apt, "update"])
    known = _run(["apt-cache", "-c", os.fspath(configuration), "pkgnames"]).split()
    names = [name if name in known else OTHER_NAMES.get(name, name) for name in PACKAGES]
    _run([*apt, "download", *names], cwd=work / "packages")
    return sorted((work / "packages").glob("*.deb"))


def _keep(work: Path, packages: Sequence[Path], suite: str) -> Path:
    """Unpack, try, and put in place at once."""
    unpacked, tree = work / "unpacked", work / "tree"
    digest = hashlib.sha256()
    for package in packages:
        _run(["dpkg-deb", "--extract", os.fspath(package), os.fspath(unpacked)])
        digest.update(package.read_bytes())
    for place in store.COVERED:
        if (unpacked / place[1:]).exists():
            (tree / place[1:]).parent.mkdir(parents=True, exist_ok=True)
            (unpacked / place[1:]).rename(tree / place[1:])
    _check(tree)
    for library in unpacked.glob("usr/lib/*/lib*.so.*"):
        library.rename(tree / store.LIBRARIES[1:] / library.name)
    _try_loading(tree)

    versions = dict(package.name.split("_")[:2] for package in packages)
    versions = {name: unquote(version) for name, version in versions.items()}
    facts = {
        "version": versions.get("charon-systemd", "unknown"),
        "suite": suite,
        "packages": versions,
        "fetched": time.time(),
    }
    (tree / "facts.json").write_text(json.dumps(facts, indent=2) + "\n")
    kept = store.folder() / digest.hexdigest()[:16]
    if kept.exists():
        kept.rename(work / "former")
    tree.rename(kept)
    return kept


def _check(tree: Path) -> None:
    if not (tree / store.PROGRAM[1:]).exists() or not (tree / store.LIBRARIES[1:]).is_dir():
        raise PrerequisiteError("these packages have no charon-systemd with libraries", hint=_HINT)
    if not store.knows_ikev1(tree):
        raise PrerequisiteError("this charon was built without IKEv1, too", hint=_HINT)


def _try_loading(tree: Path) -> None:
    """Whether this machine's dynamic linker finds all that charon and its plugins need."""
    libraries = tree / store.LIBRARIES[1:]
    files = [tree / store.PROGRAM[1:], *sorted(libraries.glob("plugins/*.so"))]
    env = {"LD_LIBRARY_PATH": os.fspath(libraries)}
    said = _run(["ldd", *map(os.fspath, files)], env=env)
    if missing := sorted({line.strip() for line in said.splitlines() if "not found" in line}):
        raise PrerequisiteError(f"this charon lacks libraries here: {'; '.join(missing)}")


def _run(argv: Sequence[str], *, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run a program to its end, with what the user says about proxies."""
    passed_on = {k: v for k, v in os.environ.items() if k.lower() in _PASSED_ON}
    popen = process.spawn(
        argv,
        env={**passed_on, **(env or {})},
        stdin=process.PIPE,
        stdout=process.PIPE,
        stderr=process.PIPE,
        cwd=cwd,
    )
    return process.finish(popen, STEP_S)


def _gist(error: LabError) -> str:
    """The line that tells most; apt says a reason first and "some files failed" last."""
    if isinstance(error, DaemonError) and error.log_tail.strip():
        return error.log_tail.strip().splitlines()[0].removeprefix("E: ")
    return error.message.splitlines()[0]
