"""What CI jobs ask: deploy a chart, get the deployed chart, get the deployed values."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dag_common.charts.archive import Chart
from dag_common.contracts.events import DeploymentId, DeploymentRequested
from dag_common.errors import Invalid
from dag_gateway.admission import Asked
from dag_gateway.handlers.request import Checked, RequestDeployment
from dag_gateway.http import fields
from dag_gateway.http.bodies import unread
from dag_gateway.http.bounds import Memory, Places
from dag_gateway.http.forms import CHART, Form, read_form
from dag_gateway.http.json_bodies import read_job_request
from dag_gateway.http.schemas import Accepted
from dag_gateway.http.telemetry import trace_of
from dag_gateway.queries.iac import DeployedChart
from dag_gateway.queries.views import PlanView

REQUIRED: Final = ("repoUrl", "jobId", "jobToken", "version", CHART)
KNOWN: Final = frozenset({*REQUIRED, "environment", "dryRun"})
CHARTS_HELD: Final = 32
"""Charts of the largest size that requests hold together. A place an upload would let whoever sends nothing take them
all: who is asking is known only when the form has been read."""

REQUESTS_AT_ONCE: Final = 32
"""Requests, read to their end, that are being proven and recorded."""

PLANS_AT_ONCE: Final = 4
NOT_STORED: Final = {"Cache-Control": "no-store"}

_GZIP: Final = b"\x1f\x8b"
_IDEMPOTENCY_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_DRY_RUN: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}

Deploy = Callable[[RequestDeployment], Awaitable[DeploymentId]]
Check = Callable[[RequestDeployment], Awaitable[Checked]]
Plan = Callable[[DeploymentRequested, Chart], Awaitable[PlanView]]
GetChart = Callable[[Asked], Awaitable[DeployedChart]]
GetValues = Callable[[Asked], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Asking:
    """Who answers what jobs ask. A plan is what was checked, compared with what is deployed."""

    deploy: Deploy
    check: Check
    plan: Plan
    chart: GetChart
    values: GetValues


class JobEndpoints:
    """Reads what jobs send, asks, and writes what they get."""

    def __init__(self, ask: Asking, *, needed: Callable[[], None], max_chart_bytes: int) -> None:
        """`needed` raises `Unavailable` while a deployment could not be kept, or nobody would be woken for it."""
        self._needed = needed
        self._ask = ask
        self._max_chart_bytes = max_chart_bytes
        self._memory = Memory(CHARTS_HELD * max_chart_bytes, "Too many charts are being uploaded at once; try again")
        self._requests = Places(REQUESTS_AT_ONCE, "Too many deployments are being requested at once; try again")
        self._plans = Places(PLANS_AT_ONCE, "Too many dry runs are being made at once; try again")

    async def deploy(self, request: Request) -> Response:
        """POST /api/deploy."""
        async with unread(request):
            key = _idempotency_key(request)
            self._needed()
        with self._memory.share() as hold:
            form = await read_form(request, KNOWN, self._max_chart_bytes, hold)
            with self._requests.taken():
                answer = await self._answer(*_command(form, key, request))
        return _json(msgspec.json.encode(answer))

    async def get_chart(self, request: Request) -> Response:
        """POST /api/get/chart."""
        chart = await self._ask.chart(await read_job_request(request))
        headers = {**NOT_STORED, "Content-Disposition": f'attachment; filename="{chart.name}.tgz"'}
        return Response(chart.archive, headers=headers, media_type="application/gzip")

    async def get_values(self, request: Request) -> Response:
        """POST /api/get/values."""
        return _json(await self._ask.values(await read_job_request(request)))

    async def _answer(self, command: RequestDeployment, dry_run: bool) -> Accepted | PlanView:
        self._needed()
        return await self._planned(command) if dry_run else await self._accepted(command)

    async def _accepted(self, command: RequestDeployment) -> Accepted:
        return Accepted(deployment_id=await self._ask.deploy(command))

    async def _planned(self, command: RequestDeployment) -> PlanView:
        """A plan holds its chart unpacked while it waits for the git host: few at once, and no deployment waits."""
        with self._plans.taken():
            checked = await self._ask.check(command)
            return await self._ask.plan(checked.event, checked.chart)


def _command(form: Form, key: str, request: Request) -> tuple[RequestDeployment, bool]:
    """What is asked for, and whether it is only to be tried."""
    texts = {name: value for name, value in form.texts.items() if not fields.is_blank(value)}
    fields.require(REQUIRED, {*texts, *([CHART] if form.chart else [])})
    dry_run = _is_dry_run(texts)
    values = fields.checked(texts)
    trace = trace_of(request)
    command = RequestDeployment(
        asked=Asked(values["repoUrl"], values["jobId"], values["jobToken"], values.get("environment", "")),
        version=values["version"],
        chart=_chart(form),
        idempotency_key=key,
        cause=trace.request_id,
        traceparent=trace.traceparent,
    )
    return command, dry_run


def _chart(form: Form) -> bytes:
    content = bytes(form.chart or b"")
    if not form.chart_is_file and not content.startswith(_GZIP):
        raise Invalid("chart was sent as text, not as a file; with curl: -F chart=@chart.tgz (mind the @)")
    return content


def _is_dry_run(texts: dict[str, str]) -> bool:
    """Who asks for a dry run in words of their own must not get a deployment."""
    try:
        return _DRY_RUN[texts.get("dryRun", "").strip().lower()]
    except KeyError:
        raise Invalid("dryRun is neither true nor false; nothing was deployed") from None


def _idempotency_key(request: Request) -> str:
    key = request.headers.get("idempotency-key", "")
    if "idempotency-key" in request.headers and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise Invalid("The Idempotency-Key is not 1 to 255 visible ASCII characters")
    return key


def _json(body: bytes) -> Response:
    return Response(body, headers=NOT_STORED, media_type="application/json")
