"""The receiver without a lab: on this machine's loopback, by TLS, for the tests of whoever speaks with it.

    with alone.receiving(folder, clock=lambda: now) as site:
        agent = MyAgent(site.url, ca_file=site.ca_file, key_file=site.configuration_key)
        agent.enrol()
        site.receiver.close_problem("PMH0000007")
        assert site.transactions[-1].kind == "service: heartbeat"

It is the same server and the same receiver as in a lab; the certificates are of an authority that is thrown
away. Runs on the host: what makes certificates is too dear for the guest.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.ibm import authority, tls
from lab.ibm.conversation import Conversation
from lab.ibm.errand_desk import ErrandDesk
from lab.ibm.ledger import open_ledger
from lab.ibm.receiver.administration import AdministrationTalk
from lab.ibm.receiver.desk import Receiver
from lab.ibm.receiver.store import STORE_BYTES
from lab.ibm.server import Server
from lab.ibm.shared import Limits, Shared
from lab.linux import listening
from lab.record.record import Transaction
from lab.topology.receiving import STAND_INS
from lab.topology.servers import ListedServer, Speaks

NAME = "localhost"
ADDRESSES = "127.0.0.1", "127.0.0.2"
"""Two sites: what one knows, the other knows (R-11)."""
CERTIFICATE_FILE = "sdc.pem"
_BACKLOG = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class LoneSite:
    """What stands while ``receiving`` runs."""

    url: str
    """Of the first site, by HTTPS: ``https://127.0.0.1:40123``."""
    urls: tuple[str, ...]
    """Of each site."""
    clear_url: str
    """By HTTP: the configuration and fixes alone."""
    administration_url: str
    """For the same as the methods of ``receiver``."""
    ca_file: Path
    configuration_key: Path
    """With which the configuration's signature is checked (PEM)."""
    receiver: Receiver
    """For what the people at IBM's side do."""
    server: Server

    @property
    def transactions(self) -> tuple[Transaction, ...]:
        """The ledger so far."""
        return self.server.transactions


@contextlib.contextmanager
def receiving(
    folder: Path,
    *,
    clock: Callable[[], float] = time.time,
    serves: tuple[Sequence[str], Sequence[str]] = ((), ()),
    configured: Mapping[str, Sequence[str]] | None = None,
    limits: Limits | None = None,
    store_bytes: int = STORE_BYTES,
) -> Iterator[LoneSite]:
    """The receiver, while the ``with`` block runs; its files are in ``logs/sdc`` and ``keys`` of the folder,
    as in a run directory. A folder that was used before is gone on with: what is there is kept.

    ``clock`` is what passwords, keys and retention go by, in seconds since 1970; connections and the ledger
    have the machine's. ``serves``: the errands of each site (``ErrandKind``); none: all.
    ``configured``: what the first configuration says; without it, both sites for each errand.
    """
    keys_dir, logs_dir = folder / "keys", folder / "logs" / "sdc"
    if not (keys_dir / CERTIFICATE_FILE).exists():
        authority.issue_for((NAME, *ADDRESSES), keys_dir)
    with contextlib.ExitStack() as stack:
        places = [(address, 0) for address in (*ADDRESSES, ADDRESSES[0], ADDRESSES[0])]
        *sites, clear, office = listening.by_tcp(NAME, places, _BACKLOG, "let others end first")
        for listener in (*sites, clear, office):
            stack.enter_context(listener)
        listed = {
            one: _listed(one, Speaks.https, does) for one, does in zip(sites, serves, strict=True)
        }
        urls = tuple(f"https://{each.address}:{each.port}" for each in listed.values())
        listed[clear] = _listed(clear, Speaks.http, ())
        receiver = Receiver(
            logs_dir,
            keys_dir,
            tuple(listed.values()),
            configured if configured is not None else dict.fromkeys(STAND_INS, urls),
            clock=clock,
            store_bytes=store_bytes,
        )
        if clock is time.time:
            receiver.keep_time()
        listed[office] = _listed(office, Speaks.http, ())
        ledger = stack.enter_context(open_ledger(logs_dir / "ledger.jsonl"))
        key_log = stack.enter_context(tls.KeyLog(os.fspath(keys_dir)))
        contexts = tls.inner_contexts(NAME, os.fspath(keys_dir / CERTIFICATE_FILE), key_log)
        shared = Shared(ledger, key_log, None, limits or Limits(), _errand_desk, lambda: receiver)
        stack.callback(receiver.close)

        def greet(caller: socket.socket, at: ListedServer) -> Conversation | AdministrationTalk:
            if at is listed[office]:
                return AdministrationTalk(caller, shared)
            encrypted = contexts if at.speaks is Speaks.https else None
            return Conversation(caller, at, encrypted, shared)

        server = Server(NAME, shared, greet)
        stack.enter_context(server.accepting(listed))
        yield LoneSite(
            url=urls[0],
            urls=urls,
            administration_url=f"http://{ADDRESSES[0]}:{office.getsockname()[1]}/administration",
            clear_url=f"http://{ADDRESSES[0]}:{clear.getsockname()[1]}",
            ca_file=keys_dir / authority.CA_FILE,
            configuration_key=keys_dir / authority.CONFIGURATION_FILES[1],
            receiver=receiver,
            server=server,
        )


def _listed(listener: socket.socket, speaks: Speaks, serves: Sequence[str]) -> ListedServer:
    address, port = listener.getsockname()
    return ListedServer(
        name=address,
        address=address,
        port=port,
        rows=(),
        speaks=speaks,
        tls="",
        serves=tuple(serves),
    )


def _errand_desk() -> ErrandDesk:
    """It does itself what comes to it."""
    return ErrandDesk(None, ())
