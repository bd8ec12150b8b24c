"""Every deployment ends: what nobody could end by its deadline is ended by the sweep, from the log alone."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from examples import PUSHED, TARGET, fresh_id, new, requested
from newer_version import append_unreadable
from structlog.testing import capture_logs

from dag_common.contracts.events import DeploymentId, RolloutProgressed, RolloutTarget
from dag_common.domain.deployment import Deployment
from dag_common.store import event_log
from dag_common.store.clock import LogClock
from dag_common.store.database import Database
from dag_common.store.streams import Streams
from dag_monitor.handlers.overdue import GRACE, Overdue
from dag_monitor.handlers.unread import Unread

NOBODYS = RolloutTarget(kind="dreams", cluster="none-such", namespace="default", name="odd", timeout_seconds=60)
LONG = timedelta(seconds=TARGET.timeout_seconds)


class Sweeper:
    """A sweep whose clock is set by the test, as far after the log's as it says."""

    def __init__(self, database: Database, clock: LogClock) -> None:
        self.ahead = timedelta(0)
        self.unread = Unread()
        self.streams = Streams(database, "monitor")
        self._clock = clock
        self.overdue = Overdue(database, self.streams, self.unread, self._now)

    def _now(self) -> datetime:
        return self._clock.now() + self.ahead

    async def after(self, ahead: timedelta, deployment_id: DeploymentId) -> Deployment:
        self.ahead = ahead
        await self.overdue.sweep()
        return await self.streams.load(deployment_id)


@pytest.fixture
async def sweeper(database: Database) -> Sweeper:
    return Sweeper(database, await LogClock.of(database))


async def push(database: Database, *targets: RolloutTarget) -> DeploymentId:
    deployment_id = fresh_id()
    async with database.transaction() as connection:
        events = [new(deployment_id, 1, requested(targets=targets)), new(deployment_id, 2, PUSHED)]
        await event_log.append(connection, events)
    return deployment_id


async def test_what_nobody_can_watch_is_failed_after_the_longest_deadline_and_a_grace(
    database: Database, sweeper: Sweeper
) -> None:
    deployment_id = await push(database, NOBODYS, TARGET)
    assert not (await sweeper.after(LONG + GRACE - timedelta(seconds=10), deployment_id)).ended
    ended = await sweeper.after(LONG + GRACE + timedelta(seconds=1), deployment_id)
    assert ended.failure is not None
    assert (ended.failure.stage, ended.failure.reason) == ("monitoring", "timeout")
    assert {fact.reason for fact in ended.failed.values()} == {"timeout"}
    assert ended.failed.keys() == {NOBODYS.id, TARGET.id}


async def test_a_deployment_that_moved_on_since_its_deadline_was_read_ends_with_what_was_seen_last(
    database: Database, sweeper: Sweeper
) -> None:
    deployment_id = await push(database, NOBODYS)
    await sweeper.after(timedelta(0), deployment_id)
    async with database.transaction() as connection:
        seen = RolloutProgressed(target=NOBODYS.id, message="It cannot be judged: KeyError")
        await event_log.append(connection, [new(deployment_id, 3, seen)])
    ended = await sweeper.after(LONG, deployment_id)
    assert "KeyError" in ended.failed[NOBODYS.id].message


async def test_what_is_over_once_is_not_swept_again(database: Database, sweeper: Sweeper) -> None:
    deployment_id = await push(database, NOBODYS)
    ended = await sweeper.after(LONG, deployment_id)
    assert (await sweeper.after(2 * LONG, deployment_id)).version == ended.version


@pytest.mark.parametrize("known", [True, False], ids=["while it is watched", "before it was seen"])
async def test_a_stream_of_a_newer_version_holds_up_no_other_and_is_told_once(
    database: Database, sweeper: Sweeper, *, known: bool
) -> None:
    newer, plain = await push(database, NOBODYS), await push(database, NOBODYS)
    if known:
        await sweeper.after(timedelta(0), plain)
    dreamt = new(newer, 3, RolloutProgressed(target=NOBODYS.id, message="dreaming"))
    await append_unreadable(database, dreamt, type="rollout.dreamt")
    with capture_logs() as logs:
        assert (await sweeper.after(LONG, plain)).ended
        await sweeper.after(2 * LONG, plain)
    assert sweeper.unread.ids == {newer}
    assert [line["deployment_id"] for line in logs if line["event"] == "rollout_unreadable"] == [newer]
