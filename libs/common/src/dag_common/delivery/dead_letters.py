"""How many messages no handler could take, for /metrics."""

from __future__ import annotations

import asyncio
import math
from typing import Final

from dag_common.bus.seam import DeadLetters
from dag_common.delivery.metrics import DEAD_LETTERS

COUNT_SECONDS: Final = 5.0


async def count_dead_letters(letters: DeadLetters) -> None:
    """Keep the gauge up until cancelled; NaN while nobody knows. Raises `Unavailable`: run it again after a while."""
    try:
        while True:
            DEAD_LETTERS.set(await letters.count())
            await asyncio.sleep(COUNT_SECONDS)
    finally:
        DEAD_LETTERS.set(math.nan)
