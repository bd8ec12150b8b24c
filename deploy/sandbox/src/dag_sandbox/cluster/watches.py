"""Watch streams: one JSON event a line, bookmarks, an end after the timeout, and the faults that strike them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn

from dag_common.errors import Refused
from dag_common.runtime import clock
from dag_sandbox.cluster import answers
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.history import Change
from dag_sandbox.cluster.resources import Object, Resource


@dataclass(frozen=True, slots=True)
class WatchRequest:
    """What a client asked to follow. `since` None: begin with the current state as ADDED events."""

    resource: Resource
    matches: Callable[[Object], bool]
    since: int | None
    bookmarks: bool
    timeout_seconds: float
    partial: bool


class WatchStream:
    """One open watch; iterating it gives the bytes of the response body."""

    def __init__(self, cluster: ClusterDouble, request: WatchRequest, *, reset: Callable[[], None]) -> None:
        """Raises `Refused` (`Expired`) or `Unavailable` for a revision that cannot be followed."""
        self._cluster, self._request, self._reset = cluster, request, reset
        self._wake = asyncio.Event()
        initial = cluster.history.head if request.since is None else request.since
        self._initial = dict(cluster.stored(request.resource, at=initial)) if request.since is None else {}
        cluster.history.after(initial)
        self._revision = initial

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The stream until its timeout or a fault ends it."""
        deadline = clock.monotonic() + self._request.timeout_seconds
        with self._woken():
            for obj in self._initial.values():
                if self._request.matches(obj):
                    async for piece in self._sent("ADDED", obj):
                        yield piece
            async for piece in self._followed(deadline):
                yield piece

    async def _followed(self, deadline: float) -> AsyncIterator[bytes]:
        bookmark_at = clock.monotonic() + self._cluster.bookmark_seconds
        while True:
            self._wake.clear()
            ending = await self._ending()
            if ending is not None:
                yield ending
                return
            async for piece in self._news():
                yield piece
            if clock.monotonic() >= min(deadline, bookmark_at):
                yield self._bookmark()
                bookmark_at = clock.monotonic() + self._cluster.bookmark_seconds
            if clock.monotonic() >= deadline:
                return
            await self._rest(min(deadline, bookmark_at))

    async def _ending(self) -> bytes | None:
        """The last bytes of a stream that ends now, empty for a plain end; None when it goes on."""
        fault = self._cluster.faults.take("eof", "expire", "error", "silence", verb="watch", resource=self._plural)
        if fault is None:
            return self._expiry()
        if fault.action == "silence":
            await _forever()
        if fault.action == "eof":
            return b""
        if fault.action == "expire":
            return _error(410, f"too old resource version: {self._revision} ({self._cluster.history.head})")
        return _error(fault.status, fault.message or "the watch failed on demand")

    def _expiry(self) -> bytes | None:
        try:
            self._cluster.history.after(self._revision)
        except Refused as exc:
            return _error(410, exc.message)
        return None

    async def _news(self) -> AsyncIterator[bytes]:
        for change in self._cluster.history.after(self._revision):
            self._revision = change.revision
            if event := self._seen(change):
                async for piece in self._sent(*event):
                    yield piece

    async def _sent(self, type_: str, obj: Object) -> AsyncIterator[bytes]:
        line = _line(type_, answers.presented(obj, partial=self._request.partial))
        fault = self._cluster.faults.take("reset", "split", verb="watch", resource=self._plural)
        if fault is None:
            yield line
        elif fault.action == "split":
            for start in range(0, len(line), fault.bytes):
                yield line[start : start + fault.bytes]
                await asyncio.sleep(0)
        else:
            yield line[: len(line) // 2]
            self._reset()
            await _forever()

    def _seen(self, change: Change) -> tuple[str, Object] | None:
        """What this watcher sees of a change: an object that stops matching is gone for it."""
        if change.resource != self._request.resource:
            return None
        before = change.before is not None and self._request.matches(change.before)
        after = change.type != "DELETED" and self._request.matches(change.object)
        if not (before or after):
            return None
        return ("MODIFIED" if before else "ADDED") if after else "DELETED", change.object

    def _bookmark(self) -> bytes:
        if not self._request.bookmarks:
            return b""
        resource = self._request.resource
        kind, api_version = resource.kind, resource.api_version
        if self._request.partial:
            kind, api_version = "PartialObjectMetadata", "meta.k8s.io/v1"
        metadata = {"resourceVersion": str(self._revision), "creationTimestamp": None}
        return _line("BOOKMARK", {"kind": kind, "apiVersion": api_version, "metadata": metadata})

    @property
    def _plural(self) -> str:
        return self._request.resource.plural

    @contextlib.contextmanager
    def _woken(self) -> Iterator[None]:
        stops = [self._cluster.history.follow(self._wake.set), self._cluster.faults.follow(self._wake.set)]
        try:
            yield
        finally:
            for stop in stops:
                stop()

    async def _rest(self, until: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), max(0.0, until - clock.monotonic()))


def _line(type_: str, obj: Object) -> bytes:
    return answers.encoded({"type": type_, "object": obj}) + b"\n"


def _error(code: int, message: str) -> bytes:
    return _line("ERROR", answers.failure(code, message))


async def _forever() -> NoReturn:
    """Wait until the client goes away, which cancels the stream."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError("nothing sets this future")
