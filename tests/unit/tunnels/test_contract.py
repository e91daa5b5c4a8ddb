"""The contract of the drivers: who keeps it, and that a start that fails half-way leaves nothing."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import os
import pkgutil
import socket
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tunnels
from lab import charon
from lab.charon import CharonStatus
from lab.errors import ProtocolError
from lab.linux import nft
from lab.linux.nodes import Node
from lab.record.event import Event
from lab.record.record import Record
from lab.topology.model import Topology
from lab.ways.dial.plan import dialers
from lab.ways.pass_through import plan as pass_through
from lab.ways.vpn.plan import clients, connections, servers
from tests.partitions import partition_topology
from tests.unit.sabotage import possessions, steps_that_fail
from tests.unit.verify.stage import topology
from tunnels import Driver, StandingDriver, _dnsmasq, _l2tp_daemon, _xl2tpd, ipsec, lig, ppp, proxy
from tunnels._dnsmasq import DnsmasqSettings
from tunnels._l2tp_daemon import Xl2tpd
from tunnels._xl2tpd import LacSection
from tunnels.dns import Dnsmasq
from tunnels.inspector import Inspector
from tunnels.interceptor import Interceptor
from tunnels.ipsec import Charon
from tunnels.l2tp import Lac, Lns
from tunnels.lig import Bank
from tunnels.modem import Dialler
from tunnels.outgoing import OutgoingCalls
from tunnels.proxy import Squid
from tunnels.remote_modem import RemoteDialler

# mypy looks at the signatures.
STANDING: tuple[type[StandingDriver], ...] = (
    Charon,
    Lns,
    Lac,
    Bank,
    Xl2tpd,
    Squid,
    Dnsmasq,
    Inspector,
    Interceptor,
    OutgoingCalls,
)
DRIVERS: tuple[type[Driver], ...] = (*STANDING, Dialler, RemoteDialler)
"""A call of a dialler has a pppd, or an xl2tpd, of its own: there is nothing to launch."""

PROGRAM = """#!/bin/sh
echo "Listening on IP address, read /etc/hosts"
echo "read /run/dns/records - 3 names"
exec sleep 1000
"""


class Deaf(socket.socket):
    """In the place of the kernel's netlink, which is for root only."""

    def bind(self, address: Any) -> None: ...
    def setsockopt(self, *option: Any) -> None: ...


class Here(Node):
    """A node that is where the test is, and writes no files."""

    written = 0

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    def write(self, path: str | Path, text: str, mode: int = 0o600) -> None:
        self.written += 1

    def hide(self, paths: Iterable[str]) -> None: ...
    def furnish(self) -> None: ...

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        return Deaf(socket.AF_UNIX, socket.SOCK_DGRAM)


class Bed:
    """Drivers of two topologies, in nodes that are here."""

    def __init__(self, folder: Path) -> None:
        self.node = Here("here", folder, ())
        self.told: list[Event] = []
        self._vpn, self._dial = topology("vpn-nat"), topology("dial")

    def make(self, kind: type[Driver]) -> Driver:
        vpn, record = self._vpn, Record()
        if kind is Charon:
            return Charon(self.node, connections(vpn), record, self.told.append)
        if kind is Lns:
            return Lns(self.node, servers(vpn)[0], self.told.append)
        if kind is Lac:
            client, server = clients(vpn)[0], servers(vpn)[0]
            return Lac(self.node, client, server, "192.0.2.1", record, self.told.append)
        if kind is Xl2tpd:
            return Xl2tpd(self.node, "", (), {})
        if kind is Squid:
            return Squid(self.node, topology("proxy-auth").proxies[0], self.told.append)
        if kind is Dnsmasq:
            return Dnsmasq(
                self.node, DnsmasqSettings(addresses=("192.0.2.53",), table=_dnsmasq.RECORDS)
            )
        if kind is Inspector:
            first = topology("proxy").proxies[0]
            return Inspector(self.node, first, Path("keys"), self.told.append)
        if kind is Interceptor:
            return Interceptor(self.node, 3129, ["192.0.2.1"], Path("keys"))
        return self._by_telephone(kind, record)

    def _by_telephone(self, kind: type[Driver], record: Record) -> Driver:
        if kind is OutgoingCalls:
            account = dialers(self._dial)[0].account
            section = LacSection(name="i5", lns="192.0.2.1", hostname="h", options_file="/o")
            told = ppp.Options(name=account.user, log=Path("log"), mtu=1400)
            return OutgoingCalls(self.node, section, "192.0.2.1", account, told)
        if kind is RemoteDialler:
            lent = partition_topology("modem")
            (plan, _), (below,) = dialers(lent), pass_through.plans(lent)
            borrower = below.borrower(plan.client)
            return RemoteDialler(self.node, plan, borrower, "lig", record, self.told.append)
        if kind is Bank:
            return self._bank(self._dial)
        return Dialler(self.node, dialers(self._dial)[0], "lig", record, self.told.append)

    def _bank(self, dial: Topology) -> Bank:
        assert dial.lig is not None
        assert dial.telephone is not None
        return Bank(self.node, dial.lig, dial.telephone.lines, Record(), self.told.append)


@pytest.fixture
def bed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bed:
    program = tmp_path / "program"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    for module in (_dnsmasq, _l2tp_daemon, ipsec, proxy):
        monkeypatch.setattr(module, "PROGRAM", os.fspath(program))
    monkeypatch.setattr(nft, "run", lambda script, json: None)
    # A charon that the lab fetched is mounted into the node, which is for root only.
    monkeypatch.setattr(charon, "status", lambda: CharonStatus(program, None, "it knows"))
    # The node writes no files here, that could be given to squid's user.
    monkeypatch.setattr(proxy, "_give_to_user", lambda: None)
    # Nobody has a modem here: the bank gives up at the first try.
    monkeypatch.setattr(lig, "OPEN_TRIES", 1)
    monkeypatch.setattr(_xl2tpd, "CONTROL", os.fspath(tmp_path / "xl2tpd" / "control"))
    return Bed(tmp_path)


def test_every_driver_is_known_here() -> None:
    """Whoever can be stopped is a driver."""
    names = (module.name for module in pkgutil.iter_modules(tunnels.__path__, "tunnels."))
    found = {
        kind
        for name in names
        for _, kind in inspect.getmembers(importlib.import_module(name), inspect.isclass)
        if kind.__module__ == name and hasattr(kind, "stop")
    }
    assert found == set(DRIVERS)


@pytest.mark.parametrize("kind", DRIVERS)
def test_a_driver_that_never_started_has_nothing_to_end(kind: type[Driver], bed: Bed) -> None:
    before = possessions()
    driver = bed.make(kind)
    assert possessions() == before

    assert isinstance(driver, StandingDriver if kind in STANDING else Driver)
    assert not driver.alive
    driver.stop()
    driver.stop()
    assert not bed.node.written


@contextlib.contextmanager
def launched(driver: StandingDriver) -> Iterator[None]:
    try:
        driver.launch()
        yield
    finally:
        driver.stop()


@pytest.mark.parametrize("kind", STANDING)
def test_a_launch_that_fails_half_way_leaves_nothing(kind: type[StandingDriver], bed: Bed) -> None:
    def start() -> contextlib.AbstractContextManager[None]:
        driver = bed.make(kind)
        assert isinstance(driver, StandingDriver)
        return launched(driver)

    assert "Popen.__init__" in steps_that_fail(start)
    assert not bed.node.daemons


@pytest.mark.parametrize("verb", ["launch", "ready"])
def test_a_driver_that_does_not_get_ready_is_stopped(
    verb: str, bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = getattr(Xl2tpd, verb)

    def broken(self: Xl2tpd) -> None:
        original(self)
        assert self.alive
        raise ProtocolError("it is not")

    monkeypatch.setattr(Xl2tpd, verb, broken)
    driver = Xl2tpd(bed.node, "", (), {})
    with pytest.raises(ProtocolError, match="it is not"), tunnels.started(driver):
        pytest.fail("it is not ready")
    assert not driver.alive
    assert not bed.node.daemons


@pytest.mark.parametrize("kind", STANDING)
def test_alive_is_from_launch_to_stop(kind: type[StandingDriver], bed: Bed) -> None:
    driver = bed.make(kind)
    assert isinstance(driver, StandingDriver)
    with launched(driver):
        assert driver.alive
        for daemon in bed.node.daemons:
            daemon.stop()
        assert not driver.alive
    assert not driver.alive
