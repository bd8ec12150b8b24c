"""What the pushes that the log knows tell of each other: DAG's own commits, as far as no stranger's lies between."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dag_common.contracts.events import ChartPushed, DeploymentRequested
from dag_common.domain.deployment import Deployment
from dag_monitor.domain.expectation import Earlier, Relation


@dataclass(frozen=True, slots=True)
class Push:
    """A `chart.pushed`, where it stands in the log, and the tip it was surely built on (None: not known)."""

    position: int
    deployment_id: str
    fact: ChartPushed
    base: str | None


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier push to our path, what was asked for there (None: cannot be read), and whether that succeeded."""

    fact: ChartPushed
    requested: DeploymentRequested | None
    succeeded: bool


def may_still_run(past: Iterable[Past], pushed: ChartPushed, targets: frozenset[str]) -> tuple[Earlier, ...]:
    """The other contents, of pushes given newest first, down to the last that was seen to run in all of `targets`."""
    found: list[Earlier] = []
    for one in past:
        if one.fact.tree != pushed.tree:
            found.append(Earlier(one.fact.chart_version, one.requested.version if one.requested else ""))
        if one.succeeded and one.requested and targets <= {target.id for target in one.requested.targets}:
            break
    return tuple(dict.fromkeys(found))


def in_lane(push: Push, pushed: ChartPushed) -> bool:
    """Whether a push went to the branch of another."""
    return (push.fact.repository, push.fact.branch) == (pushed.repository, pushed.branch)


def relations_after(deployment: Deployment, pushed: ChartPushed, after: Iterable[Push]) -> dict[str, Relation]:
    """How later pushes of the same branch, in the order of positions, stand to ours.

    One to our path says what lies there. One to another path leaves what lay there, if it was built on the push
    before it or in one batch with it; if a stranger may have been between, only git knows.
    """
    relations: dict[str, Relation] = {}
    place, sure = Relation.DESCENDANT, True
    before = Push(deployment.pushed_position, deployment.id, pushed, _only(deployment.bases))
    for push in after:
        sure = sure and _follows(push, before) and not _overlaps(push.fact.path, pushed.path)
        if push.fact.path == pushed.path:
            place, sure = Relation.DESCENDANT if push.fact.tree == pushed.tree else Relation.REPLACED, True
        if sure:
            relations[push.fact.commit] = place
        before = push
    return relations


def _only(bases: tuple[str, ...]) -> str | None:
    return bases[0] if len(bases) == 1 else None


def _follows(push: Push, before: Push) -> bool:
    return push.base is not None and push.base in (before.fact.commit, before.base)


def _overlaps(one: str, other: str) -> bool:
    return one.startswith(f"{other}/") or other.startswith(f"{one}/")
