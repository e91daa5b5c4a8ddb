"""What this machine can run, what is missing, and the one command that fixes it.

The checks are data: a name, what it is for, a probe, and which engine cannot do without it. The
probes themselves are in ``trials``, ``packages`` and ``kernel``; how the answer looks is known to
``cli`` only.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial

from lab import charon, kernel
from lab.errors import PrerequisiteError
from lab.machine import packages, trials
from lab.machine.packages import Needed

ENGINES = ("uml", "native")
"""In the order in which ``auto`` tries them."""
FOR_TUNNELS = ("esp", "l2tp", "ppp")
"""What this machine's kernel needs for ways by VPN and telephone, and for no other ones."""
FOR_PASS_THROUGH = "ppp-bridging"
"""What this machine's kernel needs for ways that pass through a partition, and for no other ones."""
FOR_SHAPING = "netem"
NATIVE = (
    "or as root, on this machine's own kernel: `sudo lab doctor` says whether that can hold a lab"
)

_DES_KEY, _MD5_KEY = "0x" + "0123456789abcdef" * 3, "0x" + "01" * 16
_ESP = (
    "ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 1 mode tunnel"
    f" enc cbc(des3_ede) {_DES_KEY} auth-trunc hmac(md5) {_MD5_KEY} 96"
).split()
_NETEM = ("tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms")
_BRIDGE = ("ip", "link", "add", "b0", "type", "bridge")
_VETH = ("ip", "link", "add", "v0", "type", "veth")
_NFT = (
    "nft",
    "add table ip t; add chain ip t c { type nat hook postrouting priority 100; };"
    " add rule ip t c masquerade",
)


@dataclass(frozen=True, slots=True)
class DoctorCheck:
    """One thing that a lab needs."""

    name: str
    purpose: str
    probe: Callable[[], str]
    """Says what it found, or raises PrerequisiteError with the hint."""
    engines: tuple[str, ...] = ()
    """The engines that cannot run without it; none: some command needs it, no lab does."""
    package: str = ""
    optional: bool = False
    """Nobody misses it until a command asks for it."""
    unless: str = ""
    """The check that makes this one needless where it holds."""


@dataclass(frozen=True, slots=True)
class DoctorOutcome:
    """What a check of this machine found."""

    check: DoctorCheck
    ok: bool
    found: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Every outcome, and what follows from them."""

    outcomes: tuple[DoctorOutcome, ...]
    engine: str | None
    """The engine that ``auto`` takes."""
    why: str

    def needed(self, outcome: DoctorOutcome) -> bool:
        """Whether anything is lost without it: what only another engine needs is not missed."""
        check = outcome.check
        if check.optional or any(o.ok and o.check.name == check.unless for o in self.outcomes):
            return False
        return not check.engines or (self.engine or ENGINES[0]) in check.engines

    @property
    def missing(self) -> tuple[DoctorOutcome, ...]:
        return tuple(
            outcome for outcome in self.outcomes if not outcome.ok and self.needed(outcome)
        )

    @property
    def command(self) -> str:
        """The one command that fixes all that a command can fix."""
        return _command(self.missing)


def checks() -> tuple[DoctorCheck, ...]:
    """All of them, in the order in which they are worth reading."""
    uml, native = partial(DoctorCheck, engines=("uml",)), partial(DoctorCheck, engines=("native",))
    return (
        *(_package_check(package) for package in packages.packages()),
        DoctorCheck(
            "IKEv1",
            "ways by VPN: the charon knows the version of IKE that IBM's VPN speaks",
            partial(_path, charon.status),
        ),
        uml("kernel", "uml: the lab's own kernel, for x86_64", partial(_path, kernel.status)),
        uml("memory", "uml: a folder for the guest's memory", lambda: str(trials.memory_dir())),
        uml("ptrace", "uml: the guest's kernel traces its processes", _ptrace),
        native("root", "native: makes namespaces and interfaces", trials.root),
        native("bridge", "native: the wires", _native(*_BRIDGE)),
        native("veth", "native: the wires", _native(*_VETH)),
        native("netem", "native: rate and delay of the wires", _native(*_NETEM)),
        native("nft", "native: firewall and SNAT", _native(*_NFT)),
        native("esp", "native: IPsec with 3DES and MD5", _native(*_ESP)),
        native("l2tp", "native: the tunnel in IPsec", _as_root(trials.native_l2tp)),
        native("apparmor", "native: the daemons may work", _as_root(trials.native_apparmor)),
        native("ppp", "native: the sessions in the tunnel", _as_root(trials.native_ppp)),
        native(
            FOR_PASS_THROUGH,
            "native: an i5/OS partition passes a session on",
            _as_root(trials.native_bridging),
        ),
    )


def examine(
    wanted: Iterable[DoctorCheck] | None = None, boot: Callable[[], str] | None = None
) -> Report:
    """Carry out the checks. ``boot`` starts the lab's own kernel, once nothing else stops it."""
    outcomes = [_outcome(check) for check in (checks() if wanted is None else wanted)]
    if boot is not None and not _lacks(outcomes, "uml"):
        purpose = "uml: the kernel starts on this machine, and runs a program"
        outcomes.append(_outcome(DoctorCheck("boot", purpose, boot, ("uml",))))
    return _conclude(tuple(outcomes))


def _lacks(outcomes: Iterable[DoctorOutcome], engine: str) -> list[str]:
    return [o.check.name for o in outcomes if not o.ok and engine in o.check.engines]


def _conclude(outcomes: tuple[DoctorOutcome, ...]) -> Report:
    lacks = {engine: _lacks(outcomes, engine) for engine in ENGINES}
    if not lacks["uml"]:
        booted = any(o.check.name == "boot" for o in outcomes)
        state = "boots here" if booted else "is built and may run here"
        return Report(outcomes, "uml", f"the lab's own kernel {state}")
    why = f"uml lacks {', '.join(lacks['uml'])}"
    if not lacks["native"]:
        return Report(outcomes, "native", f"{why}; the running kernel can do all that a lab needs")
    return Report(outcomes, None, f"{why}; native lacks {', '.join(lacks['native'])}")


def choose() -> str:
    """The engine that ``auto`` takes; raises with the hint if there is none."""
    for engine in ENGINES:
        if not _missing(engine):
            return engine
    try:
        require(ENGINES[0])
    except PrerequisiteError as error:
        if os.geteuid() != 0:
            # Only root can try it, so that nothing more is known.
            error.hint = "\n  ".join(filter(None, (error.hint, NATIVE)))
        raise
    return ENGINES[0]


def require(engine: str, spared: Collection[str] = ()) -> frozenset[str]:
    """Raise PrerequisiteError with the hint if this engine cannot run here.

    ``spared`` names checks that a lab can do without; those of them that failed are returned.
    """
    missing = _missing(engine)
    lacking = frozenset(o.check.name for o in missing if o.check.name in spared)
    missing = tuple(o for o in missing if o.check.name not in spared)
    if not missing:
        return lacking
    lines = "".join(f"\n  {o.check.name} ({o.check.purpose}): {o.found}" for o in missing)
    hints = [o.hint for o in missing if o.hint and not _is_command(o)]
    command = _command(missing)
    hint = "\n  ".join(dict.fromkeys([*([command] if command else []), *hints]))
    raise PrerequisiteError(f"the {engine} engine cannot run here, missing:{lines}", hint=hint)


def _missing(engine: str) -> tuple[DoctorOutcome, ...]:
    wanted = (check for check in checks() if engine in check.engines)
    return tuple(outcome for check in wanted if not (outcome := _outcome(check)).ok)


def _outcome(check: DoctorCheck) -> DoctorOutcome:
    try:
        return DoctorOutcome(check, True, check.probe())
    except PrerequisiteError as error:
        return DoctorOutcome(check, False, error.message, error.hint)


def _package_check(package: packages.Package) -> DoctorCheck:
    def probe() -> str:
        if (path := package.found()) is not None:
            return path
        raise PrerequisiteError("not installed", hint=packages.install_command([package.name]))

    return DoctorCheck(
        package.name, package.purpose, probe, package=package.name,
        engines=ENGINES if package.needed is Needed.run else (),
        optional=package.needed in (Needed.use, Needed.checkout),
        unless="kernel" if package.needed is Needed.build else "",
    )  # fmt: skip


def _path(status: Callable[[], charon.CharonStatus | kernel.KernelStatus]) -> str:
    found = status()
    if found.path is None:
        raise PrerequisiteError(found.why, hint=found.hint)
    return f"{found.path} ({found.why})"


def _ptrace() -> str:
    try:
        return trials.ptrace()
    except PrerequisiteError as error:
        if kernel.by_seccomp(kernel.status()):
            return f"{error.message}; this kernel can drive its processes by seccomp instead"
        raise


def _native(*argv: str) -> Callable[[], str]:
    return _as_root(partial(trials.native_command, *argv))


def _as_root(trial: Callable[[], str]) -> Callable[[], str]:
    """Only root can try, and only what is tried is known."""

    def probe() -> str:
        trials.root()
        return trial()

    return probe


def _is_command(outcome: DoctorOutcome) -> bool:
    return bool(outcome.check.package) or outcome.hint.startswith(("sudo ", "lab "))


def _command(missing: Iterable[DoctorOutcome]) -> str:
    missing = tuple(missing)
    names = [outcome.check.package for outcome in missing if outcome.check.package]
    commands = [packages.install_command(names)] if names else []
    commands += [o.hint for o in missing if o.hint and _is_command(o) and not o.check.package]
    return " && ".join(dict.fromkeys(commands))
