"""A bus that writes down what is published on it, and fails when told to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from dag_common.bus.local import LocalBus
from dag_common.bus.seam import Message
from dag_common.contracts.codec import decode_record
from dag_common.errors import Unavailable


class RecordingBus(LocalBus):
    """A local bus. `positions` are the log positions published, in order, duplicates and all."""

    def __init__(self) -> None:
        super().__init__()
        self.positions: list[int] = []
        self.away = False
        self.failing_after: int | None = None
        self.changed = asyncio.Event()

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish, unless the broker is away, or dies after so many messages."""
        for message in messages:
            if self.away or self.failing_after == 0:
                self.failing_after = None
                raise Unavailable("the broker is away")
            if self.failing_after is not None:
                self.failing_after -= 1
            self.positions.append(decode_record(message.body).position)
            await super().publish([message])
            self.changed.set()
