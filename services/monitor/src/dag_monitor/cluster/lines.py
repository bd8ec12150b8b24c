"""Bytes of a watch stream, cut into lines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from dag_common.errors import Unreadable

LONGEST: Final = 16 * 1024 * 1024
"""Bytes of one line. Objects are at most about 1.5 MiB in etcd, JSON of them a few times that."""


async def split(chunks: AsyncIterator[bytes], *, longest: int = LONGEST) -> AsyncIterator[bytes]:
    r"""The lines of a stream, split at b"\n" only; empty ones and an unfinished last one are left out.

    Text splitting is wrong here: it also cuts at U+2028 and U+0085, which JSON strings may hold. Raises
    `Unreadable` for a line longer than `longest` bytes, before more of it is kept.
    """
    pending: list[bytes] = []
    size = 0
    async for chunk in chunks:
        first, *rest = chunk.split(b"\n")
        for ended in rest:
            line = b"".join((*pending, first))
            pending, size, first = [], 0, ended
            if line:
                yield line
        pending.append(first)
        size += len(first)
        if size > longest:
            raise Unreadable(f"a line of the watch is longer than {longest} bytes")
