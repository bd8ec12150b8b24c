"""A TCP wire to a server that a test can cut: what a broker's restart or a broken network looks like."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit


class Wire:
    """Forwards a loopback port to a server. Cut, it drops what is connected and refuses what comes, until mended."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        assert address.hostname is not None
        self._address = address
        self._server_host, self._server_port = address.hostname, address.port or 5672
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._port = 0
        self._carries = asyncio.Event()
        self._carries.set()

    @property
    def url(self) -> str:
        """The server's URL, by this wire."""
        login = self._address.netloc.rpartition("@")[0]
        return urlunsplit(self._address._replace(netloc=f"{login}@127.0.0.1:{self._port}"))

    async def mend(self) -> None:
        """Take connections (again)."""
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Refuse new connections and drop those that stand."""
        assert self._server is not None
        self._server.close()
        self.drop()

    def drop(self) -> None:
        """Drop the connections that stand; new ones are taken."""
        for writer in self._open:
            writer.transport.abort()

    def silence(self) -> None:
        """Keep the connections open and carry nothing any more: what a dead network looks like."""
        self._carries.clear()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._server_host, self._server_port)
        self._open |= {writer, back}
        await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        self._open -= {writer, back}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._carries.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


@asynccontextmanager
async def wire_to(url: str) -> AsyncIterator[Wire]:
    """A wire that carries, for the block."""
    wire = Wire(url)
    await wire.mend()
    try:
        yield wire
    finally:
        wire.cut()
