"""The management module on its node: HTTPS at 5989, HTTP at 5988, and one fan that fails.

Once somebody has subscribed, a fan fails after ``FAILS_AFTER_S``, once; in a life the script alone says what
fails. The sockets are opened inside the node, the threads are the lab's own.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lab.agent.web import listening as web
from lab.errors import DaemonError, LabBroke
from lab.ibm.threads import SmallThread
from lab.ibm.tls import note_secrets
from lab.imm.delivering import Notifier
from lab.imm.desk import ModuleDesk
from lab.imm.repository import Repository
from lab.linux import listening
from lab.topology.management import HTTPS_PORT

if TYPE_CHECKING:
    from lab.linux.nodes import Node
    from lab.ways.ground import Ground

KEYS = "imm.pem"
FAILS_AFTER_S = 10.0
"""After the first subscription."""
FAN = ("critical", "B1817201", "Fan 3 has failed")
"""What fails then: severity, reference code and text, the lab's own choice."""
_BACKLOG = 16
_END_S = 30.0


@contextlib.contextmanager
def start(ground: Ground, node: Node) -> Iterator[ImmModule]:
    """The module, on its node. Reads ``keys/imm.pem``, and notes in ``keys/tls.keylog`` with what Wireshark
    reads the captures."""
    topology = ground.topology
    plan = next(each for each in topology.modules if each.node == node.name)
    tell = ground.story.tell
    keys = ground.run_dir / "keys"
    try:
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(keys / KEYS)
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
        for context in (server, client):
            context.minimum_version = ssl.TLSVersion.TLSv1_2
        note_secrets(keys, server, client)
    except OSError as error:  # SSLError is one
        raise LabBroke(
            f"{node.name} cannot use its certificate {keys / KEYS}: {error.strerror or error}",
            hint="authority.issue writes it before the lab boots",
        ) from error

    repository = Repository(plan.agent)
    hosts = {name: address for address, name in topology.node(node.name).hosts}
    notifier = Notifier(node, plan, hosts, repository, client, tell)
    module = ImmModule(node.name, notifier)
    places = [(plan.address, port) for port in plan.ports]
    hint = "another program of the node has the port"
    with contextlib.ExitStack() as undo:
        listeners = node.call(listening.by_tcp, node.name, places, _BACKLOG, hint)
        for (_, port), listener in zip(places, listeners, strict=True):
            undo.enter_context(listener)
            desk = ModuleDesk(plan, port, repository, tell, module.note_subscriber)
            tls = server if port == HTTPS_PORT else None
            thread = undo.enter_context(web.serving(desk, tls, listener, SmallThread))
            module.threads.append(thread)
        undo.callback(module.stop)
        yield module


class ImmModule:
    """Made by ``start``."""

    def __init__(self, name: str, notifier: Notifier) -> None:
        self._name = name
        self._notifier = notifier
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._fan: threading.Thread | None = None
        self._by_itself = True
        self.threads: list[threading.Thread] = []
        """Those that accept."""

    def check(self) -> None:
        """Raise DaemonError if nobody can ask any more."""
        if not all(thread.is_alive() for thread in self.threads):
            raise DaemonError(self._name, "the module accepts no connections any more")

    def fail_by_order_alone(self) -> None:
        """From now on nothing fails by itself: a script says what fails."""
        self._by_itself = False

    def fail(self, severity: str, reference_code: str, text: str) -> None:
        """Hardware fails now."""
        self._notifier.raise_failure(severity, reference_code, text)

    def note_subscriber(self) -> None:
        """Somebody wants to be told: the fan fails soon, unless it has."""
        with self._lock:
            if self._fan is not None or not self._by_itself or self._stopping.is_set():
                return
            self._fan = SmallThread(name="imm-fan", target=self._let_fan_fail, daemon=True)
            self._fan.start()

    def _let_fan_fail(self) -> None:
        if not self._stopping.wait(FAILS_AFTER_S):
            self.fail(*FAN)

    def stop(self) -> None:
        """End what is going on."""
        self._stopping.set()
        with self._lock:
            fan = self._fan
        if fan is not None:
            fan.join(_END_S)
        self._notifier.stop()
