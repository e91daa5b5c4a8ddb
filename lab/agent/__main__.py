"""The reference agent (``python -m lab.agent``): what the command reads, and what it says.

It is told by environment variables which servers and proxies there are and whom to trust. argparse would
cost a third of its start-up time.
"""

from __future__ import annotations

import json
import os
import socket
import sys

from lab.agent.client import AgentCaller, call_home, describe
from lab.agent.heartbeat import system_of

USAGE = """\
usage: python -m lab.agent [--json] [-4 | -6] [--system TYPE-MODEL*SERIAL]
                           [--errand TYPE=URL,...] [--everywhere]
       python -m lab.agent COMMAND --settings FILE

With a COMMAND: as `lab agent COMMAND`; `python -m lab.agent COMMAND --help` says more. Without one:
send one heartbeat to the first server that acknowledges it; or do errands, each at the first server
that takes it. TYPE is such as enrolment, problem, upload or fix; --errand may be there several times.
With --everywhere each errand is tried once at every address of its servers. -4 and -6 leave the other
version of IP out.

  LAB_SERVER    URL of the server: https://HOST[:PORT]
  LAB_SERVERS   more URLs, separated by commas, tried in this order after LAB_SERVER
  LAB_ERRANDS   errands, with blanks between: TYPE=URL,... TYPE=URL,...; --errand takes their place
  LAB_PROXIES   URLs of proxies, separated by commas, tried in this order; without one, none is used
  LAB_CA_FILE   certificates (PEM) of the authorities that are trusted
  LAB_NODE      names this machine, unless --system does

The story is told on stderr; the acknowledgement (with --json: every attempt) is put on stdout.
Exit status: 0 acknowledged (all errands done), 1 not, 2 wrong use.
"""


FAMILIES = {"-4": int(socket.AF_INET), "-6": int(socket.AF_INET6)}


class _Options:
    """What the command line and the environment ask for."""

    def __init__(self, arguments: list[str]) -> None:
        """Raises ValueError for what is not understood."""
        self.as_json = self.everywhere = False
        self.system = system_of(os.environ.get("LAB_NODE", "hmc"))
        self.errands: list[str] = []
        self.family = int(socket.AF_UNSPEC)
        rest = iter(arguments)

        for argument in rest:
            if argument == "--json":
                self.as_json = True
            elif argument == "--everywhere":
                self.everywhere = True
            elif argument in FAMILIES:
                self.family = FAMILIES[argument]
            elif argument == "--system":
                self.system = next(rest, "")
            elif argument == "--errand":
                self.errands.append(next(rest, ""))
            else:
                raise ValueError(f"{argument} is not understood; --help says what is")

        if not 0 < len(self.system) <= 64 or not self.system.isprintable():
            raise ValueError("--system needs a TYPE-MODEL*SERIAL of at most 64 characters")
        self.errands = self.errands or os.environ.get("LAB_ERRANDS", "").split()
        self.servers, self.proxies = _urls("LAB_SERVER", "LAB_SERVERS"), _urls("LAB_PROXIES")
        self.ca_file = os.environ.get("LAB_CA_FILE", "")
        if not (self.servers or self.errands) or not self.ca_file:
            raise ValueError("LAB_SERVER and LAB_CA_FILE must be set; --help says to what")
        if self.everywhere and not self.errands:
            raise ValueError("--everywhere needs errands; --help says how they are given")


def _urls(*variables: str) -> list[str]:
    urls = ",".join(os.environ.get(name, "") for name in variables).split(",")
    return list(dict.fromkeys(url.strip() for url in urls if url.strip()))


def main(arguments: list[str]) -> int:
    if arguments and not arguments[0].startswith("-"):
        from lab.agent import commands  # What they import costs as much as a call home.

        return commands.main(arguments)
    if "-h" in arguments or "--help" in arguments:
        sys.stdout.write(USAGE)
        return 0

    ca_file = os.environ.get("LAB_CA_FILE", "")
    try:
        options = _Options(arguments)
        run = _do_errands if options.errands else _call_home
        return run(options)
    except ValueError as error:
        _tell(str(error))
        return 2
    except OSError as error:  # SSLError is one: a file that holds no certificate
        _tell(f"LAB_CA_FILE={ca_file} cannot be used: {describe(error)}")
        return 2


def _call_home(options: _Options) -> int:
    attempts = call_home(
        options.servers,
        options.ca_file,
        system=options.system,
        proxies=options.proxies,
        story=_tell,
        family=options.family,
    )
    acknowledgement = attempts[-1].acknowledgement
    if options.as_json:
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


def _do_errands(options: _Options) -> int:
    from lab.agent.errands import Errands, Task  # A heartbeat needs none of it.

    tasks = [Task(written) for written in options.errands]
    errands = Errands(
        tasks,
        options.system,
        AgentCaller(options.ca_file, options.proxies, _tell, family=options.family),
    )
    errands.run(everywhere=options.everywhere)
    attempts = [attempt.as_dict() for attempt in errands.attempts]
    done = all(task.done for task in tasks)
    told: dict[str, object] = {
        "acknowledged": done,
        "errands": [task.as_dict() for task in tasks],
    }
    if options.as_json:
        told["attempts"] = attempts
    sys.stdout.write(json.dumps(told) + "\n")
    return 0 if done else 1


def _tell(line: str) -> None:
    sys.stderr.write(f"agent: {line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
