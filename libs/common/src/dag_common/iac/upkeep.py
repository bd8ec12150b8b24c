"""Keeping a bare repository small and free of what killed processes left. Everything here blocks."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dag_common.errors import Unavailable

_LOOSE: Final = 6_700
"""Loose objects from which git packs (git, Documentation/config/gc.txt, gc.auto)."""

_PACKS: Final = 50
BOOT_MARK: Final = "dag-boot"
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_SECONDS: Final = 600.0


def crowded(repository: Path) -> bool:
    """Whether the repository has so many loose objects or packs that finding one gets slow.

    Counts one of the 256 directories, as git does (git, builtin/gc.c).
    """
    objects = repository / "objects"
    loose = sum(1 for _ in _within(objects / "17")) * 256
    packs = sum(1 for name in _within(objects / "pack") if name.endswith(".pack"))
    return loose > _LOOSE or packs > _PACKS


def pack(repository: Path) -> bool:
    """Let git pack the repository; false if there is no `git` or it failed, and the copy is better cloned anew."""
    git = shutil.which("git")
    if git is None:
        return False
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
    }
    limits = ("-c", f"gc.auto={_LOOSE}", "-c", f"gc.autoPackLimit={_PACKS}", "-c", "gc.autoDetach=false")
    command = [git, "-C", str(repository), *limits, "gc", "--quiet", "--auto"]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=_SECONDS, check=False)  # noqa: S603 - fixed arguments
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def clear_leftovers(repository: Path) -> None:
    """Remove locks and half-written files; only for the one process that holds the repository's slot.

    libgit2 names its temporary files `*_git2_<random>` (libgit2, src/util/futils.c), git `tmp_*`.
    """
    patterns = ("**/*.lock", "**/*_git2_*", "objects/**/tmp_*", "gc.pid")
    try:
        for leftover in [path for pattern in patterns for path in repository.glob(pattern)]:
            leftover.unlink(missing_ok=True)
    except OSError as exc:
        raise Unavailable(f"the mirror {repository} cannot be cleared: {exc.strerror}") from exc


def mark(repository: Path) -> None:
    """Note under which boot of the machine the repository was made."""
    (repository / BOOT_MARK).write_text(_boot())


def outlived_a_boot(repository: Path) -> bool:
    """Whether the machine was started anew since: files it had not written to disk yet may be there by half.

    libgit2 does not wait for the disk, and never comes back from reading a loose object that was cut short (seen
    with libgit2 1.9.7). Where the system names no boots (not Linux), none is seen.
    """
    try:
        return (repository / BOOT_MARK).read_text() != _boot()
    except OSError:
        return repository.exists()


def _boot() -> str:
    return _BOOT_ID.read_text() if _BOOT_ID.exists() else ""


def _within(directory: Path) -> Iterator[str]:
    try:
        yield from os.listdir(directory)  # noqa: PTH208 - names are enough, and this is the quick way
    except FileNotFoundError:
        return
