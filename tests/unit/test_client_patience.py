"""How long a client asks again, waits and listens, and what ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

import httpx
import pytest
from client_world import ID

from dag_client import following, gateway, session
from dag_client.answers import Refusal, Unreachable, wait_after
from dag_client.gateway import Gateway, Update
from dag_gateway.http.streams import HEARTBEAT_SECONDS


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(gateway, "monotonic", clock.monotonic)
    monkeypatch.setattr(gateway, "sleep", clock.sleep)
    return clock


async def ask(answer: Callable[[int], httpx.Response], patience: float) -> int:
    """How often a gateway that answers so was asked for a deployment, until it was told or the client gave up."""
    asked = 0

    def next_answer(_request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        return answer(asked)

    async with asyncio.timeout(10), httpx.AsyncClient(transport=httpx.MockTransport(next_answer)) as http:
        try:
            await Gateway(http, "http://dag", lambda _: None, timeout=patience).deployment(ID)
        except (Refusal, Unreachable):
            return -asked
    return asked


def busy(times: int, retry_after: str = "") -> Callable[[int], httpx.Response]:
    headers = {"Retry-After": retry_after} if retry_after else {}
    return lambda asked: httpx.Response(503, headers=headers) if asked <= times else httpx.Response(200, json={})


async def test_a_gateway_that_says_when_is_waited_for_as_long_as_the_user_would(clock: Clock) -> None:
    assert await ask(busy(2, "55"), patience=300) == 3
    assert clock.slept == [55, 55]


async def test_what_is_asked_for_later_than_the_user_would_wait_is_not_waited_for(clock: Clock) -> None:
    assert await ask(busy(9, "55"), patience=120) == -3
    assert await ask(busy(9, "3600"), patience=300) == -1
    assert clock.slept == [55, 55]


async def test_a_gateway_that_says_nothing_is_given_up_within_half_a_minute(clock: Clock) -> None:
    assert await ask(busy(10**6), patience=300) < 0
    assert gateway.PATIENCE_SECONDS / 2 < clock.now <= gateway.PATIENCE_SECONDS <= 30


async def test_a_gateway_that_starts_anew_between_its_answers_is_still_waited_for(clock: Clock) -> None:
    def answer(asked: int) -> httpx.Response:
        if asked == 2:
            raise httpx.ConnectError("gone")
        return busy(1, "55")(asked)

    assert await ask(answer, patience=300) == 3


async def test_a_request_that_took_too_long_to_arrive_is_sent_again(clock: Clock) -> None:
    assert await ask(lambda asked: httpx.Response(408 if asked == 1 else 200, json={}), patience=300) == 2
    assert len(clock.slept) == 1


@pytest.mark.parametrize(("said", "wait"), [("7", 7.0), ("0", 0.1)])
def test_a_client_waits_as_long_as_it_is_told(said: str, wait: float) -> None:
    assert wait_after(Refusal("Deploy", httpx.Response(429, headers={"Retry-After": said}), ""), 1) == wait


def test_a_redirect_is_told_with_its_goal_and_without_a_password() -> None:
    moved = httpx.Response(301, headers={"Location": "https://new.example.com/api/deploy"})
    assert str(Refusal("Deploy", moved, "")).startswith(
        "Deploy failed (301): it sends to another address https://new.example.com/api/deploy; --server"
    )
    secret = httpx.Response(302, headers={"Location": "https://me:hunter2@new.example.com"})
    assert "hunter2" not in str(Refusal("Deploy", secret, ""))


class Quiet:
    """A stream that says one thing and then nothing."""

    def __init__(self) -> None:
        self.opened = 0

    async def events(self, deployment_id: str, after: str) -> AsyncGenerator[Update, None]:
        self.opened += 1
        status = "deployed" if self.opened > 1 else "pushing"
        yield Update("status", str(self.opened), {"status": status})
        await asyncio.Event().wait()


async def test_a_stream_that_falls_silent_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "SILENCE_SECONDS", 0.05)
    stream, notes = Quiet(), list[str]()
    async with asyncio.timeout(10):
        seen = [update.data["status"] async for update in following.follow(stream, ID, notes.append)]
    assert (seen, stream.opened) == (["pushing", "deployed"], 2)
    assert len(notes) == 1


def test_silence_is_longer_than_a_heartbeat_and_no_longer_than_the_earlier_clients_bear() -> None:
    assert HEARTBEAT_SECONDS < following.SILENCE_SECONDS <= 30


def test_the_wait_leaves_the_gateway_half_a_minute_to_tell_its_own_verdict() -> None:
    assert session.GRACE_SECONDS == 30
