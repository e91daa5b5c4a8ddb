"""What an agent is told for its life: the lab's own by a settings file, a user's by its environment; pure."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from lab.life import machine
from lab.life.script import LifeSystem
from lab.paths import CA_FILE
from lab.topology.management import NOTICES_PORT, ModulePlan
from lab.topology.model import Topology, Way
from lab.ways.direct.plan import DirectPlan
from lab.ways.proxy.plan import ProxyPlan

STATE = f"{machine.FOLDER}/state"
SETTINGS = f"{machine.FOLDER}/agent.toml"
CONTACT = {
    "company": "Example Corp.",
    "name": "Kim Example",
    "telephone": "+1 555 555-0123",
    "email": "kim@example.com",
    "country": "United States",
    "system_telephone": "+1 555 555-0124",
    "system_country": "United States",
}
"""Nobody: what S2's slides have an operator enter."""
CONFIGURATION_KEY = "keys/configuration.pub"
"""In the run directory, as IBM's side writes it."""


def argv() -> tuple[str, ...]:
    """The lab's own agent as a service."""
    return (sys.executable, "-m", "lab.agent", "serve", "--activate", "--settings", SETTINGS)


def inventory_argv() -> tuple[str, ...]:
    """The lab's own agent, as an HMC calls it for the inventory of a partition."""
    return (sys.executable, "-m", "lab.agent", "inventory", "--settings", SETTINGS)


def settings(
    topology: Topology,
    agent: str,
    run_dir: Path,
    servers: Mapping[str, Iterable[str]],
    system: LifeSystem,
) -> str:
    """The settings file of the lab's own agent (TOML)."""
    lines = [
        f"state = {_text(STATE)}",
        f"vendor = {_text(system.vendor)}",
        f"generation = {_text(topology.profile)}",
        f"ca_file = {_text(run_dir / CA_FILE)}",
        f"configuration_key = {_text(run_dir / CONFIGURATION_KEY)}",
        f"ibm_ids = {json.dumps(list(system.ibm_ids))}",
        f"hmc_managed = {json.dumps(system.hmc_managed)}",
        f"events = {_text(machine.EVENTS)}",
        f"machine_files = {_text(machine.FILES)}",
        "",
        "[[machines]]",
        f"type = {_text(machine.TYPE)}",
        f"model = {_text(machine.MODEL)}",
        f"serial = {_text(machine.SERIAL)}",
    ]
    lines += ["", "[contact]", *(f"{key} = {_text(text)}" for key, text in CONTACT.items())]
    for module in topology.modules:
        if module.agent == agent:
            lines += _module(module, run_dir)
    for way in topology.ways_of(agent):
        lines += _way(topology, way)
    if system.web_port:
        lines += ["", "[web]", f"port = {system.web_port}"]
    lines += ["", "[servers]"]
    lines += [
        f"{errand} = [{', '.join(_text(url) for url in urls)}]" for errand, urls in servers.items()
    ]
    return "".join(f"{line}\n" for line in lines)


def _module(module: ModulePlan, run_dir: Path) -> list[str]:
    return [
        "",
        "[imm]",
        f"host = {_text(module.address)}",
        f"user = {_text(module.user)}",
        f"password = {_text(module.password.reveal())}",
        f"ca_file = {_text(run_dir / CA_FILE)}",
        f"port = {NOTICES_PORT}",
    ]


def _way(topology: Topology, way: Way) -> list[str]:
    if isinstance(way, DirectPlan):
        return ["", "[[ways]]", f"name = {_text(way.name)}", 'kind = "direct"']
    if isinstance(way, ProxyPlan):
        return [
            line
            for stop in way.stops(topology)
            for line in (
                "",
                "[[ways]]",
                f"name = {_text(stop.node)}",
                'kind = "proxy"',
                f"url = {_text(_url(topology, stop.node))}",
            )
        ]
    name = _text(way.name)
    return ["", "[[ways]]", f"name = {name}", 'kind = "lab-way"', f"way = {name}"]


def _url(topology: Topology, node: str) -> str:
    (proxy,) = (each for each in topology.proxies if each.node == node)
    log_in = ""
    if proxy.account is not None:
        log_in = f"{proxy.account.user}:{proxy.account.password.reveal()}@"
    return f"http://{log_in}{proxy.address}:{proxy.port}"


def environment(
    topology: Topology,
    agent: str,
    run_dir: str,
    servers: Mapping[str, Iterable[str]],
    told: Mapping[str, str],
    system: LifeSystem,
) -> dict[str, str]:
    """What any agent is told: as a command of ``lab run``, the machine and its events besides."""
    proxies = [
        _url(topology, stop.node)
        for way in topology.ways_of(agent)
        if isinstance(way, ProxyPlan)
        for stop in way.stops(topology)
    ]
    return {
        **told,
        "LAB_EVENTS": machine.EVENTS,
        "LAB_MACHINE_FILES": machine.FILES,
        "LAB_MACHINE": f"{machine.TYPE}-{machine.MODEL}/{machine.SERIAL}",
        "LAB_VENDOR": system.vendor,
        "LAB_IBM_IDS": ",".join(system.ibm_ids),
        "LAB_STATE_DIR": STATE,
        **({"LAB_WEB_PORT": str(system.web_port)} if system.web_port else {}),
        "LAB_CONFIGURATION_KEY": os.path.join(run_dir, CONFIGURATION_KEY),  # noqa: PTH118
        "LAB_SERVICES": json.dumps({errand: [*urls] for errand, urls in servers.items()}),
        **({"LAB_PROXIES": ",".join(proxies)} if proxies else {}),
    }


def _text(value: object) -> str:
    """A basic string of TOML, of which JSON's are a part."""
    return json.dumps(str(value))
