"""Request bodies under a hard cap: nothing is held beyond it, and nothing is waited for beyond our patience."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from starlette.requests import ClientDisconnect, Request

from dag_common.errors import DagError, Invalid, TooLarge
from dag_gateway.http.patience import BODY_SECONDS, PACE, SILENCE_SECONDS, Patience
from dag_gateway.http.standstills import standstills

MAX_JSON_BYTES: Final = 64 * 1024
DRAIN_BYTES: Final = 64 * 1024 * 1024
DRAIN_SECONDS: Final = 10.0


Arrived = Callable[[int], None]
"""Told of each chunk's size."""

_SLOW: Final = (
    f"The body did not arrive within {BODY_SECONDS:.0f} s, paused for {SILENCE_SECONDS:.0f} s, "
    f"or came with less than {PACE // 1024} KiB/s"
)


class Stalled(Invalid):
    """The body did not arrive in time, or too slowly: send it again."""


class Incoming:
    """A body on its way in."""

    def __init__(self, request: Request, limit: int, refusal: TooLarge, arrived: Arrived = lambda _: None) -> None:
        self._arrived = arrived
        self._request = request
        self._limit = limit
        self._refusal = refusal
        self._taken = 0
        self._finished = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives; raises `TooLarge` as soon as the limit is passed or is announced to be."""
        announced = self._request.headers.get("content-length", "")
        if announced.isascii() and announced.isdigit() and int(announced) > self._limit:
            raise self._refusal
        while not self._finished:
            chunk = await self._next()
            if self._taken > self._limit:
                raise self._refusal
            self._arrived(len(chunk))
            yield chunk

    async def discard(self) -> None:
        """Read on for a while, keeping nothing.

        A client that is still sending when the connection closes may see a reset instead of our answer (RFC 9112
        §9.6). One that asked with `Expect: 100-continue` has sent nothing yet and needs no reading.
        """
        if self._taken == 0 and self._request.headers.get("expect", "").lower() == "100-continue":
            return
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self._finished and self._taken < DRAIN_BYTES:
                    await self._next()
        except (TimeoutError, ClientDisconnect):
            return

    async def _next(self) -> bytes:
        message = await self._request.receive()
        if message["type"] == "http.disconnect":
            self._finished = True
            raise ClientDisconnect
        self._finished = not message.get("more_body", False)
        chunk: bytes = message.get("body", b"")
        self._taken += len(chunk)
        return chunk


@asynccontextmanager
async def incoming(request: Request, limit: int, refusal: TooLarge) -> AsyncIterator[Incoming]:
    """Take a body of at most `limit` bytes.

    Raises `refusal` over the limit and `Stalled` when patience ends. Whatever refuses it in the block, the client can
    still read the answer.
    """
    clock = asyncio.get_running_loop().time
    patience = Patience(clock())
    timeout = asyncio.timeout_at(patience.ends)

    def arrived(size: int) -> None:
        patience.arrived(size, clock())
        timeout.reschedule(patience.ends)

    def stood_still(seconds: float) -> None:
        patience.stood_still(seconds)
        timeout.reschedule(patience.ends)

    body = Incoming(request, limit, refusal, arrived)
    try:
        async with timeout:
            with standstills(stood_still):
                yield body
    except TimeoutError:
        raise Stalled(_SLOW) from None
    except DagError:
        await body.discard()
        raise


@asynccontextmanager
async def unread(request: Request) -> AsyncIterator[None]:
    """What is known before the body is read: whatever refuses it in the block, the client can still read the answer."""
    try:
        yield
    except DagError:
        await Incoming(request, 0, too_large("The body", 0)).discard()
        raise


async def small_body(request: Request) -> bytes:
    """A whole body of at most 64 KiB."""
    async with incoming(request, MAX_JSON_BYTES, too_large("The body", MAX_JSON_BYTES)) as body:
        return b"".join([chunk async for chunk in body.chunks()])


def too_large(what: str, limit: int) -> TooLarge:
    """The refusal that names the limit."""
    return TooLarge(f"{what} is larger than {_size(limit)}")


def content_type(request: Request) -> str:
    """The media type without parameters, in lower case; empty if there is none."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def _size(limit: int) -> str:
    return f"{limit // (1024 * 1024)} MiB" if limit % (1024 * 1024) == 0 else f"{limit // 1024} KiB"
