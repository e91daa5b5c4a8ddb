"""IBM's receiver (the Service Data Receiver of the slides of 2008): the paths, and which servers do what.

Names and plain tables, as in ``errand_kinds``: what reads them in the guest must be cheap to import.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from lab.topology.errand_kinds import DOWNLOADS, ErrandKind
from lab.topology.servers import ListedServer, Speaks

SERVICE = "/service/"
"""Where the receiver is asked, by HTTPS at IBM's servers. The lab's choice: no paper says what is sent."""

ADMINISTRATION_ADDRESS, ADMINISTRATION_PORT = "127.0.0.1", 8023
"""Where the people at the receiver are heard, by HTTP on the servers' own node alone (E-10)."""

STAND_INS: Mapping[str, tuple[ErrandKind, ...]] = MappingProxyType(
    {
        ErrandKind.enrolment: (
            ErrandKind.enrolment,
            ErrandKind.authentication,
            ErrandKind.inventory,
        ),
        ErrandKind.inventory: (ErrandKind.inventory, ErrandKind.call_home),
        ErrandKind.problem: (ErrandKind.problem,),
        ErrandKind.upload: (ErrandKind.upload, ErrandKind.problem),
        ErrandKind.configuration: (ErrandKind.configuration,),
        ErrandKind.fix: (ErrandKind.fix, ErrandKind.configuration),
    }
)
"""Which errand's servers do an operation of the receiver: those of the first that the papers list any for.
Electronic Service Agent enrols where it reports service information, and fetches updates beside
configurations."""


def does(listed: ListedServer, errand: str, servers: Iterable[ListedServer]) -> bool:
    """Whether a server does the operations of an errand; ``servers`` are all of the lab's.

    A server for which the papers tell no errands apart does all. The two traditional ways (``variants``) do
    not stand in for one another.
    """
    if not listed.serves:
        return True
    beside = {kind for each in servers if each.variants == listed.variants for kind in each.serves}
    doing = next((kind for kind in STAND_INS[ErrandKind(errand)] if kind in beside), None)
    return doing is not None and doing in listed.serves


def urls(servers: Iterable[ListedServer], variant: str = "") -> dict[str, list[str]]:
    """Errand to the URLs of the servers that do it, in the papers' order, each once: what a configuration of
    the receiver's says (R-04), and what an agent may begin with.

    ``variant``: of profiles with two sets of addresses, which one. Errands that nobody does are left out, and
    so are servers by HTTP, but for downloads; of a fix they come first (OUT-41).
    """
    those = [each for each in servers if not each.variants or variant in each.variants]
    found: dict[str, list[str]] = {}
    for errand in STAND_INS:
        spoken = (Speaks.https, Speaks.http) if errand in DOWNLOADS else (Speaks.https,)
        doing = [e for e in those if e.speaks in spoken and does(e, errand, those)]
        if errand == ErrandKind.fix:
            doing.sort(key=lambda each: each.speaks is not Speaks.http)
        named = [_url(each) for each in doing]
        if named:
            found[str(errand)] = list(dict.fromkeys(named))
    return found


def _url(listed: ListedServer) -> str:
    usual = {Speaks.https: 443, Speaks.http: 80}[listed.speaks]
    port = "" if listed.port == usual else f":{listed.port}"
    host = f"[{listed.name}]" if ":" in listed.name else listed.name
    return f"{listed.speaks}://{host}{port}"
