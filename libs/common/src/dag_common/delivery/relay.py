"""The relay: everything in the log goes to the bus, in order, at least once."""

from __future__ import annotations

from typing import Final

import structlog

from dag_common.bus.seam import Bus, Message
from dag_common.contracts.codec import encode_record
from dag_common.contracts.envelope import Recorded
from dag_common.delivery.hints import Hints, listening
from dag_common.delivery.leader import lead
from dag_common.delivery.metrics import CURSOR_POSITION, RELAYED
from dag_common.errors import Conflict
from dag_common.store import checkpoints, event_log
from dag_common.store.database import Database

log = structlog.get_logger()

NAME: Final = "relay"
BATCH: Final = 500
POLL_SECONDS: Final = 1.0


class Relay:
    """A cursor from the log to the bus. Every process runs one; one at a time is active, another takes over in seconds.

    A batch is published and confirmed before the checkpoint moves, so a relay that dies publishes it again.
    """

    def __init__(self, database: Database, bus: Bus) -> None:
        self._database = database
        self._bus = bus

    async def run(self) -> None:
        """Stand by for the lead, then relay. Raises `Unavailable` or `Conflict`: run it again after a while."""
        try:
            await lead(self._database, NAME, self._relay)
        finally:
            CURSOR_POSITION.labels(NAME).set(0)

    async def _relay(self) -> None:
        async with listening(self._database) as hints:
            async with self._database.connection() as connection:
                position = await checkpoints.read(connection, NAME)
            while True:
                position = await self._step(position, hints)
                CURSOR_POSITION.labels(NAME).set(position)

    async def _step(self, position: int, hints: Hints) -> int:
        async with self._database.connection() as connection:
            records = await event_log.read_log(connection, after=position, limit=BATCH)
        if not records:
            await hints.wait(POLL_SECONDS)
            return position
        await self._bus.publish([as_message(record) for record in records])
        RELAYED.inc(len(records))
        await self._advance(position, records[-1].position)
        return records[-1].position

    async def _advance(self, position: int, to: int) -> None:
        async with self._database.transaction() as connection:
            if not await checkpoints.advance(connection, NAME, expected=position, to=to):
                raise Conflict(f"another relay moved the checkpoint on from {position}")


def as_message(record: Recorded) -> Message:
    """The wake-up for a record: it carries the whole record."""
    return Message(
        id=record.event_id, routing_key=record.type, body=encode_record(record), traceparent=record.traceparent
    )
