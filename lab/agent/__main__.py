"""The reference agent (``python -m lab.agent``): what the command reads, and what it says.

It is told by environment variables which servers and proxies there are and whom to trust. argparse would
cost a third of its start-up time.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator

from lab.agent.client import AgentCaller, call_home, describe
from lab.agent.heartbeat import system_of
from lab.agent.message import Attempt, ServerUrl

USAGE = """\
usage: python -m lab.agent [--json] [-4 | -6] [--system TYPE-MODEL*SERIAL]
                           [--errand TYPE=URL,...] [--everywhere]
       python -m lab.agent [--json] --relay KEY
       python -m lab.agent COMMAND --settings FILE

With a COMMAND: as `lab agent COMMAND`; `python -m lab.agent COMMAND --help` says more. Without one:
send one heartbeat to the first server that acknowledges it; or do errands, each at the first server
that takes it. TYPE is such as enrolment, problem, upload or fix; --errand may be there several times.
With --everywhere each errand is tried once at every address of its servers. -4 and -6 leave the other
version of IP out. --relay sends what a console asks for (docs/consoles.md), which is on stdin, with that
Idempotency-Key.

  LAB_SERVER    URL of the server: https://HOST[:PORT]
  LAB_SERVERS   more URLs, separated by commas, tried in this order after LAB_SERVER
  LAB_ERRANDS   errands, with blanks between: TYPE=URL,... TYPE=URL,...; --errand takes their place
  LAB_PROXIES   URLs of proxies, separated by commas, tried in this order; without one, none is used
  LAB_CONSOLE   URL of a console that calls home in the place of this agent: https://ADDRESS:9920
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
        self.relayed = ""
        self.system = system_of(os.environ.get("LAB_NODE", "hmc"))
        self.errands: list[str] = []
        self.family = int(socket.AF_UNSPEC)
        self._read(iter(arguments))
        if not 0 < len(self.system) <= 64 or not self.system.isprintable():
            raise ValueError("--system needs a TYPE-MODEL*SERIAL of at most 64 characters")
        self.errands = self.errands or os.environ.get("LAB_ERRANDS", "").split()
        self.servers, self.proxies = _urls("LAB_SERVER", "LAB_SERVERS"), _urls("LAB_PROXIES")
        self.ca_file = os.environ.get("LAB_CA_FILE", "")
        self.console = "" if self.relayed else os.environ.get("LAB_CONSOLE", "")
        if not (self.servers or self.errands) or not self.ca_file:
            raise ValueError("LAB_SERVER and LAB_CA_FILE must be set; --help says to what")
        if self.everywhere and not self.errands:
            raise ValueError("--everywhere needs errands; --help says how they are given")
        for url in self.servers:
            ServerUrl(url)  # What is wrong with it is told before anything is done.

    def _read(self, rest: Iterator[str]) -> None:
        for argument in rest:
            if argument == "--json":
                self.as_json = True
            elif argument == "--everywhere":
                self.everywhere = True
            elif argument in FAMILIES:
                self.family = FAMILIES[argument]
            elif argument == "--system":
                self.system = next(rest, "")
            elif argument == "--relay":
                self.relayed = next(rest, "")
            elif argument == "--errand":
                self.errands.append(next(rest, ""))
            else:
                raise ValueError(f"{argument} is not understood; --help says what is")


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
        if options.relayed:
            return _relay(options)
        run = _do_errands if options.errands else _call_home
        return run(options)
    except ValueError as error:
        _tell(str(error))
        return 2
    except OSError as error:  # SSLError is one: a file that holds no certificate
        _tell(f"LAB_CA_FILE={ca_file} cannot be used: {describe(error)}")
        return 2


def _call_home(options: _Options) -> int:
    return _report(options, call_home(options.servers, _caller(options), system=options.system))


def _relay(options: _Options) -> int:
    """Call home for another console."""
    from lab.agent.inter_console import unpacked  # For consoles alone.

    message, _ = unpacked(options.relayed, json.loads(sys.stdin.buffer.read()))
    written = dict(each.split("=", 1) for each in options.errands if "=" in each)
    urls = written[message.errand].split(",") if message.errand in written else options.servers
    return _report(options, _caller(options).send(message, map(ServerUrl, urls)))


def _caller(options: _Options) -> AgentCaller:
    """Who sends messages: this agent itself, or a console for it."""
    if not options.console:
        return AgentCaller(options.ca_file, options.proxies, _tell, family=options.family)
    from lab.agent import inter_console  # Few have a console for that.

    anonymous = bool(os.environ.get("LAB_CONSOLE_ANONYMOUS"))
    context = inter_console.caller_context(options.ca_file, anonymous=anonymous)
    return inter_console.ConsoleCaller(options.console, context, _tell)


def _report(options: _Options, attempts: list[Attempt]) -> int:
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
        _caller(options),
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
