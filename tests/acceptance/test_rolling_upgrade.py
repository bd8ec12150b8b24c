"""Old and new code side by side: on the schema of before, through the migration, and on today's."""

from __future__ import annotations

import asyncio
import json

import pytest
from acceptance.harness.journeys import Journey
from acceptance.harness.outside import pushes
from acceptance.harness.past import Code, past
from acceptance.harness.scene import Build, Scene
from examples import new

from dag_common.contracts.events import DeploymentFailed, DeploymentId
from dag_common.delivery.projector import caught_up
from dag_common.runtime.ids import new_event_id
from dag_common.store import event_log
from dag_common.store.database import Database
from dag_common.store.migrate import migrate

ONE_OF_EACH = {"gateway": 1, "pusher": 1, "monitor": 1}


@pytest.fixture(scope="session")
def old(tmp_path_factory: pytest.TempPathFactory) -> Code:
    return past(tmp_path_factory.mktemp("past"))


async def test_new_code_runs_beside_old_code_on_the_old_schema_and_through_the_migration(
    build: Build, old: Code, empty_database_url: str
) -> None:
    await asyncio.to_thread(old.migrate, empty_database_url)
    scene = await build(environments=6, repositories=2, unwatched=2, database=empty_database_url)
    await scene.dag.start(code=old, **ONE_OF_EACH)
    await scene.dag.start(**ONE_OF_EACH)
    await deploy_everywhere(scene)
    push = scene.outside.gates.git.hold(pushes)
    async with asyncio.TaskGroup() as deploying:
        deploying.create_task(deploy_everywhere(scene))
        await push.reached()
        await migrate(empty_database_url)
        push.open()
    await deploy_everywhere(scene)
    await everybody_worked(scene)
    assert len((await scene.auditor.check()).commits) == 3 * 6


async def test_old_code_runs_on_the_new_schema_and_hands_its_work_to_new_code(build: Build, old: Code) -> None:
    scene = await build(environments=6, repositories=2, unwatched=2)
    await scene.dag.start(code=old, **ONE_OF_EACH)
    await deploy_everywhere(scene)
    leaving = scene.dag.all
    await scene.dag.start(**ONE_OF_EACH)
    await deploy_everywhere(scene)
    await everybody_worked(scene)
    push = scene.outside.gates.git.hold(pushes)
    async with asyncio.TaskGroup() as deploying:
        deploying.create_task(deploy_everywhere(scene))
        await push.reached()
        ending = [deploying.create_task(service.terminate()) for service in leaving]
        push.open()
    assert [task.result() for task in ending] == [0, 0, 0]
    assert len((await scene.auditor.check()).commits) == 3 * 6


async def test_an_event_that_old_code_does_not_know_holds_up_nothing_but_its_own_deployment(
    build: Build, old: Code, database: Database
) -> None:
    scene = await build(environments=2, unwatched=2)
    await scene.dag.start(code=old, gateway=1)
    foreign, behind = scene.ci.order("env-00"), scene.ci.order("env-01")
    await scene.ci.submit(foreign)
    await append_unknown(database, foreign.deployment_id, version=2)
    await scene.ci.submit(behind)
    readers = [scene.ci.follow(order) for order in (foreign, behind)]
    await scene.dag.start(code=old, pusher=1)
    assert (await readers[1].end()).status == "deployed"
    await end_as_failed(database, foreign.deployment_id, version=3)
    assert (await readers[0].end()).status == "failed"
    assert await listed(database) == {foreign.deployment_id: "failed", behind.deployment_id: "deployed"}


async def deploy_everywhere(scene: Scene) -> None:
    """One deployment to each environment, all at once; all end right."""
    places = scene.outside.landscape.places
    journeys = await asyncio.gather(*(scene.ci.deploy(place.environment) for place in places))
    assert {journey.status for journey in journeys} == {"deployed"}, "\n".join(map(Journey.story, journeys))


async def everybody_worked(scene: Scene) -> None:
    """Each process, old or new, had its share."""
    for service in scene.dag.all:
        await service.said("request_answered" if service in scene.dag.services["gateway"] else "message_handled")


async def append_unknown(database: Database, deployment_id: str, *, version: int) -> None:
    """What a newer version of DAG states, in words the old one has never heard."""
    event = {
        "event_id": new_event_id(),
        "stream": f"deployment-{deployment_id}",
        "version": version,
        "type": "deployment.praised",
        "schema": 1,
        "occurred_at": "2026-01-01T00:00:00Z",
        "correlation_id": deployment_id,
        "causation_id": "",
        "service": "gateway",
        "traceparent": "",
        "payload": "{}",
    }
    async with database.transaction() as connection:
        await connection.execute("SELECT dag.append_events($1)", json.dumps([event]))


async def end_as_failed(database: Database, deployment_id: str, *, version: int) -> None:
    """The newer version ends its deployment in words that everybody knows."""
    failure = DeploymentFailed(stage="pending", reason="praised", message="Praised, so it need not be deployed")
    async with database.transaction() as connection:
        await event_log.append(connection, [new(DeploymentId(deployment_id), version, failure)])


async def listed(database: Database) -> dict[str, str]:
    """Every deployment's status in the list, when that has caught up with the log."""
    async with database.connection() as connection:
        head = await event_log.head(connection)
    await caught_up(database, "deployments", to=head.position, within=20)
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT deployment_id::text, status FROM dag.deployments")
    return {row["deployment_id"]: row["status"] for row in rows}
