"""Puts the monitor together; the only file that knows every concrete class."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

from dag_common.bus.seam import Bus
from dag_common.contracts.topology import MONITOR_QUEUE
from dag_common.delivery.foundation import foundation
from dag_common.delivery.receiver import Receiver
from dag_common.delivery.sweep import sweep
from dag_common.iac.mirrors import Mirrors
from dag_common.registry.registry import Registry
from dag_common.runtime.health import Health, serve_health
from dag_common.runtime.lifecycle import background
from dag_common.store.clock import LogClock
from dag_common.store.database import Database
from dag_common.store.streams import Streams
from dag_monitor.cluster.clusters import Clusters
from dag_monitor.cluster.inspections import Inspections
from dag_monitor.cluster.kicks import Kicks
from dag_monitor.cluster.window import Windows
from dag_monitor.git import Commits
from dag_monitor.handlers.hands import Hands
from dag_monitor.handlers.history import PushHistory
from dag_monitor.handlers.judging import Lookout
from dag_monitor.handlers.lineage import Lineage
from dag_monitor.handlers.overdue import Overdue
from dag_monitor.handlers.rollouts import Rollouts
from dag_monitor.handlers.takeover import Takeover
from dag_monitor.handlers.touching import Touching
from dag_monitor.handlers.unread import Unread
from dag_monitor.settings import Settings

OVERDUE_SECONDS: Final = 15.0
"""Between looks for what is overdue."""


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
        clock = await LogClock.of(database)
        streams, unread = Streams(database, "monitor"), Unread()
        hands = Hands(at_once=settings.rollouts_at_once, hold_seconds=settings.hold_seconds)
        mirrors = Mirrors(registry, settings.data_dir / "monitor" / "mirrors")
        stack.push_async_callback(mirrors.close)
        lineage = Lineage(Commits(mirrors))
        stack.push_async_callback(lineage.close)
        windows, history = Windows(clusters.reflectors, clusters.reader), PushHistory(database, lineage)
        lookout = Lookout(windows, history, Kicks(clusters), Inspections(clusters))
        rollouts = Rollouts(streams, lookout, hands, partial(bus.send, MONITOR_QUEUE), clock.now)
        watch = rollouts.when_chart_pushed_watch_rollout
        touching = Touching(database, clock, hands)
        takeover = Takeover(database, hands, unread, watch, contact=touching.contact)
        stack.push_async_callback(takeover.drain)
        if alone:
            await takeover.take_up()
        receiver = Receiver(
            bus,
            MONITOR_QUEUE,
            watch,
            concurrency=settings.rollouts_at_once,
            drain_seconds=settings.drain_seconds,
        )
        overdue = Overdue(database, streams, unread, clock.now)
        await stack.enter_async_context(
            background(
                watch_receiver=receiver.run,
                watch_touch=touching.run,
                watch_takeover=partial(sweep, takeover.sweep, every=settings.sweep_seconds),
                watch_overdue=partial(sweep, overdue.sweep, every=OVERDUE_SECONDS),
            )
        )
        stack.callback(hands.let_go)
        yield


async def run_monitor(settings: Settings, stop: asyncio.Event) -> None:
    """Run a monitor process until `stop` is set; raises `DagError` if it cannot start."""
    async with foundation(settings) as base:
        health = Health({"database": base.database.ping, "broker": base.bus.ping})
        async with (
            serve_health(health, settings.health_host, settings.health_port),
            monitor(settings, database=base.database, bus=base.bus, registry=base.registry.current),
        ):
            await stop.wait()
