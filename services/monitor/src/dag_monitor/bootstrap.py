"""Puts the monitor together; the only file that knows every concrete class."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from dag_common.bus.seam import Bus
from dag_common.contracts.topology import MONITOR_QUEUE
from dag_common.delivery.foundation import foundation
from dag_common.delivery.receiver import Receiver
from dag_common.delivery.sweep import sweep
from dag_common.registry.registry import Registry
from dag_common.runtime.health import Health, serve_health
from dag_common.runtime.lifecycle import background
from dag_common.store.database import Database
from dag_common.store.streams import Streams
from dag_monitor.cluster.clusters import Clusters
from dag_monitor.cluster.window import Windows
from dag_monitor.handlers.history import PushHistory
from dag_monitor.handlers.rollouts import Rollouts
from dag_monitor.handlers.upkeep import STALE_SECONDS, Upkeep
from dag_monitor.settings import Settings


@asynccontextmanager
async def monitor(
    settings: Settings, *, database: Database, bus: Bus, registry: Callable[[], Registry], alone: bool = False
) -> AsyncIterator[None]:
    """A monitor at work for as long as the block lasts; database and bus are the caller's.

    On the way out it hands every watch over. `alone` says that no other monitor runs: whatever is still to be
    watched is taken up at once.
    """
    async with AsyncExitStack() as stack:
        clusters = Clusters(registry)
        stack.push_async_callback(clusters.close)
        rollouts = Rollouts(
            Streams(database, "monitor"),
            PushHistory(database),
            Windows(clusters.reflectors),
            partial(bus.send, MONITOR_QUEUE),
            hold_seconds=settings.hold_seconds,
        )
        wake = partial(bus.send, MONITOR_QUEUE)
        upkeep = Upkeep(database, lambda: rollouts.in_hand, wake, at_once=settings.rollouts_at_once)
        if alone:
            await upkeep.sweep(older_than=0)
        receiver = Receiver(
            bus,
            MONITOR_QUEUE,
            rollouts.when_chart_pushed_watch_rollout,
            concurrency=settings.rollouts_at_once,
            drain_seconds=settings.drain_seconds,
        )
        sweeping = partial(sweep, partial(upkeep.sweep, older_than=STALE_SECONDS), every=settings.sweep_seconds)
        await stack.enter_async_context(
            background(watch_receiver=receiver.run, watch_touch=upkeep.keep_touching, watch_sweep=sweeping)
        )
        stack.callback(rollouts.let_go)
        yield


async def run_monitor(settings: Settings, stop: asyncio.Event) -> None:
    """Run a monitor process until `stop` is set; raises `DagError` if it cannot start."""
    async with foundation(settings) as base:
        health = Health({"database": base.database.ping, "broker": base.bus.ping})
        async with (
            monitor(settings, database=base.database, bus=base.bus, registry=base.registry.current),
            serve_health(health, settings.health_host, settings.health_port),
        ):
            await stop.wait()
