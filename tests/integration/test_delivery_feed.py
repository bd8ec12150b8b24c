from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from examples import REQUESTED, fresh_id, new
from recording_bus import RecordingBus

from dag_common.bus.seam import Message
from dag_common.contracts.envelope import Recorded
from dag_common.delivery.feed import feed
from dag_common.delivery.relay import as_message
from dag_common.store import event_log
from dag_common.store.database import Database


async def append(database: Database, count: int) -> list[Recorded]:
    async with database.transaction() as connection:
        return await event_log.append(connection, [new(fresh_id(), 1, REQUESTED) for _ in range(count)])


async def take(records: AsyncIterator[Recorded], count: int) -> list[int]:
    async with asyncio.timeout(20):
        return [(await anext(records)).position for _ in range(count)]


async def publish(bus: RecordingBus, *records: Recorded) -> None:
    await bus.publish([as_message(record) for record in records])


async def test_what_happened_before_the_feed_began_comes_from_the_log(database: Database) -> None:
    await append(database, 5)
    async with aclosing(feed(database, RecordingBus(), after=2)) as records:
        assert await take(records, 3) == [3, 4, 5]


async def test_duplicates_and_late_messages_are_dropped_and_gaps_are_filled(database: Database) -> None:
    bus = RecordingBus()
    await append(database, 1)
    async with aclosing(feed(database, bus, after=0)) as records:
        assert await take(records, 1) == [1]
        new_ones = await append(database, 6)
        two, three, four, five, six, seven = new_ones
        await publish(bus, two, two, five, three, four, six, two)
        assert await take(records, 6) == [2, 3, 4, 5, 6, 7]
        await publish(bus, seven, *await append(database, 1))
        assert await take(records, 1) == [8]


async def test_a_message_that_is_no_record_costs_nothing(database: Database) -> None:
    bus = RecordingBus()
    (first,) = await append(database, 1)
    async with aclosing(feed(database, bus, after=0)) as records:
        assert await take(records, 1) == [1]
        follower = next(iter(bus._followers))
        follower.put(Message(id="foreign", routing_key="deployment.requested", body=b"not ours"))
        await publish(bus, first, *await append(database, 1))
        assert await take(records, 1) == [2]


async def test_a_silent_broker_delays_the_feed_and_does_not_stop_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dag_common.delivery.feed.LOOK_SECONDS", 0.05)
    async with aclosing(feed(database, RecordingBus(), after=0)) as records:
        waiting = asyncio.create_task(take(records, 2))
        await append(database, 2)
        assert await waiting == [1, 2]


async def test_a_reader_that_is_too_slow_for_the_bus_gets_everything_from_the_log(database: Database) -> None:
    bus = RecordingBus()
    await append(database, 1)
    async with aclosing(feed(database, bus, after=0)) as records:
        assert await take(records, 1) == [1]
        next(iter(bus._followers))._limit = 3
        await publish(bus, *await append(database, 20))
        assert await take(records, 20) == list(range(2, 22))
