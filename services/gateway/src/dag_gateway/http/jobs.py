"""What CI jobs ask: deploy a chart, get the deployed chart, get the deployed values."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dag_common.contracts.events import DeploymentId
from dag_common.errors import Invalid, Unavailable
from dag_gateway.admission import Asked
from dag_gateway.handlers.request import RequestDeployment
from dag_gateway.http import fields
from dag_gateway.http.bodies import unread
from dag_gateway.http.forms import CHART, Form, read_form
from dag_gateway.http.json_bodies import read_job_request
from dag_gateway.http.schemas import Accepted
from dag_gateway.http.telemetry import trace_of
from dag_gateway.queries.iac import DeployedChart

REQUIRED: Final = ("repoUrl", "jobId", "jobToken", "version", CHART)
KNOWN: Final = frozenset({*REQUIRED, "environment", "dryRun"})
UPLOADS_AT_ONCE: Final = 32
NOT_STORED: Final = {"Cache-Control": "no-store"}

_GZIP: Final = b"\x1f\x8b"
_IDEMPOTENCY_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_OFF: Final = frozenset({"", "0", "false", "no"})

Deploy = Callable[[RequestDeployment], Awaitable[DeploymentId]]
GetChart = Callable[[Asked], Awaitable[DeployedChart]]
GetValues = Callable[[Asked], Awaitable[bytes]]


class JobEndpoints:
    """Reads what jobs send, asks, and writes what they get."""

    def __init__(
        self, deploy: Deploy, chart: GetChart, values: GetValues, *, needed: Callable[[], None], max_chart_bytes: int
    ) -> None:
        """`needed` raises `Unavailable` while a deployment could not be kept, or nobody would be woken for it."""
        self._needed = needed
        self._deploy = deploy
        self._chart = chart
        self._values = values
        self._max_chart_bytes = max_chart_bytes
        self._uploads = 0

    async def deploy(self, request: Request) -> Response:
        """POST /api/deploy."""
        async with unread(request):
            key = _idempotency_key(request)
            self._needed()
        with self._upload():
            command = _command(await read_form(request, KNOWN, self._max_chart_bytes), key, request)
            self._needed()
            deployment_id = await self._deploy(command)
        return _json(msgspec.json.encode(Accepted(deployment_id=deployment_id)))

    async def get_chart(self, request: Request) -> Response:
        """POST /api/get/chart."""
        chart = await self._chart(await read_job_request(request))
        headers = {**NOT_STORED, "Content-Disposition": f'attachment; filename="{chart.name}.tgz"'}
        return Response(chart.archive, headers=headers, media_type="application/gzip")

    async def get_values(self, request: Request) -> Response:
        """POST /api/get/values."""
        return _json(await self._values(await read_job_request(request)))

    @contextmanager
    def _upload(self) -> Iterator[None]:
        """Bounds the memory that uploads hold; who comes too many comes again."""
        if self._uploads >= UPLOADS_AT_ONCE:
            raise Unavailable("Too many charts are being uploaded at once; try again", retry_after=2)
        self._uploads += 1
        try:
            yield
        finally:
            self._uploads -= 1


def _command(form: Form, key: str, request: Request) -> RequestDeployment:
    texts = {name: value for name, value in form.texts.items() if not fields.is_blank(value)}
    fields.require(REQUIRED, {*texts, *([CHART] if form.chart else [])})
    _check_dry_run(texts)
    values = fields.checked(texts)
    trace = trace_of(request)
    return RequestDeployment(
        asked=Asked(values["repoUrl"], values["jobId"], values["jobToken"], values.get("environment", "")),
        version=values["version"],
        chart=_chart(form),
        idempotency_key=key,
        cause=trace.request_id,
        traceparent=trace.traceparent,
    )


def _chart(form: Form) -> bytes:
    content = bytes(form.chart or b"")
    if not form.chart_is_file and not content.startswith(_GZIP):
        raise Invalid("chart was sent as text, not as a file; with curl: -F chart=@chart.tgz (mind the @)")
    return content


def _check_dry_run(texts: dict[str, str]) -> None:
    """A field we do not know is ignored, but not this one: who asks for a dry run must not get a deployment."""
    if texts.get("dryRun", "").strip().lower() not in _OFF:
        raise Invalid("dryRun is not offered by this version of DAG; nothing was deployed")


def _idempotency_key(request: Request) -> str:
    key = request.headers.get("idempotency-key", "")
    if "idempotency-key" in request.headers and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise Invalid("The Idempotency-Key is not 1 to 255 visible ASCII characters")
    return key


def _json(body: bytes) -> Response:
    return Response(body, headers=NOT_STORED, media_type="application/json")
