"""Keeps a copy of a part of a cluster current: list, watch from there, resume, and list again when history is gone."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NoReturn, Protocol

import structlog

from dag_common.errors import DagError, NotFound, Refused, Unavailable
from dag_common.runtime import clock, ids
from dag_monitor.cluster.client import Listing, WatchEvent, WatchFrom
from dag_monitor.cluster.failures import UNAUTHORIZED, Expired
from dag_monitor.cluster.pace import Backoff, Pace
from dag_monitor.cluster.replica import Replica
from dag_monitor.cluster.resources import Key, Object, Query
from dag_monitor.cluster.subscription import Change, Subscription

_log: Final = structlog.get_logger()


class Collections(Protocol):
    """The two reads a reflector lives on; `ClusterClient` has them."""

    async def list(self, query: Query) -> Listing:
        """Everything the query means, at one moment."""

    def watch(self, query: Query, start: WatchFrom) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent]]:
        """What changes from there on."""


@dataclass(frozen=True, slots=True)
class Condition:
    """How far the copy can be trusted. `synced`: it was complete once. `watching_since` None: it may be old now.

    `last_error` is the sentence for people, empty while all is well; `reason` is set when somebody has to act:
    `Forbidden`, `Unauthorized` or `NotFound` (the kind is not installed).
    """

    synced: bool = False
    watching_since: datetime | None = None
    last_error: str = ""
    reason: str = ""


class Reflector:
    """One watch, however many readers. `run` does the work until it is cancelled and raises nothing of its own."""

    def __init__(self, source: Collections, query: Query, pace: Pace | None = None) -> None:
        self.query = query
        self.condition = Condition()
        self._source = source
        self._pace = pace or Pace()
        self._backoff = Backoff(self._pace.backoff_low, self._pace.backoff_high)
        self._replica = Replica()
        self._subscriptions: set[Subscription] = set()
        self._synced = asyncio.Event()
        self._resource_version: str | None = None
        self._fruitless = 0
        self._opened_at: float | None = None
        self._progressed = False
        self._log = _log.bind(query=str(query))

    @property
    def objects(self) -> Mapping[Key, Object]:
        """The copy, live: it changes whenever the loop runs. Its objects are shared: read them only."""
        return self._replica

    async def synced(self) -> None:
        """Return once the copy has been complete; wait with a deadline, for the cluster may be down."""
        await self._synced.wait()

    @contextlib.contextmanager
    def subscribe(self, wants: Callable[[Key], bool] = lambda _: True) -> Iterator[AsyncIterator[tuple[Change, ...]]]:
        """Follow the wanted keys: first what is there, then what changes; see `Subscription` for what a batch says."""
        subscription = Subscription(self._replica, wants)
        subscription.note(self._replica)
        if self._synced.is_set() or self.condition.last_error:
            subscription.wake()
        self._subscriptions.add(subscription)
        try:
            yield subscription.batches()
        finally:
            self._subscriptions.discard(subscription)

    async def run(self) -> NoReturn:
        """Keep the copy current for ever."""
        while True:
            wait = await self._round()
            await asyncio.sleep(wait)

    async def _round(self) -> float:
        """Watch once, after a list if one is needed; the seconds to wait before the next round."""
        self._opened_at, self._progressed = None, False
        try:
            if self._resource_version is None:
                await self._list()
            await self._watch(self._resource_version or "")
        except (Refused, NotFound) as exc:
            return self._refused(exc)
        except Unavailable as exc:
            return self._failed(exc, relist=isinstance(exc, Expired), at_least=exc.retry_after)
        except Exception as exc:  # noqa: BLE001  whatever it is, a watch that died silently would be worse
            return self._failed(exc, relist=True)
        return self._ended()

    async def _list(self) -> None:
        listing = await self._source.list(self.query)
        self._note(self._replica.replace(listing.items))
        self._resource_version = listing.resource_version
        self._fruitless = 0
        if not self._synced.is_set():
            self._synced.set()
            self._become(dataclasses.replace(self.condition, synced=True))

    async def _watch(self, resource_version: str) -> None:
        seconds = int(ids.between(self._pace.watch_low, self._pace.watch_high))
        start = WatchFrom(resource_version, seconds, self._pace.idle)
        async with self._source.watch(self.query, start) as events:
            self._opened_at = clock.monotonic()
            self._become(Condition(synced=True, watching_since=clock.now()))
            async for event in events:
                self._take(event)

    def _take(self, event: WatchEvent) -> None:
        self._resource_version = event.object["metadata"]["resourceVersion"]
        self._progressed = True
        if event.type != "BOOKMARK":
            self._note(self._replica.apply(event.type, event.object))

    def _ended(self) -> float:
        """A plain end is the server's right after the timeout: go on at once, unless it came suspiciously early."""
        if self._was_healthy():
            return 0.0
        self._count_fruitless()
        return self._backoff.next()

    def _failed(self, exc: Exception, *, relist: bool, at_least: float = 0.0) -> float:
        if not self._was_healthy() and self._opened_at is not None:
            self._count_fruitless()
        if relist:
            self._resource_version = None
        wait = max(min(at_least, self._pace.asked_for), self._backoff.next())
        self._tell(exc, reason="", wait=wait)
        return wait

    def _refused(self, exc: Refused | NotFound) -> float:
        reason = exc.reason if isinstance(exc, Refused) else "NotFound"
        wait = self._backoff.next() if reason == UNAUTHORIZED else ids.jitter(self._pace.refused)
        self._tell(exc, reason=reason, wait=wait)
        return wait

    def _was_healthy(self) -> bool:
        """Whether the stream lived long. One that lived long or brought something was none of the failures in a row."""
        healthy = self._opened_at is not None and clock.monotonic() - self._opened_at >= self._pace.healthy
        if healthy or self._progressed:
            self._backoff.reset()
            self._fruitless = 0
        return healthy

    def _count_fruitless(self) -> None:
        self._fruitless = 0 if self._progressed else self._fruitless + 1
        if self._fruitless >= self._pace.fruitless:
            self._resource_version = None

    def _tell(self, exc: Exception, *, reason: str, wait: float) -> None:
        said = str(exc) if isinstance(exc, DagError) else f"{type(exc).__name__}: {exc}"
        if said != self.condition.last_error:
            unexpected = None if isinstance(exc, DagError) else exc
            self._log.warning("watch_failed", error=said, reason=reason, retry_in=round(wait, 1), exc_info=unexpected)
        self._become(Condition(synced=self._synced.is_set(), last_error=said, reason=reason))

    def _become(self, condition: Condition) -> None:
        """Readers are woken when the meaning changed; a watch that was merely opened anew is no news."""
        news = dataclasses.replace(condition, watching_since=None) != dataclasses.replace(
            self.condition, watching_since=None
        )
        self.condition = condition
        if news:
            for subscription in self._subscriptions:
                subscription.wake()

    def _note(self, keys: set[Key]) -> None:
        if keys:
            for subscription in self._subscriptions:
                subscription.note(keys)
