"""How it is told why a user's own command failed, in a lab whose path is up.

Only what packets, the servers' ledger and the lab's notes of the command show is said: of a command that
failed for a reason of its own, nothing is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lab.names import all_of, count
from lab.record.command_event import CommandRun, NodeAltered, NodePart
from lab.topology.roles import TRAITS
from lab.verify import place_symptoms, shake_symptoms
from lab.verify.case import Case
from lab.verify.command_trail import AFTER_S, CommandTrail
from lab.verify.name_symptoms import NO_SUCH_NAME, name_unknown
from lab.verify.symptom import Diagnosis
from lab.wire.decode import TCP

LOOPBACK = "127."
DROPPED_OWN = "dropped-own"
"""The firewall's counter of packets of its own that no rule opens."""
CONNECT = b"CONNECT "


def find_stranger(trail: CommandTrail) -> Diagnosis | None:
    """The command ran on a node that is no agent, and what it called from there was not answered."""
    case, node = trail.case, trail.node
    if trail.is_agent or TRAITS[node.role].guards_ppp:
        return None
    fate = _fate_of_stranger(trail)
    if not fate:
        return None
    agents = case.topology.agents
    return Diagnosis(
        "no-agent",
        f"the command ran on {node.name} ({TRAITS[node.role].title or node.role.value}), which is no agent: "
        f"no way home leads from there, and {fate}",
        f"run it on {all_of(list(agents))}: --node {agents[0]}",
    )


def _fate_of_stranger(trail: CommandTrail) -> str:
    listed = {endpoint.address for endpoint in trail.case.topology.endpoints}
    if trail.failed:
        last = trail.failed[-1]
        found = last.destination in listed and not last.is_taken
        return f"{last.service} to {last.destination} was not answered" if found else ""
    # What a firewall's rules drop of its own packets is on no wire.
    dropped = trail.case.record.counters.get(trail.name, {}).get(DROPPED_OWN, 0)
    return (
        f"its rules dropped {count(dropped, 'packet')} of its own"
        if dropped and not trail.flows
        else ""
    )


def find_sanitizer(trail: CommandTrail) -> Diagnosis | None:
    """The program needs more addresses than a process of the lab's own kernel has, and sent nothing."""
    name = trail.command.sanitizer
    if not name or trail.wire_frames or trail.frames:
        return None
    return Diagnosis(
        "too-few-addresses",
        f"{trail.command.program} was built with {name}, which reserves terabytes of addresses, and a "
        "process of the lab's own kernel has 512 GB",
        "run it with --engine native, build it without, or use valgrind",
    )


def find_altered_host(trail: CommandTrail) -> Diagnosis | None:
    """The command's own host has lost its link, address or route, or has rules: nothing came to its wires."""
    kinds = (NodePart.link, NodePart.address, NodePart.route, NodePart.rules)
    found = [e for e in trail.altered if e.source == trail.name and e.part in kinds]
    if not found or trail.flows or any(f.ip for f in trail.frames):
        return None
    return _altered(
        "host-altered", trail, found, f"no packet of the command is on a wire of {trail.name}"
    )


def find_deaf_host(trail: CommandTrail) -> Diagnosis | None:
    """Answers come to the host's wire, and the host sends its SYN again: it does not take them."""
    if not trail.failed or not trail.failed[-1].is_unheard:
        return None
    last = trail.failed[-1]
    answers = sum(packet.is_syn_ack for packet in last.answers)
    told = f"{count(answers, 'answer')} of {last.destination} to its SYN"
    fate = f"{told} came to its wire, and it sent the SYN again"
    found = [e for e in trail.altered if e.source == trail.name and e.part is NodePart.rules]
    if found:
        return _altered("answers-dropped", trail, found, fate)
    return Diagnosis(
        "answers-dropped",
        f"{trail.name} does not take what it is answered: {fate}",
        f"see which rules {trail.name} has: nft list ruleset",
    )


def find_altered_resolver(trail: CommandTrail) -> Diagnosis | None:
    """resolv.conf was overwritten, and the last lookup got no answer, or none was made."""
    found = [e for e in trail.altered if e.source == trail.name and e.part is NodePart.resolver]
    if not found or trail.flows or any(each.answered for each in trail.lookups):
        return None
    asked = [each.server for each in trail.lookups]
    fate = (
        f"{asked[-1]} was asked for {trail.lookups[-1].name}, and gave no answer"
        if asked
        else (f"{trail.name} asked nobody for a name")
    )
    return _altered("resolver-altered", trail, found, fate)


def find_altered_firewall(trail: CommandTrail) -> Diagnosis | None:
    """The customer's firewall has rules of the user's own, and what the command called was not answered."""
    firewall = trail.case.topology.firewall
    failed = [flow for flow in trail.failed if flow.protocol == TCP and not flow.answers]
    if firewall is None or firewall.node == trail.name or not failed:
        return None
    found = [e for e in trail.altered if e.source == firewall.node and e.part is NodePart.rules]
    loss = trail.loss_of(failed)
    listed = [f for f in failed if (f.destination, f.port) in trail.case.listed]
    if not found or not listed or (loss is not None and loss.lost_at != firewall.node):
        return None
    if loss is None:
        return None
    fate = (
        f"it loses {failed[-1].service} of {trail.name} to {failed[-1].destination}: "
        f"{count(loss.sent, 'SYN')} on {loss.last_segment}, none on {loss.next_segment}"
    )
    return _altered("firewall-altered", trail, found, fate)


def _altered(cause: str, trail: CommandTrail, found: list[NodeAltered], fate: str) -> Diagnosis:
    node = found[0].source
    words = all_of([each.words for each in found])
    return Diagnosis(
        cause,
        f"{node} is not as the lab made it: {words}; {fate}",
        f"lab up {trail.case.topology.name}, and then lab exec {node} -- sh, to see what the command changes",
    )


def find_lost_proxy(trail: CommandTrail) -> Diagnosis | None:
    """A proxy variable leads to somebody who is no proxy, or to nobody."""
    for told in trail.command.proxies:
        variable, _, place = told.partition("=")
        host, _, port = place.rpartition(":")
        if _is_topologys(trail, host, port):
            continue
        what = f"{variable} of the command leads to {place}"
        if host in ("localhost", "::1", "[::1]") or host.startswith(LOOPBACK):
            if not trail.flows:
                return _no_proxy(
                    trail, variable, f"{what}, which is {trail.name} itself, and no packet left it"
                )
            continue
        addresses = {host} | {
            a for each in trail.lookups if each.name == host for a in each.addresses
        }
        asked = [each for each in trail.lookups if each.name == host]
        if asked and not any(each.addresses for each in asked) and not trail.flows:
            unknown = (
                "has no address" if any(each.answered for each in asked) else "is not told to it"
            )
            return _no_proxy(
                trail, variable, f"{what}, a name that {unknown}: {asked[-1].server} was asked"
            )
        if {*addresses} & {*trail.unanswered_neighbours} and not trail.came_through:
            return _no_proxy(trail, variable, f"{what}, and nobody on the link has that address")
        called = [f for f in trail.failed if f.destination in addresses and str(f.port) == port]
        if called and called[-1] is trail.failed[-1] and not called[-1].is_taken:
            fate = "refuses the connection" if called[-1].is_refused else "does not answer"
            return _no_proxy(trail, variable, f"{what}, which {fate}")
    return _server_taken_for_proxy(trail)


def _is_topologys(trail: CommandTrail, host: str, port: str) -> bool:
    """Whether it is a proxy that the topology has: what befalls that is the way's to tell."""
    return any(
        host in (proxy.name, proxy.node, proxy.address) and port == str(proxy.port)
        for proxy in trail.case.topology.proxies
    )


def _server_taken_for_proxy(trail: CommandTrail) -> Diagnosis | None:
    """CONNECT was said to a machine that is no proxy of the topology's."""
    proxies = {(proxy.address, proxy.port) for proxy in trail.case.topology.proxies}
    for flow in trail.failed[-1:]:
        said = flow.connection.out if flow.connection else b""
        if said.startswith(CONNECT) and (flow.destination, flow.port) not in proxies:
            target = said[len(CONNECT) :].split(b" ")[0].decode(errors="replace")
            variable = next(
                (t.partition("=")[0] for t in trail.command.proxies), "a proxy's setting"
            )
            place = f"{flow.destination}:{flow.port}"
            what = f"{trail.name} asks {place} to CONNECT to {target}, and {place} is no proxy"
            return _no_proxy(trail, variable, what)
    return None


def _no_proxy(trail: CommandTrail, variable: str, sentence: str) -> Diagnosis:
    name = trail.case.topology.name
    own = [f"{proxy.address}:{proxy.port}" for proxy in trail.case.topology.proxies]
    unset = f", as by env -u {variable}" if variable else ""
    hint = f"{name} has {all_of(own)}" if own else f"{name} has no proxy: leave it out{unset}"
    return Diagnosis("proxy-leads-nowhere", sentence, hint)


def find_wrong_resolver(trail: CommandTrail) -> Diagnosis | None:
    """The last lookup went to somebody who is no name server of the node's, and was not answered."""
    if not trail.lookups or any(f.started > trail.lookups[-1].time for f in trail.flows):
        return None
    last, own = trail.lookups[-1], trail.name_servers
    if (
        last.answered
        or last.server in own
        or any(e.part is NodePart.resolver for e in trail.altered)
    ):
        return None
    asked = sum(len(each.asked) for each in trail.lookups if each.server == last.server)
    server = (
        f"{trail.name}'s name {'server is' if len(own) == 1 else 'servers are'} {all_of(own)}"
        if own
        else f"{trail.name} has no name server"
    )
    return Diagnosis(
        "wrong-resolver",
        f"{trail.name} asked {last.server} for {last.name} {count(asked, 'time')}, and got no answer: "
        + server,
        f"ask {all_of(own)}"
        if own
        else f"lab exec {trail.name} -- cat /etc/hosts shows the names that it knows",
    )


def find_unknown_name(trail: CommandTrail) -> Diagnosis | None:
    """The last name that was asked for is none, and nothing was opened after that."""
    if not trail.lookups or any(f.started > trail.lookups[-1].time for f in trail.flows):
        return None
    last = trail.lookups[-1]
    own = [each for each in trail.lookups if each.name == last.name]
    if any(each.addresses for each in own) or all(each.code != NO_SUCH_NAME for each in own):
        return None
    return name_unknown(last.name, last.server, trail.name, trail.profile)


Symptom = Callable[[CommandTrail], Diagnosis | None]

AT_ONCE: tuple[Symptom, ...] = (
    find_sanitizer,
    find_altered_host,
    find_deaf_host,
    find_lost_proxy,
    find_altered_resolver,
    find_wrong_resolver,
    find_stranger,
    place_symptoms.find_absent_neighbour,
    place_symptoms.find_expired,
    place_symptoms.find_too_big,
    place_symptoms.find_forbidden,
    place_symptoms.find_unlisted_address,
    place_symptoms.find_unlisted_port,
    place_symptoms.find_closed_port,
    place_symptoms.find_no_way,
    place_symptoms.find_icmp,
    find_altered_firewall,
)
"""What is the command's own, and so comes before what may have befallen the way."""

AFTERWARDS: tuple[Symptom, ...] = (
    find_unknown_name,
    shake_symptoms.find_untrusted_certificate,
    shake_symptoms.find_no_shared_cipher,
    shake_symptoms.find_http_in_clear,
    shake_symptoms.find_wrong_name,
)
"""What the command met at the servers, where nothing befell the way."""


Way = Callable[[Case], Diagnosis | None]
"""What befell the agents' ways, as a case shows it."""


def find(case: Case, way: Way) -> Diagnosis | None:
    """Why the last command that failed did; of several, which it was."""
    failed = [command for command in case.record.commands if command.status]
    if not failed:
        return way(case)
    found = find_of(case, failed[-1], way)
    if found is None or len(case.record.commands) == 1:
        return found
    since = failed[-1].started - case.record.started
    told = f"{failed[-1].program} on {failed[-1].source} at {since:.1f} s: {found.sentence}"
    return replace(found, sentence=told)


def find_of(case: Case, command: CommandRun, way: Way) -> Diagnosis | None:
    """Why one command failed; the others' packets say nothing about it."""
    if len(case.record.commands) > 1:
        later = [c.started for c in case.record.commands if c.started >= command.time]
        case = case.during(command.started, min([command.time + AFTER_S, *later]))
    trail = CommandTrail(case, command)
    return _first(trail, AT_ONCE) or _of_way(trail, way) or _first(trail, AFTERWARDS)


def _first(trail: CommandTrail, symptoms: tuple[Symptom, ...]) -> Diagnosis | None:
    return next((found for ask in symptoms if (found := ask(trail))), None)


def _of_way(trail: CommandTrail, way: Way) -> Diagnosis | None:
    """What befell the way is no reason where the command's last connection went well."""
    entries = trail.ledger
    if trail.came_through and not (entries and entries[-1].status >= 400):
        return None
    return way(trail.case)
