"""A git host on loopback: real smart HTTP over `git http-backend`, several repositories, faults to switch on.

async with GitHost(root, user="dag", password="example") as host:
await host.commit("iac", {"README.md": b"hello"})
mirror = Mirror(host.url("iac"), "main", ...)
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from dag_sandbox.githost_app import GitHostApp
from dag_sandbox.githost_faults import Faults
from dag_sandbox.githost_repository import HostedRepository, create
from dag_sandbox.serving import serve


class GitHost:
    """Serves the repositories under `root`; repositories stay on disk when the host is gone.

    With a `password` every request needs HTTP Basic credentials. Needs the `git` command.
    """

    def __init__(self, root: Path, *, user: str = "dag", password: str = "", port: int = 0) -> None:
        self._root = root
        self._port = port
        self._certificate: Path | None = None
        self._key: Path | None = None
        self._serving = AsyncExitStack()
        self.faults = Faults()
        self.app = GitHostApp(root, self.faults, user=user, password=password)
        self.base_url = ""

    def with_tls(self, certificate: Path, key: Path) -> Self:
        """Speak HTTPS with this certificate (PEM files); call it before the host is entered."""
        self._certificate, self._key = certificate, key
        return self

    def url(self, repository: str) -> str:
        """The clone URL of a repository, without credentials."""
        return f"{self.base_url}/{repository}.git"

    async def create(self, repository: str) -> None:
        """Make an empty bare repository; one that exists stays as it is. Names are like `iac` or `group/iac`."""
        await asyncio.to_thread(create, self._root, repository)

    def repository(self, name: str) -> HostedRepository:
        """A repository as it lies on disk, past HTTP: what tests look at."""
        return HostedRepository(self._root / f"{name}.git")

    async def commit(
        self,
        repository: str,
        files: Mapping[str, bytes | None],
        *,
        branch: str = "main",
        message: str = "Change by somebody else",
    ) -> str:
        """Commit straight into a repository, as somebody else's push would; returns the commit id.

        `files` maps paths to their new content, `None` deletes. Creates the repository and the branch if need be.
        """
        await self.create(repository)
        return await asyncio.to_thread(self.repository(repository).commit, files, branch=branch, message=message)

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._root.mkdir, parents=True, exist_ok=True)
        context = serve(self.app, port=self._port, ssl_certfile=self._certificate, ssl_keyfile=self._key)
        self.base_url = await self._serving.enter_async_context(context)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._serving.aclose()
