"""The double over HTTP: authentication, faults, then reads, watches and writes."""

from __future__ import annotations

import asyncio
import functools
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from dag_common.errors import DagError
from dag_sandbox.cluster import access, answers, paths, verbs
from dag_sandbox.cluster.access import Asked
from dag_sandbox.cluster.calls import Call
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.faults import Fault
from dag_sandbox.cluster.paths import Target
from dag_sandbox.cluster.watches import WatchRequest, WatchStream

_METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE"]
# kube-apiserver's own default is 30 to 60 minutes; nothing in a sandbox needs longer.
_DEFAULT_WATCH_SECONDS: Final = 1800.0
_ABORTIVE_CLOSE: Final = struct.pack("ii", 1, 0)


class ClusterApp:
    """The ASGI app of one cluster double. `/_faults` (GET, POST, DELETE) and `/_token` (POST) need no token."""

    def __init__(self, cluster: ClusterDouble) -> None:
        self._cluster = cluster
        self.open_watches = 0
        self._app = Starlette(
            routes=[
                Route("/_faults", self._switch_faults, methods=["GET", "POST", "DELETE"]),
                Route("/_token", self._rotate_token, methods=["POST"]),
                Route("/{path:path}", self._answer, methods=_METHODS),
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] == "http":
            scope["dag.reset"] = lambda: _reset(send)
        await self._app(scope, receive, send)

    async def _switch_faults(self, request: Request) -> Response:
        faults = self._cluster.faults
        if request.method == "DELETE":
            faults.clear()
        if request.method == "POST":
            try:
                faults.add(msgspec.json.decode(await request.body(), type=Fault))
            except msgspec.MsgspecError as exc:
                return answers.json_response(answers.failure(400, f"not a fault: {exc}"), 400)
        return answers.json_response(msgspec.to_builtins(faults.waiting))

    async def _rotate_token(self, _request: Request) -> Response:
        return answers.json_response({"token": self._cluster.rotate_token()})

    async def _answer(self, request: Request) -> Response:
        try:
            return await self._admitted(request)
        except DagError as exc:
            return answers.rejection(exc, reading=request.method == "GET")

    async def _admitted(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {self._cluster.token}":
            return answers.json_response(answers.failure(401, "Unauthorized"), 401)
        document = paths.discovery(request.url.path, self._cluster.resources)
        if document is not None:
            return answers.json_response(document)
        if request.url.path == access.REVIEWS and request.method == "POST":
            return await self._review(request)
        call = Call(self._cluster, request, paths.parse(request.url.path, self._cluster.resources))
        verb = call.verb()
        refusal = await self._struck(verb, call.target) or self._forbidden(verb, call.target)
        if refusal is not None:
            return refusal
        return self._watch(call) if verb == "watch" else await verbs.HANDLERS[verb](call)

    async def _struck(self, verb: str, target: Target) -> Response | None:
        take = functools.partial(
            self._cluster.faults.take, verb=verb, resource=target.right, namespace=target.namespace
        )
        if slow := take("slow"):
            await asyncio.sleep(slow.seconds)
        fault = take("respond", "forbid")
        if fault is None:
            return None
        if fault.action == "forbid":
            return answers.json_response(answers.failure(403, answers.forbidden(verb, target)), 403)
        status = answers.failure(fault.status, fault.message or "refused on demand")
        return answers.json_response(status, fault.status, retry_after=fault.retry_after)

    def _forbidden(self, verb: str, target: Target) -> Response | None:
        """As in kube-apiserver nobody learns whether an object exists that may not be asked for."""
        asked = Asked(verb, target.resource.group, target.right, target.namespace)
        self._cluster.access.asked.add(asked)
        if self._cluster.access.permits(asked):
            return None
        return answers.json_response(answers.failure(403, answers.forbidden(verb, target)), 403)

    async def _review(self, request: Request) -> Response:
        """A SelfSubjectAccessReview (kubernetes/api authorization/v1); a `respond` fault on it strikes."""
        fault = self._cluster.faults.take("respond", verb="create", resource="selfsubjectaccessreviews")
        if fault is not None:
            return answers.json_response(answers.failure(fault.status, fault.message), fault.status)
        try:
            review = msgspec.json.decode(await request.body(), type=dict[str, Any])
        except msgspec.MsgspecError as exc:
            return answers.json_response(answers.failure(400, f"not a review: {exc}"), 400)
        asked = access.reviewed((review.get("spec") or {}).get("resourceAttributes"))
        forbidden = self._cluster.faults.forbids(verb=asked.verb, resource=asked.resource, namespace=asked.namespace)
        allowed = not forbidden and self._cluster.access.permits(asked)
        return answers.json_response(review | {"status": {"allowed": allowed}}, 201)

    def _watch(self, call: Call) -> Response:
        request = WatchRequest(
            resource=call.target.resource,
            matches=call.selection().predicate(),
            since=call.number("resourceVersion") or None,
            bookmarks=call.flag("allowWatchBookmarks"),
            timeout_seconds=float(call.number("timeoutSeconds")) or _DEFAULT_WATCH_SECONDS,
            partial=call.partial(),
        )
        stream = WatchStream(self._cluster, request, reset=call.request.scope["dag.reset"])
        return StreamingResponse(self._counted(stream), media_type="application/json")

    async def _counted(self, stream: WatchStream) -> AsyncIterator[bytes]:
        self.open_watches += 1
        try:
            async for piece in stream:
                yield piece
        finally:
            self.open_watches -= 1


def _reset(send: Send) -> None:
    """Break the connection under a response, as a dying proxy does: what was sent stays sent, then RST.

    ASGI knows no such thing; uvicorn's `send` is a method of its request cycle, which holds the transport.
    """
    transport: asyncio.Transport = send.__self__.transport  # type: ignore[attr-defined]
    connection: socket.socket = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORTIVE_CLOSE)
    transport.abort()
