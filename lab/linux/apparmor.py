"""What AppArmor forbids the lab's daemons, where it is the running kernel that holds the lab.

Debian ships a profile for charon that only complains. Where an administrator enforces it, charon may not
open the files that a node has, and ends with status 66 before it logs a word.
"""

from __future__ import annotations

from pathlib import Path

PROFILES = Path("/sys/kernel/security/apparmor/profiles")
DAEMONS = frozenset({"charon-systemd", "swanctl", "xl2tpd", "pppd", "dnsmasq", "nft"})


def enforced() -> tuple[str, ...]:
    """The profiles that confine programs of ours; only root may read which there are."""
    try:
        lines = PROFILES.read_text().splitlines()
    except OSError:
        return ()
    found = (line.rpartition(" ") for line in lines)
    return tuple(
        name for name, _, mode in found if mode == "(enforce)" and Path(name).name in DAEMONS
    )


def hint(profiles: tuple[str, ...]) -> str:
    """The command that lets these programs do what the lab has them do."""
    files = " ".join(f"/etc/apparmor.d/{name.strip('/').replace('/', '.')}" for name in profiles)
    return f"sudo apparmor_parser --replace --Complain {files}"
