"""How fast a verdict reaches its reader: real gateway and monitor, Postgres and RabbitMQ, and 500 rollouts at once."""

from __future__ import annotations

import asyncio
import json
import os
import re
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
import yaml
from acceptance.harness.installation import Installation
from conditions import until
from examples import PUSHED, fresh_id, new, requested
from flux_objects import CHART, OURS, RELEASE, REPOSITORY, flux, merged
from rich.console import Console
from rich.table import Table
from servers.warden import Warden

from dag_common.contracts.events import DeploymentId, IacTarget, PushStarted, RolloutTarget
from dag_common.runtime import clock
from dag_common.store import event_log
from dag_common.store.database import Database
from dag_sandbox.cluster.api import ClusterApp
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.resources import GIT_REPOSITORIES, HELM_CHARTS, HELM_RELEASES, Object, Resource
from dag_sandbox.serving import serve

CLUSTER = "prod"
URL = "https://git.example.com/iac.git"
ROLLOUTS, NAMESPACES, IN_ONE_PUSH = 500, 25, 50
GROUPS = NAMESPACES + 2
"""HelmReleases of each namespace, HelmCharts and GitRepositories of flux-system."""

ALONE, PAUSE_SECONDS, BURST = 400, 0.05, 100
PUSHES = 20


@dataclass
class Bench:
    """A DAG of real processes and the cluster it watches."""

    database: Database
    cluster: ClusterDouble
    api: ClusterApp
    dag: Installation


@asynccontextmanager
async def bench(database: Database, directory: Path, environment: dict[str, str]) -> AsyncIterator[Bench]:
    """No service runs yet."""
    cluster = ClusterDouble(CLUSTER)
    api = ClusterApp(cluster)
    async with serve(api) as url:
        (directory / "token").write_text(cluster.token)
        (directory / "dag.yaml").write_text(
            yaml.safe_dump({"clusters": {CLUSTER: {"server": url, "token": {"file": "token"}}}})
        )
        with Warden() as warden:
            dag = Installation(directory / "dag", environment | {"DAG_REGISTRY": str(directory)}, warden)
            try:
                yield Bench(database, cluster, api, dag)
            finally:
                await dag.close()


@pytest.fixture
async def at_work(
    database: Database, database_url: str, amqp_url: str, amqp_namespace: str, tmp_path: Path
) -> AsyncIterator[Bench]:
    told = {"DAG_DATABASE_URL": database_url, "DAG_AMQP_URL": amqp_url, "DAG_AMQP_NAMESPACE": amqp_namespace}
    async with bench(database, tmp_path, told) as here:
        yield here


def target(number: int) -> RolloutTarget:
    name, namespace = f"app-{number:03}", f"team-{number % NAMESPACES:02}"
    return RolloutTarget(kind="flux", cluster=CLUSTER, namespace=namespace, name=name, timeout_seconds=600)


def today(obj: Object, number: int) -> Object:
    """An object of the fixtures as one of the many, written now."""
    name, namespace = target(number).name, target(number).namespace
    text = re.sub(r"2026-09-01T[0-9:.]+Z", f"{clock.now():%Y-%m-%dT%H:%M:%SZ}", json.dumps(obj))
    text = re.sub(r'Generation": \d', 'Generation": 1', text)
    text = text.replace("default-podinfo", f"{namespace}-{name}").replace("charts/podinfo", f"charts/{name}")
    return json.loads(text)  # type: ignore[no-any-return]


def under_way(cluster: ClusterDouble, tip: str) -> None:
    """All releases are upgraded, each with our chart, from the branch's tip."""
    revision = f"main@sha1:{tip}"
    objects = flux("progressing", repository={"status": {"artifact": {"revision": revision}}})
    write(cluster, GIT_REPOSITORIES, objects[REPOSITORY])
    for number in range(ROLLOUTS):
        built = merged(objects[CHART], {"status": {"observedSourceArtifactRevision": revision}})
        write(cluster, HELM_CHARTS, today(built, number))
        write(cluster, HELM_RELEASES, release(number, "progressing"))


def write(cluster: ClusterDouble, resource: Resource, obj: Object) -> None:
    """As controllers do: an object first, its status then."""
    created = cluster.create(resource, {part: obj[part] for part in ("metadata", "spec")})["metadata"]
    cluster.merge_patch_status(resource, created["namespace"], created["name"], {"status": obj["status"]})


def release(number: int, state: str) -> Object:
    """A HelmRelease in a state of the fixtures."""
    place = {"name": target(number).name, "namespace": target(number).namespace, "resourceVersion": None}
    return today(merged(flux(state)[RELEASE], {"metadata": place}), number)


async def pushed(database: Database) -> tuple[list[DeploymentId], str]:
    """So many deployments, pushed in groups; their ids and the branch's tip."""
    ids, tip = [], OURS
    for first in range(0, ROLLOUTS, IN_ONE_PUSH):
        base, tip = tip, f"{first + 1:040x}"
        batch = []
        for number in range(first, first + IN_ONE_PUSH):
            ids.append(fresh_id())
            path = f"charts/{target(number).name}"
            iac = IacTarget(repository="iac", url=URL, branch="main", path=path)
            fact = msgspec.structs.replace(PUSHED, commit=tip, path=path, tree=f"{number:040x}")
            wanted = requested(targets=(target(number),), iac=iac)
            facts = (wanted, PushStarted(attempt=1, base=base), fact)
            batch += [new(ids[-1], version, one) for version, one in enumerate(facts, start=1)]
        async with database.transaction() as connection:
            await event_log.append(connection, batch)
    return ids, tip


@dataclass
class Reader:
    """One client of one event stream, over a socket of its own; `held_at` is when it had the last event."""

    gateway: str
    deployment_id: DeploymentId
    held_at: float = 0.0
    told: bytes = b""

    async def read(self) -> None:
        address = urlsplit(self.gateway)
        source, sink = await asyncio.open_connection(address.hostname, address.port)
        sink.write(f"GET /api/deployments/{self.deployment_id}/events HTTP/1.1\r\nHost: dag\r\n\r\n".encode())
        while b'"status":"deployed"' not in self.told and b'"status":"failed"' not in self.told:
            line = await source.readline()
            assert line, f"the stream ended after {self.told.decode()}"
            if line.startswith(b"data:"):
                self.told += line
        self.held_at = time.perf_counter()
        sink.close()


async def test_from_the_deciding_object_to_the_reader_of_the_stream(at_work: Bench) -> None:
    ids, tip = await pushed(at_work.database)
    under_way(at_work.cluster, tip)
    await at_work.dag.start(gateway=1, monitor=1)
    readers = [Reader(at_work.dag.one("gateway").url, each) for each in ids]
    async with asyncio.TaskGroup() as reading:
        for reader in readers:
            reading.create_task(reader.read())
        await until(lambda: all(b"Running" in one.told for one in readers), seconds=60)
        watches = at_work.api.open_watches
        decided = [await decide(at_work.cluster, number, PAUSE_SECONDS) for number in range(ALONE)]
        decided += [await decide(at_work.cluster, number, 0) for number in range(ALONE, ROLLOUTS)]
    assert all(b'"status":"deployed"' in one.told for one in readers)
    times = [reader.held_at - at for reader, at in zip(readers, decided, strict=True)]
    table = Table("rollouts", "p50", "p99", "longest", title="from the API server's write to the reader of the stream")
    for name, part in ((f"{ALONE}, 20 a second", times[:ALONE]), (f"{BURST} at once", times[ALONE:])):
        cuts = statistics.quantiles(part, n=100)
        table.add_row(name, milliseconds(cuts[49]), milliseconds(cuts[98]), milliseconds(max(part)))
    table.caption = f"{ROLLOUTS} watched at once, {watches} watches for {GROUPS} groups; load {os.getloadavg()[0]:.1f}"
    Console(width=100).print(table)
    assert watches == GROUPS


async def decide(cluster: ClusterDouble, number: int, pause: float) -> float:
    """Helm is done; returns when that was written."""
    await asyncio.sleep(pause)
    key, done = (target(number).namespace, target(number).name), release(number, "success")
    at = time.perf_counter()
    cluster.merge_patch_status(HELM_RELEASES, *key, {"status": done["status"]})
    return at


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
