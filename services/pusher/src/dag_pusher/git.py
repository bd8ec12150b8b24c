"""One chain of commits and one push for everything that waits for one branch of one IaC repository."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

import pygit2

from dag_common.charts.values import SIZE
from dag_common.contracts.events import DeploymentId
from dag_common.errors import Conflict, Invalid, TooLarge, Unavailable
from dag_common.iac.damage import undamaged
from dag_common.iac.mirror import Mirror, Tip, Upstream
from dag_common.iac.room import ensure_room, room
from dag_common.iac.tree import (
    empty_tree,
    find_directory,
    read_file,
    replace_directory,
    write_directory,
)
from dag_common.iac.wire import LostTouch
from dag_pusher.domain.batch import Batch, Landed, WaitingChart
from dag_pusher.domain.message import Trailers, commit_message, fence_message, read_trailers
from dag_pusher.domain.outcome import Outcome, Pushed, Raced, judge
from dag_pusher.domain.plan import (
    AlreadyCommitted,
    Candidate,
    Commit,
    CommitFound,
    Landing,
    Problem,
    Unchanged,
    Unusable,
    plan,
)

SEARCHED_WITHOUT_BASE: Final = 1_000
"""Commits looked at for an earlier attempt whose base is not in the history (any more)."""


@dataclass(frozen=True, slots=True)
class Author:
    """Whom DAG's commits name."""

    name: str = "DAG"
    email: str = "dag@localhost"


class IacBranch:
    """Commits to one branch: look, prepare, push. After `Raced` do the three again; nothing is kept in between."""

    def __init__(self, mirror: Mirror, author: Author = Author()) -> None:
        self._mirror = mirror
        self._author = author

    async def look(self) -> Upstream:
        """The branch as it is now, with room to build on it.

        Raises `Unavailable`, also while a push of ours that was given up may still move it from where it is.
        """
        upstream = await self._mirror.look()
        if self._mirror.awaits_answer(upstream.tip.commit if upstream.tip else ""):
            raise Unavailable(f"the git server at {self._mirror.url} still owes the answer to an earlier push")
        await self._mirror.use(lambda repository: ensure_room(Path(repository.path)))
        return upstream

    async def prepare(self, charts: Sequence[WaitingChart], upstream: Upstream) -> Batch:
        """Find what earlier attempts left, and build one commit for each of the others, in order of positions.

        A deployment that cannot be committed is told in `unusable` and spoils nothing. Raises `Unavailable`.
        """
        return await self._mirror.use(lambda repository: _Builder(repository, upstream, self._author).build(charts))

    async def push(self, batch: Batch) -> Outcome:
        """Push the chain at once, if its base still is the tip.

        When the connection is lost the branch is looked at again before the outcome is told; `Unavailable` is raised
        if that fails, and then the next `prepare` finds what arrived.
        """
        if not batch.needs_push:
            return Pushed()
        try:
            report = await self._mirror.push(batch.tip, expected=batch.base)
        except Conflict as exc:
            return Raced(exc.message)
        except LostTouch as exc:
            return await self._arrived(batch, exc.message)
        if not report.confirmed:
            return await self._arrived(batch, "the server did not say what became of the push")
        return judge(report.refusal, report.words)

    async def _arrived(self, batch: Batch, why: str) -> Outcome:
        tip = await self._mirror.fetch()
        if tip is None:
            return Raced(why)
        arrived = await self._mirror.use(lambda repository: _contains(repository, tip.commit, batch.tip))
        return Pushed() if arrived else Raced(why)


def find_deployments(
    repository: pygit2.Repository, bases: Collection[str], tip: str
) -> dict[DeploymentId, CommitFound]:
    """The deployments whose commits lie between any of `bases` and `tip`, by the trailers.

    A base that is not in the local history (empty, or the history was rewritten) is replaced by a bound on the
    number of commits. Ours are UTF-8; what others' commits say of their encoding may be anything.
    """
    found: dict[DeploymentId, CommitFound] = {}
    for base in dict.fromkeys(bases):
        for commit in _since(repository, base, tip):
            trailers = read_trailers(commit.raw_message.decode("utf-8", "replace"))
            if trailers is not None:
                deployment_id = DeploymentId(trailers.deployment_id)
                found.setdefault(deployment_id, _found(repository, commit, trailers))
    return found


def _found(repository: pygit2.Repository, commit: pygit2.Commit, trailers: Trailers) -> CommitFound:
    parent = commit.parents[0] if commit.parents else None
    return CommitFound(
        commit=str(commit.id),
        digest=trailers.chart_digest,
        position=trailers.position,
        parent=str(parent.id) if parent else "",
        before=str(parent.tree.id) if parent else empty_tree(repository),
    )


class _Builder:
    """Builds one chain in one repository; used once, in one thread."""

    def __init__(self, repository: pygit2.Repository, upstream: Upstream, author: Author) -> None:
        self._repository = repository
        self._author = author
        self._base: Tip | None = upstream.tip
        self._start = upstream.tip or upstream.fork
        self._tip = self._start.commit if self._start else ""
        self._in_doubt: set[DeploymentId] = set()

    def build(self, charts: Sequence[WaitingChart]) -> Batch:
        with room(Path(self._repository.path)), undamaged():
            root = self._start.tree if self._start else empty_tree(self._repository)
            waiting = {chart.deployment_id: chart for chart in charts}
            self._in_doubt = {chart.deployment_id for chart in charts if chart.doubtful(self._base_id)}
            candidates = [self._candidate(chart) for chart in waiting.values()]
            steps = plan(candidates, root, self._found(charts), self._place)
            landed = tuple(self._land(step, waiting) for step in steps if not isinstance(step, Unusable))
            unusable = tuple(step for step in steps if isinstance(step, Unusable))
            doubtful = frozenset(step.candidate.deployment_id for step in unusable) & self._in_doubt
            batch = Batch(self._base_id, self._tip, landed, unusable, doubtful)
            moves = batch.tip != batch.base
            return batch if moves or not batch.needs_push else replace(batch, tip=self._fence(charts, root))

    @property
    def _base_id(self) -> str:
        return self._base.commit if self._base else ""

    def _found(self, charts: Iterable[WaitingChart]) -> dict[DeploymentId, CommitFound]:
        bases = [base for chart in charts for base in chart.bases]
        return find_deployments(self._repository, bases, self._base.commit) if self._base else {}

    def _candidate(self, chart: WaitingChart) -> Candidate:
        content = chart.files
        place = (chart.deployment_id, chart.position, chart.requested.iac.path, chart.requested.chart.sha256)
        if isinstance(content, Problem):
            return Candidate(*place, content)
        try:
            return Candidate(*place, write_directory(self._repository, content))
        except Invalid as exc:
            return Candidate(*place, Problem("chart_unusable", exc.message))

    def _place(self, root: str, path: str, directory: str) -> str:
        return replace_directory(self._repository, root, path, directory)

    def _land(self, step: Landing, waiting: Mapping[DeploymentId, WaitingChart]) -> Landed:
        candidate = step.candidate
        if isinstance(step, AlreadyCommitted):
            return self._landed_before(step)
        before = step.before if isinstance(step, Commit) else step.root
        if isinstance(step, Commit):
            self._tip = self._commit(step, waiting[candidate.deployment_id])
        unchanged = isinstance(step, Unchanged)
        stood = step.commit if isinstance(step, Unchanged) else None
        return Landed(
            deployment_id=candidate.deployment_id,
            commit=stood or self._tip,
            tree=str(candidate.content),
            chart=self._chart_yaml(step.root, candidate),
            previous_chart=self._chart_yaml(before, candidate),
            unchanged=unchanged,
            settled=not self._in_doubt and (stood is not None or (unchanged and self._tip == self._base_id != "")),
        )

    def _landed_before(self, step: AlreadyCommitted) -> Landed:
        root = str(self._repository[step.found.commit].peel(pygit2.Commit).tree.id)
        return Landed(
            deployment_id=step.candidate.deployment_id,
            commit=step.found.commit,
            tree=find_directory(self._repository, root, step.candidate.path) or "",
            chart=self._chart_yaml(root, step.candidate),
            previous_chart=self._chart_yaml(step.found.before, step.candidate),
            unchanged=False,
            settled=True,
        )

    def _commit(self, step: Commit, chart: WaitingChart) -> str:
        """The commit is the same whenever it is made, so one that is sent again after a lost answer changes nothing."""
        when = int(chart.requested_at.timestamp())
        author = pygit2.Signature(self._author.name, self._author.email, when, 0)
        trailers = Trailers(str(chart.deployment_id), chart.requested.chart.sha256, chart.position, chart.log_head)
        message = commit_message(chart.requested, trailers)
        parents: list[pygit2.Oid | str] = [self._tip] if self._tip else []
        return str(self._repository.create_commit(None, author, author, message, step.root, parents))

    def _fence(self, charts: Sequence[WaitingChart], root: str) -> str:
        """A commit that changes nothing but where the branch stands; the same one whoever makes it."""
        doubtful = [chart for chart in charts if chart.deployment_id in self._in_doubt]
        when = max(int(chart.requested_at.timestamp()) for chart in doubtful)
        author = pygit2.Signature(self._author.name, self._author.email, when, 0)
        message = fence_message(str(chart.deployment_id) for chart in doubtful)
        parents: list[pygit2.Oid | str] = [self._tip] if self._tip else []
        return str(self._repository.create_commit(None, author, author, message, pygit2.Oid(hex=root), parents))

    def _chart_yaml(self, root: str, candidate: Candidate) -> bytes | None:
        """The Chart.yaml at the candidate's path; one that is no plain file of sane size counts as none."""
        try:
            return read_file(self._repository, root, f"{candidate.path}/Chart.yaml", max_bytes=SIZE)
        except (Invalid, TooLarge):
            return None


def _since(repository: pygit2.Repository, base: str, tip: str) -> Iterator[pygit2.Commit]:
    walk = repository.walk(tip)
    if base and base in repository:
        walk.hide(base)
        return iter(walk)
    return islice(walk, SEARCHED_WITHOUT_BASE)


def _contains(repository: pygit2.Repository, tip: str, commit: str) -> bool:
    with undamaged():
        return tip == commit or repository.descendant_of(tip, commit)
