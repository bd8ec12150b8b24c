"""Serve an ASGI app on loopback from inside a running event loop, and be gone within a second."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config, Server

_GRACE_SECONDS = 0.3
"""How long requests that are under way may go on after the end was asked for; open streams never end by themselves."""


@contextlib.asynccontextmanager
async def serve(
    app: ASGIApp,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    ssl_certfile: str | Path | None = None,
    ssl_keyfile: str | Path | None = None,
) -> AsyncIterator[str]:
    """Serve `app` while the context is open; yields its base URL without a trailing slash (port 0: any free port).

    Connections are taken from the moment the URL is known. Leaving the context cuts what is still open.
    Raises OSError if the port is taken and RuntimeError if the app's lifespan refuses to start.
    """
    listener = socket.create_server((host, port), backlog=1024)
    config = Config(
        _Quiet(app),
        log_config=None,
        access_log=False,
        server_header=False,
        ssl_certfile=ssl_certfile,
        ssl_keyfile=ssl_keyfile,
    )
    server = _Embedded(config)
    running = asyncio.create_task(_run(server, listener))
    try:
        await _until_started(server, running)
        scheme = "https" if ssl_certfile else "http"
        yield f"{scheme}://{host}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await running
        listener.close()


class _Embedded(Server):
    """A uvicorn server that leaves the process's signals alone and does not wait for streams that never end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listening in self.servers:
            listening.close()
        for sock in sockets or []:
            sock.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self._finish(_GRACE_SECONDS)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in self.server_state.tasks:
            task.cancel()
        await self._finish(_GRACE_SECONDS)
        await self.lifespan.shutdown()

    async def _finish(self, seconds: float) -> None:
        if self.server_state.tasks:
            await asyncio.wait(set(self.server_state.tasks), timeout=seconds)


class _Quiet:
    """Ends cancelled requests without a word: uvicorn logs a stack trace for each, and here cancelling is the end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if scope["type"] != "http":
                raise


async def _run(server: Server, listener: socket.socket) -> None:
    try:
        await server.serve(sockets=[listener])
    except SystemExit as exc:
        raise RuntimeError("the app's lifespan refused to start") from exc


async def _until_started(server: Server, running: asyncio.Task[None]) -> None:
    while not server.started:
        if running.done():
            await running
            raise RuntimeError("the server ended before it started")
        await asyncio.sleep(0.005)
