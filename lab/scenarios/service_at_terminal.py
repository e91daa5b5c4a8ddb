"""What a representative tries at a DS8000's terminal, by modem and by VPN alike (I-22, I-23)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from lab.errors import ProtocolError
from lab.service.shell import OWN_NETWORK
from lab.service.terminal_caller import wrong_response
from lab.topology.model import RemoteService
from lab.topology.service import MOST_TRIES
from lab.topology.terminal import TerminalAccount

LogIn = Callable[[TerminalAccount, str], bool]
"""Types an account, and a response whatever the challenge is; whether the console lets us in."""

WHO = "id -un"
OWN_WORK = (WHO, "uname -n", OWN_NETWORK)
"""What a representative types: who it is, where it is, and by what network interfaces it could go on."""
GOES_ON = "nohup sleep 86400 >/dev/null 2>&1 &"
"""A program that does not hear of the hang-up, and must end with the session all the same."""


def try_in_vain(service: RemoteService, log_in: LogIn, earlier: str) -> None:
    """A wrong response, or ``earlier``, which was right once; or what a fault wants.

    Raises ProtocolError if any is taken, or the console hangs up.
    """
    account = service.terminal_account
    assert account is not None, "this generation has terminals"
    tries = [(account, earlier or wrong_response())]
    if service.replays:
        tries = [(account, earlier)] * MOST_TRIES if earlier else []
    if service.wrong_tries:
        tries = list(_wrong(account))[: service.wrong_tries]
    for wrong, response in tries:
        if log_in(wrong, response):
            raise ProtocolError(f"{service.console} has let somebody in by a wrong response")


def _wrong(account: TerminalAccount) -> Iterator[tuple[TerminalAccount, str]]:
    """A wrong try of each kind."""
    yield replace(account, user=f"{account.user}x"), ""
    yield replace(account, password=account.password.altered()), ""
    yield account, wrong_response()


def look_around(service: RemoteService, run: Callable[[str], object]) -> None:
    """Who and where it is, whether it gets on to partitions; and something that is left behind."""
    for command in OWN_WORK:
        run(command)
    for partition in service.partitions:
        run(f"bash -c 'exec 3<>/dev/tcp/{partition.address}/22 && head -n 1 <&3'")
    run(GOES_ON)
