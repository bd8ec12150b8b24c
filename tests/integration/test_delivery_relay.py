from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from conditions import until
from examples import REQUESTED, fresh_id, new
from recording_bus import RecordingBus
from sessions import end_sessions

from dag_common.bus.amqp import AmqpBus
from dag_common.contracts.codec import decode_record
from dag_common.contracts.topology import PUSHER_QUEUE
from dag_common.delivery import leader
from dag_common.delivery.projector import caught_up
from dag_common.delivery.relay import NAME, Relay
from dag_common.errors import Conflict, Unavailable
from dag_common.runtime.lifecycle import background
from dag_common.store import checkpoints, event_log
from dag_common.store.database import Database


@pytest.fixture(autouse=True)
def impatient_standby(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leader, "STAND_BY_SECONDS", 0.1)


@asynccontextmanager
async def running(*loops: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    async with background(**{f"loop-{number}": loop for number, loop in enumerate(loops)}):
        yield


async def append(database: Database, count: int = 1) -> int:
    async with database.transaction() as connection:
        return (await event_log.append(connection, [new(fresh_id(), 1, REQUESTED) for _ in range(count)]))[-1].position


async def test_everything_is_published_in_order_while_many_append(database: Database) -> None:
    bus = RecordingBus()

    async def appender() -> None:
        for _ in range(15):
            await append(database, random.randint(1, 3))
            await asyncio.sleep(0)

    async with running(Relay(database, bus).run):
        await asyncio.gather(*(appender() for _ in range(6)))
        async with database.connection() as connection:
            end = (await event_log.head(connection)).position
        await caught_up(database, NAME, to=end, within=20)
    assert bus.positions == list(range(1, end + 1))


async def test_a_commit_wakes_the_relay_without_waiting_for_its_poll(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dag_common.delivery.relay.POLL_SECONDS", 3600)
    bus = RecordingBus()
    async with running(Relay(database, bus).run):
        for _ in range(3):
            await caught_up(database, NAME, to=await append(database), within=20)
    assert bus.positions == [1, 2, 3]


async def test_of_two_relays_one_publishes_and_the_other_takes_over_when_its_session_ends(
    database: Database, database_url: str
) -> None:
    buses = [RecordingBus(), RecordingBus()]
    async with running(*(Relay(database, bus).run for bus in buses)):
        await caught_up(database, NAME, to=await append(database, 3), within=20)
        first = next(bus for bus in buses if bus.positions)
        second = next(bus for bus in buses if bus is not first)
        assert (first.positions, second.positions) == ([1, 2, 3], [])
        first.away = True
        await end_sessions(database_url, NAME)
        await caught_up(database, NAME, to=await append(database, 2), within=20)
    assert second.positions == [4, 5]


async def test_the_work_stops_the_moment_the_lock_is_lost(database: Database, database_url: str) -> None:
    at_work, stopped = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        at_work.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    leading = asyncio.create_task(leader.lead(database, "some lock", work))
    async with asyncio.timeout(20):
        await at_work.wait()
        await end_sessions(database_url, "some lock")
        with pytest.raises(Unavailable, match="some lock"):
            await leading
    assert stopped.is_set()


async def test_a_batch_the_broker_took_only_half_of_is_published_again_whole(database: Database) -> None:
    bus = RecordingBus()
    bus.failing_after = 2
    await append(database, 4)
    relay = Relay(database, bus)
    with pytest.raises(Unavailable):
        await relay.run()
    async with database.connection() as connection:
        assert await checkpoints.read(connection, NAME) == 0
    async with running(relay.run):
        await caught_up(database, NAME, to=4, within=20)
    assert bus.positions == [1, 2, 1, 2, 3, 4]


async def test_a_relay_whose_checkpoint_was_moved_by_another_stops(database: Database) -> None:
    bus = RecordingBus()
    async with asyncio.TaskGroup() as group:
        relaying = group.create_task(_until_conflict(Relay(database, bus)))
        await caught_up(database, NAME, to=await append(database), within=20)
        async with database.transaction() as connection:
            assert await checkpoints.advance(connection, NAME, expected=1, to=7)
        await append(database)
        assert "moved the checkpoint" in await relaying


async def _until_conflict(relay: Relay) -> str:
    with pytest.raises(Conflict) as caught:
        await relay.run()
    return str(caught.value)


async def test_over_rabbitmq_each_request_arrives_with_its_record_and_trace(
    database: Database, amqp_url: str, amqp_namespace: str
) -> None:
    bus = AmqpBus(amqp_url, namespace=amqp_namespace)
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    async with database.transaction() as connection:
        (recorded,) = await event_log.append(connection, [new(fresh_id(), 1, REQUESTED, traceparent=trace)])
    async with running(Relay(database, bus).run), bus.consume(PUSHER_QUEUE, prefetch=1) as deliveries:
        async with asyncio.timeout(20):
            delivery = await anext(deliveries)
        await delivery.ack()
    assert decode_record(delivery.message.body) == recorded
    assert (delivery.message.id, delivery.message.traceparent) == (recorded.event_id, trace)
    await bus.close()


async def test_a_standby_comes_in_when_the_leader_is_stopped_in_order(database: Database) -> None:
    first, second = RecordingBus(), RecordingBus()
    async with running(Relay(database, first).run):
        await caught_up(database, NAME, to=await append(database), within=20)
    async with running(Relay(database, second).run):
        await caught_up(database, NAME, to=await append(database), within=20)
    await until(lambda: second.positions)
    assert (first.positions, second.positions) == ([1], [2])
