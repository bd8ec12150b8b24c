"""Projectors: tables derived from the log, each record applied exactly once, to be dropped and rebuilt at will."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

import structlog

from dag_common.contracts.envelope import Recorded
from dag_common.delivery.hints import Hints, listening
from dag_common.delivery.leader import lead
from dag_common.delivery.metrics import CURSOR_POSITION, SKIPPED
from dag_common.errors import Unavailable, Unreadable
from dag_common.store import checkpoints, event_log
from dag_common.store.database import Connection, Database

log = structlog.get_logger()

BATCH: Final = 500
POLL_SECONDS: Final = 1.0


class Projection(Protocol):
    """A table written from events. `name` is the table's and the checkpoint's; it writes nothing else."""

    @property
    def name(self) -> str:
        """The name of the table."""

    async def apply(self, connection: Connection, records: Sequence[Recorded]) -> None:
        """Write what the records, in order, say. Raises `Unreadable` for one this code cannot read."""

    async def reset(self, connection: Connection) -> None:
        """Empty the table."""


class Projector:
    """Keeps one projection up with the log. Every process may run one; one at a time is active.

    The checkpoint moves in the transaction that writes the table, by compare-and-swap, so a record is
    applied once even if two projectors believe they lead. A record that cannot be read is logged,
    counted and skipped: one new event type must not stop the page people look at.
    """

    def __init__(self, database: Database, projection: Projection) -> None:
        self._database = database
        self._projection = projection

    async def run(self) -> None:
        """Stand by for the lead, then project. Raises `Unavailable`: run it again after a while."""
        try:
            await lead(self._database, f"projector {self._projection.name}", self._project)
        finally:
            CURSOR_POSITION.labels(self._projection.name).set(0)

    async def _project(self) -> None:
        async with listening(self._database) as hints:
            while True:
                await self._step(hints)

    async def _step(self, hints: Hints) -> None:
        async with self._database.connection() as connection:
            position = await checkpoints.read(connection, self._projection.name)
            records = await event_log.read_log(connection, after=position, limit=BATCH)
        CURSOR_POSITION.labels(self._projection.name).set(position)
        if not records:
            await hints.wait(POLL_SECONDS)
            return
        try:
            await self._apply(position, records)
        except Unreadable:
            for record in records:
                await self._apply_leniently(record)

    async def _apply(self, position: int, records: Sequence[Recorded]) -> None:
        """All in one transaction; when the checkpoint has moved meanwhile, nothing: the next step reads it anew."""
        async with self._database.transaction() as connection:
            if await self._claim(connection, position, records[-1].position):
                await self._projection.apply(connection, records)

    async def _apply_leniently(self, record: Recorded) -> None:
        try:
            await self._apply(record.position - 1, [record])
        except Unreadable as exc:
            SKIPPED.labels(self._projection.name).inc()
            log.error(  # noqa: TRY400 - the message says it all; the traceback is the decoder's
                "record_skipped", projection=self._projection.name, position=record.position, reason=exc.message
            )
            async with self._database.transaction() as connection:
                await self._claim(connection, record.position - 1, record.position)

    async def _claim(self, connection: Connection, position: int, to: int) -> bool:
        return await checkpoints.advance(connection, self._projection.name, expected=position, to=to)


async def rebuild(database: Database, projection: Projection) -> int:
    """Empty the table and write it anew from the whole log, in one transaction; returns the position reached.

    Readers see the old table until the new one is there. Raises `Unreadable` at the first record that
    cannot be read, and leaves everything as it was.
    """
    async with database.transaction() as connection:
        await checkpoints.reset(connection, projection.name)
        await projection.reset(connection)
        position = 0
        while records := await event_log.read_log(connection, after=position, limit=BATCH):
            await projection.apply(connection, records)
            position = records[-1].position
        if position:
            await checkpoints.advance(connection, projection.name, expected=0, to=position)
    log.info("projection_rebuilt", projection=projection.name, position=position)
    return position


async def caught_up(database: Database, name: str, *, to: int, within: float) -> None:
    """Wait until the named cursor has dealt with position `to`; raises `Unavailable` after `within` seconds."""
    try:
        async with asyncio.timeout(within):
            while await _position(database, name) < to:  # noqa: ASYNC110 - the cursor may be another process's
                await asyncio.sleep(0.02)
    except TimeoutError as exc:
        raise Unavailable(f"{name} has not come to position {to} within {within:g} s") from exc


async def _position(database: Database, name: str) -> int:
    async with database.connection() as connection:
        return await checkpoints.read(connection, name)
