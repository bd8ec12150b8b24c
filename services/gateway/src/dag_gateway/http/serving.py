"""Serves an application on uvicorn inside a running event loop, and stops it gently."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
import uvicorn
from starlette.types import ASGIApp

from dag_common.errors import Unavailable

log = structlog.get_logger()

KEEP_ALIVE_SECONDS: Final = 75
"""Longer than the 60 s after which common load balancers let go of an idle connection, so that they are the first."""

LAST_WORDS_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; port 0 takes a free one."""

    host: str
    port: int


class Server(uvicorn.Server):
    """Tells when it begins to stop; leaves signals to the process."""

    def __init__(self, config: uvicorn.Config, drain: Callable[[], None]) -> None:
        super().__init__(config)
        self._drain = drain

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, close the streams, finish what is under way; what takes too long is cancelled and says so."""
        self._drain()
        await super().shutdown(sockets)
        if cancelled := set(self.server_state.tasks):
            await asyncio.wait(cancelled, timeout=LAST_WORDS_SECONDS)


async def serve(
    app: ASGIApp, listener: socket.socket, stop: asyncio.Event, *, drain: Callable[[], None], drain_seconds: float
) -> None:
    """Serve until `stop` is set, then finish: `drain` is called first, requests get `drain_seconds` to end."""
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, round(drain_seconds)),
    )
    server = Server(config, drain)
    host, port = listener.getsockname()[:2]
    log.info("gateway_listening", url=f"http://{f'[{host}]' if ':' in host else host}:{port}")
    serving = asyncio.create_task(server._serve([listener]), name="http")  # noqa: SLF001 - serve() takes over our signals
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await serving
    finally:
        stopping.cancel()
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
    log.info("gateway_stopped")


def listen(address: Address) -> socket.socket:
    """Take the address; raises `Unavailable` naming it if that is not possible."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server((address.host, address.port), family=family, backlog=1024)
    except OSError as exc:
        raise Unavailable(
            f"cannot listen on {address.host} port {address.port}: {exc.strerror or exc}; "
            "set DAG_HTTP_HOST and DAG_HTTP_PORT"
        ) from exc
