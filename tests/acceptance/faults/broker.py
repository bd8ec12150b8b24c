"""RabbitMQ is stopped, loses its connections, falls silent, and an operator empties a queue.

It is not killed: the quorum queues of a single node of RabbitMQ 3.10 did not come back from that (seen: the one member
stays a follower over every restart, and confirms nothing). DAG goes on by its to-do lists then, at their pace.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

from acceptance.faults import processes
from acceptance.faults.storm import ENDS_WITHIN, STRIKES_WITHIN, Storm, Strike, silenced, until
from acceptance.harness.ci import Order
from acceptance.harness.interventions import purge_queue, waiting_in
from acceptance.harness.service import Service

from dag_common.contracts.topology import MONITOR_QUEUE, PUSHER_QUEUE

SILENT_SECONDS = (1.0, 8.0)


async def broker_stopped(storm: Storm, draw: random.Random) -> int:
    """Stopped in order, and started again."""
    connected = storm.servers.broker_wire.connected
    await storm.servers.broker.stop()
    await asyncio.sleep(draw.uniform(0, 2))
    await storm.servers.broker.start()
    return connected


async def broker_closes_connections(storm: Storm, draw: random.Random) -> int:
    """An operator closes every connection, with a reason."""
    return await _cut_some(lambda: storm.servers.broker.close_connections("the storm wants it"))


async def broker_connections_cut(storm: Storm, draw: random.Random) -> int:
    """The network drops what is connected."""
    wire = storm.servers.broker_wire

    async def drop() -> int:
        before = wire.dropped
        wire.drop()
        return wire.dropped - before

    return await _cut_some(drop)


async def broker_silent(storm: Storm, draw: random.Random) -> int:
    """The network carries nothing, and closes nothing."""
    return await silenced(storm.servers.broker_wire, draw.uniform(*SILENT_SECONDS))


async def queue_purged(storm: Storm, draw: random.Random) -> int:
    """An operator empties a queue in which a deployment waits, because nobody is there to take it."""
    kind, queue = draw.choice([("pusher", PUSHER_QUEUE), ("monitor", MONITOR_QUEUE)])
    services, url = storm.scene.dag.services[kind], storm.servers.broker.url
    async with storm.turns[processes.__name__], storm.supervisor.held_down(*services):
        orders = await _until_something_waits(storm, queue, services)
        purged = await purge_queue(url, queue)
    assert purged
    for order in orders:
        await storm.scene.ci.follow(order).end(within=ENDS_WITHIN)
    return purged


async def _until_something_waits(storm: Storm, queue: str, takers: Sequence[Service]) -> list[Order]:
    """Deploy until a message waits: other faults may end a deployment before it gets there.

    Whoever would take it is killed as often as it is found running: the supervisor may just have started it.
    """
    orders: list[Order] = []
    async with asyncio.timeout(STRIKES_WITHIN):
        while not await _all_gone(takers) or not await waiting_in(storm.servers.broker.url, queue):
            orders.append(storm.scene.ci.order(storm.scene.outside.landscape.watched.environment))
            await storm.scene.ci.submit(orders[-1])
            await asyncio.sleep(1)
    return orders


async def _all_gone(services: Sequence[Service]) -> bool:
    """Kill who runs; whether nobody did."""
    running = [service for service in services if service.running]
    for service in running:
        await service.kill()
    return not running


async def _cut_some(cut: Callable[[], Awaitable[int]]) -> int:
    """Cut until somebody was connected."""
    cuts = 0

    async def somebody() -> bool:
        nonlocal cuts
        cuts = await cut()
        return cuts > 0

    await until("somebody is connected to RabbitMQ", somebody)
    return cuts


FAULTS: tuple[Strike, ...] = (
    broker_stopped,
    broker_closes_connections,
    broker_connections_cut,
    broker_silent,
    queue_purged,
)
