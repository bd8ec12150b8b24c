"""The reflector over real HTTP against the cluster double: every way a watch can go wrong."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from conditions import until
from structlog.testing import capture_logs

from dag_monitor.cluster.access import Access, StoredCredentials
from dag_monitor.cluster.client import ClusterClient
from dag_monitor.cluster.pace import Pace
from dag_monitor.cluster.reflector import Reflector
from dag_monitor.cluster.reflectors import Reflectors
from dag_monitor.cluster.resources import HELM_RELEASES, SECRETS, Query, key_of
from dag_sandbox.cluster import resources as double_resources
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.faults import Fault
from dag_sandbox.cluster.selectors import Selection
from dag_sandbox.cluster.serving import ClusterApi

QUERY = Query(HELM_RELEASES, "default")
RELEASES = double_resources.HELM_RELEASES
HASTE = Pace(backoff_low=0.001, backoff_high=0.01, refused=0.01, healthy=0.0, idle=5)
SHORT = Pace(backoff_low=0.001, backoff_high=0.01, refused=0.01, healthy=0.0, watch_low=1, watch_high=1)


class Sight:
    """A cluster, its API and a reflector that watches it."""

    def __init__(self, api: ClusterApi, client: ClusterClient, reflector: Reflector) -> None:
        self.api, self.client, self.reflector = api, client, reflector
        self.cluster = api.cluster
        self.lists = 0
        real_list = client.list

        async def counted(query: Query) -> Any:
            self.lists += 1
            return await real_list(query)

        client.list = counted  # type: ignore[method-assign]

    def put(self, name: str, **spec: Any) -> dict[str, Any]:
        return self.cluster.put(RELEASES, {"metadata": {"name": name, "namespace": "default"}, "spec": spec})

    def break_with(self, **fault: Any) -> None:
        self.cluster.faults.add(Fault(**fault))

    async def agreed(self) -> None:
        """Wait until the copy is what a fresh list says and all faults have struck."""
        await until(lambda: not self.cluster.faults.waiting and self._equal())

    def _equal(self) -> bool:
        truth = self.cluster.list(RELEASES, Selection("default"))
        return dict(self.reflector.objects) == {key_of(obj): obj for obj in truth}


@contextlib.asynccontextmanager
async def looking(pace: Pace = HASTE, query: Query = QUERY) -> AsyncIterator[Sight]:
    async with ClusterApi(ClusterDouble()) as api:
        client = ClusterClient("prod", Access(api.url, StoredCredentials(token=lambda: api.token)))
        sight = Sight(api, client, Reflector(client, query, pace))
        task = asyncio.create_task(sight.reflector.run())
        try:
            await sight.reflector.synced()
            await until(lambda: sight.reflector.condition.watching_since and api.app.open_watches == 1)
            yield sight
        finally:
            task.cancel()
            await asyncio.wait([task])
            await client.aclose()


async def test_the_end_after_the_timeout_is_followed_by_a_watch_from_there() -> None:
    async with looking(SHORT) as sight:
        first = sight.reflector.condition.watching_since
        sight.put("before")
        await until(lambda: sight.reflector.condition.watching_since != first)
        sight.put("after")
        await sight.agreed()
        assert sight.lists == 1


async def test_bookmarks_carry_a_quiet_watch_over_forgotten_history() -> None:
    async with looking() as sight:
        sight.cluster.bookmark_seconds = 0.01
        sight.break_with(action="eof")
        await until(lambda: not sight.cluster.faults.waiting)
        for number in range(5):
            obj = {"metadata": {"name": f"noise-{number}", "namespace": "elsewhere"}}
            sight.cluster.create(double_resources.CONFIG_MAPS, obj)
        head = str(sight.cluster.history.head)
        await until(lambda: sight.reflector._resource_version == head)
        sight.cluster.history.forget()
        sight.break_with(action="eof")
        sight.put("web")
        await sight.agreed()
        assert sight.lists == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"action": "respond", "status": 410},
        {"action": "respond", "status": 504, "message": "Too large resource version: 9, current: 1"},
        {"action": "expire"},
    ],
)
async def test_lost_history_makes_it_list_anew_and_tell_deletions(fault: dict[str, Any]) -> None:
    async with looking() as sight:
        sight.put("gone")
        sight.put("kept")
        await sight.agreed()
        with sight.reflector.subscribe(lambda key: key[1] == "gone") as batches:
            assert (await anext(batches))[0].object is not None
            sight.break_with(verb="watch", **fault)
            if fault["action"] == "respond":
                sight.break_with(action="eof")
            sight.cluster.delete(RELEASES, "default", "gone")
            sight.cluster.history.forget()
            await sight.agreed()
            while batch := await anext(batches):
                if batch[0].object is None:
                    break
        assert sight.lists >= 2


@pytest.mark.parametrize("fault", [{"action": "reset"}, {"action": "error", "status": 500}])
async def test_a_broken_watch_goes_on_where_it_was(fault: dict[str, Any]) -> None:
    async with looking() as sight:
        sight.break_with(**fault)
        sight.put("web")
        await sight.agreed()
        assert sight.lists == 1


async def test_a_line_in_pieces_is_one_event() -> None:
    async with looking() as sight:
        sight.break_with(action="split", bytes=3)
        sight.put("web", text="many\u2028separators\u0085in one message")
        await sight.agreed()
        assert sight.lists == 1


async def test_a_line_of_two_megabytes_is_one_event() -> None:
    async with looking() as sight:
        sight.put("web", values="x" * 2_000_000)
        await sight.agreed()
        assert sight.lists == 1


@pytest.mark.parametrize("status", [429, 500, 503, 504])
async def test_a_busy_server_is_left_alone_for_as_long_as_it_asked(status: int) -> None:
    with capture_logs() as logs:
        async with looking() as sight:
            sight.break_with(action="respond", verb="watch", status=status, retry_after=0.3)
            sight.break_with(action="eof")
            await until(lambda: sight.reflector.condition.watching_since is None)
            sight.put("web")
            assert sight.reflector.condition.last_error
            await sight.agreed()
            assert sight.reflector.condition.last_error == ""
    assert [line["retry_in"] for line in logs if line["event"] == "watch_failed"] == [0.3]


async def test_a_rotated_token_is_taken_up_by_the_next_watch() -> None:
    async with looking() as sight:
        sight.cluster.rotate_token()
        sight.put("before")
        await sight.agreed()
        sight.break_with(action="eof")
        sight.put("after")
        await sight.agreed()
        assert (sight.lists, sight.reflector.condition.last_error) == (1, "")


@pytest.mark.parametrize(("status", "reason"), [(403, "Forbidden"), (404, "NotFound"), (401, "Unauthorized")])
async def test_what_somebody_has_to_fix_is_told_and_gone_when_it_is_fixed(status: int, reason: str) -> None:
    async with looking() as sight:
        sight.break_with(action="respond", verb="watch", status=status, times=0)
        sight.break_with(action="eof")
        await until(lambda: sight.reflector.condition.reason == reason)
        assert sight.reflector.condition.watching_since is None
        sight.cluster.faults.clear()
        sight.put("web")
        await sight.agreed()
        await until(lambda: sight.reflector.condition.reason == "")


async def test_a_kind_that_is_installed_later_is_found() -> None:
    async with ClusterApi(ClusterDouble()) as api:
        api.cluster.resources.discard(RELEASES)
        client = ClusterClient("prod", Access(api.url, StoredCredentials(token=lambda: api.token)))
        reflectors = Reflectors(client, pace=HASTE, linger=0)
        async with reflectors.reflect(QUERY) as reflector:
            await until(lambda: reflector.condition.reason == "NotFound")
            api.cluster.resources.add(RELEASES)
            await asyncio.wait_for(reflector.synced(), 20)
        await reflectors.aclose()
        await client.aclose()


async def test_silence_is_cut_and_the_watch_goes_on() -> None:
    async with looking(Pace(backoff_low=0.001, backoff_high=0.01, idle=0.2)) as sight:
        sight.break_with(action="silence")
        await until(lambda: not sight.cluster.faults.waiting)
        sight.put("web")
        await sight.agreed()


async def test_streams_that_end_at_once_make_it_list_anew() -> None:
    async with looking(Pace(backoff_low=0.001, backoff_high=0.01, healthy=3600)) as sight:
        sight.break_with(action="eof", times=3)
        await until(lambda: sight.lists == 2)


async def test_a_slow_server_is_waited_for() -> None:
    async with looking() as sight:
        sight.break_with(action="slow", verb="watch", seconds=0.2)
        sight.break_with(action="eof")
        sight.put("web")
        await sight.agreed()
        assert sight.lists == 1


async def test_secrets_are_followed_without_their_contents() -> None:
    query = Query(SECRETS, "default", label_selector="owner=helm", metadata_only=True)
    async with looking(query=query) as sight:
        name = "sh.helm.release.v1.web.v1"
        metadata = {"name": name, "namespace": "default", "labels": {"owner": "helm"}}
        sight.cluster.create(double_resources.SECRETS, {"metadata": metadata, "data": {"release": "c2VjcmV0"}})
        await until(lambda: len(sight.reflector.objects) == 1)
        assert "c2VjcmV0" not in str(dict(sight.reflector.objects))
        unlabel = {"metadata": {"labels": {"owner": None}}}
        sight.cluster.merge_patch(double_resources.SECRETS, "default", name, unlabel)
        await until(lambda: not sight.reflector.objects)


async def test_many_rollouts_in_one_namespace_hold_one_watch() -> None:
    async with ClusterApi(ClusterDouble()) as api:
        client = ClusterClient("prod", Access(api.url, StoredCredentials(token=lambda: api.token)))
        reflectors = Reflectors(client, pace=HASTE, linger=0)
        async with contextlib.AsyncExitStack() as stack:
            for number in range(500):
                namespace = f"team-{number % 5}"
                await stack.enter_async_context(reflectors.reflect(Query(HELM_RELEASES, namespace)))
            await until(lambda: api.app.open_watches == 5)
        await until(lambda: api.app.open_watches == 0)
        await reflectors.aclose()
        await client.aclose()


async def test_as_many_watches_as_are_wanted_leave_room_for_everything_else() -> None:
    """httpx alone would stop at a hundred connections."""
    async with ClusterApi(ClusterDouble()) as api:
        client = ClusterClient("prod", Access(api.url, StoredCredentials(token=lambda: api.token)))
        reflectors = Reflectors(client, pace=HASTE, linger=0)
        async with contextlib.AsyncExitStack() as stack:
            for number in range(150):
                await stack.enter_async_context(reflectors.reflect(Query(HELM_RELEASES, f"team-{number}")))
            await until(lambda: api.app.open_watches == 150)
            assert (await client.list(QUERY)).items == []
        await reflectors.aclose()
        await client.aclose()


async def test_a_cluster_that_is_down_does_not_slow_another() -> None:
    down = Reflectors(ClusterClient("down", Access("http://127.0.0.1:1")), pace=HASTE, linger=0)
    async with down.reflect(QUERY) as dark, looking() as sight:
        await until(lambda: dark.condition.last_error)
        sight.put("web")
        await sight.agreed()
        assert not dark.condition.synced
    await down.aclose()
