"""Say on the to-do list, about once a second, what is in hand here; notice what is not any more."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

import structlog

from dag_common.errors import Conflict, Unavailable
from dag_common.store import todo
from dag_common.store.clock import LogClock
from dag_common.store.database import Connection, Database, mapped_errors
from dag_monitor.domain.contact import Contact
from dag_monitor.handlers.hands import Hands

log = structlog.get_logger()

TOUCH_SECONDS: Final = 0.75
ANSWER_SECONDS: Final = 2.0
AGAIN_SECONDS: Final = 0.25


class Touching:
    """The heartbeat of the rollouts in hand. Whoever touched one last has it; who finds another's touch lets go.

    It has a connection of its own, so that nothing else this process asks of the database keeps it waiting.
    """

    def __init__(self, database: Database, clock: LogClock, hands: Hands) -> None:
        self._database = database
        self._clock = clock
        self._hands = hands
        self._contact = Contact.begun(clock.now())

    def contact(self) -> timedelta:
        """How long the database has been answering without a pause."""
        return self._contact.lasting(self._clock.now())

    async def run(self) -> None:
        """Touch for ever, also after an outage: soon, because silence is taken for death."""
        while True:
            try:
                async with self._database.dedicated() as connection:
                    await self._keep_touching(connection)
            except (Unavailable, Conflict) as exc:
                log.warning("touching_interrupted", reason=exc.message)
                self._hands.claim_all()
                await asyncio.sleep(AGAIN_SECONDS)

    async def _keep_touching(self, connection: Connection) -> None:
        with mapped_errors():
            while True:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self._touch(connection)
                await asyncio.sleep(TOUCH_SECONDS)

    async def _touch(self, connection: Connection) -> None:
        self._contact = self._contact.heard(await self._clock.hear(connection))
        if held := self._hands.holds():
            touches = await todo.touch_watches(connection, {each: hold.touch for each, hold in held.items()})
            self._hands.touched(held, touches)
