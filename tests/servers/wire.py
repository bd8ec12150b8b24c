"""A wire to a server that a test can cut, silence and lead elsewhere: a broken network, a restart, a failover."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter, Task
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

DEFAULT_PORTS = {"postgresql": 5432, "postgres": 5432, "amqp": 5672}


class Wire:
    """Forwards a loopback port to a server. Cut, it drops what is connected and refuses what comes, until mended."""

    def __init__(self, url: str) -> None:
        self._first_url = url
        self._server_url = url
        self._open: dict[Task[None], list[StreamWriter]] = {}
        self._server: asyncio.Server | None = None
        self._port = 0
        self._speaks = asyncio.Event()
        self._speaks.set()
        self.dropped = 0
        """Connections that were really cut: a fault that struck nothing proves nothing."""

    @property
    def url(self) -> str:
        """The server's URL, by this wire; it stays the same wherever the wire leads."""
        parts = urlsplit(self._first_url)
        login, at, _ = parts.netloc.rpartition("@")
        query = urlencode([(name, value) for name, value in parse_qsl(parts.query) if name not in {"host", "port"}])
        return urlunsplit(parts._replace(netloc=f"{login}{at}127.0.0.1:{self._port}", query=query))

    @property
    def connected(self) -> int:
        """How many connections stand or wait to be carried."""
        return len(self._open)

    async def mend(self) -> None:
        """Take connections (again)."""
        if self._server is None or not self._server.is_serving():
            self._server = await asyncio.start_server(self._carry, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Refuse new connections and drop those that stand."""
        assert self._server is not None
        self._server.close()
        self.drop()

    def drop(self) -> None:
        """Drop the connections that stand; new ones are taken."""
        self.dropped += len(self._open)
        for carrying, ends in self._open.items():
            for end in ends:
                end.transport.abort()
            carrying.cancel()
        self._open.clear()

    def silence(self) -> None:
        """Carry nothing either way: connections stay open, new ones hang; what a dead network looks like."""
        self._speaks.clear()

    def speak(self) -> None:
        """End the silence; what was held back arrives."""
        self._speaks.set()

    def retarget(self, url: str) -> None:
        """Lead new connections to this server; those that stand stay where they are."""
        self._server_url = url

    async def _carry(self, reader: StreamReader, writer: StreamWriter) -> None:
        carrying = asyncio.current_task()
        assert carrying is not None
        ends = self._open[carrying] = [writer]
        try:
            await self._speaks.wait()
            there, back = await _connect(self._server_url)
            ends.append(back)
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        except (OSError, asyncio.CancelledError):
            pass  # nobody is there, or we dropped it: the client sees its connection closed
        finally:
            self._open.pop(carrying, None)
            for end in ends:
                end.close()

    async def _pump(self, reader: StreamReader, writer: StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._speaks.wait()
                writer.write(data)
                await writer.drain()
        await self._speaks.wait()
        writer.close()


async def _connect(url: str) -> tuple[StreamReader, StreamWriter]:
    """By TCP, or by the Unix socket whose directory a Postgres URL names as its host (libpq, "Connection URIs")."""
    parts = urlsplit(url)
    told = dict(parse_qsl(parts.query))
    host = parts.hostname or told.get("host", "127.0.0.1")
    port = parts.port or int(told.get("port", DEFAULT_PORTS[parts.scheme]))
    if host.startswith("/"):
        return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
    return await asyncio.open_connection(host, port)


@asynccontextmanager
async def wire_to(url: str) -> AsyncIterator[Wire]:
    """A wire that carries, for the block."""
    wire = Wire(url)
    await wire.mend()
    try:
        yield wire
    finally:
        wire.cut()
