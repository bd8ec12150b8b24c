"""Reads beside the stream: one deployment, and the list for operators."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dag_common.contracts.events import DeploymentId
from dag_common.domain.statuses import Status
from dag_common.errors import Invalid
from dag_gateway.http.bearers import bearer_of
from dag_gateway.http.fields import checked
from dag_gateway.http.ids import deployment_id_of
from dag_gateway.identity.token_holders import TokenHolders, UnknownHolder
from dag_gateway.queries.deployments import Cursor, Filters
from dag_gateway.queries.views import DeploymentPage, DeploymentView

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 200
PARAMETERS: Final = ("app", "environment", "status", "limit", "cursor")
_HEADERS: Final = {"Cache-Control": "no-store"}

One = Callable[[DeploymentId], Awaitable[DeploymentView]]
Page = Callable[[Filters, Cursor | None, int], Awaitable[DeploymentPage]]


class DeploymentEndpoints:
    """GET /api/deployments/:id for everybody who knows the id, GET /api/deployments for operators and auditors."""

    def __init__(self, one: One, page: Page, holders: TokenHolders) -> None:
        self._one = one
        self._page = page
        self._holders = holders

    async def one(self, request: Request) -> Response:
        """Everything known about one deployment."""
        view = await self._one(deployment_id_of(request))
        return Response(msgspec.json.encode(view), headers=_HEADERS, media_type="application/json")

    async def page(self, request: Request) -> Response:
        """Newest first."""
        bearer = bearer_of(request)
        if bearer is None:
            raise UnknownHolder("This needs an operator's or auditor's token: Authorization: Bearer <token>")
        self._holders.admit_reader(bearer)
        given = _parameters(request)
        filters = Filters(app=given.get("app"), environment=given.get("environment"), status=_status(given))
        page = await self._page(filters, _cursor(given), _limit(given))
        return Response(msgspec.json.encode(page), headers=_HEADERS, media_type="application/json")


def _parameters(request: Request) -> Mapping[str, str]:
    pairs = request.query_params.multi_items()
    unknown = sorted({name for name, _ in pairs} - {*PARAMETERS})
    if unknown:
        raise Invalid(f"There is no parameter {', '.join(unknown)}; there are {', '.join(PARAMETERS)}")
    if len({name for name, _ in pairs}) != len(pairs):
        raise Invalid("A parameter stands twice; send it once")
    if not all(value.isascii() and value.isprintable() for _, value in pairs):
        raise Invalid("A parameter holds a character that stands in no name: only printable ASCII does")
    return {name: value for name, value in checked(dict(pairs)).items() if value}


def _status(given: Mapping[str, str]) -> Status | None:
    text = given.get("status")
    if text is None:
        return None
    if text not in set(Status):
        raise Invalid(f"status is not one of {', '.join(Status)}")
    return Status(text)


def _limit(given: Mapping[str, str]) -> int:
    text = given.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_LIMIT)) and 1 <= int(text) <= MAX_LIMIT):
        raise Invalid(f"limit is not a number from 1 to {MAX_LIMIT}")
    return int(text)


def _cursor(given: Mapping[str, str]) -> Cursor | None:
    text = given.get("cursor")
    return None if text is None else Cursor.parse(text)
