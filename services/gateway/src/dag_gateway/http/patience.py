"""How long a body is waited for: not for one that comes at a crawl."""

from __future__ import annotations

from typing import Final

BODY_SECONDS: Final = 120.0
SILENCE_SECONDS: Final = 10.0
PACE: Final = 8 * 1024
"""Bytes a second, the pace of an old modem."""


class Patience:
    """When a body is given up: after 10 s of silence, when it is 10 s behind the pace, and after 120 s in any case."""

    def __init__(self, now: float) -> None:
        """`now` in seconds, on the clock of all that follows."""
        self._last = now + BODY_SECONDS
        self.ends = self._until(now + SILENCE_SECONDS)

    def arrived(self, size: int, now: float) -> None:
        """So many bytes came: they stand for seconds at the pace, of which nobody can save up more than 10."""
        self.ends = self._until(min(self.ends + size / PACE, now + SILENCE_SECONDS))

    def stood_still(self, seconds: float) -> None:
        """It was we who did not listen for so long."""
        self._last += seconds
        self.ends += seconds

    def _until(self, moment: float) -> float:
        return min(moment, self._last)
