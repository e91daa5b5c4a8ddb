"""The agent's configuration file (TOML): what is in it, and every error in it at once.

Data only: nothing is opened here but the file itself. ``docs/agent.md`` has the table of the keys.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from lab.agent import contact
from lab.agent.book import LEDGER_BYTES
from lab.agent.contact import Contact
from lab.agent.message import wrong_servers
from lab.agent.proxied import ProxyUrl
from lab.errors import UsageError
from lab.names import did_you_mean
from lab.topology.errand_kinds import ErrandKind

DAY_S = 86400.0
SCHEDULE = {
    "heartbeat": DAY_S,
    "inventory": 7 * DAY_S,
    "performance": DAY_S,
    "configuration": DAY_S,
    "access-key": DAY_S,
    "updates": 7 * DAY_S,
}
"""Seconds between two of a kind: the papers' (E-14, E-15), and the lab's choice where they say nothing."""
RETRY_S = 1800.0
"""Seconds until what could not be sent is tried again: what IBM's storage systems do."""
PROXIES = 3
"""OUT-13."""
IBM_IDS = 2
"""E-18."""
IBM = "IBM"
GENERATIONS = ("hmc-2007", "hmc-2017", "ds8000-2017", "esa-linux-7.1.5", "esa-aix-2025", "esa-2008")
PROFILES = {
    "hmc-2017-traditional": "hmc-2017",
    "hmc-2017-simplified": "hmc-2017",
    "ds8880": "ds8000-2017",
}
"""Profiles of the address tables that share what is sent with another one."""
REPORT_S = 60 * DAY_S
"""How long IBM keeps a report after a problem was closed (E-21): the agent knows of it as long."""
LEAST_LEDGER_BYTES = 64 << 10
LENGTHS = {"type": "4", "model": "3", "serial": "5,10"}
"""How many characters the parts of a machine's name have."""
WEB_PORT = 5024
"""E-01."""
_KEYS = {
    "state", "vendor", "generation", "ca_file", "configuration_key", "ibm_ids", "events", "machine_files",
    "machines", "ways", "servers", "schedule", "web", "imm", "retry", "ip", "hmc_managed", "keep", "contact",
}  # fmt: skip
_OWN_ERRANDS = ("heartbeat", "performance", "access-key")
ERRANDS = (*(str(kind) for kind in ErrandKind), *_OWN_ERRANDS)
"""Keys of ``servers``."""
_FAMILIES = {"any": 0, "4": 2, "6": 10}
"""Of ``ip``: AF_UNSPEC, AF_INET and AF_INET6 (socket(2))."""


class SettingsError(UsageError):
    """A configuration file is wrong; every mistake at once, each with its key and a fix."""

    def __init__(self, source: str, problems: list[str]) -> None:
        self.problems = problems
        lines = "\n".join(f"  {each}" for each in problems)
        super().__init__(
            f"{source} has {len(problems)} error(s):\n{lines}", hint="docs/agent.md has every key"
        )


@dataclass(frozen=True, slots=True)
class Monitored:
    """A machine that the agent reports for: each has an ID and a password of its own (E-06)."""

    type: str
    model: str
    serial: str

    @property
    def name(self) -> str:
        return f"{self.type}-{self.model}*{self.serial}"

    def as_dict(self) -> dict[str, str]:
        return {"type": self.type, "model": self.model, "serial": self.serial}


@dataclass(frozen=True, slots=True)
class WaySetting:
    """One connection, in the order of trying (OUT-14)."""

    name: str
    kind: Literal["direct", "proxy", "lab-way"]
    proxy: ProxyUrl | None = None
    """None for a slot for a proxy that is empty."""
    way: str = ""
    """Of a ``lab-way``: what ``lab-way up`` is told."""


@dataclass(frozen=True, slots=True)
class WebSetting:
    """Of the local interface; everything that its own settings need is in ``more``."""

    port: int = WEB_PORT
    more: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class KeepSetting:
    """How much the agent keeps of what is over."""

    problems_s: float = REPORT_S
    """Since a problem has ended."""
    ledger_bytes: int = LEDGER_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    """What a configuration file says, with the defaults filled in."""

    source: Path
    state: Path
    vendor: str
    generation: str
    ca_file: Path
    configuration_key: Path | None
    ibm_ids: tuple[str, ...]
    contact: Contact | None
    events: Path | None
    machine_files: Path | None
    machines: tuple[Monitored, ...]
    ways: tuple[WaySetting, ...]
    servers: Mapping[str, tuple[str, ...]]
    schedule: Mapping[str, float]
    retry_s: float
    keep: KeepSetting
    web: WebSetting | None
    hmc_managed: bool
    """Whether the system is a partition whose HMC does all but the software inventory (E-16)."""
    imm: Mapping[str, Any] | None
    """Of the management module, as it is written: ``lab.agent.imm.hearing`` reads it."""
    family: int
    """Of sockets: AF_UNSPEC, or AF_INET or AF_INET6 alone."""


def load(path: Path) -> AgentSettings:
    """Read a configuration file; raises SettingsError with everything that is wrong in it."""
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise SettingsError(
            str(path), [f"it cannot be read: {error.strerror}; --settings names it"]
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(str(path), [f"it is no UTF-8 text: {error.reason}"]) from error
    try:
        members = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(str(path), [f"it is no TOML: {error}"]) from error
    return parse(members, path)


def parse(members: Mapping[str, Any], source: Path) -> AgentSettings:
    """Settings from what a TOML file holds; raises SettingsError."""
    reading = _Reading(members, source)
    settings = reading.settings()
    if reading.problems:
        raise SettingsError(str(source), reading.problems)
    return settings


class _Reading:
    """Reads key after key, and collects what is wrong."""

    def __init__(self, members: Mapping[str, Any], source: Path) -> None:
        self._members = members
        self._source = source
        self.problems: list[str] = []

    def settings(self) -> AgentSettings:
        for key in self._members:
            if key not in _KEYS:
                self._wrong(key, "is not known", did_you_mean(key, sorted(_KEYS)))
        web = self._table("web") if "web" in self._members else None
        public_key = self._path("configuration_key")
        if public_key is None and "configuration" in self._table("servers"):
            self._wrong(
                "configuration_key", "is missing", "name the PEM file with IBM's public key"
            )
        return AgentSettings(
            source=self._source,
            state=self._path("state") or Path("/var/lib/callhome-agent"),
            vendor=self._text("vendor", IBM),
            generation=self._generation(),
            ca_file=self._path("ca_file", needed=True) or Path(),
            configuration_key=public_key,
            ibm_ids=self._ibm_ids(),
            contact=self._contact(),
            events=self._path("events"),
            machine_files=self._path("machine_files"),
            machines=tuple(self._machines()),
            ways=tuple(self._ways()) or (WaySetting("direct", "direct"),),
            servers=MappingProxyType(dict(self._servers())),
            schedule=MappingProxyType(dict(self._schedule())),
            retry_s=self._seconds("retry", self._members.get("retry", RETRY_S)),
            keep=self._keep(),
            web=None if web is None else self._web(web),
            hmc_managed=self._flag("hmc_managed"),
            imm=self._table("imm") if "imm" in self._members else None,
            family=self._family(),
        )

    def _wrong(self, key: str, problem: str, fix: str) -> None:
        self.problems.append(f"{key} {problem}" + (f"; {fix}" if fix else ""))

    def _text(self, key: str, default: str = "") -> str:
        value = self._members.get(key, default)
        if not isinstance(value, str) or not value.isprintable():
            self._wrong(key, "is no text", f'write {key} = "..."')
            return default
        return value

    def _flag(self, key: str) -> bool:
        value = self._members.get(key, False)
        if not isinstance(value, bool):
            self._wrong(key, "is neither true nor false", f"write {key} = true")
        return value is True

    def _path(self, key: str, *, needed: bool = False) -> Path | None:
        """Relative to the configuration file's folder."""
        text = self._text(key)
        if not text:
            if needed and key not in self._members:
                self._wrong(key, "is missing", "name the PEM file of the authorities to trust")
            return None
        return self._source.parent / text

    def _table(self, key: str) -> Mapping[str, Any]:
        value = self._members.get(key, {})
        if not isinstance(value, dict):
            self._wrong(key, "is no table", f"write [{key}] on a line of its own")
            return {}
        return value

    def _tables(self, key: str) -> list[Mapping[str, Any]]:
        value = self._members.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            self._wrong(key, "is no list of tables", f"write [[{key}]] on a line of its own")
            return []
        return value

    def _generation(self) -> str:
        written = self._text("generation", "hmc-2017")
        found = PROFILES.get(written, written)
        if found not in GENERATIONS:
            known = (*GENERATIONS, *PROFILES)
            self._wrong("generation", f"{written!r} is not known", did_you_mean(written, known))
        return found

    def _ibm_ids(self) -> tuple[str, ...]:
        value = self._members.get("ibm_ids", [])
        if not isinstance(value, list) or not all(
            isinstance(each, str) and re.fullmatch(r"[!-~]{1,128}", each) for each in value
        ):
            self._wrong("ibm_ids", "is no list of texts", 'write ibm_ids = ["name@example.com"]')
            return ()
        if len(value) > IBM_IDS:
            fix = f"keep {IBM_IDS}; further ones are added on IBM's web site (E-18)"
            self._wrong("ibm_ids", f"has {len(value)} IDs, and {IBM_IDS} are the most", fix)
        return tuple(value)

    def _contact(self) -> Contact | None:
        if "contact" not in self._members:
            return None
        table = self._table("contact")
        found = [*contact.mistakes(table)] if isinstance(self._members["contact"], dict) else []
        for key, problem, fix in found:
            self._wrong(f"contact.{key}", problem, fix)
        return None if found or not table else contact.of(table)

    def _machines(self) -> Iterator[Monitored]:
        tables = self._tables("machines")
        if not tables:
            self._wrong("machines", "is missing", "write [[machines]] with type, model and serial")
        seen: set[str] = set()
        for number, table in enumerate(tables, 1):
            place = f"machines[{number}]"
            found = {}
            for key, length in LENGTHS.items():
                value = table.get(key)
                found[key] = value if isinstance(value, str) else ""
                if not re.fullmatch(rf"[A-Z0-9]{{{length}}}", found[key]):
                    many = length.replace(",", " to ")
                    fix = f'write {key} = "..." with {many} capital letters and digits'
                    self._wrong(f"{place}.{key}", "is missing or no such text", fix)
            for key in table.keys() - {"type", "model", "serial"}:
                self._wrong(f"{place}.{key}", "is not known", "keys: type, model, serial")
            machine = Monitored(**found)
            if machine.name in seen:
                self._wrong(place, f"{machine.name} is there twice", "take one of the two away")
            seen.add(machine.name)
            yield machine

    def _ways(self) -> Iterator[WaySetting]:
        tables = self._tables("ways")
        proxies = sum(table.get("kind") == "proxy" for table in tables)
        if proxies > PROXIES:
            fix = f"keep {PROXIES} (OUT-13)"
            self._wrong("ways", f"has {proxies} proxies, and {PROXIES} are the most", fix)
        names: set[str] = set()
        for number, table in enumerate(tables, 1):
            place = f"ways[{number}]"
            kind, way = table.get("kind", "direct"), table.get("way", "")
            name = table.get("name", kind)
            if not isinstance(name, str) or not name or name in names:
                self._wrong(f"{place}.name", "is no text, or is there twice", "each has its own")
                continue
            names.add(name)
            known = {"name", "kind", "url"} if kind == "proxy" else {"name", "kind"}
            for key in table.keys() - known - ({"way"} if kind == "lab-way" else set()):
                self._wrong(f"{place}.{key}", f"is no key of a way of kind {kind}", "take it away")
            match kind:
                case "direct":
                    yield WaySetting(name, "direct")
                case "proxy":
                    yield WaySetting(name, "proxy", self._proxy(place, table.get("url", "")))
                case "lab-way":
                    if not isinstance(way, str) or not re.fullmatch(r"[\w.-]*", way):
                        self._wrong(f"{place}.way", "is no name of a way", 'write way = "vpn"')
                    yield WaySetting(name, "lab-way", None, str(way))
                case _:
                    fix = "kinds: direct, proxy, lab-way"
                    self._wrong(f"{place}.kind", f"{kind!r} is not known", fix)

    def _proxy(self, place: str, url: object) -> ProxyUrl | None:
        """None for an empty slot, which is passed over when its turn comes (OUT-14)."""
        if url == "":
            return None
        try:
            return ProxyUrl(str(url))
        except ValueError as error:
            self._wrong(f"{place}.url", str(error), 'write url = "http://HOST:PORT"')
            return None

    def _servers(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        for errand, urls in self._table("servers").items():
            place = f"servers.{errand}"
            if errand not in ERRANDS:
                self._wrong(place, "is not known", did_you_mean(errand, ERRANDS))
            elif problem := wrong_servers(errand, urls):
                self._wrong(place, problem, 'write ["https://HOST", ...]')
            else:
                yield errand, tuple(urls)

    def _schedule(self) -> Iterator[tuple[str, float]]:
        written = self._table("schedule")
        for key in written.keys() - SCHEDULE.keys():
            self._wrong(f"schedule.{key}", "is not known", did_you_mean(key, SCHEDULE))
        for key, default in SCHEDULE.items():
            yield key, self._seconds(f"schedule.{key}", written.get(key, default))

    def _seconds(self, key: str, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            self._wrong(key, "is no number of seconds above 0", "a day has 86400")
            return DAY_S
        return float(value)

    def _keep(self) -> KeepSetting:
        table = self._table("keep")
        for key in table.keys() - {"problems", "ledger"}:
            self._wrong(f"keep.{key}", "is not known", "keys: problems, ledger")
        ledger = table.get("ledger", LEDGER_BYTES)
        if isinstance(ledger, bool) or not isinstance(ledger, int) or ledger < LEAST_LEDGER_BYTES:
            fix = f"write {LEDGER_BYTES}, or at least {LEAST_LEDGER_BYTES}"
            self._wrong("keep.ledger", "is no such number of bytes", fix)
            ledger = LEDGER_BYTES
        return KeepSetting(self._seconds("keep.problems", table.get("problems", REPORT_S)), ledger)

    def _family(self) -> int:
        value = str(self._members.get("ip", "any"))
        if value not in _FAMILIES:
            self._wrong("ip", f"{value!r} is not known", f"known: {', '.join(_FAMILIES)}")
        return _FAMILIES.get(value, 0)

    def _web(self, table: Mapping[str, Any]) -> WebSetting:
        port = table.get("port", WEB_PORT)
        if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
            self._wrong(
                "web.port", "is no port", f"write a number from 1 to 65535, such as {WEB_PORT}"
            )
        rest = {key: value for key, value in table.items() if key != "port"}
        return WebSetting(port if isinstance(port, int) else WEB_PORT, MappingProxyType(rest))
