"""The reflector over real HTTP: after any sequence of faults on the wire, it and all its readers hold a fresh list."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from conditions import until
from depth import trying_slowly
from hypothesis import given, note
from hypothesis import strategies as st
from structlog.testing import capture_logs

from dag_common.errors import NotFound
from dag_monitor.cluster.access import Access, StoredCredentials
from dag_monitor.cluster.client import ClusterClient
from dag_monitor.cluster.pace import Pace
from dag_monitor.cluster.reflector import Reflector
from dag_monitor.cluster.resources import HELM_RELEASES, Key, Object, Query, key_of
from dag_sandbox.cluster import resources as double_resources
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.faults import Fault
from dag_sandbox.cluster.selectors import Selection
from dag_sandbox.cluster.serving import ClusterApi

QUERY = Query(HELM_RELEASES, "default")
RELEASES = double_resources.HELM_RELEASES
TOO_LARGE = "Too large resource version: 9, current: 1"

ON_REQUESTS = st.builds(
    lambda verb, answer, times: Fault(action="respond", verb=verb, times=times, **answer),
    st.sampled_from(["list", "watch"]),
    st.sampled_from(
        [{"status": status} for status in (401, 403, 404, 410, 500, 503)]
        + [{"status": 429, "retry_after": 0.02}, {"status": 504, "message": TOO_LARGE}]
    ),
    st.integers(1, 3),
)
ON_STREAMS = st.sampled_from(
    [Fault(action=action) for action in ("expire", "reset", "split", "silence")]
    + [Fault(action="eof", times=times) for times in (1, 4)]
    + [Fault(action="error", status=status) for status in (401, 403, 410, 500)]
)
TEXTS = st.sampled_from(["plain", "many\u2028separators\u0085in\fone\x1cmessage", "\U0001f680", "x" * 2_000_000])
STEPS = st.lists(
    st.tuples(
        st.one_of(
            st.tuples(st.just("break"), st.one_of(ON_REQUESTS, ON_STREAMS)),
            st.tuples(st.just("write"), st.tuples(st.sampled_from("abc"), TEXTS)),
            st.tuples(st.sampled_from(["delete", "delete and forget"]), st.sampled_from("abc")),
            st.tuples(st.sampled_from(["forget", "rotate", "write elsewhere"]), st.none()),
        ),
        st.booleans(),
    ),
    max_size=15,
)


class Reader:
    """What one reader knows, from its batches alone."""

    def __init__(self, reflector: Reflector, wants: Callable[[Key], bool] = lambda _: True) -> None:
        self.wants = wants
        self.seen: dict[Key, Object] = {}
        self.task = asyncio.create_task(self._read(reflector))

    async def _read(self, reflector: Reflector) -> None:
        with reflector.subscribe(self.wants) as batches:
            async for batch in batches:
                for change in batch:
                    self.seen.pop(change.key, None)
                    if change.object is not None:
                        self.seen[change.key] = change.object


class Sight:
    """A cluster on the wire, the reflector that watches it, and its readers."""

    def __init__(self, api: ClusterApi, reflector: Reflector) -> None:
        self.cluster, self.reflector = api.cluster, reflector
        self.readers = [Reader(reflector), Reader(reflector, lambda key: key[1] == "a")]

    def play(self, step: str, detail: Any) -> None:
        if step == "break":
            self.cluster.faults.add(detail)
        if step == "write":
            self.put(detail[0], "default", detail[1])
        if step == "write elsewhere":
            self.put("a", "elsewhere", "")
        if step == "rotate":
            self.cluster.rotate_token()
        if "delete" in step:
            with contextlib.suppress(NotFound):
                self.cluster.delete(RELEASES, "default", detail)
        if "forget" in step:
            self.cluster.history.forget()

    def put(self, name: str, namespace: str, text: str) -> None:
        self.cluster.put(RELEASES, {"metadata": {"name": name, "namespace": namespace}, "spec": {"text": text}})

    def agreed(self) -> bool:
        truth = {key_of(obj): obj for obj in self.cluster.list(RELEASES, Selection("default"))}
        copies = [dict(self.reflector.objects), *(reader.seen for reader in self.readers)]
        wanted = [truth, *({key: truth[key] for key in truth if reader.wants(key)} for reader in self.readers)]
        return self.reflector.condition.watching_since is not None and copies == wanted


@contextlib.asynccontextmanager
async def looking(pace: Pace) -> AsyncIterator[Sight]:
    async with ClusterApi(ClusterDouble()) as api:
        client = ClusterClient("prod", Access(api.url, StoredCredentials(token=lambda: api.token)))
        sight = Sight(api, Reflector(client, QUERY, pace))
        task = asyncio.create_task(sight.reflector.run())
        try:
            yield sight
        finally:
            tasks = [task, *(reader.task for reader in sight.readers)]
            for each in tasks:
                each.cancel()
            await asyncio.wait(tasks)
            await client.aclose()


@trying_slowly(15)
@given(STEPS, st.sampled_from([0.0, 3600.0]), st.integers(0, 15))
async def test_after_any_faults_on_the_wire_every_reader_holds_a_fresh_list(
    steps: list[tuple[tuple[str, Any], bool]], healthy: float, late: int
) -> None:
    pace = Pace(backoff_low=0.001, backoff_high=0.01, refused=0.01, healthy=healthy, idle=0.2)
    note(f"{steps}")
    with capture_logs() as told:
        async with looking(pace) as sight:
            sight.cluster.bookmark_seconds = 0.02
            for name in "abc":
                sight.put(name, "default", "")
            await until(sight.agreed)
            for number, ((step, detail), pausing) in enumerate(steps):
                sight.play(step, detail)
                if number == late:
                    sight.readers.append(Reader(sight.reflector))
                if pausing:
                    await asyncio.sleep(0.005)
            sight.readers.append(Reader(sight.reflector))
            sight.put("last", "default", "")
            await until(sight.agreed)
            sight.cluster.faults.clear()
            sight.put("after-all", "default", "")
            await until(lambda: sight.agreed() and sight.reflector.condition.last_error == "")
    misread = [entry for entry in told if entry.get("exc_info") or "not a JSON object" in entry.get("error", "")]
    assert not misread, "no fault here sends what is no event, so nothing may look like it"
