"""What CI jobs ask: deploy a chart, get the deployed chart, get the deployed values."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dag_common.charts.archive import Chart
from dag_common.contracts.events import DeploymentId, DeploymentRequested
from dag_common.errors import Invalid, Unavailable
from dag_gateway.admission import Asked
from dag_gateway.handlers.request import Checked, RequestDeployment
from dag_gateway.http import fields
from dag_gateway.http.bodies import unread
from dag_gateway.http.forms import CHART, Form, read_form
from dag_gateway.http.json_bodies import read_job_request
from dag_gateway.http.schemas import Accepted
from dag_gateway.http.telemetry import trace_of
from dag_gateway.queries.iac import DeployedChart
from dag_gateway.queries.views import PlanView

REQUIRED: Final = ("repoUrl", "jobId", "jobToken", "version", CHART)
KNOWN: Final = frozenset({*REQUIRED, "environment", "dryRun"})
UPLOADS_AT_ONCE: Final = 32
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
        self._uploads = Places(UPLOADS_AT_ONCE, "Too many charts are being uploaded at once; try again")
        self._plans = Places(PLANS_AT_ONCE, "Too many dry runs are being made at once; try again")

    async def deploy(self, request: Request) -> Response:
        """POST /api/deploy."""
        async with unread(request):
            key = _idempotency_key(request)
            self._needed()
        with self._uploads.taken():
            form = await read_form(request, KNOWN, self._max_chart_bytes)
            command, dry_run = _command(form, key, request)
            self._needed()
            answer = await self._planned(command) if dry_run else await self._accepted(command)
        return _json(msgspec.json.encode(answer))

    async def get_chart(self, request: Request) -> Response:
        """POST /api/get/chart."""
        chart = await self._ask.chart(await read_job_request(request))
        headers = {**NOT_STORED, "Content-Disposition": f'attachment; filename="{chart.name}.tgz"'}
        return Response(chart.archive, headers=headers, media_type="application/gzip")

    async def get_values(self, request: Request) -> Response:
        """POST /api/get/values."""
        return _json(await self._ask.values(await read_job_request(request)))

    async def _accepted(self, command: RequestDeployment) -> Accepted:
        return Accepted(deployment_id=await self._ask.deploy(command))

    async def _planned(self, command: RequestDeployment) -> PlanView:
        """A plan holds its chart unpacked while it waits for the git host: few at once, and no deployment waits."""
        with self._plans.taken():
            checked = await self._ask.check(command)
            return await self._ask.plan(checked.event, checked.chart)


class Places:
    """Bounds the memory that requests hold; who comes too many comes again."""

    def __init__(self, number: int, refusal: str) -> None:
        self._free = number
        self._refusal = refusal

    @contextmanager
    def taken(self) -> Iterator[None]:
        """One place, for the block; raises `Unavailable` if none is free."""
        if not self._free:
            raise Unavailable(self._refusal, retry_after=2)
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


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
