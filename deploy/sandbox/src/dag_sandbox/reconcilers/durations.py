"""Durations as Go programs read and write them: `10m`, `1h30m`, `5m0s`."""

from __future__ import annotations

import re
from typing import Final

from dag_common.errors import Invalid

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_WHOLE: Final = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h))+")


def seconds(text: str) -> float:
    """The length in seconds. Raises `Invalid` for what is no duration."""
    if not _WHOLE.fullmatch(text):
        raise Invalid(f"{text!r} is no duration: write it like 30s, 10m or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))


def written(length: float) -> str:
    """The duration as Go prints it: minutes and hours keep their zeros (`5m0s`)."""
    whole, rest = divmod(length, 60)
    hours, minutes = divmod(int(whole), 60)
    tail = f"{rest:g}s"
    if hours:
        return f"{hours}h{minutes}m{tail}"
    return f"{minutes}m{tail}" if minutes else tail
