"""Carries out the agent's commands: what each does, and what it prints. Their options are in ``commands``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from lab.agent import activation
from lab.agent.book import lines
from lab.agent.courier import Courier, Sent
from lab.agent.plain_text import as_lines
from lab.agent.settings import Monitored
from lab.agent.spool import DAMAGED, REFUSED, Queued
from lab.agent.state import AgentState
from lab.errors import PathError, UsageError
from lab.names import count


class Clerk:
    """Carries one command out."""

    def __init__(
        self, args: argparse.Namespace, state: AgentState, tell: Callable[[str], None]
    ) -> None:
        self._args = args
        self._state = state
        self._tell = tell
        self._courier = Courier(state)

    def run(self) -> int:
        name = str(self._args.agent_command).replace("-", "_")
        return int(getattr(self, f"_{name}")())

    def _activate(self) -> int:
        activation.activate(self._state, self._courier, self._say)
        return 0

    def _deactivate(self) -> int:
        from lab.agent.standing import wake

        self._say("deactivated" if activation.deactivate(self._state) else "it was not active")
        wake(self._state)  # A service that runs ends.
        return 0

    def _enrol(self) -> int:
        activation.check_vendor(self._state)
        sent = self._courier.send()
        missing = [
            machine.name
            for machine in self._state.settings.machines
            if self._state.credentials.of(machine.name) is None
        ]
        if missing:
            raise _not_done(f"not enrolled: {', '.join(missing)}", sent)
        return self._print({m.name: self._id(m) for m in self._state.settings.machines})

    def _test(self) -> int:
        from lab.agent.connectivity import ConnectivityTest

        activation.check_vendor(self._state)
        results = []
        with self._courier.trip() as trip:
            for result in ConnectivityTest(self._state, trip.roads).run():
                results.append(result)
                if not self._args.json:
                    self._say(result.line)
        failed = [result for result in results if not result.reached]
        if self._args.json:
            self._print({"passed": not failed, "results": [r.as_dict() for r in results]})
        else:
            self._say(f"{count(len(results), 'try', 'tries')}, {len(failed)} failed")
        return 1 if failed or not results else 0

    def _heartbeat(self) -> int:
        return self._send_regular("heartbeat")

    def _inventory(self) -> int:
        return self._send_regular("inventory")

    def _performance(self) -> int:
        return self._send_regular("performance")

    def _send_regular(self, kind: str) -> int:
        from lab.agent.reports import Reports

        activation.check_vendor(self._state)
        reports = Reports(self._state)
        machines = [self._one()] if self._args.machine else self._state.settings.machines
        return self._send([reports.regular(kind, m, "", self._args.reason) for m in machines])

    def _problem(self) -> int:
        from lab.agent.reports import EXTENDED, Reports

        activation.check_vendor(self._state)
        reports, machine = Reports(self._state), self._one()
        told = {
            "reference_code": self._args.reference_code,
            "severity": self._args.severity,
            "text": self._args.text,
            "reason": self._args.reason,
        }
        entries = [reports.problem(machine, told)]
        if not self._args.no_data and reports.has(EXTENDED):
            entries += reports.extended(machine, entries[0].report)
        return self._send(entries)

    def _upload(self) -> int:
        from lab.agent.reports import Reports

        activation.check_vendor(self._state)
        path = self._args.file
        if self._args.problem not in self._state.problems.all():
            raise UsageError(
                f"no problem {self._args.problem!r} was reported", hint="`status` lists them"
            )
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UsageError(
                f"{path} cannot be read: {error.strerror}", hint="name a file"
            ) from error
        reports = Reports(self._state)
        return self._send([reports.data(self._one(), self._args.problem, path.name, content)])

    def _configuration(self) -> int:
        from lab.agent.configuration import ConfigurationFile

        activation.check_vendor(self._state)
        with self._courier.trip() as trip:
            ConfigurationFile(self._state).refresh(trip.roads)
        return self._print(self._state.directory.stored())

    def _fix(self) -> int:
        from lab.agent.fixes import Fixes

        activation.check_vendor(self._state)
        fixes, machine = Fixes(self._state), self._one()
        with self._courier.trip() as trip:
            if self._state.credentials.of(machine.name) is None:
                trip.send()  # An enrolment comes first (OUT-42).
            offered = fixes.offered(machine, trip.roads)
            if not self._args.name:
                return self._print({"fixes": offered})
            if self._args.name not in offered:
                raise UsageError(
                    f"there is no fix {self._args.name!r}", hint=f"known: {', '.join(offered)}"
                )
            content = fixes.fetch(self._args.name, offered[self._args.name], trip.roads)
        return self._print(
            {"fix": self._args.name, "bytes": len(content), "folder": str(fixes.folder)}
        )

    def _update(self) -> int:
        from lab.agent.collect import reason_for
        from lab.agent.updates import REASON, Updates

        activation.check_vendor(self._state)
        reason_for(self._state.settings.generation, REASON)
        updates = Updates(self._state)
        with self._courier.trip() as trip:
            trip.send()  # Who is not enrolled gets none.
            fetched = updates.fetch(self._one(), trip.roads)
        return self._print({"fetched": fetched, "folder": str(updates.folder)})

    def _access_key(self) -> int:
        from lab.agent.access_key import AccessKeys
        from lab.agent.collect import reason_for

        activation.check_vendor(self._state)
        reason_for(self._state.settings.generation, "access-key")
        keys = AccessKeys(self._state)
        with self._courier.trip() as trip:
            trip.send()  # Who is not enrolled gets none.
            for machine in self._state.settings.machines:
                keys.update(machine, trip.roads)
        expiries = {name: {"expires": each["expires"]} for name, each in keys.all().items()}
        return self._print(expiries)

    def _collect(self) -> int:
        from lab.agent import collect

        generation = self._state.settings.generation
        reasons = {each.name: each.words for each in collect.reasons(generation).values()}
        files = [
            {
                "file": each.pattern,
                "reasons": [*each.reasons],
                "what": each.words,
                "source": each.at,
            }
            for each in collect.files(generation)
        ]
        return self._print({"generation": generation, "reasons": reasons, "files": files})

    def _queue(self) -> int:
        if self._args.send:
            activation.check_vendor(self._state)
            sent = self._courier.send()
            if sent.kept:
                raise _not_done(f"{count(sent.kept, 'report')} left in the queue", sent)
        spool = self._state.spool
        waiting = [
            {
                "report": e.report, "kind": e.kind, "machine": e.machine, "reason": e.reason,
                "collected": e.collected, "about": e.about, "name": e.name, "bytes": e.size,
            }
            for e in spool.entries()
        ]  # fmt: skip
        aside = {folder: spool.aside(folder) for folder in (REFUSED, DAMAGED)}
        return self._print({"waiting": waiting, **aside})

    def _ledger(self) -> int:
        entries = [*lines(self._state.book.path)]
        if self._args.json:
            return self._print(entries)
        for entry in entries:
            at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(float(entry.pop("time", 0))))
            event = entry.pop("event", "")
            told = "  ".join(f"{key}={value}" for key, value in entry.items())
            self._say(f"{at}  {event:18}  {told}")
        return 0

    def _status(self) -> int:
        from lab.agent.status import status

        return self._print(status(self._state))

    def _serve(self) -> int:
        from lab.agent.standing import Standing

        if self._args.activate and not self._state.activated:
            activation.activate(self._state, self._courier, self._tell)
        Standing(self._state, self._courier).run()
        return 0

    def _send(self, entries: list[Queued]) -> int:
        """Send what was queued; whether all of it has arrived."""
        sent = self._courier.send()
        told = [
            {
                "report": e.report,
                "kind": e.kind,
                "machine": e.machine,
                "acknowledged": sent.has(e.report),
            }
            for e in entries
        ]
        problems = self._state.problems.all()
        for each in told:
            if pmh := problems.get(str(each["report"]), {}).get("pmh"):
                each["pmh"] = pmh
        self._print({"reports": told})
        if not all(each["acknowledged"] for each in told):
            from lab.agent.standing import wake

            wake(self._state)  # A service that runs goes on trying.
            raise _not_done("not everything has arrived; what has not is queued", sent)
        return 0

    def _one(self) -> Monitored:
        machines = self._state.settings.machines
        wanted = self._args.machine
        found = [each for each in machines if wanted in ("", each.serial, each.name)]
        if not found:
            known = ", ".join(each.serial for each in machines)
            raise UsageError(f"there is no machine {wanted!r}", hint=f"known: {known}")
        return found[0]

    def _id(self, machine: Monitored) -> str:
        log_in = self._state.credentials.of(machine.name)
        return log_in.id if log_in else ""

    def _print(self, told: Any) -> int:
        if self._args.json:
            sys.stdout.write(json.dumps(told, indent=1) + "\n")
        else:
            sys.stdout.write("".join(f"{line}\n" for line in as_lines(told)))
        return 0

    def _say(self, line: str) -> None:
        """A result for people; with --json it is a line of the story."""
        if getattr(self._args, "json", False):
            self._tell(line)
        else:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()


def _not_done(what: str, sent: Sent) -> PathError:
    return PathError(
        f"{what}: {sent.why}" if sent.why else what,
        hint="`lab agent test` says which way to which server fails; the service goes on trying",
    )
