"""The gateway's HTTP application with whatever behind it a test gives."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

import httpx
from examples import requested
from starlette.applications import Starlette

from dag_common.bus.seam import Bus
from dag_common.charts.archive import Chart
from dag_common.contracts.events import DeploymentId, DeploymentRequested
from dag_common.runtime.health import Check, Health
from dag_common.store.database import Database
from dag_gateway.admission import Asked
from dag_gateway.feed import Feed
from dag_gateway.handlers.request import Checked, RequestDeployment
from dag_gateway.http.app import Endpoints, application
from dag_gateway.http.cancellations import CancellationEndpoint
from dag_gateway.http.deployments import DeploymentEndpoints
from dag_gateway.http.jobs import Asking, JobEndpoints
from dag_gateway.http.streams import EventStreams, ReadStream
from dag_gateway.identity.token_holders import TokenHolders
from dag_gateway.queries.iac import DeployedChart
from dag_gateway.queries.views import IacView, PlanView

T = TypeVar("T")
ID = DeploymentId("01924f5a-7b3c-7d8e-9f1a-2b3c4d5e6f7a")
MAX_CHART = 64 * 1024
TYPE = "multipart/form-data; boundary=gap"
CHART = b"\x1f\x8bnot unpacked here"
FORM = {"repoUrl": "https://git.example.com/a/b", "jobId": "42", "jobToken": "planted-job-token", "version": "1.2.3"}
JOB = {name: FORM[name] for name in ("repoUrl", "jobId", "jobToken")}

PLAN = PlanView(
    environment="production",
    chart_version="1.2.3",
    chart_version_note="",
    iac=IacView(repository="iac", url="https://git.example.com/iac", branch="main", path="apps/shop"),
    tip=None,
    targets=(),
    unchanged=True,
    files=(),
    files_omitted=0,
)


class Behind:
    """Stands where handlers and queries stand: remembers what was asked, answers or raises what it is told to."""

    def __init__(self) -> None:
        self.commands: list[RequestDeployment] = []
        self.checked: list[RequestDeployment] = []
        self.asked: list[Asked] = []
        self.error: Exception | None = None
        self.missing: Exception | None = None

    def needed(self) -> None:
        if self.missing is not None:
            raise self.missing

    async def deploy(self, command: RequestDeployment) -> DeploymentId:
        self.commands.append(command)
        return self._answer(ID)

    async def check(self, command: RequestDeployment) -> Checked:
        self.checked.append(command)
        return self._answer(Checked(requested(), Chart("podinfo", "0.1.0", {})))

    async def plan(self, event: DeploymentRequested, chart: Chart) -> PlanView:
        return PLAN

    async def chart(self, asked: Asked) -> DeployedChart:
        self.asked.append(asked)
        return self._answer(DeployedChart("shop", CHART))

    async def values(self, asked: Asked) -> bytes:
        self.asked.append(asked)
        return self._answer(b'{"replicaCount":3}')

    def _answer(self, value: T) -> T:
        if self.error is not None:
            raise self.error
        return value


async def _nothing(*_: object) -> Any:
    raise AssertionError("not asked in this test")


def app_over(behind: Behind, *, checks: Mapping[str, Check] | None = None, read: ReadStream = _nothing) -> Starlette:
    feed = Feed(cast("Bus", None), cast("Database", None), after=0)
    ask = Asking(behind.deploy, behind.check, behind.plan, behind.chart, behind.values)
    jobs = JobEndpoints(ask, needed=behind.needed, max_chart_bytes=MAX_CHART)
    deployments = DeploymentEndpoints(_nothing, _nothing, TokenHolders([], []))
    endpoints = Endpoints(jobs, deployments, CancellationEndpoint(_nothing), EventStreams(feed, read))
    return application(endpoints, Health(checks or {}))


@asynccontextmanager
async def client_of(app: Callable[..., Awaitable[None]]) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://dag.test") as client:
        yield client


def part(name: str, content: bytes, more: str = "") -> bytes:
    head = f'--gap\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def form(**fields: bytes) -> bytes:
    texts = {name: value.encode() for name, value in FORM.items()} | fields
    return b"".join(part(name, value) for name, value in texts.items()) + part("chart", CHART, '; filename="c.tgz"')


async def post(client: httpx.AsyncClient, body: bytes, content_type: str = TYPE) -> httpx.Response:
    return await client.post("/api/deploy", content=body, headers={"Content-Type": content_type})
