"""What rollouts learn from the pushes of others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NoReturn

import msgspec
import pytest
from examples import PUSHED, REQUESTED, fresh_id, new
from newer_version import append_unreadable

from dag_common.contracts.events import DeploymentId, DeploymentSucceeded, PushStarted, RolloutTarget
from dag_common.store import event_log
from dag_common.store.database import Database
from dag_common.store.streams import Streams
from dag_monitor.domain.expectation import Relation
from dag_monitor.domain.lineage import Question
from dag_monitor.handlers.history import PushHistory
from dag_monitor.handlers.lineage import Lane, Lineage


class NoCopies:
    """Nothing is asked of git."""

    async def look(self, lane: Lane) -> NoReturn:
        pytest.fail(f"the log knows what {lane} holds")

    async def relations(self, lane: Lane, questions: Sequence[Question]) -> NoReturn:
        pytest.fail(f"the log knows {questions} of {lane}")


async def push(database: Database, commit: str) -> DeploymentId:
    deployment_id = fresh_id()
    pushed = msgspec.structs.replace(PUSHED, commit=commit, tree=commit)
    async with database.transaction() as connection:
        await event_log.append(connection, [new(deployment_id, 1, REQUESTED), new(deployment_id, 2, pushed)])
    return deployment_id


async def test_a_push_of_a_newer_version_keeps_no_other_rollout_from_being_judged(database: Database) -> None:
    ours, strange = await push(database, "a" * 40), fresh_id()
    async with database.transaction() as connection:
        await event_log.append(connection, [new(strange, 1, REQUESTED)])
    await append_unreadable(database, new(strange, 2, PUSHED), schema=99)
    theirs = await push(database, "b" * 40)
    deployment = await Streams(database, "monitor").load(ours)
    knowledge = await PushHistory(database, Lineage(NoCopies())).knowledge(deployment, (), asyncio.Event())
    assert [later.deployment_id for later in knowledge.later] == [theirs]


async def test_a_push_that_took_two_attempts_may_lie_before_a_strangers_commit_and_is_left_to_git(
    database: Database,
) -> None:
    ours, theirs, base = fresh_id(), fresh_id(), "f" * 40
    pushed = msgspec.structs.replace(PUSHED, commit="a" * 40, tree="a" * 40)
    other = msgspec.structs.replace(PUSHED, commit="b" * 40, tree="b" * 40, path="apps/other")
    attempts = [
        new(theirs, 2, PushStarted(attempt=1, base="e" * 40)),
        new(theirs, 3, PushStarted(attempt=2, base=base)),
    ]
    begun = [new(ours, 1, REQUESTED), new(ours, 2, PushStarted(attempt=1, base=base)), new(theirs, 1, REQUESTED)]
    async with database.transaction() as connection:
        await event_log.append(connection, [*begun, *attempts, new(ours, 3, pushed), new(theirs, 4, other)])
    deployment = await Streams(database, "monitor").load(ours)
    knowledge = await PushHistory(database, Lineage(NoCopies())).knowledge(deployment, (), asyncio.Event())
    assert other.commit not in knowledge.relations


async def test_what_one_batch_pushed_is_known_without_a_look_at_git(database: Database) -> None:
    """The facts stand in the log as a pusher records a batch: every push announced on one base, then every one done."""
    ids = [fresh_id() for _ in range(3)]
    commits = ["a" * 40, "b" * 40, "c" * 40]
    pushes = [
        msgspec.structs.replace(PUSHED, commit=commit, tree=commit, path=path)
        for commit, path in zip(commits, ("apps/one", "apps/other", "apps/one"), strict=True)
    ]
    async with database.transaction() as connection:
        begun = [(new(each, 1, REQUESTED), new(each, 2, PushStarted(attempt=1, base="f" * 40))) for each in ids]
        await event_log.append(connection, [event for pair in begun for event in pair])
        await event_log.append(connection, [new(each, 3, fact) for each, fact in zip(ids, pushes, strict=True)])
    history = PushHistory(database, Lineage(NoCopies()))
    deployment = await Streams(database, "monitor").load(ids[0])
    knowledge = await history.knowledge(deployment, commits, asyncio.Event())
    assert knowledge.relations == {
        "f" * 40: Relation.ANCESTOR, commits[1]: Relation.DESCENDANT, commits[2]: Relation.REPLACED
    }  # fmt: skip
    last = await history.knowledge(await Streams(database, "monitor").load(ids[2]), commits, asyncio.Event())
    assert last.relations == dict.fromkeys([*commits[:2], "f" * 40], Relation.ANCESTOR)


WORKLOAD = RolloutTarget(kind="workload", cluster="c", namespace="n", name="podinfo", timeout_seconds=60)


async def deploy(database: Database, version: str, *, path: str = "apps/podinfo", ends: str = "") -> DeploymentId:
    """A deployment of this version with a workload to watch; `ends` is the target kinds that it was seen to run in."""
    deployment_id = fresh_id()
    targets = tuple(msgspec.structs.replace(WORKLOAD, kind=kind) for kind in (ends or "workload").split())
    asked = msgspec.structs.replace(REQUESTED, version=version, targets=targets)
    pushed = msgspec.structs.replace(
        PUSHED, chart_version=f"{version}-dag.1", tree=deployment_id, path=path, previous_chart_version=""
    )
    end = [new(deployment_id, 3, DeploymentSucceeded(message="done"))] if ends else []
    async with database.transaction() as connection:
        await event_log.append(connection, [new(deployment_id, 1, asked), new(deployment_id, 2, pushed), *end])
    return deployment_id


async def earlier(database: Database, ours: DeploymentId) -> list[str]:
    deployment = await Streams(database, "monitor").load(ours)
    knowledge = await PushHistory(database, Lineage(NoCopies())).knowledge(deployment, (), asyncio.Event())
    assert all(one.chart_version == f"{one.app_version}-dag.1" for one in knowledge.earlier)
    return [one.app_version for one in knowledge.earlier]


async def test_what_a_workload_may_still_run_goes_back_to_the_last_deployment_that_was_seen_in_it(
    database: Database,
) -> None:
    await deploy(database, "1.2.1", ends="workload")
    await deploy(database, "1.2.2", ends="workload flux")
    await deploy(database, "1.2.3", ends="flux")
    await deploy(database, "1.2.9", path="apps/podinfo2")
    await deploy(database, "1.2.4")
    assert await earlier(database, await deploy(database, "1.2.3")) == ["1.2.4", "1.2.3", "1.2.2"]


async def test_who_watches_no_workload_asks_for_no_earlier_content(database: Database) -> None:
    await deploy(database, "1.2.2")
    assert await earlier(database, await deploy(database, "1.2.3", ends="flux")) == []
