"""Gates hold chosen requests to a part of the outside world, so that a test can act at exactly that moment."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Fits = Callable[[Request], bool]
"""Whether a request is to be held."""


class Gate:
    """Holds the first request that fits, before the part sees it or (`answered`) before its answer leaves.

    Everything after that first request passes. With `sent` it is held as a whole: it goes on when the gate is opened
    even if whoever sent it is gone by then. `path` is what it asks for.
    """

    def __init__(self, fits: Fits, *, answered: bool, sent: bool) -> None:
        self._fits = fits
        self.answered = answered
        self.sent = sent
        self.path = ""
        self._taken = False
        self._reached = asyncio.Event()
        self._opened = asyncio.Event()
        self._dropped = False

    def takes(self, scope: Scope) -> bool:
        """Whether this is the request to hold."""
        if scope["type"] != "http" or self._taken or not self._fits(Request(scope)):
            return False
        self._taken, self.path = True, scope["path"]
        return True

    async def pass_through(self) -> bool:
        """Hold the request; False if it is to be dropped."""
        self._reached.set()
        await self._opened.wait()
        return not self._dropped

    async def reached(self, *, within: float = 30) -> None:
        """Wait until a request stands at the gate."""
        async with asyncio.timeout(within):
            await self._reached.wait()

    def open(self) -> None:
        """Let the request go on."""
        self._opened.set()

    def drop(self) -> None:
        """The request is lost: it goes no further, and nobody answers it."""
        self._dropped = True
        self._opened.set()


class Gated:
    """An ASGI app with gates in front of it. `answered` counts its answers by status."""

    def __init__(self, app: ASGIApp) -> None:
        self.answered: Counter[int] = Counter()
        self._app = app
        self._gates: list[Gate] = []

    def hold(self, fits: Fits, *, answered: bool = False, sent: bool = False) -> Gate:
        """Set a gate for the next request that fits."""
        gate = Gate(fits, answered=answered, sent=sent)
        self._gates.append(gate)
        return gate

    def open_all(self) -> None:
        """Nothing is held any more."""
        for gate in self._gates:
            gate.open()
        self._gates.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        send = self._counting(send)
        gate = next((gate for gate in self._gates if gate.takes(scope)), None)
        if gate is not None and gate.sent:
            receive = await _whole(receive)
        if gate is None:
            await self._app(scope, receive, send)
        elif gate.answered:
            await self._answer_later(gate, scope, receive, send)
        elif await gate.pass_through():
            await self._app(scope, receive, send)
        else:
            await _drop(send)

    def _counting(self, send: Send) -> Send:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.answered[message["status"]] += 1
            await send(message)

        # The cluster double reaches through `send` for uvicorn's transport, to break a connection off.
        counted.__self__ = getattr(send, "__self__", None)  # type: ignore[attr-defined]
        return counted

    async def _answer_later(self, gate: Gate, scope: Scope, receive: Receive, send: Send) -> None:
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        await self._app(scope, receive, keep)
        if not await gate.pass_through():
            await _drop(send)
            return
        for message in answer:
            await send(message)


async def _whole(receive: Receive) -> Receive:
    """Read a request to its end; what tells it again, and after that what the connection has to say."""
    told = [await receive()]
    while told[-1].get("more_body"):
        told.append(await receive())

    async def again() -> Message:
        return told.pop(0) if told else await receive()

    return again


async def _drop(send: Send) -> None:
    """Promise a body and send none: the server closes the connection when the application returns."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4096")]})
