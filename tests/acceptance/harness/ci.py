"""The CI: mints jobs, sends charts, follows streams, tries again as a pipeline does, and keeps a record of it all."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from acceptance.harness.charts import chart_files, pack
from acceptance.harness.journeys import Connection, Journey, Told
from acceptance.harness.landscape import PROJECT
from httpx_sse import EventSource

from dag_sandbox.gitlab import GitLabDouble

PAUSE_SECONDS = 0.1
"""Between attempts. The gateways ask for more (`Retry-After`, `retry:`); that is recorded, and tests are in a hurry."""

PATIENCE_SECONDS = 90.0
AGAIN = frozenset({0, 429, 502, 503, 504})
"""Answers after which the same request is sent again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from one POST; status 0: nothing did, and whether it was taken is unknown."""

    gateway: str
    status: int
    body: Any

    @property
    def deployment_id(self) -> str:
        """What a 200 promised; empty for any other answer."""
        return str(self.body["deploymentId"]) if self.status == 200 else ""


@dataclass(slots=True)
class Order:
    """One request a CI job makes, however often it has to send it."""

    environment: str
    version: str
    files: Mapping[str, bytes]
    job_id: str
    token: str = field(repr=False)
    answers: list[Answer] = field(default_factory=list)
    cancels: list[Answer] = field(default_factory=list)
    journeys: list[Journey] = field(default_factory=list)

    @property
    def deployment_id(self) -> str:
        """The id its first 200 answer gave; empty if it was never accepted."""
        return next((answer.deployment_id for answer in self.answers if answer.status == 200), "")


class CI:
    """All pipelines of one project. `gateways` are asked in turn, as behind a load balancer."""

    def __init__(self, gitlab: GitLabDouble, gateways: Callable[[], Sequence[str]]) -> None:
        self.orders: list[Order] = []
        self._gitlab = gitlab
        self._gateways = gateways
        self._turn = itertools.count()
        self._numbers = itertools.count(1)
        self._readers: set[asyncio.Task[None]] = set()
        self._http = httpx.AsyncClient(trust_env=False, timeout=30, limits=httpx.Limits(max_connections=None))

    async def close(self) -> None:
        """Stop reading, and close the connections."""
        for task in self._readers:
            task.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        await self._http.aclose()

    def order(self, environment: str, *, version: str = "", files: Mapping[str, bytes] | None = None) -> Order:
        """A fresh job that is about to deploy; without other wishes, the next version of a chart all its own."""
        number = next(self._numbers)
        job = self._gitlab.create_job(project=PROJECT, ref="main")
        files = files or chart_files(f"{environment} {number}")
        order = Order(environment, version or f"1.0.{number}", files, str(job.id), job.token)
        self.orders.append(order)
        return order

    async def send(self, order: Order, *, gateway: str = "") -> Answer:
        """POST once."""
        gateway = gateway or self._next()
        fields = {
            "repoUrl": self._gitlab.project_url(PROJECT),
            "jobId": order.job_id,
            "jobToken": order.token,
            "version": order.version,
            "environment": order.environment,
        }
        files = {"chart": ("chart.tgz", pack(order.files), "application/gzip")}
        try:
            answer = await self._http.post(f"{gateway}/api/deploy", data=fields, files=files)
        except httpx.TransportError as exc:
            order.answers.append(Answer(gateway, 0, type(exc).__name__))
        else:
            order.answers.append(Answer(gateway, answer.status_code, answer.json()))
        return order.answers[-1]

    async def submit(self, order: Order) -> str:
        """POST until there is an answer that means something; the deployment's id. Fails if it was refused."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (answer := await self.send(order)).status in AGAIN:  # noqa: ASYNC110 - as CI does
                await asyncio.sleep(PAUSE_SECONDS)
        assert answer.status == 200, f"{order}: {answer}"
        return answer.deployment_id

    async def cancel(self, order: Order) -> Answer:
        """Ask for the order's end until there is an answer that means something."""
        body = {"repoUrl": self._gitlab.project_url(PROJECT), "jobId": order.job_id, "jobToken": order.token}
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (answer := await self._cancel(order, body)).status in AGAIN:  # noqa: ASYNC110 - as CI does
                await asyncio.sleep(PAUSE_SECONDS)
        return answer

    async def _cancel(self, order: Order, body: Mapping[str, str]) -> Answer:
        gateway = self._next()
        try:
            answer = await self._http.post(f"{gateway}/api/deployments/{order.deployment_id}/cancel", json=body)
        except httpx.TransportError as exc:
            order.cancels.append(Answer(gateway, 0, type(exc).__name__))
        else:
            order.cancels.append(Answer(gateway, answer.status_code, answer.json()))
        return order.cancels[-1]

    def follow(self, order: Order) -> Following:
        """Begin to read the order's stream in the background; it comes back after every lost connection."""
        journey = Journey(order.deployment_id)
        order.journeys.append(journey)
        task = asyncio.create_task(self._follow(journey), name=f"follow {journey.deployment_id}")
        self._readers.add(task)
        return Following(journey, task)

    async def deploy(self, environment: str, **wishes: Any) -> Journey:
        """One pipeline from start to end."""
        order = self.order(environment, **wishes)
        await self.submit(order)
        return await self.follow(order).end()

    async def _follow(self, journey: Journey) -> None:
        while not journey.ended:
            connection = Connection(self._next(), journey.last_id)
            journey.connections.append(connection)
            connection.ending = await self._read(journey, connection)
            if not journey.ended:
                await asyncio.sleep(PAUSE_SECONDS)

    async def _read(self, journey: Journey, connection: Connection) -> str:
        """Read to the connection's end; says how it ended."""
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": connection.after} if connection.after else {})
        url = f"{connection.gateway}/api/deployments/{journey.deployment_id}/events"
        number = len(journey.connections)
        try:
            async with self._http.stream("GET", url, headers=headers) as answer:
                if answer.status_code != 200:
                    return f"refused with {answer.status_code}"
                async for event in EventSource(answer).aiter_sse():
                    connection.retry_ms = event.retry or connection.retry_ms
                    if event.data:
                        journey.told.append(Told(number, event.event, event.id, event.json()))
        except httpx.TransportError as exc:
            return f"broken: {type(exc).__name__}"
        return "closed"

    def _next(self) -> str:
        gateways = self._gateways()
        return gateways[next(self._turn) % len(gateways)]


class Following:
    """A reader at work."""

    def __init__(self, journey: Journey, task: asyncio.Task[None]) -> None:
        self.journey = journey
        self._task = task

    async def until(self, status: str, *, within: float = 30) -> None:
        """Wait until this status, or a later one, was told."""
        order = ("pending", "validating", "pushing", "pushed", "monitoring", "deployed", "failed")
        async with asyncio.timeout(within):
            while not self.journey.status or order.index(self.journey.status) < order.index(status):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def end(self, *, within: float = PATIENCE_SECONDS) -> Journey:
        """Wait until the deployment has ended; fails with the reader's story if it does not."""
        try:
            async with asyncio.timeout(within):
                await self._task
        except TimeoutError:
            raise AssertionError(f"the deployment has not ended in time:\n{self.journey.story()}") from None
        return self.journey
