"""What somebody wants of remote service, as a model: by what, to whom, with which addresses. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

from lab.errors import UsageError
from lab.names import check_known
from lab.topology.model import RemoteService
from lab.topology.service import BY_TELEPHONE, CODE_DIGITS, PPP_ADDRESS, Inbound


def told(service: RemoteService, options: Mapping[str, Any]) -> RemoteService:
    """The service as somebody wants it: ``by``, ``ppp_address``, ``access``; what is left out is as in the
    topology.

    Raises UsageError for what makes no sense.
    """
    by = chosen(service, str(options.get("by") or ""))
    if by is Inbound.terminal:
        return _told_terminal(service, options)
    if by is Inbound.internet:
        return _told_by_internet(service, options)
    address = str(options.get("ppp_address") or service.ppp_address or PPP_ADDRESS)
    try:
        first = IPv4Address(address)
    except ValueError as error:
        raise UsageError(f"{address} is no IPv4 address", hint="such as 10.253.0.1") from error
    known = [service.console, *(partition.name for partition in service.partitions)]
    access = options.get("access")
    if access is None:
        access = [p.name for p in service.partitions if p.allowed]
        access += [service.console] if service.console_allowed else []
    for name in access:
        check_known("partition", name, known)
        if name != service.console and service.console_only:
            raise UsageError(
                f"of this generation a session reaches {service.console} only, and not {name} (I-22)",
                hint=f"--access {service.console}",
            )
    return replace(
        service,
        by=by,
        ppp_address=str(first),
        caller_address=str(first + 1),
        console_allowed=service.console in access,
        partitions=tuple(
            replace(partition, alias=str(first + 2 + n), allowed=partition.name in access)
            for n, partition in enumerate(service.partitions)
        ),
    )


def _told_by_internet(service: RemoteService, options: Mapping[str, Any]) -> RemoteService:
    """``code``, ``ports``, ``access``: a session is led to ports of the console itself."""
    code = str(options.get("code") or "")
    if code and (len(code) != CODE_DIGITS or not (code.isascii() and code.isdigit())):
        raise UsageError(f"{code} is no code", hint=f"a code has {CODE_DIGITS} digits")
    if options.get("ppp_address"):
        raise UsageError("a session by Internet has no PPP address", hint="leave it out")
    forwards = tuple(options.get("ports") or ())
    for port in forwards:
        if port not in service.ports:
            known = ", ".join(map(str, service.ports))
            raise UsageError(f"{port} is not a port of remote service", hint=f"these are: {known}")
    access = options.get("access")
    for name in access or ():
        if name != service.console:
            raise UsageError(
                f"{name} cannot be reached by Internet",
                hint=f"a session is led to ports of {service.console} itself",
            )
    allowed = service.console_allowed if access is None else service.console in access
    return replace(
        service, by=Inbound.internet, code=code, forwards=forwards, console_allowed=allowed
    )


def _told_terminal(service: RemoteService, options: Mapping[str, Any]) -> RemoteService:
    """A session by terminal is one with the console alone, without an address (I-22, I-24)."""
    if options.get("ppp_address"):
        raise UsageError("a session by terminal has no PPP address", hint="leave it out")
    for name in options.get("access") or ():
        if name != service.console:
            raise UsageError(
                f"a session by terminal reaches {service.console} only, and not {name} (I-22)",
                hint=f"--access {service.console}, or leave it out",
            )
    none_allowed = tuple(replace(partition, allowed=False) for partition in service.partitions)
    return replace(service, by=Inbound.terminal, console_allowed=True, partitions=none_allowed)


def chosen(service: RemoteService, wanted: str) -> Inbound:
    """By what a session is to come in: what is wanted, or else what the topology says.

    Raises UsageError for what a console of this generation does not have (G-03 to G-05).
    """
    by = wanted or service.by
    if by and by not in service.ways_in:
        ways = ", ".join(service.ways_in)
        raise UsageError(
            f"{service.console} is of a generation that has no remote service by {by}",
            hint=f"it has {ways} (G-03 to G-05)" if ways else "it has none (G-03 to G-05)",
        )
    if by:
        return Inbound(by)
    usual = Inbound.modem if service.dialer else Inbound.vpn
    if service.relay and not service.dialer and not service.vpn_way:
        usual = Inbound.internet
    if usual in service.ways_in:
        return usual
    of_telephone = [by for by in service.ways_in if (by in BY_TELEPHONE) == (usual in BY_TELEPHONE)]
    if not of_telephone:
        return chosen(service, usual)
    return Inbound(of_telephone[0])
