"""The log-in and the authorization before a session, put to the test: who is refused, who may use a session.

The same for every way in. Whatever is refused must leave the console alone, and its telephone, too.
"""

from __future__ import annotations

import shlex

from lab.scenarios.service_scene import Scene
from lab.service.at_relay import FORWARDS
from lab.service.server.accounts import CLERK, REPRESENTATIVE
from lab.service.server.client import TOKEN
from lab.topology.model import RemoteService
from lab.topology.service import Inbound
from lab.wait import wait_until

STRANGER = "visitor"
"""A user whom the server does not know."""
MADE_UP = "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE"
"""A token that nobody has given."""
RECORDED_S = 30.0
"""sshd says of a stranger when the connection has ended."""


def be_refused(scene: Scene) -> None:
    """By everybody who may not, and by a representative whose authorization is none, or no longer one."""
    representative = scene.representative
    client = representative.client
    refused = scene.office.refusals
    client.log_in(STRANGER, ["call"])
    wait_until("a stranger is refused", lambda: scene.office.refusals > refused, RECORDED_S)
    client.log_in(REPRESENTATIVE.name, ["call"])
    client.log_in(REPRESENTATIVE.name, ["call", TOKEN, MADE_UP])
    token = representative.let_token_expire()
    client.log_in(REPRESENTATIVE.name, ["call", TOKEN, token])
    token = representative.get_token()
    client.at_the_console(["call", TOKEN, token])
    client.log_in(CLERK.name, ["call", TOKEN, token])


def use_tools(scene: Scene, service: RemoteService) -> None:
    """In a session: its user reaches the console by a tool, and another user does not."""
    agreed = scene.panel.settings or service
    reached = [agreed.ppp_address] if agreed.console_allowed else []
    reached += [partition.alias for partition in agreed.allowed]
    if service.by is Inbound.terminal:
        for user in (REPRESENTATIVE, CLERK):
            scene.representative.client.log_in(user.name, ["type", "id"])
        return
    if service.by is Inbound.internet:
        reached = [FORWARDS]
    script = f"exec 3<>/dev/tcp/{reached[0]}/{service.ports[0]} && head -n 1 <&3"
    words = ["run", "--", "bash", "-c", shlex.quote(script)]
    for user in (REPRESENTATIVE, CLERK):
        scene.representative.client.log_in(user.name, words)


def try_again(scene: Scene) -> None:
    """With the token of the session that is over."""
    spent = scene.representative.spent
    scene.representative.client.log_in(REPRESENTATIVE.name, ["call", TOKEN, spent])
