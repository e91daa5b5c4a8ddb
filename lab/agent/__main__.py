"""The reference agent (``python -m lab.agent``): what the command reads, and what it says.

It is told by environment variables which servers and proxies there are and whom to trust. argparse would
cost a third of its start-up time.
"""

from __future__ import annotations

import json
import os
import socket
import sys

from lab.agent.client import call_home, describe
from lab.agent.heartbeat import system_of

USAGE = """\
usage: python -m lab.agent [--json] [-4 | -6] [--system TYPE-MODEL*SERIAL]

Send one heartbeat to the first server that acknowledges it. -4 and -6 leave the other version of IP out.

  LAB_SERVER    URL of the server: https://HOST[:PORT]
  LAB_SERVERS   more URLs, separated by commas, tried in this order after LAB_SERVER
  LAB_PROXIES   URLs of proxies, separated by commas, tried in this order; without one, none is used
  LAB_CA_FILE   certificates (PEM) of the authorities that are trusted
  LAB_NODE      names this machine, unless --system does

The story is told on stderr; the acknowledgement (with --json: every attempt) is put on stdout.
Exit status: 0 acknowledged, 1 not acknowledged, 2 wrong use.
"""


FAMILIES = {"-4": int(socket.AF_INET), "-6": int(socket.AF_INET6)}


def _options(arguments: list[str]) -> tuple[bool, str, int]:
    """Whether to put out JSON, who calls, and by which version of IP, as a socket has it."""
    as_json, family = False, int(socket.AF_UNSPEC)
    system = system_of(os.environ.get("LAB_NODE", "hmc"))
    rest = iter(arguments)

    for argument in rest:
        if argument == "--json":
            as_json = True
        elif argument in FAMILIES:
            family = FAMILIES[argument]
        elif argument == "--system":
            system = next(rest, "")
        else:
            raise ValueError(f"{argument} is not understood; --help says what is")

    if not 0 < len(system) <= 64 or not system.isprintable():
        raise ValueError("--system needs a TYPE-MODEL*SERIAL of at most 64 characters")
    return as_json, system, family


def _surroundings() -> tuple[list[str], list[str], str]:
    """The servers' URLs, those of the proxies, each once, and the CA file."""
    endpoints, proxies = _urls("LAB_SERVER", "LAB_SERVERS"), _urls("LAB_PROXIES")
    ca_file = os.environ.get("LAB_CA_FILE", "")

    if not endpoints or not ca_file:
        raise ValueError("LAB_SERVER and LAB_CA_FILE must be set; --help says to what")
    return endpoints, proxies, ca_file


def _urls(*variables: str) -> list[str]:
    urls = ",".join(os.environ.get(name, "") for name in variables).split(",")
    return list(dict.fromkeys(url.strip() for url in urls if url.strip()))


def main(arguments: list[str]) -> int:
    if "-h" in arguments or "--help" in arguments:
        sys.stdout.write(USAGE)
        return 0

    try:
        as_json, system, family = _options(arguments)
        endpoints, proxies, ca_file = _surroundings()
        attempts = call_home(
            endpoints, ca_file, system=system, proxies=proxies, story=_tell, family=family
        )
    except ValueError as error:
        _tell(str(error))
        return 2
    except OSError as error:  # SSLError is one: a file that holds no certificate
        _tell(f"LAB_CA_FILE={ca_file} cannot be used: {describe(error)}")
        return 2

    acknowledgement = attempts[-1].acknowledgement
    if as_json:
        told = {
            "acknowledged": bool(acknowledgement),
            "server": attempts[-1].server if acknowledgement else None,
            "acknowledgement": acknowledgement or None,
            "attempts": [attempt.as_dict() for attempt in attempts],
        }
        sys.stdout.write(json.dumps(told) + "\n")
    elif acknowledgement:
        sys.stdout.write(json.dumps(acknowledgement) + "\n")
    if not acknowledgement:
        from lab.names import count  # What this imports would double the cost of a call home.

        _tell(f"no server acknowledged the heartbeat in {count(len(attempts), 'attempt')}")
    return 0 if acknowledgement else 1


def _tell(line: str) -> None:
    sys.stderr.write(f"agent: {line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
