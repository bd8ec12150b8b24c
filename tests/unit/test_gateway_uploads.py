"""What uploads may take: time by their pace, room by what they hold, places by what is being proven."""

from __future__ import annotations

import asyncio
import functools
import math
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from gateway_app import CHART, FORM, ID, MAX_CHART, TYPE, Behind, app_over, client_of, form, part, post
from starlette.requests import Request

from dag_common.contracts.events import DeploymentId
from dag_common.errors import TooLarge, Unavailable
from dag_gateway.handlers.request import Checked, RequestDeployment
from dag_gateway.http import bodies, patience, standstills
from dag_gateway.http.jobs import CHARTS_HELD, PLANS_AT_ONCE, REQUESTS_AT_ONCE
from dag_gateway.http.patience import PACE, Patience

FILES = {"chart": ("chart.tgz", CHART)}


@pytest.fixture
def behind() -> Behind:
    return Behind()


@pytest.fixture
async def client(behind: Behind) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app_over(behind)) as client:
        yield client


@pytest.mark.parametrize("path", ["/api/deploy", "/api/get/values"])
@pytest.mark.parametrize("every", [0.01, math.inf])
async def test_a_body_that_stalls_or_trickles_is_given_up(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, path: str, every: float
) -> None:
    monkeypatch.setattr(patience, "SILENCE_SECONDS", 0.05)

    async def slow() -> AsyncIterator[bytes]:
        yield part("notes", b"") if path == "/api/deploy" else b"{"
        while True:
            yield b" "
            await (asyncio.sleep(every) if math.isfinite(every) else asyncio.Event().wait())

    kind = TYPE if path == "/api/deploy" else "application/json"
    async with asyncio.timeout(20):
        answer = await client.post(path, content=slow(), headers={"Content-Type": kind})
    assert answer.status_code == 408


class Upload:
    """A request whose body is sent as far as it was told."""

    def __init__(self, client: httpx.AsyncClient, *pieces: bytes) -> None:
        self.go_on, self._sent, self._pieces = asyncio.Event(), asyncio.Event(), pieces
        asking = client.post("/api/deploy", content=self._body(), headers={"Content-Type": TYPE})
        self.answer = asyncio.create_task(asking)

    async def _body(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        self._sent.set()
        await self.go_on.wait()
        yield b"--gap--\r\n"

    async def sent(self) -> None:
        async with asyncio.timeout(20):
            await self._sent.wait()


async def test_uploads_that_send_nothing_take_no_room_from_others(client: httpx.AsyncClient, behind: Behind) -> None:
    idle = [Upload(client, form()) for _ in range(2 * REQUESTS_AT_ONCE)]
    for upload in idle:
        await upload.sent()
    assert (await post(client, form() + b"--gap--\r\n")).status_code == 200
    for upload in idle:
        upload.go_on.set()
        assert (await upload.answer).status_code == 200
    assert len(behind.commands) == len(idle) + 1


async def test_what_uploads_hold_together_is_bounded_and_free_again_when_they_are_answered(
    client: httpx.AsyncClient,
) -> None:
    big = part("notes", bytes(MAX_CHART))
    holding = [Upload(client, form(), big) for _ in range(CHARTS_HELD - 1)]
    for upload in holding:
        await upload.sent()
    refused = await post(client, form() + big + b"--gap--\r\n")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
    holding[0].go_on.set()
    assert (await holding[0].answer).status_code == 200
    assert (await post(client, form() + big + b"--gap--\r\n")).status_code == 200
    for upload in holding[1:]:
        upload.go_on.set()
        assert (await upload.answer).status_code == 200


async def test_no_more_requests_are_proven_at_once_than_there_are_places(behind: Behind) -> None:
    waiting, go_on = asyncio.Semaphore(0), asyncio.Event()

    async def deploy(_command: RequestDeployment) -> DeploymentId:
        waiting.release()
        await go_on.wait()
        return ID

    behind.deploy = deploy  # type: ignore[method-assign]
    async with client_of(app_over(behind)) as client:
        whole = form() + b"--gap--\r\n"
        proving = [asyncio.create_task(post(client, whole)) for _ in range(REQUESTS_AT_ONCE)]
        for _ in proving:
            await waiting.acquire()
        refused = await post(client, whole)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
        go_on.set()
        assert {(await each).status_code for each in proving} == {200}


@pytest.mark.parametrize(
    ("size", "every", "lasts"),
    [
        (1, 1.0, 10),
        (PACE // 2, 1.0, 20),
        (PACE, 1.0, 120),
        (64 * PACE, 9.0, 120),
        (64 * PACE, 11.0, 10),
        (1, 0.0, 10),
    ],
)
def test_a_body_is_waited_for_as_long_as_it_keeps_the_pace(size: int, every: float, lasts: float) -> None:
    body, now = Patience(1000.0), 1000.0
    for _ in range(1000):
        if (now := now + every) >= body.ends:
            break
        body.arrived(size, now)
    assert body.ends - 1000 == pytest.approx(lasts, abs=1.0)


async def test_a_gateway_that_stood_still_does_not_hold_it_against_what_waited_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "SILENCE_SECONDS", 1.0)
    monkeypatch.setattr(standstills, "TICK_SECONDS", 0.1)
    sent = [{"type": "http.request", "body": b"chart", "more_body": False}]

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.2)
        time.sleep(2.0)  # noqa: ASYNC251 - the process stands still, and with it the loop
        await asyncio.sleep(0.2)
        return sent.pop()

    request = Request({"type": "http", "headers": []}, receive)
    async with bodies.incoming(request, 100, TooLarge("too large")) as body:
        assert [chunk async for chunk in body.chunks()] == [b"chart"]


async def test_dry_runs_never_take_the_places_of_deployments(behind: Behind) -> None:
    waiting, go_on = asyncio.Semaphore(0), asyncio.Event()

    async def check(_command: RequestDeployment) -> Checked:
        waiting.release()
        await go_on.wait()
        raise Unavailable("the git host is silent")

    behind.check = check  # type: ignore[method-assign]
    async with client_of(app_over(behind)) as client:
        ask = functools.partial(client.post, "/api/deploy", files=FILES)
        plans = [asyncio.create_task(ask(data={**FORM, "dryRun": "true"})) for _ in range(PLANS_AT_ONCE)]
        for _ in plans:
            await waiting.acquire()
        one_more = await ask(data={**FORM, "dryRun": "true"})
        assert (one_more.status_code, one_more.headers["retry-after"]) == (503, "2")
        assert (await ask(data=FORM)).status_code == 200
        go_on.set()
        assert {(await plan).status_code for plan in plans} == {503}
