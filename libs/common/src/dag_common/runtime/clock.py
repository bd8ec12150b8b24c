"""The only place that reads the time."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> datetime:
    """The wall clock, aware, in UTC. For what people read; never for measuring how long something took."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Seconds of a clock that never steps. For deadlines and durations inside one process."""
    return time.monotonic()
