"""What answers where, and which ports are free."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import urlsplit

import aio_pika
import asyncpg

NO_ANSWER = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, aio_pika.exceptions.AMQPError)


class NotHere(Exception):
    """A server the tests need cannot be had; the text says what to do."""


def local_server(url: str) -> str | None:
    """The address where a server may already run; None when DAG_TEST_SERVERS=private asks for servers of our own."""
    return None if os.environ.get("DAG_TEST_SERVERS") == "private" else url


async def postgres_answers(url: str) -> None:
    connection = await asyncpg.connect(url, timeout=3)
    await connection.close()


async def broker_answers(url: str) -> None:
    """By TCP first: aiormq logs an error each time nobody listens yet."""
    address = urlsplit(url)
    _, knock = await asyncio.open_connection(address.hostname, address.port or 5672)
    knock.close()
    async with await aio_pika.connect(url, timeout=3):
        pass


async def answers(ask: Callable[[str], Awaitable[None]], url: str) -> bool:
    """Whether a server answers now."""
    with suppress(*NO_ANSWER):
        await ask(url)
        return True
    return False


def free_ports(count: int) -> list[int]:
    """Loopback ports nobody listens on now, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


async def until_it_answers(ask: Callable[[str], Awaitable[None]], url: str, *, alive: Callable[[], bool]) -> bool:
    """Wait up to 90 s for a server that is starting; False when it died or never came."""
    with suppress(TimeoutError):
        async with asyncio.timeout(90):
            while alive():
                if await answers(ask, url):
                    return True
                await asyncio.sleep(0.05)
    return False
