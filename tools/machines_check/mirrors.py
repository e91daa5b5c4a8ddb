"""What this machine knows of mirrors, indexes and proxies, read from the texts of its own configuration.

Pure: texts in, texts out. No name of a host stands here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
RELEASES = ("bookworm", "trixie", "forky", "sid", "oldstable", "stable", "testing", "unstable")
ROLLING = ("sid", "unstable")
"""Releases without suites for updates and for security."""

PIP_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "proxy", "cert", "timeout")
"""What of pip's settings says how an index is reached. All others would change what is tried."""

_ONE_LINE = re.compile(
    r"^deb\s+(?:\[[^]]*\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>[^#\n]+)"
)
_PIP = re.compile(r"^[\w:]+\.(?P<name>[a-z-]+)=(?P<value>'.*'|\".*\")$")


@dataclass(frozen=True, slots=True)
class Source:
    """One suite at one place, as apt knows it."""

    uri: str
    suite: str
    components: tuple[str, ...]

    @property
    def release(self) -> str:
        return re.split("[-/]", self.suite)[0]

    @property
    def security(self) -> bool:
        return self.suite.endswith(("-security", "/updates"))


@dataclass(frozen=True, slots=True)
class Mirrors:
    """Where Debian's packages are fetched from."""

    archive: str
    security: str

    def sources(self, suite: str) -> str:
        """A sources.list with all that a machine of this suite usually has."""
        places = [(self.archive, suite)]
        if suite not in ROLLING:
            places += [(self.archive, f"{suite}-updates"), (self.security, f"{suite}-security")]
        return "".join(f"deb [signed-by={KEYRING}] {uri} {name} main\n" for uri, name in places)


def one_line(text: str) -> Iterator[Source]:
    """The sources of a file in apt's one-line form (`*.list`)."""
    for line in text.splitlines():
        if found := _ONE_LINE.match(line.strip()):
            yield Source(found["uri"], found["suite"], tuple(found["components"].split()))


def deb822(text: str) -> Iterator[Source]:
    """The sources of a file in apt's other form (`*.sources`): paragraphs of fields."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for paragraph in re.split(r"\n\s*\n", "\n".join(lines)):
        fields = {
            name.strip().lower(): value.split()
            for name, _, value in (
                field.partition(":") for field in re.sub(r"\n[ \t]+", " ", paragraph).splitlines()
            )
        }
        if "deb" not in fields.get("types", []) or fields.get("enabled") == ["no"]:
            continue
        for uri in fields.get("uris", []):
            for suite in fields.get("suites", []):
                yield Source(uri, suite, tuple(fields.get("components", [])))


def mirrors(sources: Iterable[Source]) -> Mirrors | None:
    """The mirrors among a machine's sources, if it has Debian's at all.

    A machine without the security suite gets the place beside the archive, where mirrors have it.
    """
    ours = [
        source
        for source in sources
        if source.release in RELEASES
        and "main" in source.components
        and source.uri.startswith(("http://", "https://"))
    ]
    archive = next((s.uri for s in ours if not s.security), "").rstrip("/")
    if not archive:
        return None
    security = next((s.uri for s in ours if s.security), f"{archive}-security").rstrip("/")
    return Mirrors(archive, security)


def apt_settings(dump: str) -> str:
    """Of `apt-config dump`, how a mirror is reached (proxies, timeouts), and how old it may be."""
    way = re.compile(r"Acquire::(https?::|Check-Valid-Until )")
    kept = [line for line in dump.splitlines() if way.match(line)]
    return "".join(f"{line}\n" for line in kept)


def pip_settings(listing: str) -> dict[str, str]:
    """Of `pip config list`, the settings that say how an index is reached; the environment wins.

    An index in a folder of this machine is of no use elsewhere, and left out.
    """
    found: dict[str, str] = {}
    lines = sorted(listing.splitlines(), key=lambda line: line.startswith(":env:"))
    for line in lines:
        if (entry := _PIP.match(line.strip())) and entry["name"].removeprefix(
            "default-"
        ) in PIP_SETTINGS:
            value = str(ast.literal_eval(entry["value"]))
            words = [word for word in value.split() if not word.startswith("file:")]
            if words:
                found[entry["name"].removeprefix("default-")] = " ".join(words)
    return found
