from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from examples import PUSHED, fresh_id, requested
from gateway_world import AUDITOR, OPERATOR, World, rest_of, stream, world_on

from dag_common.contracts.codec import decode
from dag_common.contracts.events import (
    CancellationRequested,
    DeploymentFailed,
    DeploymentId,
    DeploymentSucceeded,
    Event,
    MonitoringStarted,
    PushStarted,
    ValidationStarted,
)
from dag_common.delivery.projector import caught_up
from dag_common.errors import Conflict
from dag_common.store import event_log
from dag_common.store.database import Database
from dag_common.store.streams import Decision, Streams
from dag_gateway.handlers.cancellation import CancelDeployment, CancelDeploymentHandler
from dag_gateway.identity.token_holders import Bearer, TokenHolders
from dag_gateway.settings import references

STARTED = (ValidationStarted(), PushStarted(attempt=1, base=""))


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> AsyncIterator[World]:
    async with world_on(database, tmp_path) as world:
        yield world


async def deployed(world: World, *events: Event) -> DeploymentId:
    """A deployment to production that got as far as `events` say."""
    answer = await world.deploy(world.job())
    id_ = DeploymentId(answer.json()["deploymentId"])
    if events:
        await world.append(id_, *events, first=2)
    return id_


async def facts(world: World, id_: DeploymentId) -> list[Any]:
    async with world.database.connection() as connection:
        return [decode(record) for record in await event_log.read_stream(connection, id_)][1:]


async def recorded(world: World, id_: DeploymentId, count: int) -> list[Any]:
    """The facts after the request, as soon as there are `count`."""
    async with asyncio.timeout(20):
        while len(found := await facts(world, id_)) < count:  # noqa: ASYNC110 - a row, not an event
            await asyncio.sleep(0.01)
    return found


async def test_a_job_ends_what_waits_and_neither_log_nor_answer_tells_its_token(world: World) -> None:
    id_, job = await deployed(world), world.job(user="ada")
    answer = await world.cancel(id_, job)
    assert answer.status_code == 200, answer.text
    by = f"ada (gitlab job {job.id})"
    assert answer.json() == {"deploymentId": id_, "status": "failed", "message": f"Cancelled by {by}"}
    assert await facts(world, id_) == [
        CancellationRequested(by=by),
        DeploymentFailed(stage="pending", reason="cancelled", message=f"Cancelled by {by}"),
    ]
    assert job.token not in repr(await world.log())
    async with world.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM dag.push_todo") == 0
    with pytest.raises(Conflict):
        await world.append(id_, *STARTED, first=2)


async def test_asking_again_is_answered_the_same_and_records_nothing(world: World) -> None:
    id_ = await deployed(world, ValidationStarted())
    first = await world.cancel_as(OPERATOR, id_)
    assert first.json()["message"] == "Cancelled by an operator"
    log = await world.log()
    again = await world.cancel(id_, world.job())
    assert (again.status_code, again.json()) == (200, first.json())
    assert await world.log() == log


async def test_many_who_cancel_at_once_end_it_once(world: World) -> None:
    id_ = await deployed(world)
    answers = await asyncio.gather(*(world.cancel_as(OPERATOR, id_) for _ in range(5)), world.cancel(id_, world.job()))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert [type(fact) for fact in await facts(world, id_)] == [CancellationRequested, DeploymentFailed]


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ((*STARTED, PUSHED), f"committed as {PUSHED.commit}"),
        ((*STARTED, PUSHED, MonitoringStarted(targets=("t",))), "stands at monitoring"),
        ((*STARTED, PUSHED, DeploymentSucceeded(message="runs")), "deploy the previous version"),
        ((DeploymentFailed(stage="pending", reason="superseded", message="by a newer one"),), "by a newer one"),
    ],
)
async def test_what_was_pushed_or_ended_is_no_longer_cancelled(
    world: World, events: tuple[Event, ...], said: str
) -> None:
    id_ = await deployed(world, *events)
    log = await world.log()
    for answer in (await world.cancel(id_, world.job()), await world.cancel_as(OPERATOR, id_)):
        assert answer.status_code == 409
        assert answer.headers["content-type"] == "application/problem+json"
        assert said in answer.json()["detail"]
    assert await world.log() == log


async def test_a_push_under_way_is_asked_to_end_and_its_end_is_waited_for(world: World) -> None:
    id_ = await deployed(world, *STARTED)
    asking = [asyncio.create_task(world.cancel_as(OPERATOR, id_)) for _ in range(2)]
    assert (await recorded(world, id_, 3))[2:] == [CancellationRequested(by="an operator")]
    assert not any(task.done() for task in asking)
    end = DeploymentFailed(stage="pushing", reason="cancelled", message="Cancelled by an operator")
    await world.append(id_, end, first=5)
    for answer in await asyncio.gather(*asking):
        assert (answer.status_code, answer.json()["status"]) == (200, "failed")
    assert (await facts(world, id_))[2:] == [CancellationRequested(by="an operator"), end]


async def test_a_push_that_arrived_all_the_same_is_told_as_too_late(world: World) -> None:
    id_ = await deployed(world, *STARTED)
    asking = asyncio.create_task(world.cancel(id_, world.job()))
    await recorded(world, id_, 3)
    await world.append(id_, PUSHED, first=5)
    answer = await asking
    assert (answer.status_code, PUSHED.commit in answer.json()["detail"]) == (409, True)


async def test_a_gateway_that_stops_tells_that_the_outcome_is_open(world: World) -> None:
    id_ = await deployed(world, *STARTED)
    asking = asyncio.create_task(world.cancel_as(OPERATOR, id_))
    await recorded(world, id_, 3)
    world.stop.set()
    answer = await asking
    assert (answer.status_code, answer.json()["status"]) == (202, "pushing")
    assert "unless the push turns out to have arrived" in answer.json()["message"]


async def test_patience_with_a_push_ends(world: World, tmp_path: Path) -> None:
    id_ = await deployed(world, *STARTED)
    handler = handler_on(Streams(world.database, "gateway"), tmp_path)
    state = await handler(CancelDeployment(id_, Bearer(OPERATOR)))
    assert (state.ended, state.cancellation) == (False, CancellationRequested(by="an operator"))


async def test_a_cancel_that_a_push_overtakes_is_decided_again(world: World, tmp_path: Path) -> None:
    id_ = await deployed(world)

    class Overtaken(Streams):
        async def append(self, *decisions: Decision) -> Any:
            if len(await facts(world, id_)) == 0:
                await world.append(id_, *STARTED, first=2)
            return await super().append(*decisions)

    state = await handler_on(Overtaken(world.database, "gateway"), tmp_path)(CancelDeployment(id_, Bearer(OPERATOR)))
    assert not state.ended
    assert await facts(world, id_) == [*STARTED, CancellationRequested(by="an operator")]


def handler_on(streams: Streams, directory: Path) -> CancelDeploymentHandler:
    """A handler that waits for nothing and admits operators only."""

    class NoNews:
        ended = None

        async def take(self, _seconds: float) -> None:
            raise AssertionError("waited although there is no patience")

    @contextmanager
    def follow(_id: DeploymentId) -> Any:
        yield NoNews()

    holders = TokenHolders(references(f"file:{directory / 'operator'}"), ())
    return CancelDeploymentHandler(streams, None, holders, follow, patience_seconds=0)  # type: ignore[arg-type]


Ask = Callable[[World, DeploymentId], Awaitable[httpx.Response]]


def _job(ref: str = "main", *, project: str = "acme/shop", **changes: str) -> Ask:
    async def ask(world: World, id_: DeploymentId) -> httpx.Response:
        job = world.gitlab.create_job(project=project, ref=ref)
        return await world.cancel(id_, job, **{"repoUrl": world.gitlab.project_url(project), **changes})

    return ask


def _bearer(token: str) -> Ask:
    async def ask(world: World, id_: DeploymentId) -> httpx.Response:
        return await world.cancel_as(token, id_)

    return ask


async def _nobody(world: World, id_: DeploymentId) -> httpx.Response:
    return await world.client.post(f"/api/deployments/{id_}/cancel")


async def _with_gitlab_down(world: World, id_: DeploymentId) -> httpx.Response:
    world.gitlab.faults.down()
    return await _job()(world, id_)


EVERY_ROW: list[tuple[str, Ask, int, str]] = [
    ("nobody", _nobody, 400, "application/json"),
    ("missing fields", _job(jobToken=" "), 400, "jobToken"),
    ("no app", _job(repoUrl="https://elsewhere.example.com/a/b"), 404, "No app"),
    ("token refused", _job(jobToken="someone-elses"), 401, "job token"),
    ("another app", _job(project="acme/tool"), 401, "is of app shop, and job"),
    ("another branch", _job("release/1"), 404, "does not take the branch release/1"),
    ("another environment", _job(environment="blue"), 404, "is for production, not for blue"),
    ("unknown bearer", _bearer("unknown"), 401, "not an operator's"),
    ("auditor", _bearer(AUDITOR), 403, "auditors only read"),
    ("gitlab down", _with_gitlab_down, 503, "gitlab"),
]


async def test_who_may_not_cancel_is_told_which_fact_does_not_fit(world: World, subtests: pytest.Subtests) -> None:
    id_ = await deployed(world)
    for row, ask, status, said in EVERY_ROW:
        with subtests.test(row):
            answer = await ask(world, id_)
            world.gitlab.faults.clear()
            assert answer.status_code == status, answer.text
            assert said in answer.json()["detail"]
            assert ("www-authenticate" in answer.headers) == (status == 401)
    assert await facts(world, id_) == []


async def test_what_only_protected_branches_deploy_only_they_cancel(world: World) -> None:
    id_ = fresh_id()
    await world.append(id_, requested(app="shop", environment="guarded"))
    answer = await world.cancel(id_, world.job("guarded"))
    assert (answer.status_code, "protected" in answer.json()["detail"]) == (401, True)


async def test_checks_are_made_in_the_order_form_deployment_identity(world: World) -> None:
    absent = fresh_id()
    assert (await world.cancel(absent, world.job(), jobId="")).status_code == 400
    assert (await world.cancel(absent, world.job(), jobToken="wrong")).status_code == 404
    assert (await world.cancel_as("unknown", absent)).status_code == 404
    assert (await world.cancel_as(OPERATOR, "no-uuid")).status_code == 404


async def test_stream_and_history_tell_the_wish_without_moving_the_status(world: World) -> None:
    id_ = await deployed(world, *STARTED)
    asking = asyncio.create_task(world.cancel_as(OPERATOR, id_))
    await recorded(world, id_, 3)
    await projected(world)
    wish = "Cancellation asked for by an operator"
    headers = {"Authorization": f"Bearer {OPERATOR}"}
    (line,) = (await world.client.get("/api/deployments", headers=headers)).json()["deployments"]
    assert (line["status"], line["message"]) == ("pushing", wish)
    async with stream(world, id_, "3") as events:
        end = DeploymentFailed(stage="pushing", reason="cancelled", message="Cancelled by an operator")
        await world.append(id_, end, first=5)
        told = [(each.data["status"], each.data["message"]) for each in await rest_of(events) if each.data]
    assert told == [("pushing", wish), ("failed", "Cancelled by an operator")]
    one = (await world.client.get(f"/api/deployments/{id_}")).json()
    assert [(entry["type"], entry["status"]) for entry in one["history"]][-2:] == [
        ("cancellation.requested", "pushing"),
        ("deployment.failed", "failed"),
    ]
    assert one["failure"] == {"stage": "pushing", "reason": "cancelled", "message": "Cancelled by an operator"}
    assert (await asking).status_code == 200


async def projected(world: World) -> None:
    async with world.database.connection() as connection:
        position = (await event_log.head(connection)).position
    await caught_up(world.database, "deployments", to=position, within=20)
