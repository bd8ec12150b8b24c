"""A gateway served over TCP on real Postgres, with a GitLab and a git host of the sandbox around it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from examples import new

from dag_common.bus.local import LocalBus
from dag_common.bus.seam import Bus
from dag_common.charts.pack import pack
from dag_common.contracts.envelope import Recorded
from dag_common.contracts.events import DeploymentId, Event
from dag_common.delivery.relay import as_message
from dag_common.registry.loading import SourceFile, load
from dag_common.registry.registry import Registry
from dag_common.store import event_log
from dag_common.store.database import Database
from dag_gateway.bootstrap import gateway
from dag_gateway.http.serving import Address, listen, serve
from dag_gateway.settings import Settings, references
from dag_sandbox.githost import GitHost
from dag_sandbox.gitlab import GitLabDouble
from dag_sandbox.gitlab_jobs import Job

OPERATOR = "planted-operator-token"
AUDITOR = "planted-auditor-token"

REGISTRY = """
providers:
  gitlab: {{kind: gitlab, url: "{gitlab}", timeout: 2s}}
iac:
  iac: {{url: "{git}"}}
  gone: {{url: "http://127.0.0.1:9/gone.git"}}
apps:
  - name: shop
    repoUrl: {repo}
    provider: gitlab
    environments:
      - {{name: production, branch: main, iac: {{repository: iac, path: apps/shop}}, targets: [{{kind: none}}]}}
      - {{name: blue, branch: release/*, iac: {{repository: iac, path: apps/blue}}, targets: [{{kind: none}}]}}
      - name: green
        branch: release/*
        supersede: true
        chartVersion: unique
        iac: {{repository: iac, path: apps/green}}
        targets: [{{kind: none}}]
      - {{name: outside, branch: outside, iac: {{repository: iac, path: ../../etc}}, targets: [{{kind: none}}]}}
      - {{name: unreachable, branch: lost, iac: {{repository: gone, path: apps/shop}}, targets: [{{kind: none}}]}}
      - name: guarded
        branch: guarded
        requireProtected: true
        iac: {{repository: iac, path: apps/shop}}
        targets: [{{kind: none}}]
  - name: tool
    repoUrl: {other_repo}
    provider: gitlab
    environments:
      - {{name: production, branch: main, iac: {{repository: iac, path: apps/tool}}, targets: [{{kind: none}}]}}
"""


def chart(version: str = "0.1.0", **files: bytes) -> bytes:
    """A small chart's archive."""
    head = f"apiVersion: v2\nname: podinfo\nversion: {version}\n".encode()
    return pack("podinfo", {"Chart.yaml": head, "values.yaml": b"replicaCount: 1\n", **files})


@dataclass(frozen=True, slots=True)
class World:
    """A gateway at `client`'s base URL and what is around it."""

    client: httpx.AsyncClient
    database: Database
    bus: Bus
    gitlab: GitLabDouble
    git: GitHost
    stop: asyncio.Event
    serving: asyncio.Task[None]

    def job(self, ref: str = "main", **wish: Any) -> Job:
        """A running CI job."""
        return self.gitlab.create_job(project="acme/shop", ref=ref, **wish)

    def fields(self, job: Job, **changes: str) -> dict[str, str]:
        """What the job says of itself."""
        return {
            "repoUrl": self.gitlab.project_url("acme/shop"),
            "jobId": str(job.id),
            "jobToken": job.token,
        } | changes

    async def deploy(self, job: Job, archive: bytes | None = None, *, key: str = "", **changes: str) -> httpx.Response:
        """POST /api/deploy."""
        data = self.fields(job, **{"version": "1.2.3", **changes})
        files = {"chart": ("chart.tgz", chart() if archive is None else archive)}
        headers = {"X-Request-Id": "build-1"} | ({"Idempotency-Key": key} if key else {})
        return await self.client.post("/api/deploy", data=data, files=files, headers=headers)

    async def cancel(self, deployment_id: str, job: Job, **changes: str) -> httpx.Response:
        """POST /api/deployments/:id/cancel, as a CI job."""
        return await self.client.post(f"/api/deployments/{deployment_id}/cancel", json=self.fields(job, **changes))

    async def cancel_as(self, token: str, deployment_id: str) -> httpx.Response:
        """POST /api/deployments/:id/cancel, with a bearer token."""
        headers = {"Authorization": f"Bearer {token}"}
        return await self.client.post(f"/api/deployments/{deployment_id}/cancel", headers=headers)

    async def append(self, deployment_id: DeploymentId, *events: Event, first: int = 1, told: bool = True) -> None:
        """Record events as the services would, from version `first` on; `told`: the bus brings them too."""
        batch = [new(deployment_id, version, event) for version, event in enumerate(events, start=first)]
        async with self.database.transaction() as connection:
            records = await event_log.append(connection, batch)
        if told:
            await self.bus.publish([as_message(record) for record in records])

    async def log(self) -> list[Recorded]:
        """The whole event log."""
        async with self.database.connection() as connection:
            return await event_log.read_log(connection, after=0, limit=1000)


@dataclass(frozen=True, slots=True)
class Sent:
    """One event as a client reads it."""

    event: str
    data: Any
    id: str
    retry: str = ""


@asynccontextmanager
async def stream(
    world: World, deployment_id: str, last_event_id: str | None = None
) -> AsyncIterator[AsyncIterator[Sent]]:
    """An open event stream."""
    headers = {} if last_event_id is None else {b"Last-Event-ID": last_event_id.encode("latin-1")}
    async with world.client.stream("GET", f"/api/deployments/{deployment_id}/events", headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["cache-control"] == "no-cache, no-transform"
        yield sent_on(response)


async def sent_on(response: httpx.Response) -> AsyncIterator[Sent]:
    """The events of a stream, as they come."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            data = json.loads(fields["data"]) if "data" in fields else None
            yield Sent(fields.get("event", ""), data, fields.get("id", ""), fields.get("retry", ""))
            fields = {}


async def rest_of(events: AsyncIterator[Sent]) -> list[Sent]:
    """Everything until the stream closes."""
    return [each async for each in events]


@asynccontextmanager
async def world_on(
    database: Database, directory: Path, *, bus: Bus | None = None, more: str = "", **changes: Any
) -> AsyncIterator[World]:
    """A world that ends with the block; `bus` is the caller's, without one it is an in-process bus.

    `more` is a further file of the registry.
    """
    async with AsyncExitStack() as stack:
        gitlab = await stack.enter_async_context(GitLabDouble())
        git = await stack.enter_async_context(GitHost(directory / "host"))
        await git.create("iac")
        registry = _registry(gitlab, git, more)
        if bus is None:
            bus = LocalBus()
            stack.push_async_callback(bus.close)
        served = await stack.enter_async_context(
            gateway(_settings(directory, **changes), database=database, bus=bus, registry=lambda: registry)
        )
        listener = listen(Address("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        stop = asyncio.Event()
        serving = asyncio.create_task(serve(served.app, listener, stop, drain=served.drain, drain_seconds=5))
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=20))
        yield World(client, database, bus, gitlab, git, stop, serving)
        stop.set()
        await serving


def _settings(directory: Path, **changes: Any) -> Settings:
    (directory / "operator").write_text(OPERATOR)
    (directory / "auditor").write_text(AUDITOR)
    values: dict[str, Any] = {
        "database_url": "",
        "amqp_url": "",
        "registry": directory,
        "data_dir": directory / "data",
        "operator_tokens": references(f"file:{directory / 'operator'}"),
        "auditor_tokens": references(f"file:{directory / 'auditor'}"),
    }
    return Settings(**(values | changes))


def _registry(gitlab: GitLabDouble, git: GitHost, more: str) -> Registry:
    repos = {"repo": gitlab.project_url("acme/shop"), "other_repo": gitlab.project_url("acme/tool")}
    text = REGISTRY.format(gitlab=gitlab.url, git=git.url("iac"), **repos)
    files = {"dag.yaml": text} | ({"more.yaml": more} if more else {})
    registry = load([SourceFile(name, content.encode(), Path()) for name, content in files.items()])
    assert registry.problems == ()
    return registry
