"""POST /api/deployments/:id/cancel, for operators and for CI jobs that could have deployed the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dag_common.domain.deployment import Deployment
from dag_gateway.handlers.cancellation import CancelDeployment
from dag_gateway.http.bearers import bearer_of
from dag_gateway.http.ids import deployment_id_of
from dag_gateway.http.json_bodies import read_job_request
from dag_gateway.http.schemas import Cancellation
from dag_gateway.http.telemetry import trace_of

RECORDED = "The cancellation is recorded and takes effect unless the push turns out to have arrived"

Cancel = Callable[[CancelDeployment], Awaitable[Deployment]]


class CancellationEndpoint:
    """200: it is cancelled. 202: whether it will be is open until the push that has begun turns out."""

    def __init__(self, cancel: Cancel) -> None:
        self._cancel = cancel

    async def cancel(self, request: Request) -> Response:
        """Who sends a bearer token is no job, and needs no body."""
        deployment_id, trace = deployment_id_of(request), trace_of(request)
        asker = bearer_of(request) or await read_job_request(request)
        command = CancelDeployment(deployment_id, asker, trace.request_id, trace.traceparent)
        return _answer(await self._cancel(command))


def _answer(deployment: Deployment) -> Response:
    status, message = HTTPStatus.OK, deployment.message
    if not deployment.ended:
        status, message = HTTPStatus.ACCEPTED, RECORDED
    body = Cancellation(deployment_id=deployment.id, status=deployment.status, message=message)
    return Response(
        msgspec.json.encode(body), status, headers={"Cache-Control": "no-store"}, media_type="application/json"
    )
