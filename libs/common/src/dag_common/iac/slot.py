"""A directory of one's own for a mirror: processes that are given the same directory get different slots of it."""

from __future__ import annotations

import fcntl
import os
import shutil
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
        except OSError as exc:
            raise Unavailable(f"the mirror directory {directory} cannot be used: {exc.strerror}") from exc
        self._generation = self._newest()

    @property
    def generation(self) -> int:
        """The number of the copy in use."""
        return self._generation

    @property
    def copy(self) -> Path:
        """Where the copy in use lies, or is to be made."""
        return self.path / str(self._generation)

    def abandon(self) -> None:
        """Remove the copy in use; the next one lies elsewhere.

        libgit2 remembers pack files by path for as long as anybody in the process has one open
        (libgit2, src/libgit2/mwindow.c), so a copy made anew in the same place would still look damaged.
        """
        gone = self.copy
        self._generation += 1
        shutil.rmtree(gone, ignore_errors=True)

    def _newest(self) -> int:
        """The copy to go on with. A slot that cannot be used is let go of: the next try would find it taken, by us."""
        try:
            return _latest(self.path)
        except OSError as exc:
            self.release()
            raise Unavailable(f"the mirror directory {self.path} cannot be used: {exc.strerror}") from exc

    def release(self) -> None:
        """Let another process have the slot; its content stays."""
        os.close(self._lock)


def _latest(path: Path) -> int:
    """The newest copy's number; older ones, left by a process killed while it removed them, go."""
    path.mkdir(exist_ok=True)
    numbers = sorted(int(child.name) for child in path.iterdir() if child.name.isdecimal())
    for number in numbers[:-1]:
        shutil.rmtree(path / str(number), ignore_errors=True)
    return numbers[-1] if numbers else 0


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
