"""A hint that the log has grown. It may be lost; whoever waits polls slowly all the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from dag_common.errors import Unavailable
from dag_common.store.database import Database, mapped_errors

CHANNEL: Final = "dag_log"
"""Where the append function notifies (Postgres NOTIFY), at commit."""


class Hints:
    """`wait` returns when the log may have grown, or when the time is up."""

    def __init__(self) -> None:
        self._grown = asyncio.Event()
        self._lost = False

    async def wait(self, seconds: float) -> None:
        """Wait for a hint given since the last wait, at most `seconds`. Raises `Unavailable` when none can come."""
        try:
            async with asyncio.timeout(seconds):
                await self._grown.wait()
        except TimeoutError:
            pass
        self._grown.clear()
        if self._lost:
            raise Unavailable("the connection that listens to the event log was lost")

    def grown(self) -> None:
        """The log has grown."""
        self._grown.set()

    def lost(self) -> None:
        """No hint will come any more."""
        self._lost = True
        self._grown.set()


@asynccontextmanager
async def listening(database: Database) -> AsyncIterator[Hints]:
    """Listen on a connection of one's own for the block. Raises `Unavailable`."""
    hints = Hints()
    async with database.dedicated() as connection:
        connection.add_termination_listener(lambda _: hints.lost())
        with mapped_errors():
            await connection.add_listener(CHANNEL, lambda *_: hints.grown())
        yield hints
