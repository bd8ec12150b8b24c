"""Names of a test's own on a broker that all tests share."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika

from dag_common.bus.amqp_topology import Topology


@asynccontextmanager
async def fresh_namespace(url: str) -> AsyncIterator[str]:
    """A prefix for exchange and queue names; whatever stands under it afterwards is deleted."""
    topology = Topology(f"test-{uuid.uuid4().hex}.")
    try:
        yield topology.namespace
    finally:
        async with await aio_pika.connect(url, timeout=5) as connection:
            channel = await connection.channel(publisher_confirms=False)
            for name in topology.names():
                await channel.queue_delete(name)
            await channel.exchange_delete(topology.exchange)
