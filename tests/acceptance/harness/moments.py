"""The moments of a deployment at which something may happen to DAG, each held open by the outside world.

async with moment(scene, order):   # the order is sent, and the deployment stands still at that moment
    ...                            # kill somebody
# what held it lets go
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import asyncpg
from acceptance.harness.ci import Order
from acceptance.harness.outside import looks_at_branch, pushes, reconciles, verifies_job
from acceptance.harness.scene import Scene

Moment = Callable[[Scene, Order], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def verifying(scene: Scene, order: Order) -> AsyncIterator[None]:
    """The gateway asks the provider who the job is; nothing is accepted yet."""
    gate = scene.outside.gates.gitlab.hold(verifies_job)
    async with asyncio.TaskGroup() as sending:
        sending.create_task(scene.ci.submit(order))
        await gate.reached()
        yield
        gate.open()


@asynccontextmanager
async def recording(scene: Scene, order: Order) -> AsyncIterator[None]:
    """The gateway's transaction waits for the head of the log; whether it will be committed is open."""
    connection = await asyncpg.connect(scene.database_url)
    try:
        async with asyncio.TaskGroup() as sending, connection.transaction():
            await connection.execute("SELECT FROM dag.log_head FOR UPDATE")
            sending.create_task(scene.ci.submit(order))
            await _until_somebody_waits(connection)
            yield
    finally:
        await connection.close()


@asynccontextmanager
async def pending(scene: Scene, order: Order) -> AsyncIterator[None]:
    """Accepted, and no pusher there to take it up."""
    async with _without("pusher", scene):
        await scene.ci.submit(order)
        yield


@asynccontextmanager
async def validating(scene: Scene, order: Order) -> AsyncIterator[None]:
    """The pusher took it off its list and looks at the branch."""
    gate = scene.outside.gates.git.hold(looks_at_branch)
    await scene.ci.submit(order)
    await gate.reached()
    yield
    gate.open()


@asynccontextmanager
async def pushing(scene: Scene, order: Order) -> AsyncIterator[None]:
    """The pack is on its way; it arrives only after everything else has happened, or not at all."""
    gate = scene.outside.gates.git.hold(pushes)
    await scene.ci.submit(order)
    await gate.reached()
    yield
    gate.open()


@asynccontextmanager
async def arrived(scene: Scene, order: Order) -> AsyncIterator[None]:
    """The commit is in the repository, and nobody has been told so."""
    gate = scene.outside.gates.git.hold(pushes, answered=True)
    await scene.ci.submit(order)
    await gate.reached()
    yield
    gate.open()


@asynccontextmanager
async def pushed(scene: Scene, order: Order) -> AsyncIterator[None]:
    """Recorded as pushed, and no monitor there to take it up."""
    async with _without("monitor", scene):
        await scene.ci.submit(order)
        await scene.log.until(order.deployment_id, "chart.pushed")
        yield


@asynccontextmanager
async def monitoring(scene: Scene, order: Order) -> AsyncIterator[None]:
    """A monitor watches the rollout, which does not begin."""
    gate = scene.outside.gates.git.hold(reconciles)
    await gate.reached()
    await scene.ci.submit(order)
    await scene.log.until(order.deployment_id, "monitoring.started")
    yield
    gate.open()


ALL: tuple[Moment, ...] = (verifying, recording, pending, validating, pushing, arrived, pushed, monitoring)


@asynccontextmanager
async def _without(kind: str, scene: Scene) -> AsyncIterator[None]:
    """All services of a kind are gone, and come back in the end."""
    services = scene.dag.services[kind]
    await asyncio.gather(*(service.kill() for service in services))
    yield
    await asyncio.gather(*(service.restart() for service in services if not service.running))


async def _until_somebody_waits(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Wait until another session wants the lock this one holds."""
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
    async with asyncio.timeout(30):
        while not await connection.fetchval(waits):  # noqa: ASYNC110 - Postgres knows, and tells nobody
            await asyncio.sleep(0.01)
