"""The causes for which a way home by other consoles fails."""

from __future__ import annotations

from lab.verify.step import Causes

STOPS: Causes = dict.fromkeys(
    ["console-silent", "udp-9900-blocked", "wrong-netmask", "system-silent", "system-not-told",
     "port-9920-blocked", "consoles-kept-apart", "server-failed"],
    None,
)  # fmt: skip
