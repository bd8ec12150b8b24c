"""Reading fields of plain objects without trusting their shape: what is missing or of another type reads as empty."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def field(obj: Any, *path: str) -> Any:
    """The value at `path`, or None."""
    for step in path:
        if not isinstance(obj, Mapping):
            return None
        obj = obj.get(step)
    return obj


def text(obj: Any, *path: str) -> str:
    """The string at `path`, or an empty one."""
    value = field(obj, *path)
    return value if isinstance(value, str) else ""


def number(obj: Any, *path: str, default: int = 0) -> int:
    """The whole number at `path`, or the default."""
    value = field(obj, *path)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def flag(obj: Any, *path: str) -> bool:
    """Whether `path` holds true."""
    return field(obj, *path) is True


def items(obj: Any, *path: str) -> list[Any]:
    """The list at `path`, or an empty one."""
    value = field(obj, *path)
    return value if isinstance(value, list) else []


def instant(obj: Any, *path: str) -> datetime | None:
    """The RFC 3339 time at `path`, aware, or None."""
    try:
        moment = datetime.fromisoformat(text(obj, *path))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
