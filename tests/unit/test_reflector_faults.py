"""The reflector against a scripted cluster: whatever goes wrong, in the end its copy is what a fresh list says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any

import pytest
from conditions import until
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from dag_common.errors import NotFound, Refused, Unavailable, Unreadable
from dag_common.runtime import ids
from dag_monitor.cluster.client import Listing, WatchEvent, WatchFrom
from dag_monitor.cluster.failures import Expired
from dag_monitor.cluster.pace import Backoff, Pace
from dag_monitor.cluster.reflector import Reflector
from dag_monitor.cluster.reflectors import Reflectors
from dag_monitor.cluster.resources import HELM_RELEASES, Key, Object, Query

QUERY = Query(HELM_RELEASES, "default")
HASTE = Pace(backoff_low=0.0, backoff_high=0.001, refused=0.001, healthy=0.0)
FAULTS = ("expired", "broken", "forbidden", "unauthorized", "not found", "unreadable", "unexpected")


def error(fault: str) -> Exception:
    made: dict[str, Exception] = {
        "expired": Expired("too old resource version", retry_after=0),
        "broken": Unavailable("the connection broke", retry_after=0),
        "forbidden": Refused("Forbidden", "forbidden"),
        "unauthorized": Refused("Unauthorized", "unauthorized"),
        "not found": NotFound("no such resource"),
        "unreadable": Unreadable("not JSON"),
        "unexpected": KeyError("metadata"),
    }
    return made[fault]


def release(name: str, version: int) -> Object:
    return {"metadata": {"name": name, "namespace": "default", "uid": name, "resourceVersion": str(version)}}


class ScriptedCluster:
    """A collection with a history. Faults wait per place: lists, the opening of watches, open streams."""

    def __init__(self) -> None:
        self.version = 0
        self.objects: dict[Key, Object] = {}
        self.history: list[tuple[int, WatchEvent]] = []
        self.oldest = 0
        self.faults: dict[str, list[str]] = {"list": [], "open": [], "stream": []}
        self.lists = self.watches = 0
        self._changed = asyncio.Condition()

    async def list(self, _query: Query) -> Listing:
        self.lists += 1
        self._strike("list")
        return Listing(list(self.objects.values()), str(self.version))

    @contextlib.asynccontextmanager
    async def watch(self, _query: Query, start: WatchFrom) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        self.watches += 1
        self._strike("open")
        async with contextlib.aclosing(self._events(int(start.resource_version))) as events:
            yield events

    async def write(self, name: str, *, delete: bool = False) -> None:
        async with self._changed:
            key = ("default", name)
            known = self.objects.pop(key, None)
            if delete and known is None:
                return
            self.version += 1
            obj = release(name, self.version)
            if not delete:
                self.objects[key] = obj
            kind = "DELETED" if delete else "MODIFIED" if known else "ADDED"
            self.history.append((self.version, WatchEvent(kind, obj)))
            self._changed.notify_all()

    async def bookmark(self) -> None:
        async with self._changed:
            self.version += 1
            obj = {"metadata": {"resourceVersion": str(self.version)}}
            self.history.append((self.version, WatchEvent("BOOKMARK", obj)))
            self._changed.notify_all()

    async def forget(self) -> None:
        async with self._changed:
            self.history.clear()
            self.oldest = self.version
            self._changed.notify_all()

    async def fail(self, place: str, fault: str) -> None:
        async with self._changed:
            self.faults[place].append(fault)
            self._changed.notify_all()

    async def _events(self, since: int) -> AsyncGenerator[WatchEvent]:
        while True:
            if since < self.oldest:
                raise error("expired")
            for version, event in self._after(since):
                since = version
                yield event
            if self.faults["stream"][:1] == ["end"]:
                self.faults["stream"].pop(0)
                return
            self._strike("stream")
            async with self._changed:
                if since >= self.oldest and not self.faults["stream"] and not self._after(since):
                    await self._changed.wait()

    def _after(self, since: int) -> Sequence[tuple[int, WatchEvent]]:
        return [found for found in self.history if found[0] > since]

    def _strike(self, place: str) -> None:
        if self.faults[place]:
            raise error(self.faults[place].pop(0))


@contextlib.asynccontextmanager
async def running(reflector: Reflector) -> AsyncIterator[Reflector]:
    with capture_logs():
        task = asyncio.create_task(reflector.run())
        try:
            yield reflector
        finally:
            task.cancel()
            await asyncio.wait([task])


ACTIONS = st.one_of(
    st.tuples(st.sampled_from(["write", "delete", "lose"]), st.sampled_from("ab")),
    st.tuples(st.sampled_from(["list", "open"]), st.sampled_from(FAULTS)),
    st.tuples(st.just("stream"), st.sampled_from([*FAULTS, "end"])),
    st.tuples(st.sampled_from(["forget", "bookmark"]), st.just("")),
)
STEPS = st.lists(st.tuples(ACTIONS, st.booleans()), max_size=40)


async def play(cluster: ScriptedCluster, step: str, detail: str) -> None:
    match step:
        case "write":
            await cluster.write(detail)
        case "delete":
            await cluster.write(detail, delete=True)
        case "list" | "open" | "stream":
            await cluster.fail(step, detail)
        case "forget":
            await cluster.forget()
        case "lose":
            await cluster.write(detail, delete=True)
            await cluster.forget()
        case _:
            await cluster.bookmark()


@settings(max_examples=50, deadline=None)
@given(STEPS)
async def test_whatever_fails_the_copy_and_its_readers_end_up_with_what_a_list_says(
    steps: list[tuple[tuple[str, str], bool]],
) -> None:
    cluster = ScriptedCluster()
    seen: dict[Key, Object] = {}

    async def read(reflector: Reflector) -> None:
        with reflector.subscribe() as batches:
            async for batch in batches:
                for change in batch:
                    if change.object is None:
                        seen.pop(change.key, None)
                    else:
                        seen[change.key] = change.object

    async with running(Reflector(cluster, QUERY, HASTE)) as reflector:
        reader = asyncio.create_task(read(reflector))
        for (step, detail), pausing in steps:
            await play(cluster, step, detail)
            if pausing:
                await asyncio.sleep(0.002)
        await cluster.write("last")
        await until(lambda: reflector.objects == cluster.objects and seen == cluster.objects)
        assert reflector.condition.synced
        reader.cancel()
        await asyncio.wait([reader])


async def test_a_watch_resumes_where_it_ended_without_listing_again() -> None:
    cluster = ScriptedCluster()
    async with running(Reflector(cluster, QUERY, HASTE)) as reflector:
        await reflector.synced()
        await cluster.write("a")
        await until(lambda: reflector.objects == cluster.objects)
        await cluster.fail("stream", "end")
        await cluster.write("b")
        await until(lambda: reflector.objects == cluster.objects and cluster.watches == 2)
        assert cluster.lists == 1


async def test_a_bookmark_spares_the_list_after_history_moved_on() -> None:
    cluster = ScriptedCluster()
    async with running(Reflector(cluster, QUERY, HASTE)) as reflector:
        await reflector.synced()
        cluster.version = 40
        await cluster.bookmark()
        await until(lambda: reflector._resource_version == "41")
        await cluster.forget()
        await cluster.fail("stream", "end")
        await until(lambda: cluster.watches == 2)
        await cluster.write("a")
        await until(lambda: reflector.objects == cluster.objects)
        assert cluster.lists == 1


async def test_streams_that_end_at_once_three_times_make_it_list_anew() -> None:
    cluster = ScriptedCluster()
    cluster.faults["stream"] = ["end"] * 6
    suspicious = Pace(backoff_low=0.0, backoff_high=0.001, healthy=3600)
    async with running(Reflector(cluster, QUERY, suspicious)):
        await until(lambda: cluster.watches == 7)
        assert cluster.lists == 3


async def test_a_deletion_nobody_saw_is_told_after_the_next_list() -> None:
    cluster = ScriptedCluster()
    await cluster.write("a")
    await cluster.write("b")
    async with running(Reflector(cluster, QUERY, HASTE)) as reflector:
        await reflector.synced()
        with reflector.subscribe(lambda key: key[1] == "a") as batches:
            first = await anext(batches)
            assert [change.object is None for change in first] == [False]
            cluster.objects.pop(("default", "a"))
            cluster.version += 1
            await cluster.forget()
            told = [change async for change in _first_change(batches)]
        assert (told[0].key, told[0].object) == (("default", "a"), None)
        assert set(reflector.objects) == {("default", "b")}


async def _first_change(batches: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async with asyncio.timeout(20):
        async for batch in batches:
            for change in batch:
                yield change
                return


async def test_a_slow_reader_gets_each_object_once_and_as_it_is_now() -> None:
    cluster = ScriptedCluster()
    async with running(Reflector(cluster, QUERY, HASTE)) as reflector:
        await reflector.synced()
        with reflector.subscribe() as batches:
            await anext(batches)
            for _ in range(100):
                await cluster.write("a")
            await until(lambda: reflector.objects == cluster.objects)
            batch = await anext(batches)
        assert [change.object for change in batch] == [cluster.objects["default", "a"]]


@pytest.mark.parametrize(("fault", "reason"), [("forbidden", "Forbidden"), ("not found", "NotFound")])
async def test_missing_rights_and_kinds_are_told_to_readers_and_tried_again(fault: str, reason: str) -> None:
    cluster = ScriptedCluster()
    cluster.faults["list"] = [fault]
    patient = Pace(refused=0.2, healthy=0.0)
    async with running(Reflector(cluster, QUERY, patient)) as reflector:
        with reflector.subscribe() as batches:
            assert await anext(batches) == ()
            assert (reflector.condition.synced, reflector.condition.reason) == (False, reason)
            assert reflector.condition.last_error
            await anext(batches)
        await until(lambda: reflector.condition.watching_since is not None)
        assert (reflector.condition.last_error, reflector.condition.reason) == ("", "")


async def test_a_broken_watch_is_not_watching() -> None:
    cluster = ScriptedCluster()
    slow = Pace(backoff_low=3600, backoff_high=3600, healthy=0.0)
    async with running(Reflector(cluster, QUERY, slow)) as reflector:
        await until(lambda: reflector.condition.watching_since is not None)
        await cluster.fail("stream", "broken")
        await until(lambda: reflector.condition.watching_since is None)
        assert reflector.condition.synced
        assert reflector.condition.last_error == "the connection broke"


async def test_many_readers_of_one_query_share_one_watch() -> None:
    cluster = ScriptedCluster()
    reflectors = Reflectors(cluster, pace=HASTE, linger=0.0)
    async with contextlib.AsyncExitStack() as readers:
        all_readers = [await readers.enter_async_context(reflectors.reflect(QUERY)) for _ in range(500)]
        await all_readers[0].synced()
        await until(lambda: all_readers[0].condition.watching_since is not None)
        assert (len(set(map(id, all_readers))), cluster.lists, cluster.watches) == (1, 1, 1)
    await until(lambda: not reflectors.conditions())
    await reflectors.aclose()


async def test_a_reflector_lingers_for_the_next_reader() -> None:
    cluster = ScriptedCluster()
    reflectors = Reflectors(cluster, pace=HASTE, linger=3600)
    async with reflectors.reflect(QUERY) as first:
        await first.synced()
    async with reflectors.reflect(QUERY) as second:
        assert second is first
    assert list(reflectors.conditions()) == [QUERY]
    await reflectors.aclose()
    assert not reflectors.conditions()


@pytest.fixture
def longest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chance always says the longest."""
    monkeypatch.setattr(ids, "between", lambda _low, high: high)


@given(st.integers(1, 60))
def test_backoff_stays_between_its_bounds_and_starts_over(steps: int) -> None:
    backoff = Backoff(0.5, 30)
    assert all(0.5 <= backoff.next() <= 30 for _ in range(steps))
    backoff.reset()
    assert backoff.next() <= 1.5


@pytest.mark.usefixtures("longest")
async def test_waits_grow_while_a_cluster_fails_and_start_over_after_a_stream_that_brought_something() -> None:
    cluster = ScriptedCluster()
    reflector = Reflector(cluster, QUERY, Pace(backoff_low=1, backoff_high=30, healthy=3600))
    cluster.faults["list"] = ["broken"] * 5
    assert [await reflector._round() for _ in range(5)] == [3, 9, 27, 30, 30]
    cluster.faults["open"] = ["broken"]
    assert await reflector._round() == 30, "a list alone is no stream"
    await cluster.write("podinfo")
    cluster.faults["stream"] = ["broken"]
    assert await reflector._round() == 3


@pytest.mark.usefixtures("longest")
async def test_a_retry_after_of_an_hour_is_not_believed() -> None:
    class Busy(ScriptedCluster):
        async def list(self, query: Query) -> Listing:
            raise Unavailable("busy", retry_after=3600)

    reflector = Reflector(Busy(), QUERY, Pace(asked_for=60))
    assert await reflector._round() == 60
