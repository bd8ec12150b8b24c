"""The git host in memory: real commits in one object database, branches that only move by compare-and-swap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pygit2
from log_model import Gate
from pygit2.enums import FileMode

from dag_common.errors import Conflict, Unavailable
from dag_common.iac.mirror import Tip, Upstream
from dag_common.iac.tree import empty_tree, find_directory, replace_directory, write_directory
from dag_common.iac.wire import LostTouch, PushReport

T = TypeVar("T")
SOMEBODY = pygit2.Signature("Grace", "grace@example.com", 1_000_000_000, 0)
DEFAULT_BRANCH = "main"


class HostModel:
    """Where each branch stands. Objects are shared with every other run: they are named by what they hold."""

    def __init__(self, directory: Path) -> None:
        fresh = not (directory / "HEAD").exists()
        self.repository = (
            pygit2.init_repository(str(directory), bare=True) if fresh else pygit2.Repository(str(directory))
        )
        self.tips: dict[str, str] = {}
        self._written = 0

    def tip(self, branch: str) -> Tip | None:
        commit = self.tips.get(branch)
        return Tip(commit, str(self.repository[commit].peel(pygit2.Commit).tree.id)) if commit else None

    def commits(self, branch: str) -> Iterator[pygit2.Commit]:
        """The branch's commits, the oldest first."""
        tip = self.tips.get(branch)
        commits = list(self.repository.walk(tip)) if tip else []
        return reversed(commits)

    def write(self, branch: str, path: str, files: dict[str, bytes]) -> None:
        """Somebody else's commit: `path` now holds these files."""
        before = self.tip(branch)
        root = before.tree if before else empty_tree(self.repository)
        self._commit(branch, replace_directory(self.repository, root, path, write_directory(self.repository, files)))

    def clutter(self, branch: str, name: str, content: bytes, mode: FileMode) -> None:
        """Somebody else's commit: a file or symbolic link at the top."""
        before = self.tip(branch)
        builder = self.repository.TreeBuilder(before.tree) if before else self.repository.TreeBuilder()
        builder.insert(name, self.repository.create_blob(content), mode)
        self._commit(branch, str(builder.write()))

    def _commit(self, branch: str, root: str) -> None:
        self._written += 1
        parents: list[pygit2.Oid | str] = [self.tips[branch]] if branch in self.tips else []
        message = f"By hand, {self._written}\n"
        commit = self.repository.create_commit(None, SOMEBODY, SOMEBODY, message, pygit2.Oid(hex=root), parents)
        self.tips[branch] = str(commit)

    def directory(self, commit: str, path: str) -> str | None:
        return find_directory(self.repository, str(self.repository[commit].peel(pygit2.Commit).tree.id), path)


class MirrorModel:
    """`Mirror`, as the pusher uses it. Every question to the host passes the gate first."""

    def __init__(self, host: HostModel, branch: str, gate: Gate) -> None:
        self.branch = branch
        self._host = host
        self._gate = gate

    async def look(self) -> Upstream:
        if await self._gate("look"):
            raise Unavailable("the git host is away")
        tip = self._host.tip(self.branch)
        return Upstream(tip, None if tip else self._host.tip(DEFAULT_BRANCH))

    async def fetch(self) -> Tip | None:
        return (await self.look()).tip

    async def use(self, work: Callable[[pygit2.Repository], T]) -> T:
        return work(self._host.repository)

    def awaits_answer(self, expected: str) -> bool:
        return False

    async def push(self, commit: str, *, expected: str) -> PushReport:
        fault = await self._gate("push")
        if fault == "lost":
            raise LostTouch("the push was cut before it arrived")
        if self._host.tips.get(self.branch, "") != expected:
            raise Conflict("the branch is elsewhere")
        if fault == "refused":
            return PushReport(confirmed=True, refusal="pre-receive hook declined", words="not on a Friday")
        self._host.tips[self.branch] = commit
        if fault:
            raise LostTouch("the push was cut after it arrived")
        return PushReport(confirmed=True, refusal=None, words="")
