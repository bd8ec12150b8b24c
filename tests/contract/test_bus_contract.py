"""What every bus promises, held against each of them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Protocol, TypeVar

import pytest
from servers.namespaces import fresh_namespace

from dag_common.bus.amqp import AmqpBus
from dag_common.bus.local import LocalBus
from dag_common.bus.seam import Bus, DeadLetter, DeadLetters, Delivery, Message
from dag_common.contracts.topology import MONITOR_QUEUE, PUSHER_QUEUE

Item = TypeVar("Item")


class BusWithDeadLetters(Bus, DeadLetters, Protocol):
    """Both seams, as both implementations offer them."""


@pytest.fixture(params=["local", "amqp"])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[BusWithDeadLetters]:
    if request.param == "local":
        local = LocalBus()
        yield local
        await local.close()
        return
    url = request.getfixturevalue("amqp_url")
    async with fresh_namespace(url) as namespace:
        amqp = AmqpBus(url, namespace=namespace)
        yield amqp
        await amqp.close()


def message(routing_key: str = "deployment.requested", body: bytes = b"{}") -> Message:
    return Message(id=str(uuid.uuid4()), routing_key=routing_key, body=body, traceparent="00-ab-cd-01")


async def soon(items: AsyncIterator[Item]) -> Item:
    async with asyncio.timeout(15):
        return await anext(items)


async def nothing_more(items: AsyncIterator[Item]) -> bool:
    """Whether none comes although there is time for it; a slow machine can hide a fault here, never invent one."""
    try:
        async with asyncio.timeout(0.3):
            await anext(items)
    except TimeoutError:
        return True
    return False


async def test_a_message_published_before_any_consumer_exists_is_kept(bus: Bus) -> None:
    sent = message(body=b'{"n": 1}')
    await bus.publish([sent])
    async with bus.consume(PUSHER_QUEUE, prefetch=1) as deliveries:
        delivery = await soon(deliveries)
        assert (delivery.message, delivery.attempt) == (sent, 1)
        await delivery.ack()


async def test_a_message_goes_only_to_the_queues_bound_to_its_routing_key(bus: Bus) -> None:
    await bus.publish([message("deployment.requested"), message("rollout.progressed"), last := message("chart.pushed")])
    async with bus.consume(MONITOR_QUEUE, prefetch=5) as deliveries:
        assert (await soon(deliveries)).message == last
        assert await nothing_more(deliveries)


async def test_one_consumer_gets_the_messages_in_the_order_they_were_published(bus: Bus) -> None:
    sent = [message(body=str(n).encode()) for n in range(200)]
    await bus.publish(sent[:120])
    await bus.publish(sent[120:])
    got: list[Message] = []
    async with bus.consume(PUSHER_QUEUE, prefetch=10) as deliveries:
        while len(got) < len(sent):
            delivery = await soon(deliveries)
            got.append(delivery.message)
            await delivery.ack()
    assert got == sent


async def test_who_takes_nothing_more_gives_back_what_it_did_not_take_and_settles_what_it_did(bus: Bus) -> None:
    first, second, third = message(), message(), message()
    async with bus.consume(PUSHER_QUEUE, prefetch=2) as leaving:
        await bus.publish([first, second])
        taken = await soon(leaving)
        await leaving.stop()
        await bus.publish([third])
        async with bus.consume(PUSHER_QUEUE, prefetch=3) as staying:
            assert {(await soon(staying)).message.id for _ in range(2)} == {second.id, third.id}
            await taken.ack()
            assert await nothing_more(leaving)
    async with bus.consume(PUSHER_QUEUE, prefetch=3) as deliveries:
        assert {(await soon(deliveries)).message.id for _ in range(2)} == {second.id, third.id}
        assert await nothing_more(deliveries)


async def test_competing_consumers_get_each_message_once(bus: Bus) -> None:
    sent = [message() for _ in range(60)]
    got: list[str] = []
    all_came = asyncio.Event()
    all_at_work = asyncio.Barrier(3)

    async def work() -> None:
        async with bus.consume(PUSHER_QUEUE, prefetch=2) as deliveries:
            first = await anext(deliveries)
            await all_at_work.wait()
            await first.ack()
            got.append(first.message.id)
            async for delivery in deliveries:
                got.append(delivery.message.id)
                await delivery.ack()
                if len(got) >= len(sent):
                    all_came.set()

    tasks = [asyncio.create_task(work()) for _ in range(3)]
    await bus.publish(sent)

    async with asyncio.timeout(15):
        await all_came.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert sorted(got) == sorted(one.id for one in sent)
    async with bus.consume(PUSHER_QUEUE, prefetch=1) as deliveries:
        assert await nothing_more(deliveries)


async def test_no_more_than_prefetch_messages_are_in_hand_at_once(bus: Bus) -> None:
    await bus.publish([message() for _ in range(5)])
    async with bus.consume(PUSHER_QUEUE, prefetch=2) as deliveries:
        first = await soon(deliveries)
        await soon(deliveries)
        assert await nothing_more(deliveries)
        await first.ack()
        await soon(deliveries)
        assert await nothing_more(deliveries)


async def test_what_a_leaving_consumer_did_not_settle_comes_again_as_the_next_attempt(bus: Bus) -> None:
    sent = [message() for _ in range(3)]
    await bus.publish(sent)
    async with bus.consume(PUSHER_QUEUE, prefetch=3) as deliveries:
        await (await soon(deliveries)).ack()
        assert (await soon(deliveries)).attempt == 1
    async with bus.consume(PUSHER_QUEUE, prefetch=3) as deliveries:
        again = [await soon(deliveries), await soon(deliveries)]
        assert [delivery.message for delivery in again] == sent[1:]
        assert again[0].attempt == 2


async def test_failures_stand_as_the_last_retry_said_however_often_a_message_is_given_back(bus: Bus) -> None:
    await bus.publish([message()])
    async with bus.consume(PUSHER_QUEUE, prefetch=1) as deliveries:
        first = await soon(deliveries)
        assert first.failures == 0
        await first.retry(0, failures=2)
        await soon(deliveries)
    for attempt in (3, 4):
        async with bus.consume(PUSHER_QUEUE, prefetch=1) as deliveries:
            given_back = await soon(deliveries)
            assert (given_back.attempt, given_back.failures) == (attempt, 2)


async def test_settling_after_leaving_changes_nothing(bus: BusWithDeadLetters) -> None:
    await bus.publish([sent := message()])
    async with bus.consume(PUSHER_QUEUE, prefetch=1) as deliveries:
        left = await soon(deliveries)
    await left.ack()
    await left.retry(0)
    await left.dead_letter("too late")
    async with bus.consume(PUSHER_QUEUE, prefetch=5) as deliveries:
        assert (await soon(deliveries)).message == sent
        assert await nothing_more(deliveries)
    assert await bus.dead_letters(10) == []


async def test_a_retried_message_comes_again_later_with_the_attempt_counted(bus: Bus) -> None:
    await bus.publish([sent := message()])
    async with bus.consume(PUSHER_QUEUE, prefetch=1) as deliveries:
        for attempt in (1, 2, 3):
            delivery = await soon(deliveries)
            assert (delivery.message, delivery.attempt) == (sent, attempt)
            if attempt < 3:
                await delivery.retry(0.1)
        await delivery.ack()
        assert await nothing_more(deliveries)


async def test_a_waiting_retry_does_not_hold_up_other_messages(bus: Bus) -> None:
    await bus.publish([message(), other := message()])
    async with bus.consume(PUSHER_QUEUE, prefetch=1) as deliveries:
        await (await soon(deliveries)).retry(60)
        assert (await soon(deliveries)).message == other


async def test_dead_letters_are_seen_with_their_reason_and_stay_until_replayed(bus: BusWithDeadLetters) -> None:
    sent = [message(), message()]
    await bus.publish(sent)
    async with bus.consume(PUSHER_QUEUE, prefetch=2) as deliveries:
        for number in (1, 2):
            await (await soon(deliveries)).dead_letter(f"reason {number}")
        for _ in range(3):
            letters = {letter.message.id: letter for letter in await bus.dead_letters(10)}
            assert letters == {
                one.id: DeadLetter(message=one, queue=PUSHER_QUEUE, reason=f"reason {number}", attempt=1)
                for number, one in enumerate(sent, start=1)
            }
        assert len(await bus.dead_letters(1)) == 1
        assert await bus.replay(1) == 1
        again: Delivery = await soon(deliveries)
        assert again.attempt == 1
        await again.ack()
    assert [again.message, *(letter.message for letter in await bus.dead_letters(10))] in (sent, sent[::-1])


async def test_a_message_sent_to_one_queue_reaches_no_other(bus: Bus) -> None:
    await bus.send(MONITOR_QUEUE, sent := message("deployment.requested"))
    async with bus.consume(MONITOR_QUEUE, prefetch=1) as deliveries:
        assert (await soon(deliveries)).message == sent
    async with bus.consume(PUSHER_QUEUE, prefetch=1) as deliveries:
        assert await nothing_more(deliveries)


async def test_every_follower_sees_every_message_in_order_after_a_first_none(bus: Bus) -> None:
    await bus.publish([message("rollout.progressed")])
    sent = [message(key) for key in ("deployment.requested", "rollout.progressed", "deployment.failed")]
    async with bus.follow() as one, bus.follow() as two:
        assert await soon(one) is None
        assert await soon(two) is None
        await bus.publish(sent)
        for follower in (one, two):
            assert [await soon(follower) for _ in sent] == sent
            assert await nothing_more(follower)


async def test_the_traceparent_and_any_body_travel_unchanged(bus: Bus) -> None:
    sent = message(body=bytes(range(256)) * 2000)
    await bus.publish([sent])
    async with bus.consume(PUSHER_QUEUE, prefetch=1) as deliveries:
        assert (await soon(deliveries)).message == sent


async def test_it_answers_a_ping(bus: Bus) -> None:
    await bus.ping()
