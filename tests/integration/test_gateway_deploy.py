from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from gateway_world import World, chart, world_on

from dag_common.contracts.codec import decode
from dag_common.contracts.events import DeploymentRequested
from dag_common.store import charts
from dag_common.store.database import Database


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> AsyncIterator[World]:
    async with world_on(database, tmp_path) as world:
        yield world


async def test_a_request_is_recorded_once_with_its_chart_and_never_with_its_token(world: World) -> None:
    job, archive = world.job(), chart()
    answer = await world.deploy(job, archive)
    assert answer.status_code == 200
    assert list(answer.json()) == ["deploymentId"]
    assert uuid.UUID(answer.json()["deploymentId"]).version == 7
    (record,) = await world.log()
    event = decode(record)
    assert isinstance(event, DeploymentRequested)
    assert record.deployment_id == answer.json()["deploymentId"]
    assert (event.app, event.environment, event.branch, event.commit) == ("shop", "production", "main", job.sha)
    assert (event.chart.name, event.chart.sha256) == ("podinfo", hashlib.sha256(archive).hexdigest())
    assert (record.causation_id, record.service) == ("build-1", "gateway")
    assert job.token not in repr(record)
    async with world.database.connection() as connection:
        assert await charts.get(connection, event.chart.sha256) == archive


Ask = Callable[[World], Awaitable[httpx.Response]]


def _deploy(ref: str = "main", archive: bytes | None = None, **changes: str) -> Ask:
    async def ask(world: World) -> httpx.Response:
        return await world.deploy(world.job(ref), archive, **changes)

    return ask


def _get(what: str, ref: str = "main", **changes: str) -> Ask:
    async def ask(world: World) -> httpx.Response:
        return await world.client.post(f"/api/get/{what}", json=world.fields(world.job(ref), **changes))

    return ask


def _with_gitlab_down(ask: Ask) -> Ask:
    async def asked(world: World) -> httpx.Response:
        world.gitlab.faults.down()
        return await ask(world)

    return asked


SYMLINK_OR_WORSE = b"\x1f\x8b\x08\x00 not a gzip after all"

EVERY_ROW = [
    ("deploy: missing fields", _deploy(version=" "), 400, "version"),
    ("deploy: token refused", _deploy(jobToken="someone-elses"), 401, "job token"),
    ("deploy: another job's id", _deploy(jobId="1"), 401, "belongs to job"),
    ("deploy: no token at all", _deploy(jobToken="x y"), 401, "token"),
    ("deploy: no app", _deploy(repoUrl="https://elsewhere.example.com/a/b"), 404, "No app"),
    ("deploy: no environment", _deploy("feature/x"), 404, "no environment"),
    ("deploy: unknown environment", _deploy(environment="nowhere"), 404, "nowhere"),
    ("deploy: several environments", _deploy("release/1"), 400, "blue, green"),
    ("deploy: environment of another branch", _deploy(environment="blue"), 404, "does not take"),
    ("deploy: not provably protected", _deploy("guarded"), 401, "protected"),
    ("deploy: path leaves the repository", _deploy("outside"), 400, "outside the repository"),
    ("deploy: no archive", _deploy(archive=SYMLINK_OR_WORSE), 400, "archive"),
    ("deploy: gitlab down", _with_gitlab_down(_deploy()), 503, "gitlab"),
]
for _what in ("chart", "values"):
    EVERY_ROW += [
        (f"{_what}: missing fields", _get(_what, jobId=""), 400, "jobId"),
        (f"{_what}: token refused", _get(_what, jobToken="someone-elses"), 401, "job token"),
        (f"{_what}: no app", _get(_what, repoUrl="https://elsewhere.example.com/a/b"), 404, "No app"),
        (f"{_what}: no environment", _get(_what, "feature/x"), 404, "no environment"),
        (f"{_what}: several environments", _get(_what, "release/1"), 400, "blue, green"),
        (f"{_what}: path leaves the repository", _get(_what, "outside"), 400, "outside the repository"),
        (f"{_what}: nothing deployed yet", _get(_what), 404, "iac"),
        (f"{_what}: gitlab down", _with_gitlab_down(_get(_what)), 503, "gitlab"),
        (f"{_what}: git host down", _get(_what, "lost"), 503, ""),
    ]


async def test_every_row_of_every_error_table(world: World, subtests: pytest.Subtests) -> None:
    for row, ask, status, said in EVERY_ROW:
        with subtests.test(row):
            answer = await ask(world)
            world.gitlab.faults.clear()
            assert answer.status_code == status, answer.text
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == status
            assert said in answer.json()["detail"]
            assert ("retry-after" in answer.headers) == (status == 503)
    assert await world.log() == [], "what was refused left nothing behind"
    async with world.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM dag.charts") == 0
        assert await connection.fetchval("SELECT count(*) FROM dag.requests") == 0


async def test_checks_are_made_in_the_order_of_the_reference(world: World) -> None:
    everything_wrong = {"repoUrl": "https://elsewhere.example.com/a/b", "jobToken": "x", "environment": "nowhere"}
    job = world.job("feature/x")
    broken = b"no archive"
    assert (await world.deploy(job, broken, **{**everything_wrong, "version": ""})).status_code == 400
    assert (await world.deploy(job, broken, **everything_wrong)).status_code == 404
    del everything_wrong["repoUrl"]
    assert (await world.deploy(job, broken, **everything_wrong)).status_code == 401
    assert (await world.deploy(job, broken)).status_code == 404
    assert (await world.deploy(world.job(), broken)).status_code == 400


async def test_the_same_request_again_is_the_same_deployment(world: World) -> None:
    job = world.job()
    answers = await asyncio.gather(*(world.deploy(job) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["deploymentId"] for answer in answers}) == 1
    assert len(await world.log()) == 1


async def test_another_version_chart_job_or_environment_is_another_deployment(world: World) -> None:
    job = world.job("release/1")
    asked = [
        world.deploy(job, environment="blue"),
        world.deploy(job, environment="green"),
        world.deploy(job, environment="blue", version="2"),
        world.deploy(job, chart("9.9.9"), environment="blue"),
        world.deploy(world.job("release/1"), environment="blue"),
    ]
    ids = [(await each).json()["deploymentId"] for each in asked]
    assert len(set(ids)) == len(ids)


async def test_what_the_environment_says_of_superseding_and_versions_is_recorded(world: World) -> None:
    for environment in ("green", "blue"):
        assert (await world.deploy(world.job("release/1"), environment=environment)).status_code == 200
    green, blue = [decode(record) for record in await world.log()]
    assert isinstance(green, DeploymentRequested)
    assert isinstance(blue, DeploymentRequested)
    assert (green.supersede, blue.supersede) == (True, False)
    assert (green.unique_version, blue.unique_version) == (True, False)


async def test_an_idempotency_key_stands_for_one_request_of_one_job(world: World) -> None:
    job = world.job()
    first = await world.deploy(job, key="deploy-1")
    assert (await world.deploy(job, key="deploy-1")).json() == first.json()
    reused = await world.deploy(job, key="deploy-1", version="other")
    assert reused.status_code == 422
    other = await world.deploy(world.job(), key="deploy-1")
    assert other.status_code == 200
    assert other.json() != first.json()
    assert len(await world.log()) == 2


async def test_a_chart_over_the_limit_is_refused_over_the_network(world: World) -> None:
    answer = await world.deploy(world.job(), b"\x1f\x8b" + bytes(11 * 1024 * 1024))
    assert answer.status_code == 413
    assert "10 MiB" in answer.json()["detail"]
    assert (await world.deploy(world.job())).status_code == 200
