"""What the gateway answers while its database or its broker is cut off or says nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx
import pytest
from examples import REQUESTED, fresh_id
from gateway_world import World, chart, stream, world_on
from servers.wire import Wire, wire_to

from dag_common.bus.amqp import AmqpBus
from dag_common.contracts.events import ValidationStarted
from dag_common.store.database import Database

NOTICED = 20.0
"""Seconds for a request that is under way while silence falls: less than the 30 s after which a statement gives up."""

AT_ONCE = 4.0
"""Seconds for a request after that: less than the 5 s that a connection may take, and the 10 s of a confirm."""


@dataclass(frozen=True, slots=True)
class Wired:
    """A gateway that reaches its servers by wires, and the database without one."""

    world: World
    database: Wire
    broker: Wire
    direct: Database


@pytest.fixture
async def wired(
    database_url: str, database: Database, amqp_url: str, amqp_namespace: str, tmp_path: Path
) -> AsyncIterator[Wired]:
    async with AsyncExitStack() as stack:
        to_database = await stack.enter_async_context(wire_to(database_url))
        to_broker = await stack.enter_async_context(wire_to(amqp_url))
        wired_database = await Database.connect(to_database.url)
        stack.push_async_callback(wired_database.close)
        bus = AmqpBus(to_broker.url, namespace=amqp_namespace)
        stack.push_async_callback(bus.close)
        world = await stack.enter_async_context(world_on(wired_database, tmp_path, bus=bus))
        world.client.timeout = httpx.Timeout(NOTICED)
        yield Wired(world, to_database, to_broker, database)
        for wire in (to_database, to_broker):
            wire.cut()
            wire.speak()
            wire.mend()


Ask = Callable[[], Awaitable[httpx.Response]]


async def refused(wired: Wired) -> None:
    """Wait until deployments are refused; from then on answers must come at once."""
    await answered(lambda: wired.world.deploy(wired.world.job()), 503)
    wired.world.client.timeout = httpx.Timeout(AT_ONCE)


async def answered(ask: Ask, status: int) -> httpx.Response:
    """The first answer with this status; those on the way are 200 or 503."""
    async with asyncio.timeout(40):
        while (answer := await ask()).status_code != status:
            assert answer.status_code in (200, 503), answer.text
            await asyncio.sleep(0.05)
    return answer


def break_by(how: str, wire: Wire) -> None:
    wire.silence() if how == "silent" else wire.cut()


@pytest.mark.parametrize("how", ["cut", "silent"])
@pytest.mark.parametrize("server", ["database", "broker"])
async def test_without_database_or_broker_a_deployment_is_refused_at_once_and_taken_when_both_are_back(
    wired: Wired, server: str, how: str
) -> None:
    wire: Wire = getattr(wired, server)
    break_by(how, wire)
    await refused(wired)
    kept = await length(wired.direct)
    job = wired.world.job()
    for _ in range(3):
        answer = await wired.world.deploy(job)
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
    assert await length(wired.direct) == kept, "what was refused left nothing behind"
    wire.cut()
    wire.speak()
    wire.mend()
    await answered(lambda: wired.world.deploy(job), 200)
    assert await length(wired.direct) == kept + 1


async def test_a_request_under_way_when_the_database_falls_silent_is_answered_before_any_driver_gives_up(
    wired: Wired, database_url: str
) -> None:
    holder = await asyncpg.connect(database_url)
    async with holder.transaction():
        await holder.execute("SELECT FROM dag.log_head FOR UPDATE")
        sent = asyncio.create_task(wired.world.client.get(f"/api/deployments/{fresh_id()}"))
        assert (await sent).status_code == 404
        sent = asyncio.create_task(wired.world.deploy(wired.world.job()))
        await until_somebody_waits(holder)
        wired.database.silence()
        answer = await sent
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
    await holder.close()


async def test_a_chart_that_is_refused_before_it_is_read_still_gets_its_answer(wired: Wired) -> None:
    """Also where the connection ends with the answer: what still comes in would make the kernel reset it."""
    wired.broker.cut()
    await refused(wired)
    wired.world.client.headers["Connection"] = "close"
    answer = await wired.world.deploy(wired.world.job(), b"\x1f\x8b" + bytes(9 * 1024 * 1024))
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
    assert "message broker" in answer.json()["detail"]


async def test_without_the_broker_streams_and_reads_go_on_and_the_gateway_stays_ready(wired: Wired) -> None:
    id_ = fresh_id()
    await append(wired, id_, 1)
    wired.broker.silence()
    await refused(wired)
    async with asyncio.timeout(20), stream(wired.world, id_) as events:
        assert (await anext(events)).data["status"] == "pending"
        await append(wired, id_, 2)
        assert (await anext(events)).data["status"] == "validating"
    assert (await wired.world.client.get(f"/api/deployments/{id_}")).status_code == 200
    ready = await wired.world.client.get("/readyz")
    assert (ready.status_code, ready.json()["database"], ready.json()["broker"] != "ok") == (200, "ok", True)


async def test_without_the_database_nothing_is_accepted_and_readiness_says_so(wired: Wired) -> None:
    id_ = fresh_id()
    await append(wired, id_, 1)
    async with asyncio.timeout(40), stream(wired.world, id_) as events:
        await anext(events)
        wired.database.silence()
        await refused(wired)
        for path in (f"/api/deployments/{id_}", f"/api/deployments/{id_}/events"):
            answer = await wired.world.client.get(path)
            assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
        ready = await wired.world.client.get("/readyz")
        assert (ready.status_code, ready.json()["database"] != "ok", ready.json()["broker"]) == (503, True, "ok")
        wired.database.cut()
        wired.database.speak()
        wired.database.mend()
        await append(wired, id_, 2)
        while (sent := await anext(events)).event != "status":
            pass
        assert sent.data["status"] == "validating"


async def test_a_connection_that_the_broker_closes_and_that_is_made_again_refuses_nobody(wired: Wired) -> None:
    before = wired.broker.connected
    wired.broker.drop()
    async with asyncio.timeout(20):
        while wired.broker.connected < before:
            answer = await wired.world.deploy(wired.world.job(), chart())
            assert answer.status_code == 200, answer.text


async def append(wired: Wired, id_: str, version: int) -> None:
    """Record the next event as another service would, without this gateway's broken wires."""
    beside = World(**{**{name: getattr(wired.world, name) for name in World.__slots__}, "database": wired.direct})
    await beside.append(id_, REQUESTED if version == 1 else ValidationStarted(), first=version, told=False)  # type: ignore[arg-type]


async def length(database: Database) -> int:
    async with database.connection() as connection:
        return int(await connection.fetchval("SELECT count(*) FROM dag.events"))


async def until_somebody_waits(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
    async with asyncio.timeout(30):
        while not await connection.fetchval(waits):  # noqa: ASYNC110 - Postgres knows, and tells nobody
            await asyncio.sleep(0.01)
