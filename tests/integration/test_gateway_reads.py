from __future__ import annotations

import asyncio
import gzip
import io
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from examples import EVERY_EVENT, PUSHED, TARGET, fresh_id, new, requested
from gateway_world import AUDITOR, OPERATOR, World, world_on
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dag_common.charts.archive import read_archive
from dag_common.contracts.envelope import Recorded
from dag_common.contracts.events import (
    CancellationRequested,
    DeploymentId,
    DeploymentSucceeded,
    Event,
    PushStarted,
    ValidationStarted,
)
from dag_common.delivery.projector import caught_up, rebuild
from dag_common.store import event_log
from dag_common.store.database import Connection, Database
from dag_gateway.projections.deployments import DeploymentsProjection

CHART_YAML = b"apiVersion: v2\nname: podinfo\nversion: 1.2.3\n"
FILES = {"apps/shop/Chart.yaml": CHART_YAML, "apps/shop/templates/x.yaml": b"kind: X\n"}
AUTHORISED = {"Authorization": f"Bearer {OPERATOR}"}


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> AsyncIterator[World]:
    async with world_on(database, tmp_path) as world:
        yield world


async def get(world: World, what: str) -> httpx.Response:
    return await world.client.post(f"/api/get/{what}", json=world.fields(world.job()))


async def test_the_chart_comes_back_as_an_archive_that_can_be_deployed_again(world: World) -> None:
    await world.git.commit("iac", {**FILES, "apps/other/Chart.yaml": b"x"})
    first, second = [await get(world, "chart") for _ in range(2)]
    assert (first.status_code, first.headers["content-type"]) == (200, "application/gzip")
    assert first.content == second.content
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(first.content))) as archive:
        assert archive.getnames() == ["podinfo/Chart.yaml", "podinfo/templates/x.yaml"]
    assert read_archive(first.content).files["Chart.yaml"] == CHART_YAML
    assert (await world.deploy(world.job(), first.content)).status_code == 200


async def test_what_is_pushed_later_is_seen(world: World) -> None:
    for count in (1, 2):
        await world.git.commit("iac", {**FILES, "apps/shop/values.yaml": f"replicaCount: {count}\n".encode()})
        assert (await get(world, "values")).json() == {"replicaCount": count}


async def test_many_who_ask_at_once_get_the_same_answer(world: World) -> None:
    await world.git.commit("iac", {**FILES, "apps/shop/values.yaml": b"a: 1\n"})
    answers = await asyncio.gather(*(get(world, "values") for _ in range(20)))
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, b'{"a":1}')}


async def test_values_keep_their_order_and_lose_nothing(world: World) -> None:
    text = b"zeta: 2026-01-02\nalpha: {big: 12345678901234567890, no: off}\nempty:\ntext: 'gr\xc3\xbc\xc3\x9fe'\n"
    await world.git.commit("iac", {**FILES, "apps/shop/values.yaml": text})
    answer = await get(world, "values")
    assert answer.status_code == 200
    assert list(answer.json()) == ["zeta", "alpha", "empty", "text"]
    assert (answer.json()["zeta"], answer.json()["text"], answer.json()["empty"]) == ("2026-01-02", "grüße", None)


@pytest.mark.parametrize("text", [b"a: [", b"- list\n", b"a: .nan\n", b"\xff", b"a: &a [*a]\n"])
async def test_malformed_values_are_a_bad_request(world: World, text: bytes) -> None:
    await world.git.commit("iac", {**FILES, "apps/shop/values.yaml": text})
    answer = await get(world, "values")
    assert answer.status_code == 400
    assert "values.yaml" in answer.json()["detail"]


async def test_a_chart_without_values_is_not_found_where_values_are_asked(world: World) -> None:
    await world.git.commit("iac", FILES)
    answer = await get(world, "values")
    assert (answer.status_code, "values.yaml" in answer.json()["detail"]) == (404, True)
    assert (await get(world, "chart")).status_code == 200


async def put_in_log(database: Database, *events: Event, **changes: Any) -> DeploymentId:
    id_ = fresh_id()
    first = requested(**changes)
    async with database.transaction() as connection:
        await event_log.append(
            connection, [new(id_, version, event) for version, event in enumerate((first, *events), start=1)]
        )
    return id_


async def projected(world: World) -> None:
    async with world.database.connection() as connection:
        position = (await event_log.head(connection)).position
    await caught_up(world.database, "deployments", to=position, within=20)


async def test_one_deployment_is_told_in_full(world: World) -> None:
    id_ = await put_in_log(world.database, *EVERY_EVENT[1:7], EVERY_EVENT[8])
    told = (await world.client.get(f"/api/deployments/{id_}")).json()
    assert (told["id"], told["status"], told["version"]) == (id_, "deployed", "1.2.3")
    assert told["pushed"]["sha"] == PUSHED.commit
    assert told["targets"][0]["status"] == "succeeded"
    assert told["targets"][0]["name"] == TARGET.name
    assert [entry["type"] for entry in told["history"]][:2] == ["deployment.requested", "validation.started"]
    assert told["failure"] is None
    assert (await world.client.get(f"/api/deployments/{fresh_id()}")).status_code == 404


async def test_the_list_is_for_operators_and_auditors_only(world: World) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {OPERATOR}"}):
        answer = await world.client.get("/api/deployments", headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="dag"')
    for token in (OPERATOR, AUDITOR):
        answer = await world.client.get("/api/deployments", headers={"Authorization": f"Bearer {token}"})
        assert answer.json() == {"deployments": [], "next": None}


async def test_the_list_is_newest_first_filtered_and_paged(world: World) -> None:
    ids = [
        await put_in_log(
            world.database,
            *([ValidationStarted()] if number % 2 else []),
            app=f"app{number % 3}",
            environment="blue" if number % 2 else "green",
        )
        for number in range(7)
    ]
    await projected(world)
    newest = ids[::-1]
    pages: list[list[str]] = []
    query: dict[str, Any] = {"limit": 3}
    while query.get("cursor", "") is not None:
        page = (await world.client.get("/api/deployments", params=query, headers=AUTHORISED)).json()
        pages.append([each["id"] for each in page["deployments"]])
        query["cursor"] = page["next"]
    assert pages == [newest[:3], newest[3:6], newest[6:]]
    for name, value, expected in [
        ("app", "app1", [ids[4], ids[1]]),
        ("environment", "blue", [ids[5], ids[3], ids[1]]),
        ("status", "validating", [ids[5], ids[3], ids[1]]),
        ("status", "failed", []),
    ]:
        page = (await world.client.get("/api/deployments", params={name: value}, headers=AUTHORISED)).json()
        assert [each["id"] for each in page["deployments"]] == expected


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "status=done",
        "cursor=x",
        "cursor=-1",
        "colour=red",
        "app=a&app=b",
        f"app=a{257 * '%20'}",
    ],
)
async def test_a_wrong_parameter_is_a_bad_request(world: World, query: str) -> None:
    answer = await world.client.get(f"/api/deployments?{query}", headers=AUTHORISED)
    assert answer.status_code == 400


async def a_log(database: Database) -> list[Recorded]:
    """Five deployments, some steps, one of them ended, one asked to end; the same for every example."""
    async with database.connection() as connection:
        if log := await event_log.read_log(connection, after=0, limit=1000):
            return log
    steps: tuple[Event, ...] = (ValidationStarted(), PushStarted(attempt=1, base=""), PUSHED)
    for length in range(4):
        await put_in_log(database, *steps[:length], *([DeploymentSucceeded(message="ok")] if length == 3 else []))
    await put_in_log(database, *steps[:2], CancellationRequested(by="ada"))
    return await a_log(database)


async def lines(connection: Connection) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await connection.fetch("SELECT * FROM dag.deployments ORDER BY deployment_id")]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
async def test_any_batches_and_repetitions_project_the_same(database: Database, data: st.DataObject) -> None:
    projection = DeploymentsProjection()
    log = await a_log(database)
    await rebuild(database, projection)
    async with database.transaction() as connection:
        whole = await lines(connection)
        await projection.reset(connection)
        at = 0
        while at < len(log):
            size = data.draw(st.integers(1, len(log) - at))
            back = data.draw(st.integers(0, at))
            await projection.apply(connection, log[at - back : at + size])
            at += size
        assert await lines(connection) == whole
