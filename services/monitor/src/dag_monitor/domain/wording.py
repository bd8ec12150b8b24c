"""Other systems' words, made fit for an event: one line, bounded, without credentials."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

_USERINFO: Final = re.compile(r"(?<=://)[^/\s@'\"]+@")
_BREAK: Final = re.compile(r"\s*\n\s*")
_LIMIT: Final = 1000


def told(message: str) -> str:
    """The message on one line of at most 1000 characters; user and password are cut out of URLs."""
    line = _BREAK.sub("; ", _USERINFO.sub("", message).strip())
    return line if len(line) <= _LIMIT else f"{line[: _LIMIT - 1]}…"


def sentences(*parts: str) -> str:
    """The parts that say something, one after the other, each ending like a sentence."""
    said = [part.strip() for part in parts if part.strip()]
    return " ".join(part if part[-1] in ".!?…" else f"{part}." for part in said)


def lines(*parts: str) -> str:
    """The parts that say something, a line each."""
    return "\n".join(part for part in parts if part)


def lacking(rights: tuple[str, ...]) -> str:
    """Which rights DAG has not, each given as `list pods in namespace shop`."""
    return f"DAG lacks the right to {' and to '.join(rights)}"


def short(commit: str) -> str:
    """A commit as people read it."""
    return commit[:7]


def rewritten(branch: str, ours: str, at: str) -> str:
    """What became of a commit that its branch has lost."""
    return (
        f"Commit {short(ours)} of this deployment is not on branch {branch} any more, it was rewritten without it, and "
        f"the cluster is at commit {short(at)}: deploy again"
    )


def span(length: timedelta) -> str:
    """A duration as people read it: `1h30m`, `10m`, `45s`."""
    seconds = int(length.total_seconds())
    parts = ((seconds // 3600, "h"), (seconds % 3600 // 60, "m"), (seconds % 60, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"
