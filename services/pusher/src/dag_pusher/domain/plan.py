"""Group commit: what to do for each deployment that waits for one branch, in the order of their positions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from dag_common.contracts.events import DeploymentId
from dag_common.errors import Invalid, Refused


@dataclass(frozen=True, slots=True)
class Problem:
    """Why one deployment cannot be committed, for good: a code and words."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A deployment that waits: its chart directory as a git tree id, or why there is none."""

    deployment_id: DeploymentId
    position: int
    path: str
    digest: str
    content: str | Problem


@dataclass(frozen=True, slots=True)
class CommitFound:
    """A commit of the branch whose trailers name a deployment: its id, and the chart digest and position they state.

    It was made on the commit `parent` (empty: it is the first), whose tree is `before`.
    """

    commit: str
    digest: str
    position: int
    parent: str
    before: str


@dataclass(frozen=True, slots=True)
class AlreadyCommitted:
    """An earlier attempt arrived: record it, push nothing."""

    candidate: Candidate
    found: CommitFound


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The branch holds exactly this chart at this place in the chain: record it, commit nothing.

    `commit` is that place if an earlier attempt arrived, None: the chain that is being built, as far as it has come.
    """

    candidate: Candidate
    root: str
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit: the repository's tree changes from `before` to `root`."""

    candidate: Candidate
    before: str
    root: str


@dataclass(frozen=True, slots=True)
class Unusable:
    """This deployment fails, alone."""

    candidate: Candidate
    problem: Problem


Landing = AlreadyCommitted | Unchanged | Commit
Step = Landing | Unusable
Place = Callable[[str, str, str], str]
"""(root tree, path, directory tree) to the new root tree; raises `Invalid` or `Refused` if the path cannot be used."""


def plan(
    candidates: Iterable[Candidate], root: str, found: Mapping[DeploymentId, CommitFound], place: Place
) -> list[Step]:
    """One step a deployment, in the order of positions; `root` is the tree the chain starts from.

    A found commit counts only if it holds the same chart: the digest in its trailers must be the candidate's. Who is
    not found although a later one is stood in that one's chain and changed nothing; made now, it would undo the later.
    """
    steps: list[Step] = []
    for candidate in sorted(candidates, key=lambda each: each.position):
        step = _passed(candidate, found, place) or _step(candidate, root, found.get(candidate.deployment_id), place)
        root = step.root if isinstance(step, Commit) else root
        steps.append(step)
    return steps


def _passed(candidate: Candidate, found: Mapping[DeploymentId, CommitFound], place: Place) -> Unchanged | None:
    later = [each for each in found.values() if each.position > candidate.position]
    if not later or candidate.deployment_id in found or isinstance(candidate.content, Problem):
        return None
    first = min(later, key=lambda each: each.position)
    try:
        held = place(first.before, candidate.path, candidate.content) == first.before
    except (Refused, Invalid):
        return None
    return Unchanged(candidate, first.before, first.parent) if held else None


def _step(candidate: Candidate, root: str, found: CommitFound | None, place: Place) -> Step:
    if found is not None and found.digest == candidate.digest:
        return AlreadyCommitted(candidate, found)
    if isinstance(candidate.content, Problem):
        return Unusable(candidate, candidate.content)
    try:
        after = place(root, candidate.path, candidate.content)
    except Refused as exc:
        return Unusable(candidate, Problem(exc.reason, exc.message))
    except Invalid as exc:
        return Unusable(candidate, Problem("iac_path_unusable", exc.message))
    return Unchanged(candidate, root) if after == root else Commit(candidate, root, after)
