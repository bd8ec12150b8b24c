"""Which facts follow from the verdicts: a pure decision over a deployment's state.

Whoever calls it loads the state, appends what comes out with the expected version, and decides again after a
conflict. Deciding twice on the same state gives the same facts; deciding on their fold gives none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from dag_common.contracts.events import (
    ChartPushed,
    DeploymentFailed,
    DeploymentSucceeded,
    Event,
    Evidence,
    MonitoringStarted,
    RolloutFailed,
    RolloutProgressed,
    RolloutSucceeded,
    RolloutTarget,
)
from dag_common.domain.deployment import Carried, Deployment, with_sight
from dag_monitor.domain.verdict import Failed, Progressing, Succeeded, Superseded, Verdict
from dag_monitor.domain.wording import lines, sentences, short, span

STAGE: Final = "monitoring"
_PAUSE: Final = timedelta(seconds=1)
_NOTHING_APPLIED: Final = frozenset({"superseded", "wrong-path", "same-version", "chart-build-failed"})
_NOTHING_SEEN: Final = Progressing("Nothing was seen of it: the cluster could not be watched")


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known of the targets now, by target id: the newest verdicts, and when progress was last recorded.

    `told` need not outlive the process: without it one progress too many is recorded, and nothing else. `causes` are
    further lines for the message of a failure; they explain it and never make one.
    """

    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    told: Mapping[str, datetime] = field(default_factory=dict)
    causes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def decide(state: Deployment, sight: Sight, now: datetime) -> list[Event]:
    """The facts to append now, in order; none before the chart is pushed and none after the end.

    Progress is recorded when its words, or what it carries, changed, at most once a second and target. A target is
    failed with reason `timeout` when its time is over, unless a verdict is at hand. The last target's end ends the
    deployment.
    """
    if state.pushed is None or state.requested is None or state.ended:
        return []
    targets = state.requested.targets
    begun: list[Event] = [] if state.watching or not targets else [MonitoringStarted(targets=_ids(targets))]
    moved = [fact for target in open_targets(state) if (fact := _follow(state, target, sight, now))]
    return [*begun, *moved, *_end(state, state.pushed, moved)]


def unexplained(state: Deployment, sight: Sight, now: datetime) -> tuple[str, ...]:
    """The targets that `decide` would fail now and whose workloads may tell why: something was, or may be, applied."""
    failing = (fact for fact in decide(state, sight, now) if isinstance(fact, RolloutFailed))
    return tuple(fact.target for fact in failing if fact.reason not in _NOTHING_APPLIED)


def open_targets(state: Deployment) -> tuple[RolloutTarget, ...]:
    """The targets that have not ended; none once the deployment has."""
    if state.requested is None or state.ended:
        return ()
    closed = state.succeeded.keys() | state.failed.keys()
    return tuple(target for target in state.requested.targets if target.id not in closed)


def deadline(state: Deployment, target: RolloutTarget) -> datetime | None:
    """When a target's time is over, counted from the push; None before it."""
    return None if state.pushed_at is None else state.pushed_at + timedelta(seconds=target.timeout_seconds)


def last_deadline(state: Deployment) -> datetime | None:
    """When the time of every target is over and the deployment has to have ended; None before the push."""
    targets = state.requested.targets if state.requested else ()
    return max((end for target in targets if (end := deadline(state, target))), default=state.pushed_at)


def due(state: Deployment, now: datetime) -> tuple[RolloutTarget, ...]:
    """The open targets whose time is over."""
    ends = ((target, deadline(state, target)) for target in open_targets(state))
    return tuple(target for target, end in ends if end is not None and end <= now)


def next_look(state: Deployment, sight: Sight) -> datetime | None:
    """When `decide` may have something to say although nothing new is seen: a deadline, or the end of a pause."""
    moments = [end for target in open_targets(state) if (end := deadline(state, target))]
    waiting = (target.id for target in open_targets(state) if _has_news(state, target, sight))
    return min([*moments, *(sight.told[id_] + _PAUSE for id_ in waiting if id_ in sight.told)], default=None)


def _ids(targets: tuple[RolloutTarget, ...]) -> tuple[str, ...]:
    return tuple(target.id for target in targets)


def _follow(state: Deployment, target: RolloutTarget, sight: Sight, now: datetime) -> Event | None:
    match sight.verdicts.get(target.id, _NOTHING_SEEN):
        case Succeeded(message, evidence):
            return RolloutSucceeded(target=target.id, message=message, evidence=evidence)
        case Failed(reason, message, evidence):
            told = _explained(message, sight.causes.get(target.id, ()))
            return RolloutFailed(target=target.id, reason=reason, message=told, evidence=evidence)
        case Superseded(_, _, _, message, evidence):
            return RolloutFailed(target=target.id, reason="superseded", message=message, evidence=evidence)
        case Progressing() as progressing:
            return _go_on(state, target, progressing, sight, now)


def _go_on(
    state: Deployment, target: RolloutTarget, progressing: Progressing, sight: Sight, now: datetime
) -> Event | None:
    if target in due(state, now):
        return _timed_out(state, target, progressing, sight)
    told = sight.told.get(target.id)
    if not _has_news(state, target, sight) or (told is not None and told <= now < told + _PAUSE):
        return None
    return _progressed(target, progressing)


def _progressed(target: RolloutTarget, seen: Progressing) -> RolloutProgressed:
    carries, generation = (seen.carried.label, seen.carried.generation) if seen.carried else ("", 0)
    return RolloutProgressed(target=target.id, message=seen.message, carries=carries, generation=generation)


def _has_news(state: Deployment, target: RolloutTarget, sight: Sight) -> bool:
    verdict = sight.verdicts.get(target.id)
    if not isinstance(verdict, Progressing):
        return False
    return verdict.message != state.progress.get(target.id) or _carries_more(state, target, verdict.carried)


def _carries_more(state: Deployment, target: RolloutTarget, carried: Carried | None) -> bool:
    before = state.carried.get(target.id, ())
    if carried is None or carried.label in (one.label for one in before[-1:]):
        return False
    return with_sight(before, carried) != before


def _timed_out(state: Deployment, target: RolloutTarget, progressing: Progressing, sight: Sight) -> RolloutFailed:
    last = state.progress.get(target.id, "") if progressing is _NOTHING_SEEN else progressing.message
    allowed = span(timedelta(seconds=target.timeout_seconds))
    message = sentences(f"Not done within {allowed} of the push", f"Last seen: {last or _NOTHING_SEEN.message}")
    told = _explained(message, sight.causes.get(target.id, ()))
    evidence = progressing.evidence or Evidence(object=f"{target.kind} {target.namespace}/{target.name}")
    return RolloutFailed(target=target.id, reason="timeout", message=told, evidence=evidence)


def _explained(message: str, causes: tuple[str, ...]) -> str:
    """The message, and below it the causes whose words it does not hold already."""
    return lines(message, *(cause for cause in causes if _words(cause) not in message))


def _words(cause: str) -> str:
    """A cause without the `who: ` before it and the sign that it was cut short."""
    who, colon, what = cause.partition(": ")
    return (what if colon else who).rstrip("…")


def _end(state: Deployment, pushed: ChartPushed, moved: list[Event]) -> list[Event]:
    """The deployment's end, once the facts of this moment have closed the last target."""
    failed = {**state.failed, **{fact.target: fact for fact in moved if isinstance(fact, RolloutFailed)}}
    succeeded = state.succeeded.keys() | {fact.target for fact in moved if isinstance(fact, RolloutSucceeded)}
    open_still = [target for target in open_targets(state) if target.id not in failed.keys() | succeeded]
    if open_still:
        return []
    return [_failure(failed, len(succeeded)) if failed else _success(pushed, len(succeeded))]


def _success(pushed: ChartPushed, targets: int) -> DeploymentSucceeded:
    where = f" on {targets} targets" if targets > 1 else ""
    what = f"chart version {pushed.chart_version} (commit {short(pushed.commit)})"
    return DeploymentSucceeded(message=f"Deployment successful: {what}{where}")


def _failure(failed: Mapping[str, RolloutFailed], succeeded: int) -> DeploymentFailed:
    reasons = {fact.reason for fact in failed.values()}
    share = f"{len(failed)} of {len(failed) + succeeded} targets failed." if len(failed) + succeeded > 1 else ""
    named = (f"{fact.target}: {fact.message}" for fact in failed.values())
    return DeploymentFailed(
        stage=STAGE,
        reason=reasons.pop() if len(reasons) == 1 else "rollouts-failed",
        message=lines(share, *named),
    )
