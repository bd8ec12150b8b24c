"""Dry runs of a deployment: they say what it would do, and leave nothing behind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from examples import fresh_id, requested
from gateway_world import World, chart, world_on

from dag_common.charts.archive import read_archive
from dag_common.charts.version import stamp
from dag_common.contracts.events import ValidationStarted
from dag_common.store.database import Database

DRY = {"dryRun": "true"}


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> AsyncIterator[World]:
    async with world_on(database, tmp_path) as world:
        yield world


def stamped(archive: bytes, version: str = "1.2.3", path: str = "apps/shop") -> Mapping[str, bytes]:
    files = stamp(read_archive(archive), version).files
    return {f"{path}/{name}": content for name, content in files.items()}


async def plan(world: World, archive: bytes | None = None, ref: str = "main", **changes: str) -> dict[str, Any]:
    answer = await world.deploy(world.job(ref), archive, **{**DRY, **changes})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_the_first_deployment_adds_every_file(world: World) -> None:
    told = await plan(world)
    assert {name: told[name] for name in ("dryRun", "environment", "chartVersion", "tip", "targets", "unchanged")} == {
        "dryRun": True,
        "environment": "production",
        "chartVersion": "1.2.3",
        "tip": None,
        "targets": [],
        "unchanged": False,
    }
    assert (told["iac"]["repository"], told["iac"]["branch"], told["iac"]["path"]) == ("iac", "main", "apps/shop")
    assert [(file["path"], file["change"]) for file in told["files"]] == [
        ("Chart.yaml", "added"),
        ("values.yaml", "added"),
    ]
    assert "+version: 1.2.3\n" in told["files"][0]["diff"]
    assert told["filesOmitted"] == 0


async def test_a_changed_chart_is_compared_with_the_tip(world: World) -> None:
    await world.git.commit("iac", {**stamped(chart()), "apps/shop/templates/old.yaml": b"kind: Old\n"})
    await world.git.commit("iac", {"README.md": b"somebody else's\n"})
    told = await plan(world, chart(**{"values.yaml": b"replicaCount: 2\n", "logo.png": b"\x89PNG\0"}), version="1.2.4")
    assert told["tip"] == world.git.repository("iac").tip()
    files = {file["path"]: file for file in told["files"]}
    assert {path: file["change"] for path, file in files.items()} == {
        "Chart.yaml": "changed",
        "logo.png": "added",
        "templates/old.yaml": "removed",
        "values.yaml": "changed",
    }
    assert "-replicaCount: 1\n+replicaCount: 2\n" in files["values.yaml"]["diff"]
    assert '-appVersion: "1.2.3"\n+version: 1.2.4\n' in files["Chart.yaml"]["diff"]
    assert ("diff" in files["logo.png"], files["logo.png"]["truncated"]) == (False, False)


async def test_what_is_deployed_already_changes_nothing(world: World) -> None:
    await world.git.commit("iac", stamped(chart()))
    told = await plan(world)
    assert (told["unchanged"], told["files"]) == (True, [])


async def test_a_unique_version_is_told_with_what_it_depends_on(world: World) -> None:
    await world.append(fresh_id(), requested(), ValidationStarted())
    told = await plan(world, ref="release/1", environment="green")
    assert told["chartVersion"] == "1.2.3-dag.3"
    assert "position in the log: 3" in told["chartVersionNote"]
    assert (await plan(world, ref="release/1", environment="blue"))["chartVersionNote"] == ""


async def test_a_plan_leaves_nothing_behind(world: World) -> None:
    tip = await world.git.commit("iac", stamped(chart()))
    job = world.job()
    for _ in range(2):
        assert (await world.deploy(job, key="once", version="9.9.9", **DRY)).status_code == 200
    assert await world.log() == []
    async with world.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM dag.charts") == 0
        assert await connection.fetchval("SELECT count(*) FROM dag.requests") == 0
    assert world.git.repository("iac").tip() == tip
    assert "deploymentId" in (await world.deploy(job, key="once")).json()


async def test_a_plan_is_refused_as_the_deployment_would_be(world: World) -> None:
    broken = b"no archive"
    wrong = {"repoUrl": "https://elsewhere.example.com/a/b", "jobToken": "x"}
    for ref, archive, changes in (
        ("feature/x", broken, {**wrong, "version": ""}),
        ("feature/x", broken, wrong),
        ("feature/x", broken, {"jobToken": "x"}),
        ("feature/x", broken, {}),
        ("release/1", broken, {}),
        ("guarded", broken, {}),
        ("main", broken, {}),
        ("outside", chart(), {}),
    ):
        job = world.job(ref)
        planned = await world.deploy(job, archive, **{**changes, **DRY})
        deployed = await world.deploy(job, archive, **changes)
        assert planned.status_code >= 400
        assert (planned.status_code, planned.json()) == (deployed.status_code, deployed.json())


async def test_what_would_fail_after_it_was_accepted_is_told_at_once(world: World) -> None:
    await world.git.commit("iac", {"apps/shop": b"a file in the way\n"})
    answer = await world.deploy(world.job(), **DRY)
    assert (answer.status_code, "apps/shop" in answer.json()["detail"]) == (400, True)


async def test_a_git_host_that_is_away_is_told_to_come_again(world: World) -> None:
    answer = await world.deploy(world.job("lost"), **DRY)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
