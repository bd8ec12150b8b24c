"""What a person would type to see what DAG did in the IaC repository."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from dag_common.errors import Unavailable


async def show_last_commit(url: str, directory: Path) -> str:
    """Clone the repository (credentials in the URL) and answer `git show --stat` of its tip. Raises `Unavailable`."""
    await _git("clone", "--quiet", url, str(directory))
    return await _git("-C", str(directory), "show", "--stat", "--format=medium", "HEAD")


async def _git(*arguments: str) -> str:
    try:
        process = await asyncio.create_subprocess_exec(
            "git",
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C.UTF-8"},
        )
    except FileNotFoundError as error:
        raise Unavailable("The command git is missing; install git and try again") from error
    out, err = await process.communicate()
    if process.returncode:
        raise Unavailable(f"git {arguments[0]} failed: {err.decode(errors='replace').strip()}")
    return out.decode(errors="replace")
