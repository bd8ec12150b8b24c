"""Durations as people write them in the registry: `90`, `"90s"`, `"10m"`, `"1h30m"`."""

from __future__ import annotations

import re

_TEXT = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_FACTORS = (86400, 3600, 60, 1)
_LONGEST = 30 * 86400


class Seconds(int):
    """Whole seconds, from 1 second to 30 days."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> Seconds:
        """A number of seconds or a text with units d, h, m, s. Raises ValueError with what was expected."""
        seconds = _whole_seconds(value)
        if seconds is None:
            raise ValueError('expected a duration such as "10m", "1h30m" or a whole number of seconds')
        if not 1 <= seconds <= _LONGEST:
            raise ValueError("expected a duration from 1 second to 30 days")
        return cls(seconds)


def _whole_seconds(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if not isinstance(value, str):
        return None
    if value.isascii() and value.isdigit():
        return int(value) if len(value) < len("1000000000") else _LONGEST + 1
    match = _TEXT.fullmatch(value.strip())
    if match is None or not any(match.groups()):
        return None
    return sum(int(number) * factor for number, factor in zip(match.groups(), _FACTORS, strict=True) if number)
