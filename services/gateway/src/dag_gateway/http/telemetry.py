"""Around every request: its id and trace, one log line, its metrics, and the last answer to what nobody expected."""

from __future__ import annotations

import asyncio
import re
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from prometheus_client import Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dag_common.errors import Unavailable
from dag_common.runtime.clock import monotonic
from dag_common.runtime.ids import new_event_id, new_traceparent
from dag_gateway.http.problems import problem

log = structlog.get_logger()

REQUESTS = Counter("dag_http_requests", "Requests answered", ["method", "route", "status"])
SECONDS = Histogram("dag_http_request_seconds", "Seconds until the answer was complete", ["method", "route"])
OPEN = "/api/deployments/{id}/events"

_REQUEST_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")
_TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"})
_BOUND_LATER: Final = ("app", "job_id", "branch", "environment", "deployment_id", "problem")
"""Bound below us; a pipelined request begins in its predecessor's context (uvicorn, httptools_impl.py)."""

CUT_SHORT: Final = Unavailable("This gateway is shutting down; send the request again")
"""The only one who cancels a request is the server, when the time to drain is over."""

QUIET: Final = frozenset({"/healthz", "/readyz", "/metrics"})


@dataclass(frozen=True, slots=True)
class Trace:
    """What ties a request to its events: its id, and the W3C trace it belongs to."""

    request_id: str
    traceparent: str


def trace_of(request: Request) -> Trace:
    """The trace of the request at hand."""
    trace: Trace = request.scope["dag.trace"]
    return trace


class Telemetry:
    """Outermost middleware. A request id or traceparent that is not well-formed is replaced, never repeated."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an HTTP request on and tell how it ended."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        trace = scope["dag.trace"] = _trace(Headers(scope=scope))
        exchange = Exchange(scope, receive, send, trace)
        structlog.contextvars.unbind_contextvars(*_BOUND_LATER)
        with structlog.contextvars.bound_contextvars(request_id=trace.request_id, trace_id=trace.traceparent[3:35]):
            try:
                await self._app(scope, exchange.receive, exchange.send)
            except asyncio.CancelledError:
                if exchange.status is None:
                    await problem(CUT_SHORT)(scope, exchange.receive, exchange.send)
                raise
            except Exception as exc:
                log.exception("request_failed")
                if exchange.status is None:
                    await problem(exc)(scope, exchange.receive, exchange.send)
            finally:
                exchange.tell()


class Exchange:
    """One request and its answer, counted."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, trace: Trace) -> None:
        self.status: int | None = None
        self._scope = scope
        self._receive = receive
        self._send = send
        self._trace = trace
        self._began = monotonic()
        self._bytes_in = 0
        self._bytes_out = 0

    async def receive(self) -> Message:
        """Pass on, counting."""
        message = await self._receive()
        self._bytes_in += len(message.get("body", b""))
        return message

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Pass on, counting; the answer carries the request id."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)["X-Request-Id"] = self._trace.request_id
        self._bytes_out += len(message.get("body", b""))
        await self._send(message)

    def tell(self) -> None:
        """The one line and the numbers."""
        route = getattr(self._scope.get("route"), "path", "unmatched")
        method = self._scope["method"] if self._scope["method"] in _METHODS else "other"
        seconds = monotonic() - self._began
        REQUESTS.labels(method, route, self.status or 0).inc()
        if route != OPEN:
            SECONDS.labels(method, route).observe(seconds)
        write = log.debug if route in QUIET else log.info
        write(
            "request_answered",
            method=method,
            path=self._scope["path"],
            route=route,
            status=self.status,
            seconds=round(seconds, 4),
            bytes_in=self._bytes_in,
            bytes_out=self._bytes_out,
        )


def _trace(headers: Headers) -> Trace:
    request_id = headers.get("x-request-id", "")
    traceparent = headers.get("traceparent", "")
    return Trace(
        request_id if _REQUEST_ID.fullmatch(request_id) else new_event_id(),
        traceparent if _TRACEPARENT.fullmatch(traceparent) else new_traceparent(),
    )
