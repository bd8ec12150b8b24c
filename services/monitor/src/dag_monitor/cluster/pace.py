"""How fast a reflector goes: its waits, and the backoff between attempts."""

from __future__ import annotations

from dataclasses import dataclass

from dag_common.runtime import ids


@dataclass(frozen=True, slots=True)
class Pace:
    """A reflector's times, in seconds.

    Watches last as long as client-go's do (kubernetes/client-go tools/cache/reflector.go); the idle wait is that
    of two missed bookmarks (kubernetes/apiserver pkg/storage/cacher/cacher.go sends one a minute).
    """

    backoff_low: float = 0.5
    backoff_high: float = 30.0
    refused: float = 60.0
    """Longest wait after 401, 403 and 404: somebody has to change something first."""
    asked_for: float = 60.0
    """Longest wait that a Retry-After is believed for."""
    healthy: float = 10.0
    """A stream that lived this long is followed by the next at once."""
    idle: float = 150.0
    watch_low: float = 300.0
    watch_high: float = 600.0
    fruitless: int = 3
    """Streams that end at once without an event, one after the other, before listing anew (kubernetes#137089)."""


class Backoff:
    """Decorrelated jitter: each wait is random between the lowest and three times the last, up to the highest."""

    def __init__(self, low: float, high: float) -> None:
        self._low, self._high = low, high
        self._last = low

    def reset(self) -> None:
        """Start over after things went well."""
        self._last = self._low

    def next(self) -> float:
        """Seconds to wait now."""
        self._last = min(self._high, ids.between(self._low, self._last * 3))
        return self._last
