"""Ready-made events for tests: valid, small, and different only where a test says so."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from dag_common.contracts.codec import encode, stored_name
from dag_common.contracts.envelope import NewEvent, Recorded, stream_of
from dag_common.contracts.events import (
    CancellationRequested,
    ChartPushed,
    ChartRef,
    DeploymentFailed,
    DeploymentId,
    DeploymentRequested,
    DeploymentSucceeded,
    Event,
    Evidence,
    IacTarget,
    Job,
    MonitoringStarted,
    PushStarted,
    Requester,
    RolloutFailed,
    RolloutProgressed,
    RolloutSucceeded,
    RolloutTarget,
    ValidationStarted,
)
from dag_common.runtime.clock import now
from dag_common.runtime.ids import new_deployment_id, new_event_id

TARGET = RolloutTarget(kind="flux", cluster="prod", namespace="default", name="podinfo", timeout_seconds=600)

REQUESTED = DeploymentRequested(
    app="podinfo",
    repo_url="https://gitlab.example.com/team/podinfo",
    environment="production",
    branch="main",
    commit="4d1c3a9be0f7c2d1e0a9b8c7d6e5f4a3b2c1d0e9",
    version="1.2.3",
    job=Job(id="42", url="https://gitlab.example.com/team/podinfo/-/jobs/42"),
    requested_by=Requester(provider="gitlab", user="ada"),
    chart=ChartRef(sha256="ab" * 32, size=1234, name="podinfo", version="0.1.0"),
    iac=IacTarget(repository="iac", url="https://git.example.com/iac.git", branch="main", path="apps/podinfo"),
    targets=(TARGET,),
    registry_digest="cd" * 32,
)
EVIDENCE = Evidence(object="HelmRelease default/podinfo", revision="1.2.3", reason="UpgradeSucceeded")
PUSHED = ChartPushed(
    commit="1234567890abcdef1234567890abcdef12345678",
    commit_url="https://git.example.com/iac/-/commit/1234567890abcdef1234567890abcdef12345678",
    repository="iac",
    branch="main",
    path="apps/podinfo",
    tree="abcdef1234567890abcdef1234567890abcdef12",
    chart_version="1.2.3",
    previous_chart_version="1.2.2",
    unchanged=False,
)
WRITER = {
    DeploymentRequested: "gateway",
    CancellationRequested: "gateway",
    ValidationStarted: "pusher",
    PushStarted: "pusher",
    ChartPushed: "pusher",
}

EVERY_EVENT: tuple[Event, ...] = (
    REQUESTED,
    ValidationStarted(),
    PushStarted(attempt=1, base=""),
    PUSHED,
    MonitoringStarted(targets=(TARGET.id,)),
    RolloutProgressed(target=TARGET.id, message="Running 'upgrade' action with timeout of 5m0s"),
    RolloutSucceeded(target=TARGET.id, message="podinfo 1.2.3 runs", evidence=EVIDENCE),
    RolloutFailed(target=TARGET.id, reason="upgrade-failed", message="context deadline exceeded", evidence=EVIDENCE),
    DeploymentSucceeded(message="Deployment successful"),
    DeploymentFailed(stage="pushing", reason="rejected", message="pre-receive hook declined"),
    CancellationRequested(by="ada (gitlab)"),
)


def requested(**changes: Any) -> DeploymentRequested:
    """A request that differs from the example in the given fields."""
    return msgspec.structs.replace(REQUESTED, **changes)


def new(deployment_id: DeploymentId, version: int, event: Event, **changes: Any) -> NewEvent:
    """An event ready to append, by the service that writes its type."""
    values: dict[str, Any] = {
        "event_id": new_event_id(),
        "deployment_id": deployment_id,
        "version": version,
        "event": event,
        "occurred_at": now(),
        "causation_id": "",
        "service": WRITER.get(type(event), "monitor"),
    }
    return NewEvent(**(values | changes))


def fresh_id() -> DeploymentId:
    """The id of a deployment nobody has heard of."""
    return new_deployment_id()


_AT = datetime(2026, 11, 23, tzinfo=UTC)


def records_of(deployment_id: DeploymentId, *events: Event) -> list[Recorded]:
    """The stream of a deployment, as the log would give it back."""
    return [
        Recorded(
            position=version,
            event_id=f"00000000-0000-7000-8000-{version:012d}",
            stream=stream_of(deployment_id),
            version=version,
            type=stored_name(event)[0],
            schema=stored_name(event)[1],
            occurred_at=_AT,
            recorded_at=_AT,
            correlation_id="",
            causation_id="",
            service="gateway",
            traceparent="",
            payload=encode(event),
            hash="",
        )
        for version, event in enumerate(events, start=1)
    ]
