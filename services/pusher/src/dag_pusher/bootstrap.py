"""Puts the pusher together; the only file that knows every concrete class."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from dag_common.bus.seam import Bus
from dag_common.contracts.topology import PUSHER_QUEUE
from dag_common.delivery.foundation import foundation
from dag_common.delivery.receiver import Receiver
from dag_common.delivery.sweep import sweep
from dag_common.errors import NotFound, Unavailable
from dag_common.iac.mirrors import Mirrors
from dag_common.registry.registry import Registry
from dag_common.runtime.health import Health, serve_health
from dag_common.runtime.lifecycle import background
from dag_common.store.database import Database
from dag_common.store.streams import Streams
from dag_common.store.todo import Lane
from dag_pusher.git import IacBranch
from dag_pusher.handlers.batch import GroupCommit
from dag_pusher.handlers.lanes import Lanes
from dag_pusher.handlers.preparation import Preparation
from dag_pusher.settings import Settings


@asynccontextmanager
async def pusher(
    settings: Settings, *, database: Database, bus: Bus, registry: Callable[[], Registry]
) -> AsyncIterator[None]:
    """A pusher at work for as long as the block lasts; database and bus are the caller's.

    On the way out it takes nothing new and finishes what is in hand within `settings.drain_seconds`; the rest
    goes back to the queue.
    """
    async with AsyncExitStack() as stack:
        mirrors = Mirrors(registry, settings.data_dir / "pusher" / "mirrors")
        stack.push_async_callback(mirrors.close)
        batch = GroupCommit(
            Streams(database, "pusher"), Preparation(database), _branches(mirrors), deadline=settings.push_deadline
        )
        lanes = Lanes(database, batch, at_once=settings.lanes_at_once)
        receiver = Receiver(
            bus,
            PUSHER_QUEUE,
            lanes.when_deployment_requested_drain_its_lane,
            concurrency=settings.lanes_at_once,
            drain_seconds=settings.drain_seconds,
        )
        sweeping = partial(sweep, lanes.drain_all, every=settings.sweep_seconds, drain_seconds=settings.drain_seconds)
        await stack.enter_async_context(background(push_receiver=receiver.run, push_sweep=sweeping))
        stack.callback(lanes.let_go)
        yield


async def run_pusher(settings: Settings, stop: asyncio.Event) -> None:
    """Run a pusher process until `stop` is set; raises `DagError` if it cannot start."""
    async with foundation(settings) as base:
        health = Health({"database": base.database.ping, "broker": base.bus.ping})
        async with (
            serve_health(health, settings.health_host, settings.health_port),
            pusher(settings, database=base.database, bus=base.bus, registry=base.registry.current),
        ):
            await stop.wait()


def _branches(mirrors: Mirrors) -> Callable[[Lane], IacBranch]:
    def branch(lane: Lane) -> IacBranch:
        try:
            return IacBranch(mirrors.of(lane.repository, lane.branch))
        except NotFound as exc:
            raise Unavailable(exc.message) from exc

    return branch
