"""What a service process stands on: the log's database, the broker, the registry, and its part in relaying."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from dag_common.bus.amqp import AmqpBus
from dag_common.delivery.dead_letters import count_dead_letters
from dag_common.delivery.relay import Relay
from dag_common.registry.file import RegistryFile
from dag_common.runtime.lifecycle import background
from dag_common.runtime.service import ServiceSettings
from dag_common.store.database import Database


@dataclass(frozen=True, slots=True)
class Foundation:
    """The three things every service needs."""

    database: Database
    bus: AmqpBus
    registry: RegistryFile


@asynccontextmanager
async def foundation(settings: ServiceSettings) -> AsyncIterator[Foundation]:
    """Open what the settings name and close it after the block. Every process is a candidate to relay.

    Raises `Unavailable` if the database cannot be asked, `Invalid` if the registry cannot be read. The broker is
    waited for in use.
    """
    async with AsyncExitStack() as stack:
        database = await Database.connect(settings.database_url)
        stack.push_async_callback(database.close)
        bus = AmqpBus(settings.amqp_url, namespace=settings.amqp_namespace)
        stack.push_async_callback(bus.close)
        registry = RegistryFile(settings.registry)
        await registry.start()
        loops = background(
            relay=Relay(database, bus).run,
            registry=registry.watch,
            dead_letters=partial(count_dead_letters, bus),
        )
        await stack.enter_async_context(loops)
        yield Foundation(database, bus, registry)
