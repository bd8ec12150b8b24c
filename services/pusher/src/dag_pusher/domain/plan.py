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
    """A commit of the branch whose trailers name a deployment: its id, and the chart digest they state."""

    commit: str
    digest: str


@dataclass(frozen=True, slots=True)
class AlreadyCommitted:
    """An earlier attempt arrived: record it, push nothing."""

    candidate: Candidate
    found: CommitFound


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The branch holds exactly this chart at this place in the chain: record it, commit nothing."""

    candidate: Candidate
    root: str


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

    A found commit counts only if it holds the same chart: the digest in its trailers must be the candidate's.
    """
    steps: list[Step] = []
    for candidate in sorted(candidates, key=lambda each: each.position):
        step = _step(candidate, root, found.get(candidate.deployment_id), place)
        root = step.root if isinstance(step, Commit) else root
        steps.append(step)
    return steps


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
