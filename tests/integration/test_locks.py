from __future__ import annotations

import asyncio

import pytest
from examples import REQUESTED, fresh_id, new
from servers.wire import wire_to

from dag_common.errors import Unavailable
from dag_common.store import event_log, locks
from dag_common.store.database import LET_GO, Database
from dag_common.store.locks import try_lock, wait_for_lock


async def test_a_lock_is_held_by_one_and_free_after_the_block(database: Database) -> None:
    async with try_lock(database, "lane") as first:
        assert first is not None
        async with try_lock(database, "lane") as second, try_lock(database, "other lane") as other:
            assert (second, other is not None) == (None, True)
    async with try_lock(database, "lane") as third:
        assert third is not None


async def test_who_stands_by_gets_the_lock_when_it_is_free_on_the_session_it_had(database: Database) -> None:
    held, done = asyncio.Event(), asyncio.Event()

    async def stand_by() -> None:
        async with wait_for_lock(database, "lane", every=0.05):
            held.set()
            await done.wait()

    async with try_lock(database, "lane"):
        waiting = asyncio.create_task(stand_by())
        await asyncio.sleep(0)
        assert not held.is_set()
    async with asyncio.timeout(10):
        await held.wait()
    done.set()
    await waiting


async def test_a_network_that_falls_silent_loses_the_lock_although_no_connection_was_closed(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "PROBE_SECONDS", 1.0)
    async with wire_to(database_url) as wire:
        database = await Database.connect(wire.url)
        async with try_lock(database, "lane") as lock:
            assert lock is not None
            await asyncio.sleep(1.5)  # a probe or two: a living connection keeps its lock
            assert not lock.lost.is_set()
            wire.silence()
            async with asyncio.timeout(10):
                await lock.lost.wait()
        wire.drop()
        await database.close()


async def test_who_stands_still_with_a_lock_loses_it_to_the_next(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "PROBE_SECONDS", 60.0)
    monkeypatch.setitem(locks.LET_GO, "idle_session_timeout", "300")
    async with try_lock(database, "lane") as lost, asyncio.timeout(10):
        assert lost is not None
        async with wait_for_lock(database, "lane", every=0.05):
            await lost.lost.wait()


async def test_who_stands_still_in_a_transaction_does_not_hold_up_the_log(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LET_GO, "idle_in_transaction_session_timeout", "300")
    still, others = [await Database.connect(database_url) for _ in range(2)]

    async def stand_still() -> None:
        async with still.transaction() as connection:
            await event_log.append(connection, [new(fresh_id(), 1, REQUESTED)])
            async with asyncio.timeout(10), others.transaction() as next_one:
                await event_log.append(next_one, [new(fresh_id(), 1, REQUESTED)])

    with pytest.raises(Unavailable):
        await stand_still()
    async with others.connection() as connection:
        assert (await event_log.head(connection)).position == 1
    for database in (still, others):
        await database.close()


@pytest.mark.parametrize("setting", sorted(LET_GO))
async def test_every_session_asks_the_server_to_let_go_of_a_dead_peer_within_seconds(
    database: Database, setting: str
) -> None:
    """On every kind of session; a loopback peer's kernel never falls silent, so the probes themselves are not tried."""
    async with database.connection() as pooled, database.dedicated() as own:
        for session in (pooled, own):
            shown = await session.fetchval("SELECT setting FROM pg_settings WHERE name = $1", setting)
            assert shown == LET_GO[setting]


async def test_the_server_frees_the_lock_of_a_peer_that_takes_nothing_any_more(database: Database) -> None:
    async with database.dedicated() as dead:
        assert await dead.fetchval("SELECT pg_try_advisory_lock(hashtextextended('lane', 0))")
        dead._transport.pause_reading()  # type: ignore[attr-defined]
        unread = asyncio.create_task(dead.execute("SELECT repeat('x', 100000000)"))
        async with asyncio.timeout(30), wait_for_lock(database, "lane", every=0.2):
            pass
        dead.terminate()
        await asyncio.gather(unread, return_exceptions=True)
