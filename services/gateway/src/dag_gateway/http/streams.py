"""GET /api/deployments/:id/events: what happened, then what happens, until the deployment ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from dag_common.contracts.envelope import Recorded
from dag_common.contracts.events import DeploymentId
from dag_common.domain.deployment import Deployment
from dag_common.errors import NotFound, Unavailable
from dag_common.runtime.clock import monotonic
from dag_common.runtime.ids import jitter
from dag_gateway.feed import CUT, Ended, Feed, Subscription
from dag_gateway.http import wire
from dag_gateway.http.ids import deployment_id_of
from dag_gateway.queries.folding import tell, told

log = structlog.get_logger()

HEARTBEAT_SECONDS: Final = 15.0
SEND_SECONDS: Final = 30.0
"""A reader whose connection takes nothing for this long is cut."""

RETRY_MS: Final = 2000
REREAD_SECONDS: Final = 1.0
HEADERS: Final = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}

ReadStream = Callable[[DeploymentId, int], Awaitable[list[Recorded]]]
"""A deployment's records after a version, from the log."""


class EventStreams:
    """The endpoint, as ASGI: it holds a subscription for as long as its response lasts."""

    def __init__(self, feed: Feed, read: ReadStream, *, heartbeat_seconds: float = HEARTBEAT_SECONDS) -> None:
        self._feed = feed
        self._read = read
        self._heartbeat_seconds = heartbeat_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the stream, or raise `NotFound` for an id nobody has heard of."""
        request = Request(scope, receive)
        deployment_id = deployment_id_of(request)
        with self._feed.subscribe(deployment_id) as subscription:
            records = await self._read(deployment_id, 0)
            if not records:
                raise NotFound(f"There is no deployment {deployment_id}.")
            if request.method == "HEAD":
                response = Response(headers=HEADERS, media_type="text/event-stream")
            else:
                follower = Follower(subscription, self._read, self._heartbeat_seconds)
                response = EventStream(follower.blocks(records, _last_event_id(request, records)))
            await response(scope, receive, send)


class EventStream(StreamingResponse):
    """A response that gives up on a reader who takes nothing for 30 s."""

    media_type = "text/event-stream"

    def __init__(self, blocks: AsyncGenerator[bytes, None]) -> None:
        super().__init__(blocks, headers=HEADERS)
        self._blocks = blocks

    async def stream_response(self, send: Send) -> None:
        """Send block by block."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            async with aclosing(self._blocks) as blocks:
                async for chunk in blocks:
                    async with asyncio.timeout(SEND_SECONDS):
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except TimeoutError:
            CUT.inc()
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Follower:
    """Turns records into blocks, for one reader."""

    def __init__(self, subscription: Subscription, read: ReadStream, heartbeat_seconds: float) -> None:
        self._subscription = subscription
        self._read = read
        self._heartbeat_seconds = heartbeat_seconds
        self._behind = False
        self._state = Deployment(id=DeploymentId(""))

    async def blocks(self, records: list[Recorded], last_event_id: int | None) -> AsyncGenerator[bytes, None]:
        """Where it stands (or what was missed since `last_event_id`), then everything new, until the end."""
        self._state = tell(records[0].deployment_id, records)
        for block in _opening(self._state, records, last_event_id):
            yield block
        quiet_since = monotonic()
        while not self._state.ended:
            news = await self._news(max(0.0, quiet_since + self._heartbeat_seconds - monotonic()))
            for block in news or self._sign_of_life(quiet_since):
                quiet_since = monotonic()
                yield block
            if self._subscription.ended is not None and not self._state.ended:
                yield wire.retry_after(_retry_ms(self._subscription.ended))
                return

    def _sign_of_life(self, quiet_since: float) -> list[bytes]:
        due = monotonic() - quiet_since >= self._heartbeat_seconds
        return [wire.heartbeat(self._state.version)] if due else []

    async def _news(self, seconds: float) -> list[bytes]:
        records = await self._subscription.take(min(seconds, REREAD_SECONDS) if self._behind else seconds)
        fresh = [record for record in records if record.version > self._state.version]
        if self._behind or (fresh and fresh[0].version > self._state.version + 1):
            fresh = await self._reread()
        return list(self._steps(fresh))

    async def _reread(self) -> list[Recorded]:
        """What is missing, from the log; while that cannot be asked, the stream stays open and tries again."""
        try:
            missing = await self._read(self._state.id, self._state.version)
        except Unavailable as exc:
            log.warning("stream_waits_for_log", deployment_id=self._state.id, reason=exc.message)
            self._behind = True
            return []
        self._behind = False
        return missing

    def _steps(self, records: Iterable[Recorded]) -> Iterator[bytes]:
        for record in records:
            if self._state.ended:
                return
            before, self._state = self._state, told(self._state, record)
            yield wire.step(before, self._state)


def _opening(state: Deployment, records: list[Recorded], last_event_id: int | None) -> Iterator[bytes]:
    if last_event_id is None or (state.ended and last_event_id >= state.version):
        yield wire.status(state, retry_ms=RETRY_MS)
        yield from [] if state.ended else wire.snapshot(state)
        return
    yield from _missed(state, records, last_event_id)
    if not state.ended:
        yield wire.heartbeat(state.version, retry_ms=RETRY_MS)


def _missed(state: Deployment, records: list[Recorded], last_event_id: int) -> Iterator[bytes]:
    before = tell(state.id, records[:last_event_id])
    for record in records[last_event_id:]:
        after = told(before, record)
        yield wire.status(after) if state.ended else wire.step(before, after)
        before = after


def _last_event_id(request: Request, records: list[Recorded]) -> int | None:
    """The version the client saw last; none if it says nothing, or nothing that fits this stream."""
    text = request.headers.get("last-event-id", "").strip()
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(records[-1].version)):
        return None
    return int(text) if int(text) <= records[-1].version else None


def _retry_ms(reason: Ended) -> int:
    return int(jitter(RETRY_MS)) if reason is Ended.DRAINING else RETRY_MS
