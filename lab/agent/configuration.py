"""IBM's file of addresses (R-04): fetched, its signature checked, kept; a bad one changes nothing.

By HTTPS; by HTTP in clear only if no HTTPS path can be established, and nothing else goes there (OUT-32).
"""

from __future__ import annotations

import json

from lab.agent import storage
from lab.agent.directory import decoded, payload
from lab.agent.inquiry import Inquiry, NotGiven, NotTaken
from lab.agent.message import wrong_servers
from lab.agent.roads import Roads
from lab.agent.session import ServiceReply
from lab.agent.settings import SettingsError
from lab.agent.state import AgentState

PATH = "/service/configuration"
ALERT = "configuration"


class ConfigurationFile:
    """The agent's copy of it."""

    def __init__(self, state: AgentState) -> None:
        self._state = state

    def refresh(self, roads: Roads) -> int:
        """Fetch it and keep it; its version. Raises NotGiven: then the former one is kept."""
        state = self._state
        inquiry = Inquiry(state, roads)
        servers = state.directory.servers("configuration")
        safe = [server for server in servers if not server.clear]
        clear = [server for server in servers if server.clear]
        try:
            try:
                reply = inquiry.ask("configuration", PATH, safe, take=self._check)
            except NotGiven as none:
                if none.reached or not clear:
                    raise
                reply = inquiry.ask("configuration", PATH, clear, take=self._check)
        except NotGiven as none:
            if none.reached:
                state.alerts.sound(
                    ALERT,
                    f"{none.message}; the former configuration stays in use",
                    "check configuration_key and the machine's clock; else call IBM",
                )
            raise
        return self._keep(reply)

    def _keep(self, reply: ServiceReply) -> int:
        state = self._state
        version = int(payload(reply.body.decode("ascii"))["version"])
        if reply.body.strip() != self._stored():
            storage.make_folder(state.folder)
            storage.write_whole(state.directory.path, reply.body.strip() + b"\n")
            state.book.note("configuration-stored", version=version)
            state.tell(f"configuration {version} is stored")
        state.alerts.clear(ALERT)
        return version

    def _stored(self) -> bytes:
        try:
            return self._state.directory.path.read_bytes().strip()
        except OSError:
            return b""

    def _check(self, reply: ServiceReply) -> None:
        """Raise NotTaken, with the reason, for all but a file that IBM has signed and is not an old one."""
        try:
            text = reply.body.decode("ascii").strip()
            told = payload(text)
            self._check_signature(text)
            version, servers = told.get("version"), told.get("servers")
            if not isinstance(version, int) or isinstance(version, bool):
                raise ValueError("it has no version")
            if not isinstance(servers, dict) or not servers:
                raise ValueError("it names no servers")
            for errand, urls in servers.items():
                if problem := wrong_servers(errand, urls):
                    raise ValueError(f"servers.{errand}: {problem}")
        except ValueError as error:
            raise NotTaken(f"the configuration is refused: {error}") from error
        known = self._state.directory.stored().get("version", version)
        if version < known:
            raise NotTaken(f"the configuration is refused: version {version} is older than {known}")

    def _check_signature(self, jws: str) -> None:
        """RFC 7515 5.2 with EdDSA (RFC 8037 3.1); raises ValueError."""
        # 50 ms of imports, which the agent needs once a day.
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        path = self._state.settings.configuration_key
        try:
            pem = path.read_bytes() if path is not None else b""
            key = load_pem_public_key(pem)
        except (OSError, ValueError) as error:
            problem = f"configuration_key {path} cannot be used: {error}"
            fix = "name the PEM file with IBM's public key"
            source = str(self._state.settings.source)
            raise SettingsError(source, [f"{problem}; {fix}"]) from error
        protected, _, rest = jws.partition(".")
        header = json.loads(decoded(protected))
        if not isinstance(header, dict) or header.get("alg") != "EdDSA" or "crit" in header:
            raise ValueError("it is not signed by EdDSA")
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("the public key is not Ed25519")
        signed = f"{protected}.{rest.partition('.')[0]}".encode()
        try:
            key.verify(decoded(jws.rpartition(".")[2]), signed)
        except InvalidSignature:
            raise ValueError("its signature is not IBM's") from None
