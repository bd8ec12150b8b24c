"""One watch and its log: what comes in between is loaded, and decided on anew at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from examples import EVIDENCE, PUSHED, TARGET, fresh_id, new, requested

from dag_common.bus.seam import Message
from dag_common.contracts.events import DeploymentId, RolloutProgressed
from dag_common.delivery.relay import as_message
from dag_common.domain.deployment import Deployment
from dag_common.domain.statuses import Status
from dag_common.store import event_log
from dag_common.store.clock import LogClock
from dag_common.store.database import Database
from dag_common.store.streams import Streams
from dag_monitor.domain.verdict import Succeeded, Verdict
from dag_monitor.handlers.hands import Hands
from dag_monitor.handlers.rollouts import Rollouts

PROGRESSED = RolloutProgressed(target=TARGET.id, message="said by another monitor")


class Meddled:
    """A lookout on a target that has succeeded; while it is looked at first, somebody else records something."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._meddled = False

    @asynccontextmanager
    async def on(self, deployment: Deployment, changed: asyncio.Event) -> AsyncIterator[Meddled]:
        yield self

    async def verdicts(self, deployment: Deployment) -> dict[str, Verdict]:
        if not self._meddled:
            self._meddled = True
            async with self._database.transaction() as connection:
                await event_log.append(connection, [new(deployment.id, deployment.version + 1, PROGRESSED)])
        return {TARGET.id: Succeeded("podinfo 1.2.3 runs", EVIDENCE)}


async def wakeup(database: Database, deployment_id: DeploymentId) -> Message:
    async with database.transaction() as connection:
        await event_log.append(connection, [new(deployment_id, 1, requested()), new(deployment_id, 2, PUSHED)])
    async with database.connection() as connection:
        return as_message((await event_log.read_stream(connection, deployment_id))[-1])


async def test_a_verdict_that_met_another_s_write_is_recorded_without_waiting_for_news(database: Database) -> None:
    deployment_id, streams = fresh_id(), Streams(database, "monitor")
    hands, clock = Hands(at_once=1, hold_seconds=600), await LogClock.of(database)
    rollouts = Rollouts(streams, Meddled(database), hands, _unexpected, clock.now)  # type: ignore[arg-type]
    async with asyncio.timeout(20):
        await rollouts.when_chart_pushed_watch_rollout(await wakeup(database, deployment_id))
    deployment = await streams.load(deployment_id)
    assert deployment.status is Status.DEPLOYED
    assert deployment.progress == {TARGET.id: PROGRESSED.message}


async def _unexpected(message: Message) -> None:
    raise AssertionError("it is to be watched to the end")
