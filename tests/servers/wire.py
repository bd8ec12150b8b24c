"""A wire to a server that a test can cut, silence and lead elsewhere: a broken network, a restart, a failover."""

from __future__ import annotations

import asyncio
import socket
from asyncio import StreamReader, StreamWriter, Task
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

DEFAULT_PORTS = {"postgresql": 5432, "postgres": 5432, "amqp": 5672}


@dataclass(slots=True)
class Call:
    """One connection that was taken; `answered` once its socket belongs to the first of its two ends."""

    accepted: socket.socket
    answered: bool = False
    ends: list[StreamWriter] = field(default_factory=list)

    async def answer(self) -> StreamReader:
        self.answered = True
        reader, writer = await asyncio.open_connection(sock=self.accepted)
        self.ends.append(writer)
        return reader

    async def put_through(self, url: str) -> StreamReader:
        reader, writer = await _connect(url)
        self.ends.append(writer)
        return reader

    def drop(self) -> None:
        if not self.answered:
            self.accepted.close()
        for end in self.ends:
            end.transport.abort()


class Wire:
    """Forwards a loopback port to a server. Cut, it drops what is connected and refuses what comes, until mended."""

    def __init__(self, url: str) -> None:
        self._first_url = url
        self._server_url = url
        self._open: dict[Task[None], Call] = {}
        self._tasks: set[Task[None]] = set()
        self._listening: socket.socket | None = None
        self._port = 0
        self._speaks = asyncio.Event()
        self._speaks.set()
        self.dropped = 0
        """Connections that were really cut: a fault that struck nothing proves nothing."""

        self.held = 0
        """Calls and pieces of data that a silence kept back."""

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

    def mend(self) -> None:
        """Take connections (again)."""
        if self._listening is None:
            self._listening = socket.create_server(("127.0.0.1", self._port))
            self._listening.setblocking(False)
            self._port = self._listening.getsockname()[1]
            asyncio.get_running_loop().add_reader(self._listening, self._take, self._listening)

    def cut(self) -> None:
        """Refuse new connections and drop those that stand."""
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening)
            self._listening.close()
            self._listening = None
        self.drop()

    async def end(self) -> None:
        """Cut for good; returns when every connection is gone."""
        self.cut()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def drop(self) -> None:
        """Drop the connections that stand; new ones are taken."""
        self.dropped += len(self._open)
        for carrying, call in self._open.items():
            call.drop()
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

    def _take(self, listening: socket.socket) -> None:
        """Take one connection, at once and by hand: asyncio's server leaks what it took while it was being closed."""
        try:
            accepted, _ = listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # whoever called hung up
        call = Call(accepted)
        carrying = asyncio.get_running_loop().create_task(self._carry(call))
        self._open[carrying] = call
        self._tasks.add(carrying)
        carrying.add_done_callback(self._forget)

    def _forget(self, carrying: Task[None]) -> None:
        self._open.pop(carrying, None)
        self._tasks.discard(carrying)

    async def _carry(self, call: Call) -> None:
        with suppress(OSError, asyncio.CancelledError):  # nobody is there, or we dropped it: the client sees it closed
            try:
                reader = await call.answer()
                await self._carries()
                there = await call.put_through(self._server_url)
                here, back = call.ends
                await asyncio.gather(self._pump(reader, back), self._pump(there, here))
            finally:
                for end in call.ends:
                    end.close()

    async def _carries(self) -> None:
        self.held += not self._speaks.is_set()
        await self._speaks.wait()

    async def _pump(self, reader: StreamReader, writer: StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._carries()
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
    wire.mend()
    try:
        yield wire
    finally:
        await wire.end()
