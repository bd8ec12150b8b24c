"""The tip of a branch and the files at a commit, read with the `git` command over any transport it knows."""

from __future__ import annotations

import asyncio
import base64
import os
from dataclasses import dataclass, field
from pathlib import Path

from dag_common.errors import NotFound, Unavailable


@dataclass(frozen=True, slots=True)
class Remote:
    """A branch of a repository, with HTTP Basic credentials if it needs them."""

    url: str
    branch: str
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """What git needs to know; credentials go here and not on a command line, where others could read them."""
        quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C"}
        if not self.password:
            return quiet
        token = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        header = {"GIT_CONFIG_KEY_0": "http.extraHeader", "GIT_CONFIG_VALUE_0": f"Authorization: Basic {token}"}
        return quiet | {"GIT_CONFIG_COUNT": "1"} | header


class Checkout:
    """A bare, shallow copy in `directory`: only tips are fetched, as Flux does, so a commit may never be seen."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._turn = asyncio.Lock()

    async def fetch(self, remote: Remote, *, known: str = "") -> str:
        """The commit at the branch's tip, fetched unless it is `known`. Raises `Unavailable` with git's own words."""
        async with self._turn:
            tip = await self._tip(remote)
            if tip != known or not await self.holds(tip):
                await self._prepare()
                spec = f"+refs/heads/{remote.branch}:refs/tips/{remote.branch}"
                await self._git("fetch", "--quiet", "--no-tags", "--depth=1", remote.url, spec, remote=remote)
                tip = (await self._git("rev-parse", f"refs/tips/{remote.branch}")).strip()
            return tip

    async def fetch_commit(self, remote: Remote, commit: str) -> None:
        """Have one commit that need not be a tip. Raises `Unavailable`."""
        async with self._turn:
            if not await self.holds(commit):
                await self._prepare()
                await self._git("fetch", "--quiet", "--no-tags", "--depth=1", remote.url, commit, remote=remote)

    async def read(self, commit: str, path: str) -> str:
        """A text file at a commit. Raises `NotFound`."""
        try:
            return await self._git("show", f"{commit}:{path}")
        except Unavailable as exc:
            raise NotFound(f"stat {path}: no such file or directory") from exc

    async def _tip(self, remote: Remote) -> str:
        listed = await _run(
            "git", "ls-remote", remote.url, f"refs/heads/{remote.branch}", environment=remote.environment
        )
        if not listed:
            raise Unavailable(f'couldn\'t find remote ref "refs/heads/{remote.branch}"')
        return listed.split()[0]

    async def holds(self, commit: str) -> bool:
        """Whether a commit was fetched."""
        try:
            await self._git("cat-file", "-e", f"{commit}^{{commit}}")
        except Unavailable:
            return False
        return True

    async def _prepare(self) -> None:
        if not (self._directory / "HEAD").exists():
            await _run("git", "init", "--quiet", "--bare", str(self._directory), environment={})

    async def _git(self, *arguments: str, remote: Remote | None = None) -> str:
        environment = remote.environment if remote else {}
        return await _run("git", f"--git-dir={self._directory}", *arguments, environment=environment)


async def _run(*command: str, environment: dict[str, str]) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await process.communicate()
    except asyncio.CancelledError:
        if process.returncode is None:
            process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise Unavailable(err.decode(errors="replace").strip() or f"git ended with {process.returncode}")
    return out.decode(errors="replace")
