"""The configuration in an image: what it runs, how, and for which processors (OCI image-spec, config.md)."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab.errors import UsageError

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""The processors that Linux calls otherwise than images do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """What an image runs; all empty where there is only a file system."""

    entrypoint: tuple[str, ...] = ()
    default: tuple[str, ...] = ()
    """What follows the entrypoint where the user gives no command (CMD)."""
    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = ""
    layers: tuple[str, ...] = ()
    """The digest of each layer, unpacked; none where nothing is said of them."""

    @classmethod
    def parse(cls, told: Mapping[str, Any], name: str) -> ImageConfig:
        """What the JSON of a configuration says; raises UsageError if the image is for another machine."""
        check_platform(name, [(str(told.get("os", "linux")), str(told.get("architecture", "")))])
        runs = told.get("config") or {}
        layers = (told.get("rootfs") or {}).get("diff_ids") or ()
        return cls(
            entrypoint=_words(runs.get("Entrypoint")),
            default=_words(runs.get("Cmd")),
            env=pairs(runs.get("Env") or ()),
            workdir=runs.get("WorkingDir") or "/",
            user=runs.get("User") or "",
            layers=tuple(map(str, layers)),
        )

    def command(self, given: Sequence[str], entrypoint: str | None = None) -> tuple[str, ...]:
        """What is run, by the rules of ``docker run``: ``given`` takes the place of CMD.

        Another ``entrypoint`` takes the place of the image's and of CMD; an empty one is none.
        """
        if entrypoint is not None:
            return (*filter(None, [entrypoint]), *given)
        return (*self.entrypoint, *(given or self.default))


def here() -> tuple[str, str]:
    """System and processor of this machine, as images call them."""
    machine = platform.machine()
    return "linux", _ARCHITECTURES.get(machine, machine)


def check_platform(name: str, there: Iterable[tuple[str, str]]) -> None:
    """Raise UsageError unless one of the platforms is this machine's; an image may leave it out."""
    system, processor = here()
    platforms = list(there)
    if not any(s == system and p in ("", processor) for s, p in platforms):
        told = ", ".join(f"{s}/{p}" for s, p in platforms)
        raise UsageError(
            f"the image {name} is for {told}, and this machine is {system}/{processor}",
            hint=f"build or fetch it for this machine: docker build --platform {system}/{processor}",
        )


def pairs(words: Iterable[str]) -> dict[str, str]:
    """``NAME=value`` each; a name alone has an empty value."""
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def _words(told: str | Sequence[str] | None) -> tuple[str, ...]:
    # A few old tools wrote a string, which a shell is to read.
    return ("/bin/sh", "-c", told) if isinstance(told, str) else tuple(told or ())
