"""HTTP connections to one API server, made anew when its CA or our certificate changed."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

import httpx

from dag_common.runtime import clock
from dag_monitor.cluster import tls
from dag_monitor.cluster.access import Access, Credentials

# client-go transport/token_source.go re-reads token files every minute.
_REREAD_SECONDS: Final = 60.0
# A peer that vanished is noticed within about a minute even where the API sends no bookmarks.
_KEEP_ALIVE: Final = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
]


_Result = TypeVar("_Result")


@dataclass(slots=True)
class Connection:
    """An HTTP client, what its TLS rests on, and how many requests are under way.

    Its pool needs no bound of its own: each reflector holds one watch, and the client bounds everything else.
    """

    http: httpx.AsyncClient
    trust: tls.Trust
    users: int = 0


class Channel:
    """Hands out the current connection; one that was replaced is closed when its last user (an open watch) is done.

    Files and plugins are read in a thread of its own, so that one that hangs holds up no other cluster.
    """

    def __init__(self, access: Access, *, kept: int) -> None:
        """`kept` is how many idle connections stay open for 30 s."""
        self._access = access
        self._kept = kept
        self._lock = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cluster")
        self._current: Connection | None = None
        self._credentials = Credentials()
        self._reread_at = 0.0

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[tuple[httpx.AsyncClient, Credentials]]:
        """The connection and the credentials to use now. Raises `Unavailable` or `Invalid` when they cannot be read."""
        connection = await self._fresh()
        connection.users += 1
        try:
            yield connection.http, self._credentials
        finally:
            connection.users -= 1
            await self._close_if_done(connection)

    async def renew(self, refused: Credentials) -> None:
        """Read the credentials again because these were refused, unless somebody already did."""
        async with self._lock:
            if self._credentials == refused:
                await self._read(refused=True)

    async def aclose(self) -> None:
        """Close all connections."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        connection, self._current = self._current, None
        if connection is not None:
            await self._close_if_done(connection)

    async def _fresh(self) -> Connection:
        async with self._lock:
            if self._current is None or clock.monotonic() >= self._reread_at:
                return await self._read(refused=False)
            return self._current

    async def _read(self, *, refused: bool) -> Connection:
        self._credentials = await self._aside(lambda: self._access.credentials.read(refused=refused))
        trust = await self._aside(lambda: self._trust(self._credentials))
        self._reread_at = clock.monotonic() + _REREAD_SECONDS
        replaced = self._current
        if replaced is not None and replaced.trust == trust:
            return replaced
        self._current = Connection(await self._aside(lambda: self._made(trust)), trust)
        if replaced is not None:
            await self._close_if_done(replaced)
        return self._current

    async def _aside(self, blocking: Callable[[], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, blocking)

    async def _close_if_done(self, connection: Connection) -> None:
        if connection is not self._current and not connection.users:
            await connection.http.aclose()

    def _trust(self, credentials: Credentials) -> tls.Trust:
        return tls.Trust(
            ca=self._access.ca() if self._access.ca else "",
            certificate=credentials.certificate,
            private_key=credentials.private_key,
            insecure=self._access.insecure_skip_tls_verify,
            strict=self._access.strict_x509,
        )

    def _made(self, trust: tls.Trust) -> httpx.AsyncClient:
        transport = httpx.AsyncHTTPTransport(
            verify=tls.context(trust),
            http1=True,
            http2=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=self._kept, keepalive_expiry=30),
            socket_options=_KEEP_ALIVE,
            proxy=self._access.proxy or None,
        )
        return httpx.AsyncClient(
            base_url=self._access.server, transport=transport, headers={"User-Agent": "dag-monitor"}
        )
