"""The time as the log's database tells it: deadlines count from `recorded_at`, so they are compared with that clock."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Final, Self

from dag_common.runtime.clock import monotonic
from dag_common.store.database import Connection, Database
from dag_common.store.statements import statement

HEAR_SECONDS: Final = 30.0
"""A monotonic clock drifts by less than 10 ms in this time; one that stood still (a suspended machine) is put right."""


class LogClock:
    """The database's clock, carried forward by the monotonic one: no step of this host's wall clock shows in it.

    Asking it costs no I/O. It lags by no more than the time the last answer was on its way and is never ahead, so
    nothing is overdue too early. While the database cannot be asked it goes on from the last answer.
    """

    def __init__(self, moment: datetime) -> None:
        self._set(moment)

    @classmethod
    async def of(cls, database: Database) -> Self:
        """Ask the database for the first time. Raises `Unavailable`."""
        async with database.connection() as connection:
            return cls(await _read(connection))

    def now(self) -> datetime:
        """The database's time, aware."""
        return self._heard + timedelta(seconds=monotonic() - self._heard_at)

    async def hear(self, connection: Connection) -> datetime:
        """Ask the database and go on from its answer."""
        moment = await _read(connection)
        self._set(moment)
        return moment

    async def keep_hearing(self, database: Database) -> None:
        """Ask again every 30 s, for ever. Raises `Unavailable`: run it again after a while."""
        while True:
            async with database.connection() as connection:
                await self.hear(connection)
            await asyncio.sleep(HEAR_SECONDS)

    def _set(self, moment: datetime) -> None:
        self._heard, self._heard_at = moment, monotonic()


async def _read(connection: Connection) -> datetime:
    moment: datetime = await connection.fetchval(statement("read_clock"))
    return moment
