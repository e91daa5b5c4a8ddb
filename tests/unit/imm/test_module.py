"""The lab's management module: ``pywbem`` is the client that subscribes, and the listener that is told."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import pywbem
import trustme

from lab.agent.imm import subscribing
from lab.agent.web import listening
from lab.errors import DaemonError
from lab.imm import delivering, server
from lab.imm.delivering import Notifier
from lab.imm.desk import ModuleDesk
from lab.imm.events import FailureRaised, ModuleAsked, ModuleRefused, ModuleSubscribed, NoticeSent
from lab.imm.messages import CONTENT_BYTES
from lab.imm.repository import NAMESPACE, Repository
from lab.imm.server import FAN, ImmModule
from lab.linux.nodes import Node
from lab.record.event import Event
from lab.secret import Secret
from lab.topology.management import ModulePlan
from lab.wait import wait_until
from tests.ports import free_port

DEADLINE_S = 60.0
LOOPBACK = "127.0.0.1"
PASSWORD = "the-modules-own"
QUERY = "SELECT * FROM CIM_AlertIndication"


class _HostNode:
    """In the place of a node: sockets are this machine's."""

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)


class Bay:
    """A module with its two ports, on loopback, and what it told of."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.ca_file = str(folder / "ca.pem")
        self.authority.cert_pem.write_to_path(self.ca_file)
        self.events: list[Event] = []
        self.plan = ModulePlan(
            node="imm", address=LOOPBACK, link="module", agent="esa", agent_address=LOOPBACK,
            user="USERID", password=Secret(PASSWORD),
        )  # fmt: skip
        self.repository = Repository("esa")
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        self.notifier = Notifier(
            cast(Node, _HostNode()), self.plan, {"console": LOOPBACK}, self.repository, trusting,
            self.events.append,
        )  # fmt: skip
        self.module = ImmModule("imm", self.notifier)
        self.ports: dict[str, int] = {}

    @contextlib.contextmanager
    def standing(self) -> Iterator[None]:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(LOOPBACK).configure_cert(tls)
        with contextlib.ExitStack() as stack:
            for scheme, context in (("https", tls), ("http", None)):
                opened = listening.listener(LOOPBACK, 0)
                self.ports[scheme] = opened.getsockname()[1]
                desk = ModuleDesk(
                    self.plan, self.ports[scheme], self.repository, self.events.append,
                    self.module.note_subscriber,
                )  # fmt: skip
                thread = stack.enter_context(listening.serving(desk, context, opened))
                self.module.threads.append(thread)
            stack.callback(self.module.stop)
            yield

    def client(self, password: str = PASSWORD, scheme: str = "https") -> pywbem.WBEMConnection:
        return pywbem.WBEMConnection(
            f"{scheme}://{LOOPBACK}:{self.ports[scheme]}",
            ("USERID", password),
            ca_certs=self.ca_file,
            default_namespace=NAMESPACE,
        )

    def told(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def bay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bay]:
    # What pywbem builds on would rather trust what the environment names.
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", LOOPBACK)
    bay = Bay(tmp_path)
    bay.module.fail_by_order_alone()
    with bay.standing():
        yield bay


class Listener:
    """pywbem's listener, by HTTPS, and what came."""

    def __init__(self, bay: Bay, folder: Path) -> None:
        leaf = bay.authority.issue_cert("console")
        self.file = folder / "listener.pem"
        leaf.private_key_and_cert_chain_pem.write_to_path(str(self.file))
        self.came: list[pywbem.CIMInstance] = []
        self._there = threading.Event()
        self.port = free_port()

    @contextlib.contextmanager
    def standing(self) -> Iterator[None]:
        listener = pywbem.WBEMListener(
            LOOPBACK, https_port=self.port, certfile=str(self.file), keyfile=str(self.file)
        )
        listener.add_callback(self._take)
        with listener:
            listener.start()
            yield

    def _take(self, indication: pywbem.CIMInstance, host: str) -> None:
        self.came.append(indication)
        self._there.set()

    def wait(self) -> pywbem.CIMInstance:
        assert self._there.wait(DEADLINE_S)
        return self.came[0]


def an_alert(name: str = "alerts", query: str = QUERY) -> pywbem.CIMInstance:
    return pywbem.CIMInstance(
        "CIM_IndicationFilter", {"Name": name, "Query": query, "QueryLanguage": "WQL"}
    )


def a_destination(url: str, name: str = "here") -> pywbem.CIMInstance:
    return pywbem.CIMInstance("CIM_ListenerDestinationCIMXML", {"Name": name, "Destination": url})


def a_subscription(
    one: pywbem.CIMInstanceName, other: pywbem.CIMInstanceName
) -> pywbem.CIMInstance:
    return pywbem.CIMInstance("CIM_IndicationSubscription", {"Filter": one, "Handler": other})


def subscribed(client: pywbem.WBEMConnection, url: str) -> list[pywbem.CIMInstanceName]:
    wanted = client.CreateInstance(an_alert())
    handler = client.CreateInstance(a_destination(url))
    return [wanted, handler, client.CreateInstance(a_subscription(wanted, handler))]


@pytest.mark.filterwarnings("ignore:ssl.PROTOCOL_TLS is deprecated")  # by pywbem
def test_who_subscribes_is_told_of_a_failure(bay: Bay, tmp_path: Path) -> None:
    listener = Listener(bay, tmp_path)
    with listener.standing(), bay.client() as client:
        subscribed(client, f"https://console:{listener.port}/")
        bay.module.fail(*FAN)
        alert = listener.wait()
        wait_until("the end of the try", lambda: bay.told(NoticeSent), DEADLINE_S)
    assert alert.classname == "CIM_AlertIndication"
    assert alert["PerceivedSeverity"] == pywbem.Uint16(6)
    assert (alert["EventID"], alert["Description"]) == (FAN[1], FAN[2])
    assert isinstance(alert["IndicationTime"], pywbem.CIMDateTime)
    now = datetime.datetime.now(datetime.UTC)
    assert abs((now - alert["IndicationTime"].datetime).total_seconds()) < DEADLINE_S

    (raised,), (sent,) = bay.told(FailureRaised), bay.told(NoticeSent)
    assert alert["IndicationIdentifier"] == raised.identifier == sent.identifier
    assert (sent.address, sent.port, sent.attempt, sent.problem) == (LOOPBACK, listener.port, 1, "")
    (event,) = bay.told(ModuleSubscribed)
    assert (event.client, event.port) == (LOOPBACK, bay.ports["https"])
    assert event.destination == f"https://console:{listener.port}/"


def test_pywbems_subscription_manager_gets_all_it_asks_for(bay: Bay) -> None:
    """It looks for the namespaces, and adds, finds and takes away instances of its own."""
    with bay.client() as client, pywbem.WBEMSubscriptionManager("test") as manager:
        server = pywbem.WBEMServer(client)
        assert server.interop_ns == NAMESPACE
        assert server.namespaces == [NAMESPACE]
        known = manager.add_server(server)
        wanted = manager.add_filter(known, ["root/cimv2"], QUERY, filter_id="f")
        destination = manager.add_destination(known, "https://192.0.2.7:5990", destination_id="d")
        made = manager.add_subscriptions(known, wanted.path, [destination.path])
        assert [each.path for each in manager.get_all_subscriptions(known)] == [made[0].path]
        assert bay.repository.destinations() == ("https://192.0.2.7:5990",)
        manager.remove_server(known)
        assert bay.repository.destinations() == ()
        assert client.EnumerateInstanceNames("CIM_IndicationFilter") == []
        assert client.EnumerateInstanceNames("CIM_ListenerDestinationCIMXML") == []


def test_what_is_there_can_be_found_and_deleted(bay: Bay) -> None:
    with bay.client(scheme="http") as client:
        paths = subscribed(client, "https://192.0.2.7:5990/")
        for path in paths:
            assert client.EnumerateInstanceNames(path.classname) == [path]
            (found,) = client.EnumerateInstances(path.classname)
            assert found.path == path
            assert client.GetInstance(path).properties == found.properties
        handler = client.GetInstance(paths[1], PropertyList=["destination"])
        assert dict(handler) == {"Destination": "https://192.0.2.7:5990/"}
        assert paths[0].keybindings["SystemName"] == "esa"

        with pytest.raises(pywbem.CIMError, match="a subscription needs it"):
            client.DeleteInstance(paths[0])
        for path in reversed(paths):
            client.DeleteInstance(path)
            with pytest.raises(pywbem.CIMError) as caught:
                client.GetInstance(path)
            assert caught.value.status_code == pywbem.CIM_ERR_NOT_FOUND
    assert {event.port for event in bay.told(ModuleAsked)} == {bay.ports["http"]}


def test_the_same_once_more_is_refused(bay: Bay) -> None:
    """The agent counts on that: what is there already is left."""
    with bay.client() as client:
        paths = subscribed(client, "https://192.0.2.7:5990/")
        for instance in (
            an_alert(),
            a_destination("https://192.0.2.8/"),
            a_subscription(*paths[:2]),
        ):
            with pytest.raises(pywbem.CIMError) as caught:
                client.CreateInstance(instance)
            assert caught.value.status_code == pywbem.CIM_ERR_ALREADY_EXISTS
    assert [e.code for e in bay.told(ModuleAsked)] == [0, 0, 0, 11, 11, 11]


GONE = pywbem.CIMInstanceName("CIM_IndicationFilter", {"Name": "gone"})


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (lambda c: c.CreateInstance(an_alert(query="SELECT * FROM CIM_InstModification")),
         pywbem.CIM_ERR_INVALID_QUERY),
        (lambda c: c.CreateInstance(an_alert(query=f"{QUERY} WHERE x = 1")),
         pywbem.CIM_ERR_INVALID_QUERY),
        (lambda c: c.CreateInstance(pywbem.CIMInstance("CIM_IndicationFilter", {"Query": QUERY})),
         pywbem.CIM_ERR_QUERY_LANGUAGE_NOT_SUPPORTED),
        (lambda c: c.CreateInstance(an_alert(name="")), pywbem.CIM_ERR_INVALID_PARAMETER),
        (lambda c: c.CreateInstance(a_destination("ftp://192.0.2.7/")),
         pywbem.CIM_ERR_INVALID_PARAMETER),
        (lambda c: c.CreateInstance(a_destination("https://192.0.2.7:x/")),
         pywbem.CIM_ERR_INVALID_PARAMETER),
        (lambda c: c.CreateInstance(a_subscription(GONE, GONE)), pywbem.CIM_ERR_INVALID_PARAMETER),
        (lambda c: c.CreateInstance(pywbem.CIMInstance("CIM_IndicationSubscription")),
         pywbem.CIM_ERR_INVALID_PARAMETER),
        (lambda c: c.CreateInstance(pywbem.CIMInstance("CIM_Fan")), pywbem.CIM_ERR_INVALID_CLASS),
        (lambda c: c.CreateInstance(pywbem.CIMInstance("CIM_Namespace")),
         pywbem.CIM_ERR_NOT_SUPPORTED),
        (lambda c: c.EnumerateInstances("CIM_Fan"), pywbem.CIM_ERR_INVALID_CLASS),
        (lambda c: c.EnumerateInstances("CIM_Namespace", namespace="root/cimv2"),
         pywbem.CIM_ERR_INVALID_NAMESPACE),
        (lambda c: c.DeleteInstance(GONE), pywbem.CIM_ERR_NOT_FOUND),
        (lambda c: c.DeleteInstance(c.EnumerateInstanceNames("CIM_Namespace")[0]),
         pywbem.CIM_ERR_NOT_SUPPORTED),
        (lambda c: c.GetClass("CIM_AlertIndication"), pywbem.CIM_ERR_NOT_SUPPORTED),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(
    bay: Bay, ask: Callable[[pywbem.WBEMConnection], object], code: int
) -> None:
    with bay.client() as client:
        with pytest.raises(pywbem.CIMError) as caught:
            ask(client)
        assert caught.value.status_code == code
        assert client.EnumerateInstanceNames("CIM_IndicationSubscription") == []


def test_there_is_room_for_some(bay: Bay) -> None:
    with bay.client() as client:
        for number in range(64):
            client.CreateInstance(an_alert(str(number)))
        with pytest.raises(pywbem.CIMError, match="no room"):
            client.CreateInstance(an_alert("one-more"))


def test_a_wrong_password_is_refused_and_told(bay: Bay) -> None:
    with bay.client(password="wrong") as client, pytest.raises(pywbem.AuthError):
        client.CreateInstance(an_alert())
    assert {(e.client, e.port) for e in bay.told(ModuleRefused)} == {(LOOPBACK, bay.ports["https"])}
    assert bay.told(ModuleAsked) == []


def test_no_event_has_the_password(bay: Bay) -> None:
    with bay.client() as client:
        subscribed(client, "https://192.0.2.7:5990/")
    assert bay.events
    assert not any(PASSWORD in f"{vars(event)}{event.sentence}" for event in bay.events)


LOG_IN = "Basic " + b64encode(f"USERID:{PASSWORD}".encode()).decode()
ASKS = {"CIMOperation": "MethodCall", "Authorization": LOG_IN}
ENUMERATES = (
    b'<CIM CIMVERSION="2.0" DTDVERSION="2.0"><MESSAGE ID="1" PROTOCOLVERSION="1.0"><SIMPLEREQ>'
    b'<IMETHODCALL NAME="EnumerateInstances"><LOCALNAMESPACEPATH><NAMESPACE NAME="root"/>'
    b'<NAMESPACE NAME="interop"/></LOCALNAMESPACEPATH></IMETHODCALL></SIMPLEREQ></MESSAGE></CIM>'
)


@pytest.mark.parametrize(
    ("fields", "body", "status", "why"),
    [
        ({"Authorization": LOG_IN}, ENUMERATES, 400, "CIMOperation"),
        ({**ASKS, "CIMMethod": "DeleteInstance"}, ENUMERATES, 400, "CIMMethod"),
        ({**ASKS, "CIMObject": "root%2Fcimv2"}, ENUMERATES, 400, "CIMObject"),
        ({**ASKS, "CIMObject": "root%2Finterop"}, ENUMERATES, 200, "ClassName is no CLASSNAME"),
        (ASKS, b"", 400, "not XML"),
        (ASKS, b"\xff\xfe", 400, "not UTF-8"),
        (ASKS, b"<html/>", 400, "not CIM-XML"),
        (ASKS, b"<CIM/>", 400, "0 of MESSAGE"),
        (ASKS, b"<CIM>" + b"<A>" * 100 + b"</A>" * 100 + b"</CIM>", 400, "nested deeper"),
        (ASKS, b"<CIM>" + b"<A>" * 9000 + b"</A>" * 9000 + b"</CIM>", 400, "nested deeper"),
        (ASKS, b'<!DOCTYPE CIM [<!ENTITY a "x">]><CIM>&a;</CIM>', 400, "document type"),
        (ASKS, b" " * (CONTENT_BYTES + 1), 413, "more than"),
        ({**ASKS, "Authorization": "Basic x"}, ENUMERATES, 401, "RFC 7617"),
        ({**ASKS, "Authorization": LOG_IN.replace("Basic", "Bearer")}, ENUMERATES, 401, "RFC 7617"),
    ],
)
def test_what_is_no_request(
    bay: Bay, fields: dict[str, str], body: bytes, status: int, why: str
) -> None:
    connection = http.client.HTTPConnection(LOOPBACK, bay.ports["http"], timeout=DEADLINE_S)
    with contextlib.closing(connection):
        connection.request("POST", "/cimom", body, fields)
        reply = connection.getresponse()
        assert reply.status == status
        assert why in reply.read().decode()


def test_other_methods(bay: Bay) -> None:
    connection = http.client.HTTPConnection(LOOPBACK, bay.ports["http"], timeout=DEADLINE_S)
    with contextlib.closing(connection):
        connection.request("GET", "/cimom", headers=ASKS)
        assert connection.getresponse().status == 405


@contextlib.contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """A destination in clear that says the same to everybody, and its port."""

    def serve(there: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = there.accept()
                with connection:
                    while b"</CIM>" not in connection.recv(CONTENT_BYTES):
                        pass
                    connection.sendall(answer)

    with socket.create_server((LOOPBACK, 0)) as there:
        thread = threading.Thread(target=serve, args=(there,), daemon=True)
        thread.start()
        try:
            yield there.getsockname()[1]
        finally:
            there.shutdown(socket.SHUT_RDWR)
            thread.join(DEADLINE_S)


def answered(inner: str, status: str = "200 OK") -> bytes:
    content = (
        f'<CIM><MESSAGE ID="1"><SIMPLEEXPRSP>{inner}</SIMPLEEXPRSP></MESSAGE></CIM>'
        if inner
        else "x"
    )
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\n\r\n{content}".encode()


TAKEN = '<EXPMETHODRESPONSE NAME="ExportIndication"/>'
FULL = TAKEN.replace("/>", '><ERROR CODE="1" DESCRIPTION="it is full"/></EXPMETHODRESPONSE>')


@pytest.mark.parametrize(
    ("answer", "problems"),
    [
        (answered(TAKEN), [""]),
        (answered(FULL), ["CIM error 1: it is full"] * 4),
        (answered(TAKEN, "403 Forbidden"), ["it answers 403 Forbidden"] * 4),
        (
            answered(""),
            ["the answer makes no sense: it is not XML: syntax error: line 1, column 0"] * 4,
        ),
        (
            b"220 mail\r\n\r\n",
            ["the answer makes no sense: the first line has no HTTP version"] * 4,
        ),
        (b"", ["the connection ended before an answer"] * 4),
    ],
)
def test_a_notice_that_was_not_taken_is_sent_again(
    bay: Bay, monkeypatch: pytest.MonkeyPatch, answer: bytes, problems: list[str]
) -> None:
    monkeypatch.setattr(delivering, "RETRY_S", 0.01)
    with answering(answer) as port, bay.client() as client:
        subscribed(client, f"http://{LOOPBACK}:{port}/")
        bay.module.fail(*FAN)
        wait_until("all tries", lambda: len(bay.told(NoticeSent)) == len(problems), DEADLINE_S)
        bay.module.stop()
    sent = bay.told(NoticeSent)
    assert [each.problem for each in sent] == problems
    assert [each.attempt for each in sent] == list(range(1, len(problems) + 1))
    assert len({each.identifier for each in sent}) == 1


@pytest.mark.parametrize(
    ("host", "problem"),
    [(LOOPBACK, "Connection refused"), ("nowhere", "the module knows no IPv4 address of nowhere")],
)
def test_a_destination_that_is_not_there(bay: Bay, host: str, problem: str) -> None:
    with bay.client() as client:
        subscribed(client, f"https://{host}:{free_port()}/")
    bay.module.fail(*FAN)
    wait_until("a try", lambda: bay.told(NoticeSent), DEADLINE_S)
    assert bay.told(NoticeSent)[0].problem == problem


def test_the_end_does_not_wait_for_the_next_try(bay: Bay) -> None:
    with bay.client() as client:
        subscribed(client, "https://nowhere/")
    bay.module.fail(*FAN)
    wait_until("a try", lambda: bay.told(NoticeSent), DEADLINE_S)
    bay.module.stop()
    assert not [each for each in threading.enumerate() if each.name == "imm-notice"]


def fans() -> list[threading.Thread]:
    """Those that are about to fail."""
    return [each for each in threading.enumerate() if each.name == "imm-fan"]


@pytest.fixture
def own_fan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bay:
    """A module whose fan fails by itself."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", LOOPBACK)
    return Bay(tmp_path)


def test_a_fan_fails_once_when_somebody_has_subscribed(
    own_fan: Bay, monkeypatch: pytest.MonkeyPatch
) -> None:
    bay = own_fan
    monkeypatch.setattr(server, "FAILS_AFTER_S", 0.01)
    with bay.standing(), answering(answered(TAKEN)) as port, bay.client() as client:
        paths = subscribed(client, f"http://{LOOPBACK}:{port}/")
        wait_until("a notice", lambda: bay.told(NoticeSent), DEADLINE_S)
        wait_until("the fan's end", lambda: not fans(), DEADLINE_S)
        monkeypatch.setattr(server, "FAILS_AFTER_S", 600.0)
        other = client.CreateInstance(a_destination(f"http://{LOOPBACK}:{port}/2", "there"))
        client.CreateInstance(a_subscription(paths[0], other))
        assert fans() == [], "it has failed already"
    assert [each.text for each in bay.told(FailureRaised)] == ["Fan 3 has failed"]


def test_a_fan_does_not_fail_at_once(own_fan: Bay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "FAILS_AFTER_S", 600.0)
    with own_fan.standing(), own_fan.client() as client:
        subscribed(client, "https://192.0.2.7:5990/")
        assert len(fans()) == 1
    assert fans() == []
    assert own_fan.told(FailureRaised) == []


def test_where_a_script_says_what_fails_no_fan_does(bay: Bay) -> None:
    with bay.client() as client:
        subscribed(client, "https://192.0.2.7:5990/")
    assert bay.told(ModuleSubscribed)
    assert fans() == []


def test_a_module_that_accepts_nobody_has_broken(bay: Bay) -> None:
    bay.module.check()
    bay.module.threads.append(threading.Thread())
    with pytest.raises(DaemonError, match="imm"):
        bay.module.check()


def test_the_labs_agent_and_the_labs_module_agree(
    bay: Bay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscribing, "HTTPS_PORT", bay.ports["https"])
    access = subscribing.ImmAccess(LOOPBACK, "USERID", Secret(PASSWORD), bay.ca_file)
    told: list[str] = []
    for _ in range(2):  # The second time all is there.
        subscribing.subscribe(
            access, "esa", lambda address: f"https://{address}:5990/", told.append
        )
    assert told == []
    assert bay.repository.destinations() == (f"https://{LOOPBACK}:5990/",)
