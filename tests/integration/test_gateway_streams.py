from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from examples import EVERY_EVENT, EVIDENCE, PUSHED, REQUESTED, TARGET, fresh_id
from gateway_world import Sent, World, rest_of, stream, world_on

from dag_common.contracts.events import (
    DeploymentFailed,
    DeploymentSucceeded,
    Event,
    MonitoringStarted,
    PushStarted,
    RolloutProgressed,
    RolloutSucceeded,
    ValidationStarted,
)
from dag_common.delivery import feed as delivery_feed
from dag_common.store.database import Database
from dag_gateway import feed
from dag_gateway.http import streams

WAY: tuple[Event, ...] = (
    REQUESTED,
    ValidationStarted(),
    PushStarted(attempt=1, base=""),
    PUSHED,
    MonitoringStarted(targets=(TARGET.id,)),
    RolloutProgressed(target=TARGET.id, message="upgrading"),
    RolloutSucceeded(target=TARGET.id, message="runs", evidence=EVIDENCE),
    DeploymentSucceeded(message="Deployment successful"),
)


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> AsyncIterator[World]:
    async with world_on(database, tmp_path) as world:
        yield world


def statuses(sent: list[Sent]) -> list[tuple[str, str]]:
    return [(each.data["status"], each.id) for each in sent if each.event == "status"]


async def next_of(events: AsyncIterator[Sent]) -> Sent:
    async with asyncio.timeout(20):
        return await anext(events)


async def test_a_deployment_is_told_from_where_it_stands_to_its_end(world: World) -> None:
    id_ = fresh_id()
    await world.append(id_, *WAY[:2])
    async with stream(world, id_) as events:
        first = await next_of(events)
        assert (first.event, first.id, first.retry) == ("status", "2", "2000")
        assert first.data == {"status": "validating", "message": "Checking the chart before it is committed"}
        await world.append(id_, *WAY[2:], first=3)
        rest = await rest_of(events)
    assert [each.event for each in rest] == [
        *("status", "commit", "status", "status"),
        *("target", "status", "target", "status", "status"),
    ]
    assert statuses(rest)[-1] == ("deployed", "8")
    assert rest[1].data == {"sha": PUSHED.commit, "url": PUSHED.commit_url}
    assert rest[1].id == "3", "an extra event stands under the version before, so that a cut never loses the status"
    assert set(rest[4].data) == {"cluster", "kind", "namespace", "name", "status", "message"}
    assert all(set(each.data) == {"status", "message"} for each in rest if each.event == "status")
    assert all(each.retry == "" for each in rest)


@pytest.mark.parametrize(
    "end",
    [DeploymentSucceeded(message="done"), DeploymentFailed(stage="pushing", reason="rejected", message="no")],
)
async def test_an_ended_deployment_is_one_event_and_the_stream_closes(world: World, end: Event) -> None:
    id_ = fresh_id()
    await world.append(id_, *WAY[:4], end)
    for last in (None, "5", "not a number", "99", "-1", "9" * 40, "\u00b2"):
        async with stream(world, id_, last) as events:
            (only,) = await rest_of(events)
        assert (only.event, only.id) == ("status", "5")


async def test_what_was_missed_comes_first_and_nothing_twice(world: World) -> None:
    id_ = fresh_id()
    await world.append(id_, *WAY[:6])
    for seen in range(7):
        async with stream(world, id_, str(seen)) as events:
            sent: list[Sent] = []
            while not sent or sent[-1].event != "heartbeat":
                sent.append(await next_of(events))
        assert [id_ for _, id_ in statuses(sent)] == [str(version) for version in range(seen + 1, 7)]


async def test_a_reader_that_is_cut_everywhere_sees_every_status_once_and_in_order(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_feed, "LOOK_SECONDS", 0.05)
    id_ = fresh_id()
    await world.append(id_, *WAY[:1])
    seen: list[tuple[str, str]] = []
    last: str | None = None
    for version, event in enumerate(WAY[1:], start=2):
        async with stream(world, id_, last) as events:
            if last is None:
                seen += statuses([await next_of(events)])
            await world.append(id_, event, first=version, told=version % 2 == 0)
            while not seen or seen[-1][1] != str(version):
                seen += statuses([await next_of(events)])
            last = seen[-1][1]
    assert [int(id_) for _, id_ in seen] == list(range(1, 9))


async def test_a_lost_message_is_read_from_the_log(world: World) -> None:
    id_, other = fresh_id(), fresh_id()
    await world.append(id_, REQUESTED)
    async with stream(world, id_) as events:
        await next_of(events)
        await world.append(id_, ValidationStarted(), first=2, told=False)
        await world.append(other, REQUESTED)
        assert (await next_of(events)).id == "2"


async def test_without_the_broker_updates_come_from_the_log(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_feed, "LOOK_SECONDS", 0.05)
    id_ = fresh_id()
    await world.append(id_, REQUESTED, told=False)
    async with stream(world, id_) as events:
        await next_of(events)
        await world.append(id_, *WAY[1:], first=2, told=False)
        assert statuses(await rest_of(events))[-1] == ("deployed", "8")


async def test_an_end_that_came_before_the_log_could_be_followed_reaches_its_stream(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    can_follow, follow = asyncio.Event(), feed.Feed.run

    async def follow_later(self: feed.Feed) -> None:
        await can_follow.wait()
        await follow(self)

    monkeypatch.setattr(feed.Feed, "run", follow_later)
    id_ = fresh_id()
    async with world_on(database, tmp_path) as world:
        await world.append(id_, REQUESTED)
        async with stream(world, id_) as events, asyncio.timeout(20):
            await next_of(events)
            await world.append(id_, DeploymentFailed(stage="pending", reason="x", message="y"), first=2, told=False)
            can_follow.set()
            assert statuses(await rest_of(events)) == [("failed", "2")]


async def test_two_streams_of_one_deployment_and_one_of_another_get_their_own(world: World) -> None:
    mine, other = fresh_id(), fresh_id()
    await world.append(mine, REQUESTED)
    await world.append(other, REQUESTED)
    async with stream(world, mine) as one, stream(world, mine) as two, stream(world, other) as three:
        for events in (one, two, three):
            await next_of(events)
        await world.append(mine, *WAY[1:], first=2)
        await world.append(other, DeploymentFailed(stage="validating", reason="x", message="y"), first=2)
        ends = [statuses(await rest_of(events)) for events in (one, two, three)]
    assert ends[0] == ends[1]
    assert ends[0][-1] == ("deployed", "8")
    assert ends[2] == [("failed", "2")]


async def test_a_quiet_stream_gives_signs_of_life(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams.EventStreams.__init__, "__kwdefaults__", {"heartbeat_seconds": 0.02})
    id_ = fresh_id()
    async with world_on(database, tmp_path) as world:
        await world.append(id_, REQUESTED)
        async with stream(world, id_) as events:
            await next_of(events)
            for _ in range(3):
                beat = await next_of(events)
                assert (beat.event, beat.data, beat.id) == ("heartbeat", {}, "1")


async def test_a_stream_that_lags_too_far_is_cut_and_resumes_where_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "MAX_WAITING", 3)
    id_ = fresh_id()
    await world.append(id_, REQUESTED, MonitoringStarted(targets=()))
    progress = [RolloutProgressed(target=TARGET.id, message=f"step {n}") for n in range(50)]
    async with stream(world, id_) as events:
        sent = [await next_of(events)]
        await world.append(id_, *progress, first=3)
        sent += await rest_of(events)
    assert sent[-1].retry == "2000"
    before = statuses(sent)
    async with stream(world, id_, before[-1][1]) as events:
        after = [await next_of(events)]
        while after[-1].event != "heartbeat":
            after.append(await next_of(events))
    ids = [int(version) for _, version in before + statuses(after)]
    assert all(second == first + 1 for first, second in pairwise(ids))
    assert ids[-1] == 52


async def test_a_stop_closes_streams_so_that_they_resume_elsewhere(world: World) -> None:
    id_ = fresh_id()
    await world.append(id_, REQUESTED)
    async with stream(world, id_) as events:
        await next_of(events)
        world.stop.set()
        (last,) = await rest_of(events)
    assert (last.event, last.data) == ("", None)
    assert 1000 <= int(last.retry) < 2000
    async with asyncio.timeout(10):
        await world.serving
    with pytest.raises(httpx.ConnectError):
        await world.client.get("/healthz")


async def test_unknown_ids_are_not_found(world: World) -> None:
    for id_ in (fresh_id(), "not-a-uuid"):
        answer = await world.client.get(f"/api/deployments/{id_}/events")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_a_head_of_a_stream_has_its_headers_and_no_body(world: World) -> None:
    id_ = fresh_id()
    await world.append(id_, REQUESTED)
    answer = await world.client.head(f"/api/deployments/{id_}/events")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["x-accel-buffering"] == "no"


async def test_nothing_stays_behind_when_readers_leave(world: World) -> None:
    id_ = fresh_id()
    await world.append(id_, *EVERY_EVENT[:2])
    open_before = feed.STREAMS._value.get()
    async with stream(world, id_) as events:
        await next_of(events)
        assert feed.STREAMS._value.get() == open_before + 1
    async with asyncio.timeout(10):
        while feed.STREAMS._value.get() != open_before:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
