"""The local copy of one branch of one IaC repository: bare, its own process's alone, and expendable."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import pygit2
import structlog

from dag_common.errors import Unavailable
from dag_common.iac.access import AccessSource
from dag_common.iac.damage import Damaged, undamaged
from dag_common.iac.room import ensure_room, room
from dag_common.iac.slot import Slot
from dag_common.iac.threads import THREADS
from dag_common.iac.upkeep import clear_leftovers, crowded, mark, outlived_a_boot, pack
from dag_common.iac.wire import LostTouch, PushReport, Wire

log = structlog.get_logger()
T = TypeVar("T")

_TIP: Final = "refs/dag/tip"
_FORK: Final = "refs/dag/fork"
_PUSH: Final = "refs/dag/push"
CLOSE_SECONDS: Final = 1.0
PUSH_SECONDS: Final = 120.0
"""How long the answer to a push is waited for. A hook that hangs is no silence: git sends keepalives meanwhile
(git, builtin/receive-pack.c, `receive.keepAlive`)."""


@dataclass(frozen=True, slots=True)
class Tip:
    """The commit a branch ends in, and that commit's tree."""

    commit: str
    tree: str


@dataclass(frozen=True, slots=True)
class Upstream:
    """The branch as the server has it now.

    `tip` is None if the branch does not exist; then `fork` is the tip of the server's default branch, which a new
    branch starts from (None too: the repository is empty).
    """

    tip: Tip | None
    fork: Tip | None = None


class Mirror:
    """Fetches, reads and pushes one branch. Safe to share between tasks of one event loop; close it when done.

    The copy survives restarts. One that is half-written or damaged is thrown away and cloned anew. Nothing is opened
    before the first use. `directory` may be shared: every process gets its own slot in it.
    """

    def __init__(self, url: str, branch: str, directory: Path, access: AccessSource) -> None:
        self.branch = branch
        self._wire = Wire(url, access)
        self._directory = directory
        self._slot: Slot | None = None
        self._turn = asyncio.Lock()
        self._next: asyncio.Task[Upstream] | None = None
        self._unanswered: dict[str, asyncio.Future[PushReport]] = {}
        self._files = threading.Lock()

    @property
    def url(self) -> str:
        """The repository's URL without secrets."""
        return self._wire.url

    async def fetch(self) -> Tip | None:
        """The branch's tip as the server has it, fetched; None if the branch does not exist.

        Raises `Unavailable`. See `look`.
        """
        return (await self.look()).tip

    async def look(self) -> Upstream:
        """Ask the server where the branch is, and fetch what is new. Raises `Unavailable`.

        Callers share a look that has not begun; one that has begun may have missed what a caller already knows to
        be pushed.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._look(), name=f"look at {self.url}")
            self._next.add_done_callback(_retrieve)
        return await asyncio.shield(self._next)

    async def use(self, work: Callable[[pygit2.Repository], T]) -> T:
        """Read from or write objects to the local copy, in a thread, with a repository object of its own.

        A damaged copy is cloned anew and `work` done once more; raises `Unavailable` if that fails.
        """
        generation = (await self._in_thread(self._claimed)).generation
        try:
            return await self._in_thread(lambda: work(self._open()))
        except Damaged as exc:
            log.warning("mirror_damaged", url=self.url, reason=exc.message)
        await asyncio.shield(_retrieved(asyncio.create_task(self._renew(generation))))
        return await self._in_thread(lambda: work(self._open()))

    async def push(self, commit: str, *, expected: str) -> PushReport:
        """Move the server's branch from the commit `expected` (empty: no such branch) to `commit`.

        Raises `Conflict` if the branch is elsewhere, `LostTouch` if the outcome is unknown or does not come within
        `PUSH_SECONDS`, else `Unavailable`.
        """
        return await asyncio.shield(_retrieved(asyncio.create_task(self._push(commit, expected))))

    def awaits_answer(self, expected: str) -> bool:
        """Whether a push of ours that was to move the branch from `expected` was given up and may still arrive."""
        return expected in self._unanswered

    async def close(self) -> None:
        """Let go of the directory; if a silent server keeps it in use, it is let go of by the end of the process."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS), self._turn:
                await asyncio.gather(*self._unanswered.values(), return_exceptions=True)
                if self._slot is not None:
                    self._slot.release()
                    self._slot = None
        except TimeoutError:
            log.warning("mirror_left_in_use", url=self.url)

    async def _look(self) -> Upstream:
        async with self._turn:
            self._next = None
            return await self._in_thread(self._look_now)

    async def _push(self, commit: str, expected: str) -> PushReport:
        async with self._turn:
            answer = asyncio.ensure_future(self._in_thread(lambda: self._push_now(commit, expected)))
            await asyncio.wait((answer,), timeout=PUSH_SECONDS)
            if answer.done():
                return answer.result()
            self._unanswered[expected] = answer
            answer.add_done_callback(lambda late: self._answered(expected, late))
            raise LostTouch(f"the git server at {self.url} has not answered a push for {PUSH_SECONDS:.0f} s")

    def _answered(self, expected: str, late: asyncio.Future[PushReport]) -> None:
        """Whatever the answer was: the next look shows what became of it."""
        self._unanswered.pop(expected, None)
        if not late.cancelled() and (error := late.exception()):
            log.warning("late_answer", url=self.url, error=str(error))

    async def _renew(self, seen: int) -> None:
        async with self._turn:
            if seen == self._claimed().generation:
                await self._in_thread(self._clone_anew)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(THREADS, work)

    def _look_now(self) -> Upstream:
        slot = self._claimed()
        if crowded(slot.copy) and not pack(slot.copy):
            slot.abandon()
        try:
            return self._fetched(self._open())
        except Damaged as exc:
            log.warning("mirror_damaged", url=self.url, reason=exc.message)
            return self._clone_anew()

    def _clone_anew(self) -> Upstream:
        self._claimed().abandon()
        return self._fetched(self._open())

    def _fetched(self, repository: pygit2.Repository) -> Upstream:
        remote = self._wire.remote(repository)
        heads = self._wire.heads(remote)
        names = ((_TIP, self.branch), (_FORK, heads.default))
        ref, branch = next((pair for pair in names if pair[1] in heads.branches), ("", ""))
        if not ref:
            return Upstream(None)
        wanted = heads.branches[branch]
        if _target(repository, ref) != wanted:
            with room(self._claimed().path):
                self._wire.fetch(remote, branch, ref)
        tip = _tip(repository, _target(repository, ref) or wanted)
        return Upstream(tip) if ref == _TIP else Upstream(None, tip)

    def _push_now(self, commit: str, expected: str) -> PushReport:
        """Objects that cannot be read are only met here: nothing is written again that seems to be there."""
        try:
            repository = self._open()
            _point(repository, _PUSH, commit)
            report = self._wire.push(repository, _PUSH, self.branch, expected=expected)
        except Damaged as exc:
            log.warning("mirror_damaged", url=self.url, reason=exc.message)
            ensure_room(self._claimed().path)
            self._claimed().abandon()
            raise
        if report.confirmed and report.refusal is None:
            self._remember(repository, commit)
        return report

    def _remember(self, repository: pygit2.Repository, commit: str) -> None:
        """Spares the next look a fetch; the push arrived whether or not this can be written."""
        try:
            _point(repository, _TIP, commit)
        except Damaged as exc:
            log.warning("tip_not_remembered", url=self.url, reason=exc.message)

    def _open(self) -> pygit2.Repository:
        """The local copy; made if it is not there."""
        path = self._claimed().copy
        try:
            with self._files:
                if not (path / "HEAD").exists():
                    ensure_room(path.parent)
                    pygit2.init_repository(str(path), bare=True)
                    mark(path)
                return pygit2.Repository(str(path))
        except (pygit2.GitError, OSError) as exc:
            raise Damaged(f"the local copy of {self.url} cannot be opened: {exc}") from exc

    def _claimed(self) -> Slot:
        with self._files:
            if self._slot is None:
                self._slot = _cleared(Slot(self._directory))
            return self._slot


def _cleared(slot: Slot) -> Slot:
    try:
        if outlived_a_boot(slot.copy):
            slot.abandon()
        clear_leftovers(slot.copy)
    except Unavailable:
        slot.release()
        raise
    return slot


def _target(repository: pygit2.Repository, ref: str) -> str:
    """Where a local ref points; empty if it is not there or cannot be read."""
    try:
        return str(repository.references[ref].target)
    except (KeyError, ValueError, pygit2.GitError):
        return ""


def _point(repository: pygit2.Repository, ref: str, commit: str) -> None:
    with undamaged():
        repository.references.create(ref, commit, force=True)


def _tip(repository: pygit2.Repository, commit: str) -> Tip:
    with undamaged():
        return Tip(commit, str(repository[commit].peel(pygit2.Commit).tree.id))


def _retrieve(task: asyncio.Task[T]) -> None:
    """Look at a task's error, so that one whose every caller went away ends without a word."""
    if not task.cancelled():
        task.exception()


def _retrieved(task: asyncio.Task[T]) -> asyncio.Task[T]:
    task.add_done_callback(_retrieve)
    return task
