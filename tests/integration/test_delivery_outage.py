"""What the bus on RabbitMQ does when the connection breaks."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractExchange
from servers.wire import Wire, wire_to

from dag_common.bus import amqp_link
from dag_common.bus.amqp import AmqpBus
from dag_common.bus.amqp_topology import Topology
from dag_common.bus.seam import Message
from dag_common.contracts.topology import DEAD_LETTERS, PUSHER_QUEUE
from dag_common.errors import Invalid, Unavailable


@pytest.fixture
async def wire(amqp_url: str) -> AsyncIterator[Wire]:
    async with wire_to(amqp_url) as wire:
        yield wire


@pytest.fixture
async def bus(wire: Wire, amqp_namespace: str) -> AsyncIterator[AmqpBus]:
    bus = AmqpBus(wire.url, namespace=amqp_namespace)
    yield bus
    await bus.close()


def messages(count: int) -> list[Message]:
    return [Message(id=str(uuid.uuid4()), routing_key="deployment.requested", body=b"{}") for _ in range(count)]


async def persistently(attempt: Callable[[], Awaitable[None]]) -> None:
    async with asyncio.timeout(20):
        while True:
            with suppress(Unavailable):
                return await attempt()
            await asyncio.sleep(0.05)


async def test_publishing_without_a_broker_is_unavailable_and_works_again_when_it_is_back(
    bus: AmqpBus, wire: Wire
) -> None:
    await bus.publish(messages(1))
    assert bus.connected is False, "nothing is consumed yet"
    wire.cut()
    with pytest.raises(Unavailable):
        await bus.publish(messages(1))
    with pytest.raises(Unavailable, match="cannot be asked") as failure:
        await bus.publish(messages(1))
    assert "guest" not in str(failure.value)
    wire.mend()
    await persistently(bus.ping)
    await bus.publish(messages(1))


async def test_a_consumer_goes_on_after_the_broker_was_away_and_loses_nothing(bus: AmqpBus, wire: Wire) -> None:
    sent = messages(4)
    await bus.publish(sent)
    async with bus.consume(PUSHER_QUEUE, prefetch=2) as deliveries:
        async with asyncio.timeout(10):
            done = await anext(deliveries)
            await done.ack()
            stale = await anext(deliveries)
        wire.cut()
        with suppress(Unavailable):
            await stale.ack()
        wire.mend()
        got: dict[str, int] = {}
        async with asyncio.timeout(20):
            while not {message.id for message in sent[1:]} <= set(got):
                delivery = await anext(deliveries)
                got[delivery.message.id] = delivery.attempt
                await delivery.ack()
    assert got[stale.message.id] == 2


async def test_a_batch_cut_off_mid_way_is_either_confirmed_or_unavailable(bus: AmqpBus, wire: Wire) -> None:
    await bus.publish([Message(id="opens", routing_key="rollout.progressed", body=b"{}")])
    sent = messages(3000)
    publishing = asyncio.create_task(bus.publish(sent))
    await asyncio.sleep(0)
    wire.drop()
    with pytest.raises(Unavailable):
        await publishing
    await persistently(lambda: bus.publish(sent))
    seen: set[str] = set()
    async with bus.consume(PUSHER_QUEUE, prefetch=200) as deliveries, asyncio.timeout(60):
        while len(seen) < len(sent):
            delivery = await anext(deliveries)
            seen.add(delivery.message.id)
            await delivery.ack()
    assert seen == {message.id for message in sent}


async def test_a_follower_is_told_to_ask_the_log_after_a_reconnection(bus: AmqpBus, wire: Wire) -> None:
    async with bus.follow() as following, asyncio.timeout(20):
        assert await anext(following) is None
        wire.drop()
        assert await anext(following) is None
        sent = messages(1)
        await persistently(lambda: bus.publish(sent))
        assert await anext(following) == sent[0]


async def test_a_message_whose_handler_keeps_dying_is_set_aside_by_the_broker(bus: AmqpBus) -> None:
    sent = messages(1)
    await bus.publish(sent)
    for _ in range(21):
        async with bus.consume(PUSHER_QUEUE, prefetch=1) as deliveries, asyncio.timeout(10):
            await anext(deliveries)

    async def dead() -> None:
        if not await bus.dead_letters(1):
            raise Unavailable("not yet")

    await persistently(dead)
    (letter,) = await bus.dead_letters(10)
    assert (letter.message, letter.queue) == (sent[0], PUSHER_QUEUE)
    assert letter.reason == "set aside by the broker: delivery_limit"


async def test_a_queue_of_other_settings_is_named_with_what_to_do(
    bus: AmqpBus, amqp_url: str, amqp_namespace: str
) -> None:
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        await channel.declare_queue(f"{amqp_namespace}{DEAD_LETTERS}", durable=True)
        with pytest.raises(Unavailable, match=f"{DEAD_LETTERS}.*delete it"):
            await bus.publish(messages(1))


@pytest.mark.parametrize("url", ["", "localhost:5672", "http://localhost", "amqp://", "amqp://host:port/"])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(Invalid, match="amqp://user:password@host:5672/vhost"):
        AmqpBus(url)


async def test_a_wrong_password_is_unavailable_and_stays_secret(amqp_url: str) -> None:
    bus = AmqpBus(amqp_url.replace("guest:guest", "guest:planted-secret"))
    with pytest.raises(Unavailable) as failure:
        await bus.ping()
    assert "planted-secret" not in str(failure.value)
    await bus.close()


async def test_what_a_consumer_holds_goes_to_another_when_its_network_falls_silent(
    bus: AmqpBus, wire: Wire, amqp_url: str, amqp_namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker misses the heartbeats; the connection itself stays open."""
    monkeypatch.setattr(amqp_link, "HEARTBEAT_SECONDS", 1)
    silent, other = AmqpBus(wire.url, namespace=amqp_namespace), AmqpBus(amqp_url, namespace=amqp_namespace)
    sent = messages(1)
    await bus.publish(sent)
    async with silent.consume(PUSHER_QUEUE, prefetch=1) as held:
        async with asyncio.timeout(20):
            await anext(held)
        wire.silence()
        async with other.consume(PUSHER_QUEUE, prefetch=1) as deliveries, asyncio.timeout(20):
            delivery = await anext(deliveries)
            assert (delivery.message, delivery.attempt) == (sent[0], 2)
            await delivery.ack()
        wire.drop()
    await asyncio.gather(silent.close(), other.close())


async def test_many_who_wait_for_a_silent_broker_hear_of_it_together(bus: AmqpBus, wire: Wire) -> None:
    wire.silence()
    async with asyncio.timeout(3 * amqp_link.CONNECT_SECONDS):
        answers = await asyncio.gather(
            *(bus.send(PUSHER_QUEUE, message) for message in messages(20)), return_exceptions=True
        )
    assert {type(answer) for answer in answers} == {Unavailable}


async def test_a_broker_that_falls_silent_does_not_answer_a_ping_and_does_when_it_is_back(
    bus: AmqpBus, wire: Wire
) -> None:
    await bus.ping()
    wire.silence()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await bus.ping()
    wire.cut()
    wire.speak()
    wire.mend()
    await persistently(bus.ping)


async def test_a_consumer_goes_on_after_an_error_that_nobody_foresaw(
    bus: AmqpBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = messages(1)
    await bus.publish(sent)
    declare, failures = Topology.declare, iter([KeyError("from inside the driver")])

    async def declare_badly_once(self: Topology, channel: AbstractChannel) -> AbstractExchange:
        for failure in failures:
            raise failure
        return await declare(self, channel)

    monkeypatch.setattr(Topology, "declare", declare_badly_once)
    async with bus.consume(PUSHER_QUEUE, prefetch=1) as deliveries, asyncio.timeout(20):
        assert (await anext(deliveries)).message == sent[0]


async def test_a_consumer_ends_although_the_driver_forgot_a_cancellation(
    bus: AmqpBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare, reached = Topology.declare, asyncio.Event()

    async def declare_and_forget(self: Topology, channel: AbstractChannel) -> AbstractExchange:
        reached.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return await declare(self, channel)

    monkeypatch.setattr(Topology, "declare", declare_and_forget)
    async with asyncio.timeout(20), bus.consume(PUSHER_QUEUE, prefetch=1):
        await reached.wait()


async def test_a_waiting_room_that_cannot_be_had_does_not_hurt_what_others_publish(
    bus: AmqpBus, amqp_url: str, amqp_namespace: str
) -> None:
    sent = messages(1)
    await bus.publish(sent)
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        await channel.declare_queue(f"{amqp_namespace}{PUSHER_QUEUE}.wait-1s", durable=True)
    async with bus.consume(PUSHER_QUEUE, prefetch=1) as deliveries, asyncio.timeout(20):
        delivery = await anext(deliveries)
        publishing = asyncio.create_task(bus.publish(messages(2000)))
        with pytest.raises(Unavailable, match="other settings"):
            await delivery.retry(0)
        await publishing
        await delivery.ack()
