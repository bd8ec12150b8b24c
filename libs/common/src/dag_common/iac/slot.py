"""A directory of one's own for a mirror: processes that are given the same directory get different slots of it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from dag_common.errors import Unavailable

_SLOTS = 64


class Slot:
    """A numbered subdirectory held under a file lock; the kernel lets go of it however the process dies."""

    def __init__(self, directory: Path) -> None:
        """Take the first free slot; the one a killed process left is taken over with what is in it.

        Raises `Unavailable` if the directory cannot be written or all slots are taken.
        """
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self.path, self._lock = _take(directory)
            self.path.mkdir(exist_ok=True)
        except OSError as exc:
            raise Unavailable(f"the mirror directory {directory} cannot be used: {exc.strerror}") from exc

    def release(self) -> None:
        """Let another process have the slot; its content stays."""
        os.close(self._lock)


def _take(directory: Path) -> tuple[Path, int]:
    for number in range(_SLOTS):
        lock = os.open(directory / f"{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            return directory / str(number), lock
    raise Unavailable(f"the mirror directory {directory} is used by {_SLOTS} processes already")
