"""What can be wrong with the order of several ways home, as mutations of a true run: no gateway answers, and
the modem serves.
"""

from __future__ import annotations

from tests.recordings.true_run import TrueRun
from tests.unit.verify.dial_mutations import lose_call_home
from tests.unit.verify.mutation import UNLISTED, facts, in_turn, leaves, mutation, noted
from tests.unit.verify.pass_through_mutations import IKE, VPN1, leaves_from


def lose_ike(run: TrueRun) -> None:
    """Nothing of the VPN is on the agent's wire."""
    run.drop("lan", run.find("lan", lambda packet: True))


def lose_what_left(run: TrueRun) -> None:
    """No packet of the VPN got past the firewall: so it is where a rule drops UDP 500."""
    run.drop("fw-inet", run.find("fw-inet", lambda packet: packet.source_port == 500))


def too_early(run: TrueRun) -> None:
    """The modem is tried before the VPN is given up."""
    run.record.tries[1].started -= 1


def dial_first(run: TrueRun) -> None:
    facts("dialled", started=run.record.started)(run)


def ask_later(run: TrueRun) -> None:
    """IKE goes to a gateway while the modem is in use."""
    last = run.find("lan", lambda packet: packet.source_port == 500)[-1]
    run.change(last, time=run.record.calls[0].ended)


def call_early(run: TrueRun) -> None:
    """PPP is on the line before the VPN is given up."""
    first = run.lines(lambda item: item.outgoing)[0]
    run.unsay([first])
    run.say(first, first.frame.data, run.record.tries[0].ended - 1)


MUTATIONS = (
    mutation("OUT-15", "no packet of the VPN", "failover", lose_ike,
             seen="modem is in use, and vpn is never"),
    mutation("OUT-15", "the modem first", "failover", noted(lambda r: r.tries.reverse()),
             seen="hmc tried modem first, and vpn comes first"),
    mutation("OUT-15", "too early", "failover", too_early, seen="hmc tried modem before vpn was given up"),
    mutation("OUT-15", "dialled first", "failover", dial_first, "OUT-24 R-01",
             seen="modem is in use at 0.0 s, and vpn is later, at "),
    mutation("OUT-15", "the VPN still asked", "failover", ask_later, "OUT-23",
             seen="and vpn is later, at "),
    mutation("R-01", "no connection on the line", "failover", lose_call_home, "OUT-23 OUT-02 L-06",
             seen="hmc got through by modem, and no connection is on its wires"),
    mutation("R-01", "on the line too early", "failover", call_early, "P-12 L-04 L-05 L-06 L-07 L-09",
             seen=" s, and what comes before it failed only at "),
    mutation("OUT-03", "another source, by a way that gave none", "failover",
             in_turn(lose_what_left, leaves_from(UNLISTED, VPN1, IKE)), "OUT-23",
             seen="with source 198.18.0.1"),
    mutation("F-08", "another gateway, by a way that gave none", "failover",
             in_turn(lose_what_left, leaves(UNLISTED, IKE)), "g1 OUT-23"),
    mutation("R-01", "by the other way", "failover", facts("calls", way="vpn")),
)  # fmt: skip
