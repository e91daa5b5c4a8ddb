"""What makes no sense about it."""

from __future__ import annotations

from lab.topology import check
from lab.topology.check import Complaint


def complaints(spec, name, way):
    if not way.carrier.isalpha():
        yield Complaint(("ways", name, "carrier"), f"{way.carrier!r} is no carrier's name")


def routes(spec, net, name, way):
    yield from check.wired(spec, net, name)
    yield from check.reaches_servers(spec, net, name)


def machine():
    pass
