"""A management module for the tests: reads subscriptions by ``pywbem``, and sends alerts by it."""

from __future__ import annotations

import base64
import contextlib
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import quoteattr

import pywbem
from pywbem import _tupleparse, _tupletree

USER, PASSWORD = "USERID", "PASSW0RD"
_LOGIN = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class ManagementModule:
    """What the module keeps, and what it answers."""

    def __init__(self) -> None:
        self.created: list[pywbem.CIMInstance] = []
        self.fields: list[dict[str, str]] = []
        """Of each request."""
        self.refusing = (0, "")
        """A CIM error in the place of each answer: code and description."""
        self.status = 200
        self.content: bytes | None = None
        """Sent in the place of an answer."""

    def answer(self, body: bytes) -> bytes:
        if self.content is not None:
            return self.content
        tree = _tupletree.xml_to_tupletree_sax(body, "a request")
        cim = _tupleparse.TupleParser().parse_cim(tree)
        _, _, namespace, parameters = cim[2][2][2]
        assert cim[2][2][2][1]["NAME"] == "CreateInstance"
        assert namespace == "root/interop"
        ((name, instance),) = parameters
        assert name == "NewInstance"
        code, description = self.refusing
        if code:
            inner = f'<ERROR CODE="{code}" DESCRIPTION={quoteattr(description)}/>'
        else:
            self.created.append(instance)
            path = f'<INSTANCENAME CLASSNAME="{instance.classname}"/>'
            inner = f"<IRETURNVALUE>{path}</IRETURNVALUE>"
        return created(inner)


def created(inner: str, method: str = "CreateInstance") -> bytes:
    """An answer to ``CreateInstance``."""
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<CIM CIMVERSION="2.0" DTDVERSION="2.0">'
        '<MESSAGE ID="1" PROTOCOLVERSION="1.0"><SIMPLERSP>'
        f'<IMETHODRESPONSE NAME="{method}">{inner}</IMETHODRESPONSE></SIMPLERSP></MESSAGE></CIM>'
    ).encode()


@contextlib.contextmanager
def listening(
    module: ManagementModule,
    tls: ssl.SSLContext | None,
    place: tuple[str, int] = ("127.0.0.1", 0),
) -> Iterator[int]:
    """The module's port, by TLS or in clear."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            module.fields.append(dict(self.headers.items()))
            status = module.status if self.headers["Authorization"] == _LOGIN else 401
            content = module.answer(body) if status == 200 else b""
            self.send_response(status)
            self.send_header("Content-Type", 'application/xml; charset="utf-8"')
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(place, Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def alert(**properties: object) -> pywbem.CIMInstance:
    """An alert of a fan that failed."""
    told: dict[str, object] = {
        "IndicationIdentifier": "IBM:fan:4711",
        "IndicationTime": pywbem.CIMDateTime("20261130064000.000000+060"),
        "AlertType": pywbem.Uint16(5),
        "PerceivedSeverity": pywbem.Uint16(6),
        "EventID": "B1817201",
        "Description": "Fan 3 has failed",
        "OtherAlertType": None,
        "CorrelatedIndications": ["a", "b"],
    }
    given = {
        name: pywbem.CIMProperty(name, None, type="string") if value is None else value
        for name, value in {**told, **properties}.items()
    }
    return pywbem.CIMInstance("CIM_AlertIndication", given)
