"""All of DAG in one process on somebody else's servers: what it calls its own there, and what it takes of them."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from acceptance.harness.ports import free_port

from dag_common.bus.amqp import AmqpBus
from dag_common.bus.seam import Message
from dag_common.contracts.topology import PUSHER_QUEUE
from dag_common.delivery import dead_letters
from dag_common.store.database import Database
from dag_pusher.settings import Settings as PusherSettings
from dag_standalone.standalone import POOL, standalone

OPERATING = Path(__file__).parents[2] / "docs" / "operating.md"
ROW = re.compile(r"^\| `?(gateway|pusher|monitor|dag up)`? \| (\d+) \| .*: (\d+) \| (\d+) \|$", re.MULTILINE)
SHARED = 2 * 2
"""What three processes have three times and one has once: the relay's lock and listener."""


@pytest.fixture
async def address(
    tmp_path: Path, database_url: str, amqp_url: str, amqp_namespace: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[str]:
    monkeypatch.setattr(dead_letters, "COUNT_SECONDS", 0.05)
    (tmp_path / "dag.yaml").write_text("providers: {}\niac: {}\napps: []\n")
    environ = {
        "DAG_DATABASE_URL": database_url,
        "DAG_AMQP_URL": amqp_url,
        "DAG_AMQP_NAMESPACE": amqp_namespace,
        "DAG_REGISTRY": str(tmp_path / "dag.yaml"),
        "DAG_DATA_DIR": str(tmp_path),
        "DAG_HTTP_PORT": str(free_port()),
    }
    async with standalone(environ) as address:
        yield address


async def test_one_process_keeps_to_its_namespace_and_counts_the_dead_letters_there(
    address: str, amqp_url: str, amqp_namespace: str
) -> None:
    bus = AmqpBus(amqp_url, namespace=amqp_namespace)
    await bus.send(PUSHER_QUEUE, Message(id="a", routing_key="deployment.requested", body=b"not a record"))
    async with httpx.AsyncClient(base_url=address, trust_env=False) as client:
        await soon(lambda: dead_letters_on(client), 1.0)
    assert [letter.message.id for letter in await bus.dead_letters(10)] == ["a"]
    await bus.close()


async def test_one_process_takes_the_sessions_that_operators_are_told(address: str, database: Database) -> None:
    told = {process: tuple(map(int, numbers)) for process, *numbers in ROW.findall(OPERATING.read_text())}
    assert [pool + own for pool, own, _ in told.values()] == [together for *_, together in told.values()]
    lanes = PusherSettings.__dataclass_fields__["lanes_at_once"].default
    pool, own, _ = told["dag up"]
    assert (pool, own) == (POOL, sum(told[each][1] for each in ("gateway", "pusher", "monitor")) - SHARED)
    await soon(lambda: sessions_of_its_own(database), {"dag-pulse": 1, "dag-session": own - 1 - lanes})


async def sessions_of_its_own(database: Database) -> Counter[str]:
    """How many there are of each name, those of pools left out."""
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT application_name FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name LIKE 'dag-%'"
        )
    return Counter(row["application_name"] for row in rows)


async def dead_letters_on(client: httpx.AsyncClient) -> float:
    """What the metrics page says."""
    (number,) = re.findall(r"^dag_dead_letters (\S+)$", (await client.get("/metrics")).text, re.MULTILINE)
    return float(number)


async def soon(ask: Callable[[], Awaitable[object]], wanted: object) -> None:
    """Ask until the answer is the one that is wanted."""
    answer: object = None
    try:
        async with asyncio.timeout(20):
            while (answer := await ask()) != wanted:  # noqa: ASYNC110 - neither server tells anybody
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{answer} is not {wanted}") from None
