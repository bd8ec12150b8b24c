"""Servers of the suite's own, each behind a wire, so that everything DAG stands on can be broken."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from acceptance.harness.scene import Ground
from servers.broker import private_broker
from servers.broker_container import BrokerContainer
from servers.broker_node import BrokerNode
from servers.databases import fresh_database
from servers.postgres_pair import PostgresPair, postgres_pair
from servers.wire import Wire, wire_to


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """A RabbitMQ node and the wire to it; a Postgres with a synchronous standby and a wire of its own."""

    broker: BrokerNode | BrokerContainer
    broker_wire: Wire
    postgres: PostgresPair


@asynccontextmanager
async def breakable(directory: Path) -> AsyncIterator[tuple[Ground, Servers]]:
    """What a scene is built on, and what can be done to it."""
    async with AsyncExitStack() as stack:
        broker = await stack.enter_async_context(private_broker(directory / "broker"))
        broker_wire = await stack.enter_async_context(wire_to(broker.url))
        postgres = await stack.enter_async_context(postgres_pair(directory / "postgres"))
        database_url = await stack.enter_async_context(fresh_database(postgres.url))
        ground = Ground(directory=directory, database_url=database_url, amqp_url=broker_wire.url, amqp_namespace="")
        yield ground, Servers(broker=broker, broker_wire=broker_wire, postgres=postgres)
