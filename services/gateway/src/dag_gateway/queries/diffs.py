"""How one file differs from another, as a unified diff of bounded size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pygit2

KIB: Final = 1024
MAX_DIFF_BYTES: Final = 64 * KIB
MAX_COMPARED_BYTES: Final = 256 * KIB
"""What comparing costs grows with the square of the size where nothing fits: at this size it is under a second."""


@dataclass(frozen=True, slots=True)
class Side:
    """A file before or after. `mode` is git's, `content` is None if it is larger than `MAX_COMPARED_BYTES`."""

    mode: int
    content: bytes | None


@dataclass(frozen=True, slots=True)
class Diff:
    """`text` is None where there is none: for a binary file, or (then it is `truncated`) one that is too large."""

    text: str | None
    truncated: bool = False


TOO_LARGE: Final = Diff(None, truncated=True)


def difference(path: str, before: Side | None, after: Side | None, room: int = MAX_DIFF_BYTES) -> Diff:
    """What changes from `before` to `after` (None: no such file), in at most `room` bytes of whole lines."""
    contents = [side.content for side in (before, after) if side is not None]
    if any(content is not None and not _is_text(content) for content in contents):
        return Diff(None)
    if room <= 0 or any(content is None or len(content) > MAX_COMPARED_BYTES for content in contents):
        return TOO_LARGE
    whole = _modes(before, after) + _hunks(path, before, after)
    if len(whole) <= room:
        return Diff(whole.decode())
    kept, line_end, _ = whole[:room].rpartition(b"\n")
    return Diff((kept + line_end).decode(), truncated=True) if kept else TOO_LARGE


def _is_text(content: bytes) -> bool:
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False


def _modes(before: Side | None, after: Side | None) -> bytes:
    if before is None or after is None or before.mode == after.mode:
        return b""
    return b"old mode %06o\nnew mode %06o\n" % (before.mode, after.mode)


def _hunks(path: str, before: Side | None, after: Side | None) -> bytes:
    """As git writes them, which quotes odd paths and says where a last line does not end; its own header is cut."""
    old, new = (None if side is None else side.content for side in (before, after))
    data: bytes = pygit2.Patch.create_from(old, new, path, path).data
    _, start, hunks = data.partition(b"\n--- ")
    return start[1:] + hunks
