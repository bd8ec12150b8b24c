"""The same version with other content: Flux ignores it, so each deployment may have a version of its own."""

from __future__ import annotations

from pathlib import Path

import msgspec
import yaml
from examples import REQUESTED, fresh_id, new
from flux_world import an_hour_later, flux_world
from pusher_world import PusherWorld, pusher_world

from dag_common.charts.pack import pack
from dag_common.contracts.events import ChartPushed, ChartRef, DeploymentId
from dag_common.store import charts, event_log
from dag_common.store.database import Database
from dag_monitor.domain.verdict import Failed, Succeeded
from dag_pusher.handlers.preparation import Preparation


async def request(world: PusherWorld, content: str, *, unique: bool) -> DeploymentId:
    """Version 1.2.3 of podinfo waits to be pushed, with this content."""
    files = {"Chart.yaml": b"apiVersion: v2\nname: podinfo\nversion: 0.1.0\n", "values.yaml": content.encode()}
    archive, deployment_id = pack("podinfo", files), fresh_id()
    async with world.database.transaction() as connection:
        digest = await charts.put(connection, archive)
        ref = ChartRef(sha256=digest, size=len(archive), name="podinfo", version="0.1.0")
        asked = msgspec.structs.replace(REQUESTED, version="1.2.3", chart=ref, unique_version=unique)
        await event_log.append(connection, [new(deployment_id, 1, asked)])
    return deployment_id


async def pushed(world: PusherWorld, deployment_id: DeploymentId) -> ChartPushed:
    fact = (await world.state(deployment_id)).pushed
    assert fact is not None
    return fact


def committed(world: PusherWorld) -> dict[str, str]:
    text = world.host.repository("iac").files()[f"{REQUESTED.iac.path}/Chart.yaml"]
    described: dict[str, str] = yaml.safe_load(text)
    return described


async def test_each_deployment_of_a_version_is_committed_with_a_version_of_its_own(
    database: Database, tmp_path: Path
) -> None:
    async with pusher_world(database, tmp_path) as world:
        versions = []
        for content in ("replicas: 1\n", "replicas: 2\n"):
            deployment_id = await request(world, content, unique=True)
            await world.lanes().drain_all()
            position = (await world.state(deployment_id)).requested_position
            versions.append((await pushed(world, deployment_id)).chart_version)
            assert versions[-1] == f"1.2.3-dag.{position}"
            assert committed(world) == {
                "apiVersion": "v2", "name": "podinfo", "version": versions[-1], "appVersion": "1.2.3"
            }  # fmt: skip
        assert versions[0] != versions[1]


async def test_a_push_that_is_tried_again_finds_the_version_it_wrote_before(database: Database, tmp_path: Path) -> None:
    async with pusher_world(database, tmp_path) as world:
        deployment_id = await request(world, "replicas: 1\n", unique=True)
        await world.begin(deployment_id)
        await world.push_unrecorded(deployment_id)
        written = committed(world)["version"]
        await world.lanes(preparation=Preparation(database)).drain_all()
        assert (await pushed(world, deployment_id)).chart_version == committed(world)["version"] == written
        assert world.in_git() == [deployment_id]


async def test_flux_ignores_other_content_under_the_same_version_and_the_verdict_says_the_way_out(
    tmp_path: Path,
) -> None:
    async with flux_world(tmp_path) as world:
        await world.push("1.2.2", outcome="fail")
        _, verdict = await world.outcome(an_hour_later(world.expectation("1.2.2", "1.2.2")))
    assert isinstance(verdict, Failed)
    assert verdict.reason == "same-version"
    assert "chartVersion: unique for this environment in the registry" in verdict.message


async def test_flux_takes_other_content_under_the_same_version_where_it_follows_revisions(tmp_path: Path) -> None:
    by_revision = {"chart": {"spec": {"reconcileStrategy": "Revision"}}}
    async with flux_world(tmp_path, spec=by_revision) as world:
        commit = await world.push("1.2.2", replicas=5)
        _, verdict = await world.outcome(world.expectation("1.2.2", "1.2.2"))
    assert isinstance(verdict, Succeeded)
    assert verdict.evidence.revision == f"1.2.2+{commit[:12]}"


async def test_flux_deploys_other_content_under_a_version_of_its_own(tmp_path: Path) -> None:
    async with flux_world(tmp_path) as world:
        before = "1.2.2"
        for own in ("1.2.3-dag.7", "1.2.3-dag.12"):
            await world.push(own)
            _, verdict = await world.outcome(world.expectation(own, before))
            assert isinstance(verdict, Succeeded)
            assert verdict.evidence.revision == own
            before = own
