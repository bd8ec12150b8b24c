"""What rollouts learn from the pushes of others."""

from __future__ import annotations

import msgspec
from examples import PUSHED, REQUESTED, fresh_id, new
from newer_version import append_unreadable

from dag_common.contracts.events import DeploymentId
from dag_common.store import event_log
from dag_common.store.database import Database
from dag_common.store.streams import Streams
from dag_monitor.handlers.history import PushHistory


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
    knowledge = await PushHistory(database).knowledge(await Streams(database, "monitor").load(ours))
    assert [later.deployment_id for later in knowledge.later] == [theirs]
