"""A customer's proxy of the user's own: whom it lets where, and with which log-in."""

from __future__ import annotations

from lab.topology.model import Topology
from lab.topology.proxy import HttpProxy

PASSWORD_FILE = "/run/lab-proxy/password"


def _find(topology: Topology, node: str) -> HttpProxy:
    return next(each for each in topology.proxies if each.node == node)


def files(topology: Topology, node: str) -> dict[str, str]:
    """The password that users have, by the file's path; none where nobody logs in."""
    account = _find(topology, node).account
    return {PASSWORD_FILE: f"{account.password.reveal()}\n"} if account is not None else {}


def environment(topology: Topology, node: str) -> dict[str, str]:
    """What a proxy is told."""
    proxy = _find(topology, node)
    told = {
        "LAB_CLIENTS": ",".join(proxy.users),
        "LAB_DESTINATIONS": ",".join(proxy.destinations),
    }
    if proxy.account is not None:
        told |= {"LAB_PROXY_USER": proxy.account.user, "LAB_PROXY_PASSWORD_FILE": PASSWORD_FILE}
    return told
