"""The client's only reader of time and chance; the package stands alone, so it has its own."""

from __future__ import annotations

import random  # noqa: TID251 - the package stands alone
import time
from datetime import datetime


def monotonic() -> float:
    """Seconds of a clock that never steps."""
    return time.monotonic()  # noqa: TID251 - this is the client's clock


def now() -> datetime:
    """The wall clock in the machine's own zone, aware: what people compare with the rest of a CI log."""
    return datetime.now().astimezone()  # noqa: TID251 - this is the client's clock


def pause(attempt: int, *, cap: float = 10.0) -> float:
    """Seconds before attempt `attempt + 1`: doubling from one, capped, half of it by chance, so that jobs spread."""
    longest = min(cap, 2.0 ** min(attempt - 1, 16))
    return longest * (0.5 + random.random() / 2)  # noqa: S311 - spreads retries, protects nothing
