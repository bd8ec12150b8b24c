"""Two Postgres servers, each commit on both before it is acknowledged, and a wire to the one that takes writes."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Literal

from dag_common.errors import DagError
from servers.postgres_server import PostgresServer
from servers.reachable import NotHere
from servers.warden import Warden
from servers.wire import Wire, wire_to


@asynccontextmanager
async def postgres_pair(directory: Path) -> AsyncIterator[PostgresPair]:
    """A pair that runs; none of its processes outlives the block, nor whoever is killed within it. Raises `NotHere`."""
    async with AsyncExitStack() as stack:
        warden = stack.enter_context(Warden())

        def next_server(number: int) -> PostgresServer:
            server = PostgresServer(directory / f"postgres-{number}", warden)
            stack.push_async_callback(server.stop, "immediate")
            return server

        servers = map(next_server, count(1))
        try:
            primary = next(servers)
            await primary.initialise()
        except DagError as exc:
            raise NotHere(f"there are no two Postgres servers to be had: {exc.message}") from exc
        await primary.start()
        pair = PostgresPair(primary, servers, await stack.enter_async_context(wire_to(primary.url)))
        await pair.add_standby()
        yield pair


class PostgresPair:
    """A primary, to which `url` leads, and a synchronous standby; the superuser is `postgres`, without a password.

    Without its standby the primary holds every commit back, so there is no moment in which a failover could lose an
    acknowledged one.
    """

    def __init__(self, primary: PostgresServer, servers: Iterator[PostgresServer], wire: Wire) -> None:
        self.wire = wire
        self._primary = primary
        self._standby = primary
        self._servers = servers

    @property
    def url(self) -> str:
        """The primary's, by the wire; it stays the same whichever server that is."""
        return self.wire.url

    async def restart(self, mode: Literal["immediate", "fast"] = "immediate") -> None:
        """Stop the primary, as by a crash or by an operator, and start it; returns when it takes commits again."""
        await self._primary.stop(mode)
        await self._primary.start()
        await self._primary.until_it_has_a_standby()

    async def fail_over(self) -> None:
        """Crash the primary and promote the standby; returns when the new primary has a standby of its own.

        Clients are led to the new primary as soon as it takes connections; their commits wait for its standby.
        """
        lost = self._primary
        self.wire.cut()
        await lost.stop("immediate")
        await self._standby.promote()
        self._primary = self._standby
        self.wire.retarget(self._primary.url)
        self.wire.mend()
        await self.add_standby()
        await asyncio.to_thread(shutil.rmtree, lost.data)

    async def add_standby(self) -> None:
        """Build a standby from the primary and wait until it has everything."""
        self._standby = next(self._servers)
        await self._standby.copy(self._primary)
        await self._standby.start()
        await self._primary.until_it_has_a_standby()
