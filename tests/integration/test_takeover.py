"""Who has which rollout in hand: touches on the to-do list, and what is taken up by whom when they stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from acceptance.harness.interventions import cut_connections
from conditions import until
from examples import PUSHED, REQUESTED, fresh_id, new
from prometheus_client import REGISTRY

from dag_common.bus.seam import Message
from dag_common.contracts.codec import decode_record
from dag_common.contracts.events import DeploymentFailed, DeploymentId
from dag_common.errors import Unreadable
from dag_common.store import event_log, todo
from dag_common.store.clock import LogClock
from dag_common.store.database import Database
from dag_monitor.handlers.hands import Hands
from dag_monitor.handlers.takeover import STALE, Takeover
from dag_monitor.handlers.touching import Touching
from dag_monitor.handlers.unread import Unread

ENDED = DeploymentFailed(stage="monitoring", reason="test", message="enough")


async def push(database: Database, count: int = 1) -> list[DeploymentId]:
    ids = [fresh_id() for _ in range(count)]
    async with database.transaction() as connection:
        for each in ids:
            await event_log.append(connection, [new(each, 1, REQUESTED), new(each, 2, PUSHED)])
    return ids


async def pass_unseen(database: Database, seconds: float) -> None:
    """Time passes in which nobody touches anything."""
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE dag.watch_todo SET touched_at = touched_at - make_interval(secs => $1)", seconds
        )


class Monitor:
    """Hands, touches and takeovers of one monitor; it watches by holding."""

    def __init__(self, database: Database, clock: LogClock, *, at_once: int = 10) -> None:
        self.hands = Hands(at_once=at_once, hold_seconds=600)
        self.unread = Unread()
        self.watched: list[DeploymentId] = []
        self.touching = Touching(database, clock, self.hands)
        self.contact = timedelta.max
        self.takeover = Takeover(database, self.hands, self.unread, self.watch, contact=lambda: self.contact)

    async def watch(self, message: Message) -> None:
        deployment_id = decode_record(message.body).deployment_id
        self.watched.append(deployment_id)
        with self.hands.hold(deployment_id) as hold:
            while hold is not None and not (hold.lost or hold.leaving):
                hold.changed.clear()
                await hold.changed.wait()

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        touching = asyncio.create_task(self.touching.run())
        yield
        touching.cancel()
        self.hands.let_go()
        await self.takeover.drain()
        await asyncio.gather(touching, return_exceptions=True)

    async def sweep(self) -> None:
        await self.takeover.sweep()
        await asyncio.sleep(0)  # what was taken up begins


@pytest.fixture
async def clock(database: Database) -> LogClock:
    return await LogClock.of(database)


async def test_what_nobody_touches_is_taken_up_and_what_somebody_touches_is_not(
    database: Database, clock: LogClock
) -> None:
    one, other = Monitor(database, clock), Monitor(database, clock)
    (rollout,) = await push(database)
    async with one.at_work(), other.at_work():
        await one.sweep()
        assert one.watched == []
        await pass_unseen(database, 5)
        await one.sweep()
        assert one.watched == [rollout]
        await until(lambda: one.hands.holds()[rollout].touch)
        await other.sweep()
        assert other.watched == []


async def test_hands_that_are_full_take_nothing_up_and_others_only_what_they_can_hold(
    database: Database, clock: LogClock
) -> None:
    monitor = Monitor(database, clock, at_once=2)
    rollouts = await push(database, 5)
    async with monitor.at_work():
        await pass_unseen(database, 5)
        for _ in range(3):
            await monitor.sweep()
        assert len(monitor.watched) == 2
        async with database.connection() as connection:
            free = await todo.claim_stale_watches(connection, older_than=3, limit=10)
        assert {entry.deployment_id for entry in free} == set(rollouts) - set(monitor.watched)


async def test_one_sweep_takes_up_all_that_a_dead_monitor_had_in_hand(database: Database, clock: LogClock) -> None:
    monitor = Monitor(database, clock, at_once=500)
    rollouts = await push(database, 500)
    async with monitor.at_work():
        await pass_unseen(database, 5)
        await monitor.takeover.sweep()
        assert set(monitor.hands.holds()) == set(rollouts)
        assert len(monitor.watched) == 500


async def test_a_sweep_of_many_claims_no_more_than_its_hands_can_hold(database: Database, clock: LogClock) -> None:
    monitor = Monitor(database, clock, at_once=150)
    await push(database, 320)
    await pass_unseen(database, 600)
    async with monitor.at_work():
        await monitor.takeover.sweep()
        assert len(monitor.hands.holds()) == len(monitor.watched) == 150
        async with database.connection() as connection:
            assert len(await todo.claim_stale_watches(connection, older_than=600, limit=500)) == 320 - 150


async def test_all_there_is_to_watch_is_taken_up_once_by_who_is_alone(database: Database, clock: LogClock) -> None:
    monitor = Monitor(database, clock, at_once=500)
    rollouts = await push(database, 250)
    async with monitor.at_work():
        await monitor.takeover.take_up()
        assert sorted(monitor.watched) == sorted(rollouts)


async def test_who_was_out_of_contact_declares_nobody_dead(database: Database, clock: LogClock) -> None:
    monitor = Monitor(database, clock)
    await push(database)
    await pass_unseen(database, 60)
    async with monitor.at_work():
        monitor.contact = STALE - timedelta(seconds=0.1)
        await monitor.sweep()
        assert monitor.watched == []
        monitor.contact = STALE
        await monitor.sweep()
        assert len(monitor.watched) == 1


async def test_a_rollout_watched_by_two_is_left_by_the_one_who_touched_it_first(
    database: Database, clock: LogClock
) -> None:
    one, other = Monitor(database, clock), Monitor(database, clock)
    (rollout,) = await push(database)
    async with one.at_work(), other.at_work():
        await one.takeover.take_up()
        await until(lambda: rollout in one.hands.holds() and one.hands.holds()[rollout].touch)
        await other.takeover.take_up()
        await until(lambda: rollout not in one.hands.holds())
        await until(lambda: other.hands.holds()[rollout].touch)
        assert not other.hands.holds()[rollout].lost


async def test_a_rollout_that_somebody_ended_is_let_go(database: Database, clock: LogClock) -> None:
    monitor = Monitor(database, clock)
    (rollout,) = await push(database)
    async with monitor.at_work():
        await monitor.takeover.take_up()
        await until(lambda: rollout in monitor.hands.holds())
        async with database.transaction() as connection:
            await event_log.append(connection, [new(rollout, 3, ENDED)])
        await until(lambda: rollout not in monitor.hands.holds())


async def test_who_does_not_know_whether_it_was_heard_claims_what_it_has_in_hand_anew(
    database: Database, database_url: str, clock: LogClock
) -> None:
    monitor = Monitor(database, clock)
    (rollout,) = await push(database)
    async with monitor.at_work():
        await monitor.takeover.take_up()
        await until(lambda: rollout in monitor.hands.holds() and monitor.hands.holds()[rollout].touch)
        hold = monitor.hands.holds()[rollout]
        await pass_unseen(database, 5)
        await cut_connections(database_url)
        before = hold.touch
        await until(lambda: hold.touch not in (None, before))
        assert not hold.lost


async def test_a_stream_of_a_newer_version_is_taken_up_once_told_once_and_counted(
    database: Database, clock: LogClock
) -> None:
    monitor, tries = Monitor(database, clock), 0

    async def cannot(message: Message) -> None:
        nonlocal tries
        tries += 1
        raise Unreadable("rollout.dreamt_of")

    monitor.takeover = Takeover(database, monitor.hands, monitor.unread, cannot, contact=lambda: timedelta.max)
    (rollout,) = await push(database)
    for _ in range(3):
        await pass_unseen(database, 5)
        await monitor.sweep()
        await until(lambda: monitor.unread.ids == {rollout})
    assert tries == 1
    assert REGISTRY.get_sample_value("dag_monitor_unreadable_rollouts") == 1
    monitor.unread.keep([])
    assert REGISTRY.get_sample_value("dag_monitor_unreadable_rollouts") == 0
