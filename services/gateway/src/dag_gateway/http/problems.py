"""Every error as `application/problem+json` (RFC 9457), through one table from error classes to statuses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ExceptionHandler

from dag_common.errors import Conflict, DagError, Invalid, NotFound, Refused, TooLarge, Unavailable, Unproven
from dag_gateway.handlers.request import KeyReused
from dag_gateway.http.bodies import Stalled
from dag_gateway.http.schemas import Problem
from dag_gateway.identity.token_holders import OnlyAnAuditor, UnknownHolder

MEDIA_TYPE: Final = "application/problem+json"
CLIENT_GONE: Final = 499
"""Nobody reads this answer; the number (nginx's) marks the request in logs and metrics."""


STATUSES: Final[dict[type[Exception], int]] = {
    Invalid: 400,
    Unproven: 401,
    OnlyAnAuditor: 403,
    NotFound: 404,
    Stalled: 408,
    Conflict: 409,
    Refused: 409,
    TooLarge: 413,
    KeyReused: 422,
    Unavailable: 503,
    DagError: 500,
    Exception: 500,
}
"""The one table. The nearest class in the error's MRO counts."""

_BEARER: Final = 'Bearer realm="dag"'
_JOB: Final = 'JobToken realm="dag"'
"""RFC 9110 §15.5.2 wants a challenge with every 401; the job token travels in the body, so no scheme fits."""

_UNEXPECTED = "Something unexpected went wrong on our side; the server's log tells more under the request id."


def status_of(error: Exception) -> int:
    """The HTTP status of an error."""
    return next(STATUSES[cls] for cls in type(error).__mro__ if cls in STATUSES)


def problem(error: Exception) -> Response:
    """The answer to an error. What is not ours to tell (an unexpected exception's text) is not told."""
    status = status_of(error)
    detail = error.message if isinstance(error, DagError) and status < HTTPStatus.INTERNAL_SERVER_ERROR else _UNEXPECTED
    if isinstance(error, Unavailable):
        detail = error.message
    missing = error.missing if isinstance(error, Invalid) else ()
    return answer(status, detail, missing=missing, headers=_headers(error))


def answer(
    status: int, detail: str, *, missing: tuple[str, ...] = (), headers: Mapping[str, str] | None = None
) -> Response:
    """A problem by its status and sentence."""
    body = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, missing=missing)
    return Response(msgspec.json.encode(body), status, headers=headers, media_type=MEDIA_TYPE)


def _headers(error: Exception) -> dict[str, str]:
    if isinstance(error, Unavailable):
        return {"Retry-After": str(max(1, math.ceil(error.retry_after)))}
    if isinstance(error, TooLarge | Stalled):
        return {"Connection": "close"}
    if status_of(error) == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": _BEARER if isinstance(error, UnknownHolder) else _JOB}
    return {}


async def _told(_request: Request, error: Exception) -> Response:
    """What is ours to tell; the rest goes on to whoever logs it."""
    if status_of(error) == HTTPStatus.INTERNAL_SERVER_ERROR:
        raise error
    structlog.contextvars.bind_contextvars(problem=str(error))
    return problem(error)


async def _routing(request: Request, error: Exception) -> Response:
    """No route (404) or no such method there (405; OPTIONS is told the methods)."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    allow = _allow(error)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED and request.method == "OPTIONS":
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=allow)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return answer(405, f"{request.method} is not possible here, only {allow['Allow']}.", headers=allow)
    return answer(error.status_code, f"There is nothing at {request.url.path}; see /openapi.json.")


def _allow(error: HTTPException) -> dict[str, str]:
    methods = {name.strip() for name in (error.headers or {}).get("Allow", "").split(",") if name.strip()}
    return {"Allow": ", ".join(sorted(methods | {"OPTIONS"}))} if methods else {}


async def _gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=CLIENT_GONE)


HANDLERS: Final[Mapping[int | type[Exception], ExceptionHandler]] = {
    DagError: _told,
    HTTPException: _routing,
    ClientDisconnect: _gone,
}
