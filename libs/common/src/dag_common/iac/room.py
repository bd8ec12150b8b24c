"""Room on the disk of a mirror: asked for before it is written to, and found missing after a write that failed.

libgit2 writes packs, objects and refs beside their place and renames them when they are whole, none through a memory
map (libgit2, src/libgit2/indexer.c, src/util/filebuf.c): a full disk is an error there, no signal and no half of a
file. But it often forgets which error it was, so the disk is asked again.
"""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dag_common.errors import Unavailable
from dag_common.iac.damage import Damaged

RESERVE: Final = 16 << 20
"""Bytes that must be free before anything is written: others live on the same disk."""

_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_UNSUPPORTED: Final = (errno.EOPNOTSUPP, errno.EINVAL)


class DiskFull(Unavailable):
    """The disk of the mirrors is full. The copy is as good as it was; what waits goes on when there is room."""

    def __init__(self, directory: Path, why: str) -> None:
        super().__init__(
            f"the disk of the mirror directory {directory} is full ({why}): free at least {RESERVE >> 20} MiB there, "
            "and what waits goes on by itself"
        )


@contextmanager
def room(directory: Path) -> Iterator[None]:
    """Write into `directory` inside; raises `DiskFull` if there is no room before, or if that is why it failed."""
    ensure_room(directory)
    try:
        yield
    except Unavailable as exc:
        if why := _full(exc.message):
            raise DiskFull(directory, why) from exc
        if isinstance(exc, Damaged):
            ensure_room(directory)
        raise


def ensure_room(directory: Path) -> None:
    """Raise `DiskFull` unless `RESERVE` bytes can be written in `directory`: a quota counts, not only the disk."""
    try:
        with tempfile.TemporaryFile(dir=directory) as reserve:
            _allocate(reserve.fileno())
    except OSError as exc:
        if exc.errno in _FULL:
            raise DiskFull(directory, os.strerror(exc.errno)) from exc
        raise Unavailable(f"the mirror directory {directory} cannot be written: {exc.strerror}") from exc


def _allocate(file: int) -> None:
    try:
        if sys.platform == "linux":
            os.posix_fallocate(file, 0, RESERVE)
            return
    except OSError as exc:
        if exc.errno not in _UNSUPPORTED:
            raise
    disk = os.fstatvfs(file)
    if disk.f_bavail * disk.f_frsize < RESERVE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _full(words: str) -> str:
    """What libgit2's words say of a full disk of ours; empty if nothing. A server's own trouble is a `remote error`."""
    if "remote error" in words:
        return ""
    return next((text for text in map(os.strerror, _FULL) if text in words), "")
