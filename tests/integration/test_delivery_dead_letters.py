"""Messages that no handler could take: set aside, counted, shown to an operator, and sent back."""

from __future__ import annotations

import asyncio
import json
import math
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import httpx
import pytest
from acceptance.harness.ports import free_port
from conditions import until
from examples import fresh_id

from dag_common.bus.amqp import AmqpBus
from dag_common.bus.local import LocalBus
from dag_common.bus.seam import Message
from dag_common.contracts.codec import decode, decode_record, encode_record
from dag_common.contracts.envelope import GENESIS_HASH, Recorded, stream_of
from dag_common.contracts.topology import PUSHER_QUEUE
from dag_common.delivery import dead_letters
from dag_common.delivery.dead_letters import count_dead_letters
from dag_common.delivery.metrics import DEAD_LETTERS
from dag_common.delivery.receiver import Receiver
from dag_common.errors import Unavailable
from dag_common.runtime.clock import now
from dag_common.runtime.lifecycle import background
from dag_monitor.bootstrap import run_monitor
from dag_monitor.settings import Settings


@pytest.fixture
async def bus(amqp_url: str, amqp_namespace: str) -> AsyncIterator[AmqpBus]:
    bus = AmqpBus(amqp_url, namespace=amqp_namespace)
    yield bus
    await bus.close()


async def dag(amqp_url: str, namespace: str, *arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("dag")),
        "dead-letters",
        *arguments,
        env={"DAG_AMQP_URL": amqp_url, "DAG_AMQP_NAMESPACE": namespace, "NO_COLOR": "1", "COLUMNS": "200"},
        stdout=-1,
        stderr=-1,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def record(type_: str, schema: int) -> bytes:
    id_, moment = fresh_id(), now()
    return encode_record(
        Recorded(
            position=1,
            event_id="a",
            stream=stream_of(id_),
            version=1,
            type=type_,
            schema=schema,
            occurred_at=moment,
            recorded_at=moment,
            correlation_id=id_,
            causation_id="",
            service="gateway",
            traceparent="",
            payload="{}",
            hash=GENESIS_HASH,
        )
    )


def message(id_: str, body: bytes) -> Message:
    return Message(id=id_, routing_key="deployment.requested", body=body)


POISON = [
    message("unreadable", b"\xff not JSON"),
    message("from-the-future", record("deployment.paused", 1)),
    message("deadly", record("validation.started", 1)),
]


class Handler:
    """Reads as a handler does and dies of what it can read; `mended`, it takes everything."""

    def __init__(self) -> None:
        self.mended = False
        self.handled: set[str] = set()

    async def __call__(self, message: Message) -> None:
        if not self.mended:
            decode(decode_record(message.body))
            raise ZeroDivisionError
        self.handled.add(message.id)


async def test_poison_is_set_aside_counted_shown_and_taken_once_its_cause_is_gone(
    bus: AmqpBus, amqp_url: str, amqp_namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "COUNT_SECONDS", 0.05)
    receiver = Receiver(bus, PUSHER_QUEUE, handler := Handler(), concurrency=1)
    await bus.publish(POISON)
    async with background(receiver=receiver.run, count=partial(count_dead_letters, bus)):
        await until(lambda: gauge() == 3, seconds=30)
        code, out, err = await dag(amqp_url, amqp_namespace, "list", "--json")
        assert (code, err) == (0, "")
        shown = {one.pop("id"): one for one in map(json.loads, out.splitlines())}
        assert {one["queue"] for one in shown.values()} == {"dag.pusher"}
        assert {name: (one["attempt"], one["reason"]) for name, one in shown.items()} == {
            "unreadable": (1, "message body is not an event record: JSON is malformed: invalid character (byte 0)"),
            "from-the-future": (1, "event a has the unknown type 'deployment.paused'"),
            "deadly": (3, "ZeroDivisionError at attempt 3; the log has the traceback"),
        }
        handler.mended = True
        assert (await dag(amqp_url, amqp_namespace, "replay"))[:2] == (0, "replayed 3\n")
        await until(lambda: handler.handled == {"unreadable", "from-the-future", "deadly"})
        await until(lambda: gauge() == 0)
    assert math.isnan(gauge()), "nobody counts any more"


async def test_an_operator_lists_dead_letters_and_sends_them_back(
    bus: AmqpBus, amqp_url: str, amqp_namespace: str
) -> None:
    assert (await dag(amqp_url, amqp_namespace, "list"))[:2] == (0, "There are no dead letters.\n")
    await set_aside(bus, "letter-[bold]1", "a type from the future")
    code, out, _ = await dag(amqp_url, amqp_namespace, "list", "--limit", "5")
    head, row = (line.split() for line in out.splitlines())
    assert (code, head) == (0, ["id", "type", "queue", "attempt", "reason"])
    assert row == ["letter-[bold]1", "deployment.requested", "dag.pusher", "1", "a", "type", "from", "the", "future"]
    assert (await dag(amqp_url, amqp_namespace, "replay", "--limit", "5"))[:2] == (0, "replayed 1\n")
    async with bus.consume(PUSHER_QUEUE, prefetch=1) as deliveries, asyncio.timeout(20):
        assert (await anext(deliveries)).message.id == "letter-[bold]1"
    assert await bus.dead_letters(10) == []


async def test_a_message_that_was_retried_before_the_broker_set_it_aside_goes_back_to_its_own_queue(
    bus: AmqpBus,
) -> None:
    await bus.publish([message("letter-1", b"{}")])
    async with bus.consume(PUSHER_QUEUE, prefetch=1) as deliveries, asyncio.timeout(20):
        await (await anext(deliveries)).retry(0)
        await anext(deliveries)
    for _ in range(20):
        async with bus.consume(PUSHER_QUEUE, prefetch=1) as deliveries, asyncio.timeout(20):
            await anext(deliveries)
    async with asyncio.timeout(20):
        while not await bus.count():  # noqa: ASYNC110 - the broker tells nobody
            await asyncio.sleep(0.05)
    (letter,) = await bus.dead_letters(10)
    assert (letter.queue, letter.reason) == (PUSHER_QUEUE, "set aside by the broker: delivery_limit")
    assert await bus.replay(10) == 1


async def test_letters_of_no_queue_do_not_stand_in_the_way_of_others(bus: AmqpBus) -> None:
    foreign = message("foreign", b"{}")
    await bus.publish([foreign])
    async with bus.consume(PUSHER_QUEUE, prefetch=1) as deliveries, asyncio.timeout(20):
        delivery = await anext(deliveries)
        delivery._queue = "a.queue.of.yesterday"  # type: ignore[attr-defined]
        await delivery.dead_letter("its queue is gone")
    await set_aside(bus, "ours", "whatever")
    assert await bus.replay(1) == 1
    assert [letter.message for letter in await bus.dead_letters(10)] == [foreign]


async def test_in_one_process_the_same_gauge_counts_what_the_bus_itself_keeps() -> None:
    bus = LocalBus()
    await set_aside(bus, "letter-1", "whatever")
    async with background(count=partial(count_dead_letters, bus)):
        await until(lambda: gauge() == 1)


async def test_a_service_tells_their_number_on_its_metrics_page(
    bus: AmqpBus, amqp_url: str, amqp_namespace: str, database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "dag.yaml").write_text("providers: {}\niac: {}\napps: []\n")
    for number in range(2):
        await set_aside(bus, f"letter-{number}", "whatever")
    settings = Settings(
        database_url=database_url,
        amqp_url=amqp_url,
        amqp_namespace=amqp_namespace,
        registry=tmp_path / "dag.yaml",
        data_dir=tmp_path,
        health_port=free_port(),
    )
    stop = asyncio.Event()
    patient = httpx.AsyncHTTPTransport(retries=5)
    async with httpx.AsyncClient(transport=patient) as client, asyncio.TaskGroup() as group:
        group.create_task(run_monitor(settings, stop))
        await until(lambda: gauge() == 2)
        page = await client.get(f"http://127.0.0.1:{settings.health_port}/metrics")
        stop.set()
    assert "\ndag_dead_letters 2.0\n" in page.text


async def test_while_the_broker_is_away_nobody_says_how_many_there_are() -> None:
    DEAD_LETTERS.set(3)
    bus = AmqpBus("amqp://127.0.0.1:1/")
    with pytest.raises(Unavailable):
        await count_dead_letters(bus)
    assert math.isnan(gauge())
    await bus.close()


@pytest.mark.parametrize("arguments", [["drop"], ["replay", "--limit", "many"], ["list", "--limit", "0"]])
async def test_a_command_line_that_is_none_is_a_wrong_call(arguments: list[str]) -> None:
    code, out, err = await dag("amqp://guest:guest@127.0.0.1:1/", "", *arguments)
    assert (code, out, "Usage: dag dead-letters" in err) == (2, "", True)


async def test_a_broker_that_is_not_named_or_is_away_is_said_in_one_line() -> None:
    code, out, err = await dag("", "", "list")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "dead-letters: DAG_AMQP_URL is not set" in err
    code, out, err = await dag("amqp://guest:planted-secret@127.0.0.1:1/", "", "list")
    assert (code, out) == (1, "")
    assert "dead-letters: the message broker cannot be asked" in err
    assert "planted-secret" not in err


async def set_aside(bus: AmqpBus | LocalBus, id_: str, reason: str) -> None:
    await bus.publish([message(id_, b"{}")])
    async with bus.consume(PUSHER_QUEUE, prefetch=1) as deliveries, asyncio.timeout(20):
        await (await anext(deliveries)).dead_letter(reason)


def gauge() -> float:
    return float(DEAD_LETTERS._value.get())


async def test_a_broker_that_is_not_there_is_named_without_its_password() -> None:
    code, out, err = await dag("amqp://dag:sesame@127.0.0.1:1/", "", "list")
    assert (code, out) == (1, "")
    assert err.strip() == (
        "dead-letters: the message broker cannot be asked (AMQPConnectionError); 127.0.0.1:1: Connection refused"
    )
