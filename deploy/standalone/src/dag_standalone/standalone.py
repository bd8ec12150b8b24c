"""All three services in one process. What the environment does not name is brought along: Postgres and the bus.

The services stay what they are in processes of their own; they share a pool, a bus and a registry here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from dag_common.bus.amqp import AmqpBus
from dag_common.bus.local import LocalBus
from dag_common.bus.seam import Bus
from dag_common.delivery.dead_letters import count_dead_letters
from dag_common.delivery.relay import Relay
from dag_common.registry.file import RegistryFile
from dag_common.runtime.lifecycle import background
from dag_common.runtime.settings import settings_from
from dag_common.store.database import Database
from dag_common.store.migrate import migrate
from dag_gateway.bootstrap import gateway
from dag_gateway.http.serving import Address, listen, serve
from dag_gateway.settings import Settings as GatewaySettings
from dag_monitor.bootstrap import monitor
from dag_monitor.settings import Settings as MonitorSettings
from dag_pusher.bootstrap import pusher
from dag_pusher.settings import Settings as PusherSettings
from dag_standalone.embedded import embedded_postgres

POOL: Final = 20
"""Connections for three services together; an embedded Postgres allows 100."""

IN_PROCESS: Final = "in-process:"
"""What services are told as DAG_AMQP_URL when there is no broker; nobody connects to it."""

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Shared:
    """What the services have in common in this process."""

    environ: Mapping[str, str]
    database: Database
    bus: Bus
    registry: RegistryFile

    @property
    def alone(self) -> bool:
        """Whether no other process can be at work on the same log: it is ours, or messages never leave us."""
        return isinstance(self.bus, LocalBus)

    def settings(self, cls: type[S]) -> S:
        """One service's settings."""
        return settings_from(cls, self.environ)


@asynccontextmanager
async def standalone(environ: Mapping[str, str]) -> AsyncIterator[str]:
    """Run DAG for as long as the context lasts; hands out the gateway's address, at which it answers.

    Raises `Invalid` for wrong settings or a wrong registry, `Unavailable` and `Conflict` if a part cannot start.
    """
    async with AsyncExitStack() as stack:
        shared = await _shared(stack, environ)
        database, bus, registry = shared.database, shared.bus, shared.registry.current
        settings = shared.settings(MonitorSettings)
        watching = monitor(settings, database=database, bus=bus, registry=registry, alone=shared.alone)
        await stack.enter_async_context(watching)
        pushing = pusher(shared.settings(PusherSettings), database=database, bus=bus, registry=registry)
        await stack.enter_async_context(pushing)
        yield await _serve_gateway(stack, shared)


async def _shared(stack: AsyncExitStack, environ: Mapping[str, str]) -> Shared:
    url = environ.get("DAG_DATABASE_URL")
    if not url:
        url = await stack.enter_async_context(embedded_postgres(data_directory(environ)))
    await migrate(url)
    database = await Database.connect(url, max_size=POOL)
    stack.push_async_callback(database.close)
    broker = environ.get("DAG_AMQP_URL", "")
    bus = AmqpBus(broker, namespace=environ.get("DAG_AMQP_NAMESPACE", "")) if broker else LocalBus()
    stack.push_async_callback(bus.close)
    registry = RegistryFile(Path(environ.get("DAG_REGISTRY") or "dag.yaml"))
    await registry.start()
    loops = background(
        relay=Relay(database, bus).run, registry=registry.watch, dead_letters=partial(count_dead_letters, bus)
    )
    await stack.enter_async_context(loops)
    named = {"DAG_DATABASE_URL": url, "DAG_AMQP_URL": broker or IN_PROCESS}
    return Shared({"DAG_REGISTRY": "dag.yaml", **environ, **named}, database, bus, registry)


def data_directory(environ: Mapping[str, str]) -> Path:
    """Where everything is kept: DAG_DATA_DIR, else .dag here."""
    return Path(environ.get("DAG_DATA_DIR") or ".dag")


async def _serve_gateway(stack: AsyncExitStack, shared: Shared) -> str:
    settings = shared.settings(GatewaySettings)
    listener = stack.enter_context(closing(listen(Address(settings.http_host, settings.http_port))))
    context = gateway(settings, database=shared.database, bus=shared.bus, registry=shared.registry.current)
    served = await stack.enter_async_context(context)
    stop = asyncio.Event()
    serving = asyncio.create_task(
        serve(served.app, listener, stop, drain=served.drain, drain_seconds=settings.drain_seconds), name="gateway"
    )

    async def finish() -> None:
        stop.set()
        await serving

    stack.push_async_callback(finish)
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
