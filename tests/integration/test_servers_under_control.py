"""The servers that a fault suite breaks on purpose are really broken, really come back, and lose what they may lose."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aio_pika
import asyncpg
import pytest
from conditions import until
from servers.broker import private_broker
from servers.databases import fresh_database
from servers.postgres_pair import postgres_pair
from servers.reachable import NO_ANSWER
from servers.wire import Wire, wire_to

DURABLE: dict[str, aio_pika.abc.FieldValue] = {"x-queue-type": "quorum"}


class Echo(asyncio.Protocol):
    """Says `answer`, then everything it is told."""

    def __init__(self, answer: bytes, standing: set[asyncio.BaseTransport]) -> None:
        self._answer = answer
        self._standing = standing

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._standing.add(transport)
        transport.write(self._answer)

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._standing.discard(self._transport)


@asynccontextmanager
async def echo(answer: bytes) -> AsyncIterator[str]:
    standing: set[asyncio.BaseTransport] = set()
    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: Echo(answer, standing), "127.0.0.1", 0) as server:
        yield f"amqp://guest@127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    await until(lambda: not standing)


@asynccontextmanager
async def client(wire: Wire) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(wire.url).port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def test_a_silent_wire_carries_nothing_and_delivers_what_it_held_when_it_speaks_again() -> None:
    async with echo(b"hello") as url, wire_to(url) as wire, client(wire) as (reader, writer):
        assert await reader.readexactly(5) == b"hello"
        wire.silence()
        writer.write(b"held")
        async with client(wire) as (late, _):
            await until(lambda: wire.connected == 2)
            for each in (reader, late):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(each.read(1), 0.1)
            wire.speak()
            assert await reader.readexactly(4) == b"held"
            assert await late.readexactly(5) == b"hello"
        await until(lambda: wire.connected == 1)
        assert wire.dropped == 0


async def test_a_cut_wire_counts_what_it_dropped_refuses_and_takes_again_when_mended() -> None:
    async with echo(b"hello") as url, wire_to(url) as wire:
        async with client(wire) as (first, _), client(wire) as (second, _):
            for reader in (first, second):
                assert await reader.readexactly(5) == b"hello"
            wire.cut()
            wire.cut()
            assert (wire.dropped, wire.connected) == (2, 0)
            for reader in (first, second):
                with suppress(ConnectionResetError):
                    assert await reader.read() == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", urlsplit(wire.url).port)
        wire.mend()
        assert await first_words(wire, 5) == b"hello"


async def test_a_connection_taken_in_the_very_moment_of_a_cut_is_dropped_with_the_others() -> None:
    async with echo(b"hello") as url, wire_to(url) as wire:
        for ticks in range(6):
            with socket.create_connection(("127.0.0.1", urlsplit(wire.url).port), timeout=5) as caller:
                for _ in range(ticks):
                    await asyncio.sleep(0)
                wire.cut()
                wire.mend()
                caller.setblocking(False)
                with suppress(ConnectionResetError):
                    assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(caller, 5), 5) == b""
        assert wire.dropped > 0


async def first_words(wire: Wire, count: int) -> bytes:
    async with client(wire) as (reader, _):
        return await reader.readexactly(count)


async def test_a_retargeted_wire_leads_new_connections_elsewhere_under_the_same_url() -> None:
    async with echo(b"old") as old, echo(b"new") as new, wire_to(old) as wire, client(wire) as (reader, writer):
        before = wire.url
        assert await reader.readexactly(3) == b"old"
        wire.retarget(new)
        writer.write(b"still")
        assert await reader.readexactly(5) == b"still"
        assert await first_words(wire, 3) == b"new"
        assert wire.url == before


async def test_a_wire_leads_to_a_unix_socket_that_a_postgres_url_names(tmp_path: Path) -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    path = str(tmp_path / ".s.PGSQL.5432")
    url = f"postgresql://postgres@/postgres?host={tmp_path}&application_name=dag"
    async with await asyncio.start_unix_server(greet, path), wire_to(url) as wire:
        assert await first_words(wire, 5) == b"hello"
        port = urlsplit(wire.url).port
        assert wire.url == f"postgresql://postgres@127.0.0.1:{port}/postgres?application_name=dag"


async def test_a_broker_that_is_stopped_or_killed_keeps_what_is_durable_and_its_address(tmp_path: Path) -> None:
    async with private_broker(tmp_path / "broker") as broker:
        await publish(broker.url, b"kept")
        for end in (broker.stop, broker.kill):
            await end()
            with pytest.raises(NO_ANSWER):
                await aio_pika.connect(broker.url, timeout=5)
            await broker.start()
        async with await aio_pika.connect(broker.url, timeout=5) as connection:
            queue = await declare(connection)
            message = await queue.get(timeout=10)
            assert message is not None
            assert message.body == b"kept"
            await message.reject(requeue=True)
            await until_purged(queue)
        assert await broker.close_connections("nobody is there") == 0
        async with await aio_pika.connect(broker.url, timeout=5) as connection:
            closed = asyncio.Event()
            connection.close_callbacks.add(lambda *_: closed.set())
            assert await broker.close_connections("maintenance") == 1
            async with asyncio.timeout(10):
                await closed.wait()


async def declare(connection: aio_pika.abc.AbstractConnection) -> aio_pika.abc.AbstractQueue:
    channel = await connection.channel()
    return await channel.declare_queue("durable", durable=True, arguments=DURABLE)


async def publish(url: str, body: bytes) -> None:
    async with await aio_pika.connect(url, timeout=5) as connection:
        await declare(connection)
        channel = await connection.channel(publisher_confirms=True)
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, "durable")


async def until_purged(queue: aio_pika.abc.AbstractQueue) -> None:
    """A rejected message is ready again a moment later."""
    async with asyncio.timeout(10):
        while not (await queue.purge()).message_count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert await queue.get(fail=False) is None


async def test_a_crashed_primary_and_two_failovers_lose_no_acknowledged_commit(tmp_path: Path) -> None:
    async with postgres_pair(tmp_path / "pair") as pair, fresh_database(pair.url) as url:
        await execute(url, "CREATE TABLE said (n int)")
        writer = Writer(url)
        hammering = asyncio.create_task(writer.hammer())
        served_by = [await value(url, "SELECT inet_server_port()")]
        for strike in (pair.restart, lambda: pair.restart("fast"), pair.fail_over, pair.fail_over):
            await writer.more()
            lost = writer.lost
            await strike()
            await writer.more()
            assert writer.lost > lost, "the fault did not strike"
            assert set(writer.acknowledged) <= set(await value(url, "SELECT array_agg(n) FROM said"))
            served_by.append(await value(url, "SELECT inet_server_port()"))
        assert len(set(served_by[:3])) == 1, "a restart is no failover"
        assert len(set(served_by[2:])) == 3, "each failover leads to another server"
        hammering.cancel()


async def test_a_primary_without_its_standby_acknowledges_nothing(tmp_path: Path) -> None:
    async with postgres_pair(tmp_path / "pair") as pair:
        await execute(pair.url, "CREATE TABLE said (n int)")
        await pair._standby.stop("immediate")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(execute(pair.url, "INSERT INTO said VALUES (1)"), 0.5)
        await pair._standby.start()
        await execute(pair.url, "INSERT INTO said VALUES (2)")


class Writer:
    """Commits number after number and keeps those that were acknowledged."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.acknowledged: list[int] = []
        self.lost = 0
        """Connections that broke, or could not be made, while it wrote."""

    async def hammer(self) -> None:
        number = 0
        while True:
            with suppress(*NO_ANSWER, asyncpg.InternalClientError):
                connection = await asyncpg.connect(self._url, timeout=5)
                try:
                    while True:
                        number += 1
                        await connection.execute("INSERT INTO said VALUES ($1)", number)
                        self.acknowledged.append(number)
                finally:
                    self.lost += 1
                    connection.terminate()
            await asyncio.sleep(0.005)

    async def more(self) -> None:
        """Wait for commits from now on."""
        enough = len(self.acknowledged) + 20
        await until(lambda: len(self.acknowledged) >= enough)


async def execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url, timeout=5)
    try:
        await connection.execute(sql)
    finally:
        connection.terminate()


async def value(url: str, question: str) -> Any:
    connection = await asyncpg.connect(url, timeout=5)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()
