"""Asking the Integrated Management Module for notices of hardware failures: HTTPS at 5989, else HTTP at 5988.

HTTP is tried only where HTTPS cannot be had: refused, or silent (E-04, R-06). A module that answers by HTTPS
and has a wrong certificate, or refuses the log-in, is not asked in clear.
"""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
from binascii import crc32
from collections.abc import Callable
from typing import NamedTuple

from lab.agent.imm.cim_xml import (
    ALREADY_EXISTS,
    CIM_TYPE,
    MESSAGE_BYTES,
    CimInstance,
    CimRefusal,
    InstancePath,
    NotCim,
    create_instance,
    read_created,
)
from lab.secret import Secret

HTTPS_PORT, HTTP_PORT = 5989, 5988
"""S0; IANA has them as wbem-https and wbem-http."""
CONNECT_S = 10.0
ANSWER_S = 30.0
NAMESPACE = "root/interop"
"""Where filters, destinations and subscriptions are (DSP1054)."""
_SYSTEM = "CIM_ComputerSystem"
QUERY = "SELECT * FROM CIM_AlertIndication"


class ImmAccess(NamedTuple):
    """How the module is reached."""

    host: str
    user: str
    password: Secret
    ca_file: str
    """PEM: who signs the module's certificate; empty: this system's authorities."""


class NoSubscription(Exception):
    """The module does not notify the agent; the message says why. Not a LabError: the agent tries again."""


def subscribe(
    access: ImmAccess,
    name: str,
    destination: Callable[[str], str],
    tell: Callable[[str], None],
) -> int:
    """Have the module send its alerts to a URL; returns the port that took it. Raises NoSubscription.

    ``destination`` makes the URL of the address from which the module is reached. ``name`` is this agent's:
    what is there already under it is left as it is.
    """
    try:
        connection = _by_tls(access)
    except (ConnectionRefusedError, TimeoutError) as error:
        tell(
            f"imm: {access.host} has no HTTPS at port {HTTPS_PORT} ({_why(error)}); "
            f"HTTP at port {HTTP_PORT} is next"
        )
        connection = _in_clear(access)
    except OSError as error:  # SSLError is one
        raise NoSubscription(f"{access.host} port {HTTPS_PORT}: {_why(error)}") from error

    port = connection.port
    try:
        url = destination(str(connection.sock.getsockname()[0]))
        for number, instance in enumerate(instances(name, url), 1):
            _create(connection, access, instance, str(number))
    except (OSError, http.client.HTTPException, NotCim, CimRefusal) as error:
        raise NoSubscription(f"{access.host} port {port}: {_why(error)}") from error
    finally:
        connection.close()
    return port


def instances(name: str, destination: str) -> tuple[CimInstance, ...]:
    """Filter, destination and subscription (DSP1054); their names change with the destination."""
    own = f"callhome:{crc32(destination.encode()):08x}"
    filters = "CIM_IndicationFilter", _keys("CIM_IndicationFilter", name, own)
    handlers = "CIM_ListenerDestinationCIMXML", _keys("CIM_ListenerDestinationCIMXML", name, own)
    return (
        CimInstance(
            filters[0],
            (
                *filters[1],
                ("SourceNamespaces", ("root/cimv2",)),
                ("Query", QUERY),
                ("QueryLanguage", "WQL"),
            ),
        ),
        CimInstance(
            handlers[0],
            (*handlers[1], ("Destination", destination), ("PersistenceType", 2)),
        ),
        CimInstance(
            "CIM_IndicationSubscription",
            (("Filter", InstancePath(*filters)), ("Handler", InstancePath(*handlers))),
        ),
    )


def _keys(class_name: str, system: str, name: str) -> tuple[tuple[str, str], ...]:
    return (
        ("SystemCreationClassName", _SYSTEM),
        ("SystemName", system),
        ("CreationClassName", class_name),
        ("Name", name),
    )


def _by_tls(access: ImmAccess) -> http.client.HTTPConnection:
    """Connected, and the handshake done. A silent peer is a TimeoutError in either."""
    context = ssl.create_default_context(cafile=access.ca_file or None)
    connection = http.client.HTTPSConnection(
        access.host, HTTPS_PORT, timeout=CONNECT_S, context=context
    )
    connection.connect()
    connection.sock.settimeout(ANSWER_S)
    return connection


def _in_clear(access: ImmAccess) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(access.host, HTTP_PORT, timeout=CONNECT_S)
    try:
        connection.connect()
    except OSError as error:
        raise NoSubscription(f"{access.host} port {HTTP_PORT}: {_why(error)}") from error
    connection.sock.settimeout(ANSWER_S)
    return connection


def _create(
    connection: http.client.HTTPConnection, access: ImmAccess, instance: CimInstance, message: str
) -> None:
    login = base64.b64encode(f"{access.user}:{access.password.reveal()}".encode()).decode()
    fields = {
        "Content-Type": CIM_TYPE,
        "CIMOperation": "MethodCall",
        "CIMMethod": "CreateInstance",
        "CIMObject": NAMESPACE.replace("/", "%2F"),
        "Authorization": f"Basic {login}",
    }
    connection.request("POST", "/cimom", create_instance(NAMESPACE, instance, message), fields)
    answer = connection.getresponse()
    content = answer.read(MESSAGE_BYTES + 1)
    if answer.status == 401:
        raise NotCim("it refuses user and password (settings: [imm], user and password)")
    if answer.status != 200:
        raise NotCim(f"it answers {answer.status} {answer.reason}")
    try:
        read_created(content)
    except CimRefusal as refusal:
        if refusal.code != ALREADY_EXISTS:
            raise


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message} (settings: [imm], ca_file)"
    if isinstance(error, TimeoutError):
        return "no answer"
    if isinstance(error, socket.gaierror):
        return f"no address is known: {error.strerror}"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
