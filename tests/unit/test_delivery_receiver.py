from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import structlog

from dag_common.bus.local import LocalBus
from dag_common.bus.seam import Message
from dag_common.contracts.topology import PUSHER_QUEUE
from dag_common.delivery import receiver as receiver_module
from dag_common.delivery.receiver import Receiver
from dag_common.errors import Conflict, Refused, Unavailable, Unreadable

Handle = Callable[[Message], Awaitable[None]]


def message(number: int = 1) -> Message:
    return Message(id=f"id-{number}", routing_key="deployment.requested", body=b"", traceparent="00-trace")


@asynccontextmanager
async def receiving(
    bus: LocalBus, handler: Handle, *, concurrency: int = 1, drain: float = 5
) -> AsyncIterator[asyncio.Task[None]]:
    receiver = Receiver(bus, PUSHER_QUEUE, handler, concurrency=concurrency, drain_seconds=drain)
    task = asyncio.create_task(receiver.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def what_is_left(bus: LocalBus) -> list[tuple[str, int]]:
    left: list[tuple[str, int]] = []
    async with bus.consume(PUSHER_QUEUE, prefetch=100) as deliveries:
        while True:
            try:
                async with asyncio.timeout(0.01):
                    delivery = await anext(deliveries)
            except TimeoutError:
                return left
            left.append((delivery.message.id, delivery.attempt))


class Script:
    """A handler that raises what is next on its list, then returns."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.calls = 0
        self.handled = asyncio.Event()

    async def __call__(self, _: Message) -> None:
        self.calls += 1
        if self._errors:
            raise self._errors.pop(0)
        self.handled.set()


@pytest.mark.parametrize(
    "errors",
    [
        [],
        [Conflict("someone was first"), Conflict("again")],
        [Unavailable("away")],
        [KeyError("a passing bug")],
    ],
)
async def test_a_message_comes_until_its_handler_returns_and_then_no_more(errors: list[Exception]) -> None:
    bus, handler = LocalBus(), Script(*errors)
    await bus.publish([message()])
    async with receiving(bus, handler), asyncio.timeout(10):
        await handler.handled.wait()
    assert handler.calls == len(errors) + 1
    assert await what_is_left(bus) == []
    assert await bus.dead_letters(10) == []


async def test_a_refused_message_is_gone() -> None:
    bus, handler = LocalBus(), Script(Refused("terminal", "it has ended"))
    await bus.publish([message(1), message(2)])
    async with receiving(bus, handler), asyncio.timeout(5):
        await handler.handled.wait()
    assert handler.calls == 2
    assert await what_is_left(bus) == []


async def test_what_cannot_be_read_is_a_dead_letter_that_can_be_replayed() -> None:
    bus, handler = LocalBus(), Script(Unreadable("a type from the future"))
    await bus.publish([message(1), message(2)])
    async with receiving(bus, handler), asyncio.timeout(5):
        await handler.handled.wait()
        (letter,) = await bus.dead_letters(10)
        assert (letter.message, letter.reason) == (message(1), "a type from the future")
        handler.handled.clear()
        await bus.replay(10)
        await handler.handled.wait()
    assert await bus.dead_letters(10) == []


async def test_no_more_handlers_run_at_once_than_allowed() -> None:
    bus = LocalBus()
    running, most = 0, 0
    done = asyncio.Event()
    seen: set[str] = set()

    async def handler(one: Message) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        seen.add(one.id)
        if len(seen) == 20:
            done.set()

    await bus.publish([message(number) for number in range(20)])
    async with receiving(bus, handler, concurrency=3), asyncio.timeout(5):
        await done.wait()
    assert most == 3


async def test_stopping_lets_the_handler_at_work_finish_and_gives_the_rest_back() -> None:
    bus = LocalBus()
    at_work, may_end = asyncio.Event(), asyncio.Event()

    async def handler(_: Message) -> None:
        at_work.set()
        await may_end.wait()

    await bus.publish([message(1), message(2)])
    async with receiving(bus, handler) as task, asyncio.timeout(5):
        await at_work.wait()
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        may_end.set()
    assert await what_is_left(bus) == [("id-2", 1)]


async def test_a_handler_that_does_not_end_in_time_is_cut_and_its_message_comes_again() -> None:
    bus = LocalBus()
    at_work, cut = asyncio.Event(), asyncio.Event()

    async def handler(_: Message) -> None:
        at_work.set()
        try:
            await asyncio.Event().wait()
        finally:
            cut.set()

    await bus.publish([message()])
    async with receiving(bus, handler, drain=0.01), asyncio.timeout(5):
        await at_work.wait()
    assert cut.is_set()
    assert await what_is_left(bus) == [("id-1", 2)]


async def test_a_message_given_back_by_many_stops_has_not_failed_yet() -> None:
    bus = LocalBus()
    await bus.publish([message()])
    for _ in range(5):
        async with bus.consume(PUSHER_QUEUE, prefetch=1) as deliveries:
            await anext(deliveries)
    handler = Script(KeyError("a passing bug"), KeyError("and another"))
    async with receiving(bus, handler), asyncio.timeout(20):
        await handler.handled.wait()
    assert handler.calls == 3
    assert await bus.dead_letters(10) == []


async def test_what_fails_again_and_again_is_set_aside_whatever_came_between() -> None:
    bus, bugs = LocalBus(), [KeyError("a bug") for _ in range(3)]
    handler = Script(bugs[0], Conflict("someone was first"), *bugs[1:])
    await bus.publish([message()])
    async with receiving(bus, handler), asyncio.timeout(20):
        while not (letters := await bus.dead_letters(10)):  # noqa: ASYNC110 - the bus tells nobody
            await asyncio.sleep(0.01)
    assert (handler.calls, letters[0].reason) == (4, "KeyError at attempt 4; the log has the traceback")


async def test_one_line_says_what_became_of_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver_module, "log", structlog.get_logger())
    bus, handler = LocalBus(), Script(Conflict("someone was first"))
    await bus.publish([message()])
    with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as lines:
        async with receiving(bus, handler), asyncio.timeout(5):
            await handler.handled.wait()
    handled = [line for line in lines if line["event"] == "message_handled"]
    assert [(line["outcome"], line["attempt"]) for line in handled] == [("retried", 1), ("done", 2)]
    assert handled[0]["reason"] == "someone was first"
    assert {line["message_id"] for line in handled} == {"id-1"}
    assert {line["traceparent"] for line in handled} == {"00-trace"}
