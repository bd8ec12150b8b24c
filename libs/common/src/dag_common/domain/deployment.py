"""A deployment's state, folded from its stream. Services decide from this and from nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import reduce, singledispatch

from dag_common.contracts.codec import decode
from dag_common.contracts.envelope import Recorded
from dag_common.contracts.events import (
    CancellationRequested,
    ChartPushed,
    DeploymentFailed,
    DeploymentId,
    DeploymentRequested,
    DeploymentSucceeded,
    Event,
    MonitoringStarted,
    PushStarted,
    RolloutFailed,
    RolloutProgressed,
    RolloutSucceeded,
    ValidationStarted,
)
from dag_common.domain.statuses import Status


@dataclass(frozen=True, slots=True)
class Carried:
    """The label that named the chart of a workload, as `key=value`, and the generation at which it was seen.

    Of a Helm release: the Jobs seen to complete, as `completed=<namespace>/<name>`, and the version they belong to.
    """

    label: str
    generation: int


@dataclass(frozen=True, slots=True)
class Deployment:
    """Everything decisions need to know about one deployment. `version` 0 means: no such deployment.

    `bases` are the IaC tips that attempts to push built on; our commit, if any arrived, lies after one of them.
    `carried` are the labels that a target's workload was seen with one after the other, by target id.
    `cancellation` was asked for; whether it came in time shows in what follows.
    """

    id: DeploymentId
    version: int = 0
    status: Status = Status.PENDING
    message: str = ""
    requested: DeploymentRequested | None = None
    requested_position: int = 0
    requested_at: datetime | None = None
    cancellation: CancellationRequested | None = None
    push_attempts: int = 0
    bases: tuple[str, ...] = ()
    pushed: ChartPushed | None = None
    pushed_at: datetime | None = None
    pushed_position: int = 0
    watching: bool = False
    progress: dict[str, str] = field(default_factory=dict)
    carried: dict[str, tuple[Carried, ...]] = field(default_factory=dict)
    succeeded: dict[str, RolloutSucceeded] = field(default_factory=dict)
    failed: dict[str, RolloutFailed] = field(default_factory=dict)
    failure: DeploymentFailed | None = None
    last_event_id: str = ""
    traceparent: str = ""

    @property
    def exists(self) -> bool:
        """Whether anything was ever recorded under this id."""
        return self.version > 0

    @property
    def ended(self) -> bool:
        """Whether the deployment reached a terminal status; nothing follows it."""
        return self.status.terminal


def with_sight(before: tuple[Carried, ...], sight: Carried) -> tuple[Carried, ...]:
    """One more sight of a workload; a generation that is lower than one seen before is an old sight, told late."""
    if before and sight.generation < before[-1].generation:
        return before
    return (*(before[:-1] if before and before[-1].label == sight.label else before), sight)


def load(deployment_id: DeploymentId, records: Iterable[Recorded]) -> Deployment:
    """Fold a stream's records, in order, to the deployment's state."""
    return reduce(evolve, records, Deployment(id=deployment_id))


def evolve(state: Deployment, record: Recorded) -> Deployment:
    """The state after one more record. A record that was already folded changes nothing; nothing follows an end."""
    if record.version <= state.version:
        return state
    event = decode(record)
    moved = state if state.ended else _apply(event, state, record)
    return replace(
        moved,
        version=record.version,
        last_event_id=record.event_id,
        traceparent=record.traceparent or state.traceparent,
    )


@singledispatch
def _apply(event: Event, state: Deployment, record: Recorded) -> Deployment:
    raise NotImplementedError(type(event))


@_apply.register
def _(event: DeploymentRequested, state: Deployment, record: Recorded) -> Deployment:
    return replace(
        state,
        status=Status.PENDING,
        message=f"Deployment of {event.app} {event.version} to {event.environment} accepted",
        requested=event,
        requested_position=record.position,
        requested_at=record.recorded_at,
    )


@_apply.register
def _(event: CancellationRequested, state: Deployment, _record: Recorded) -> Deployment:
    return replace(state, message=f"Cancellation asked for by {event.by}", cancellation=event)


@_apply.register
def _(_event: ValidationStarted, state: Deployment, _record: Recorded) -> Deployment:
    return replace(state, status=Status.VALIDATING, message="Checking the chart before it is committed")


@_apply.register
def _(event: PushStarted, state: Deployment, _record: Recorded) -> Deployment:
    again = f" (attempt {event.attempt})" if event.attempt > 1 else ""
    return replace(
        state,
        status=Status.PUSHING,
        message=f"Pushing chart to IaC repo{again}",
        push_attempts=event.attempt,
        bases=(*state.bases, event.base),
    )


@_apply.register
def _(event: ChartPushed, state: Deployment, record: Recorded) -> Deployment:
    where = f"{event.branch}:{event.path}"
    done = f"Chart was already at {where}" if event.unchanged else f"Chart pushed to {where}"
    return replace(
        state,
        status=Status.PUSHED,
        message=f"{done} as {event.commit[:12]} (chart version {event.chart_version})",
        pushed=event,
        pushed_at=record.recorded_at,
        pushed_position=record.position,
    )


@_apply.register
def _(event: MonitoringStarted, state: Deployment, _record: Recorded) -> Deployment:
    return replace(
        state, status=Status.MONITORING, message=f"Watching the rollout of {', '.join(event.targets)}", watching=True
    )


@_apply.register
def _(event: RolloutProgressed, state: Deployment, _record: Recorded) -> Deployment:
    return replace(
        state,
        status=Status.MONITORING,
        message=f"{event.target}: {event.message}",
        progress={**state.progress, event.target: event.message},
        carried=_carried(state.carried, event),
    )


def _carried(so_far: dict[str, tuple[Carried, ...]], event: RolloutProgressed) -> dict[str, tuple[Carried, ...]]:
    if not event.carries:
        return so_far
    sight = Carried(event.carries, event.generation)
    return {**so_far, event.target: with_sight(so_far.get(event.target, ()), sight)}


@_apply.register
def _(event: RolloutSucceeded, state: Deployment, _record: Recorded) -> Deployment:
    return replace(
        state,
        status=Status.MONITORING,
        message=f"{event.target}: {event.message}",
        succeeded={**state.succeeded, event.target: event},
    )


@_apply.register
def _(event: RolloutFailed, state: Deployment, _record: Recorded) -> Deployment:
    return replace(
        state,
        status=Status.MONITORING,
        message=f"{event.target}: {event.message}",
        failed={**state.failed, event.target: event},
    )


@_apply.register
def _(event: DeploymentSucceeded, state: Deployment, _record: Recorded) -> Deployment:
    return replace(state, status=Status.DEPLOYED, message=event.message)


@_apply.register
def _(event: DeploymentFailed, state: Deployment, _record: Recorded) -> Deployment:
    return replace(state, status=Status.FAILED, message=event.message, failure=event)
