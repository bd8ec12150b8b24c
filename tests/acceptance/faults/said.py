"""What the services said during a run: an error that nobody foresaw is a bug, even if everything ended well."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

OURS = re.compile(r"[a-z_]+|(Task|Future) exception was never retrieved.*|Exception in callback.*", re.DOTALL)
"""Events that tell of our code: DAG's have names. What a driver tells of a connection that is broken is its own."""

FORESEEN: Mapping[str, str] = {
    "coro=<PoolConnectionHolder.release()": "asyncpg gives a connection back in a task that nobody waits for "
    "once its user is cancelled; it ends the connection if that fails (`pool.py`)",
}
"""Of those, what a storm may bring about, by words of the event, each with its reason."""

SERIOUS = ("error", "critical")
SHOWN = 1_000
"""Characters of one line."""


def unforeseen(directory: Path) -> list[str]:
    """The serious lines of all processes' logs in a directory: errors, and what an interpreter dies with."""
    return [f"{log.stem}: {line[:SHOWN]}" for log in sorted(directory.glob("*.log")) for line in _serious(log)]


def _serious(log: Path) -> Iterator[str]:
    for line in log.read_text(errors="replace").splitlines():
        told = _read(line)
        if _is_an_error(told) if told else "Traceback" in line:
            yield line


def _is_an_error(told: Mapping[str, Any]) -> bool:
    if told.get("level") not in SERIOUS or _began_in_an_outage(told):
        return False
    if not OURS.fullmatch(str(told.get("event"))):
        return False
    return not any(words in str(told.get("event")) for words in FORESEEN)


def _began_in_an_outage(told: Mapping[str, Any]) -> bool:
    """A process that is started while a server is away says so in a sentence and ends; it is started again."""
    return told.get("event") == "start_failed" and "cannot be asked" in str(told.get("reason"))


def _read(line: str) -> Mapping[str, Any]:
    """A line as the services write them; empty if something else wrote it."""
    try:
        told = json.loads(line)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
