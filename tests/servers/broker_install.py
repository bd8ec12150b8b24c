"""Get rabbitmq-server where we may: as root on Debian or Ubuntu, without starting its system service."""

from __future__ import annotations

import asyncio
import os
import shutil
from asyncio.subprocess import DEVNULL
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POLICY = Path("/usr/sbin/policy-rc.d")
"""Debian's invoke-rc.d asks this script before it starts a service; exit status 101 means no (invoke-rc.d(8))."""


def can_install() -> bool:
    """Whether we are root on a system with apt-get."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


async def install_rabbitmq() -> bool:
    """Install the package; False if it cannot be had (no network, no such package)."""
    with _services_stay_down():
        if await _apt("install", "-y", "--no-install-recommends", "rabbitmq-server"):
            return True
        await _apt("update")
        return await _apt("install", "-y", "--no-install-recommends", "rabbitmq-server")


async def _apt(*arguments: str) -> bool:
    process = await asyncio.create_subprocess_exec(
        "apt-get",
        "-q",
        "-o",
        "DPkg::Lock::Timeout=120",
        *arguments,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=DEVNULL,
    )
    return await process.wait() == 0


@contextmanager
def _services_stay_down() -> Iterator[None]:
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
