"""What a representative comes for: to log in to the console by SSH, and to see its pages by HTTPS (I-10)."""

from __future__ import annotations

import time
from collections.abc import Sequence

from lab.ibm.authority import CA_FILE, CONSOLE_FILE
from lab.linux import process
from lab.linux.process import PIPE
from lab.scenarios.service_scene import Scene
from lab.service import offered
from lab.service.events import ConsoleUsed
from lab.service.offered import SSH_PORT, SUPPORT
from lab.service.server import accounts
from lab.topology.model import RemoteService

DEADLINE_S = 120.0
"""Lab time: a log-in goes over a telephone line, too."""


def use(scene: Scene, agreed: RemoteService) -> None:
    """By the representative's own programs, where the session can be reached."""
    if not agreed.console_allowed:
        return
    console, keys = scene.console, scene.lab.run_dir / "keys"
    with offered.offering(console, agreed.ports, keys / CONSOLE_FILE) as offer:
        place = scene.representative.place
        accounts.equip(place, [(console.name, agreed.ppp_address)], offer.host_key, offer.keys)
        _run(scene, agreed, SSH_PORT, ["ssh", f"{SUPPORT.name}@{console.name}"])
        for port in offer.https:
            resolved = f"{console.name}:{port}:{agreed.ppp_address}"
            argv = ["curl", "-sS", "-m", "60", "--cacert", f"{keys / CA_FILE}"]
            argv += ["--resolve", resolved, f"https://{console.name}:{port}/"]
            _run(scene, agreed, port, argv)


def _run(scene: Scene, agreed: RemoteService, port: int, argv: Sequence[str]) -> None:
    place, started = scene.representative.place, time.time()
    popen = place.start(argv, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    ended = process.await_end(popen, DEADLINE_S)
    said = (ended.stdout if ended.status == 0 else ended.stderr).strip()
    scene.lab.story.tell(
        ConsoleUsed(
            source=scene.service.workplace,
            started=started,
            host=agreed.console,
            address=agreed.ppp_address,
            port=port,
            program=argv[0],
            status=ended.status,
            answer=said.partition("\n")[0].strip(),
        )
    )
