"""Answers the requests that come to the module at one of its ports. No sockets."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from urllib.parse import unquote

from lab.agent.web.exchange import WebReply, WebRequest
from lab.imm.events import ModuleAsked, ModuleRefused, ModuleSubscribed
from lab.imm.messages import (
    CONTENT_BYTES,
    CimOperation,
    CimProblem,
    Unreadable,
    answer,
    read_operation,
    refusal,
)
from lab.imm.repository import SUBSCRIPTION, Repository
from lab.record.event import Tell
from lab.topology.management import ModulePlan


class ModuleDesk:
    """Of one port."""

    path = "/cimom"
    content_bytes = CONTENT_BYTES

    def __init__(
        self,
        plan: ModulePlan,
        port: int,
        repository: Repository,
        tell: Tell,
        subscribed: Callable[[], None],
    ) -> None:
        """``subscribed`` is called once somebody wants to be told."""
        login = f"{plan.user}:{plan.password.reveal()}".encode()
        self._login = base64.b64encode(login)
        self._name = plan.node
        self._port = port
        self._repository = repository
        self._tell = tell
        self._subscribed = subscribed

    def answer(self, request: WebRequest) -> WebReply:
        if request.method != "POST":
            return _plain(405, "only POST is taken", ("Allow", "POST"))
        if not self._is_known(request.fields.get("authorization", "")):
            self._tell(ModuleRefused(source=self._name, client=request.peer, port=self._port))
            challenge = ("WWW-Authenticate", 'Basic realm="imm"')
            return _plain(401, "user and password are needed (RFC 7617)", challenge)
        if request.fields.get("cimoperation", "").lower() != "methodcall":
            unsupported = ("CIMError", "unsupported-operation")
            return _plain(400, "CIMOperation is not MethodCall", unsupported)
        try:
            operation = read_operation(request.body)
        except Unreadable as error:
            return _plain(400, f"{error}", ("CIMError", "request-not-well-formed"))
        if not _agree(request, operation):
            mismatch = ("CIMError", "header-mismatch")
            return _plain(400, "CIMMethod or CIMObject is another than the content's", mismatch)
        content = self._carry_out(operation, request.peer).decode()
        return WebReply(200, content, ("CIMOperation", "MethodResponse"), kind="application/xml")

    def _is_known(self, field: str) -> bool:
        scheme, _, given = field.partition(" ")
        return scheme.lower() == "basic" and hmac.compare_digest(
            given.strip().encode(), self._login
        )

    def _carry_out(self, operation: CimOperation, client: str) -> bytes:
        repository = self._repository
        try:
            returned = repository.carry_out(operation)
        except CimProblem as problem:
            self._note(operation, client, problem.code)
            return refusal(operation, problem)
        self._note(operation, client, 0)
        if operation.method.lower() == "createinstance" and returned:
            (path,) = returned
            if path.get("CLASSNAME") == SUBSCRIPTION:
                url = repository.destination_of(path)
                self._tell(
                    ModuleSubscribed(
                        source=self._name, client=client, port=self._port, destination=url
                    )
                )
                self._subscribed()
        return answer(operation, returned)

    def _note(self, operation: CimOperation, client: str, code: int) -> None:
        about = next(
            (
                each.get("CLASSNAME", each.get("NAME", ""))
                for name, each in operation.parameters.items()
                if name in ("newinstance", "instancename", "classname")
            ),
            "",
        )
        self._tell(
            ModuleAsked(
                source=self._name,
                client=client,
                port=self._port,
                operation=operation.method[:64],
                about=about[:64],
                code=code,
            )
        )


def _agree(request: WebRequest, operation: CimOperation) -> bool:
    """Whether the fields, where they are there, say what the content says (DSP0200, 6.2)."""
    method = request.fields.get("cimmethod", operation.method)
    place = unquote(request.fields.get("cimobject", operation.namespace))
    return (method.lower(), place.lower()) == (
        operation.method.lower(),
        operation.namespace.lower(),
    )


def _plain(status: int, text: str, *fields: tuple[str, str]) -> WebReply:
    return WebReply(status, f"{text}\n", *fields, kind="text/plain")
