"""Deployments in the state a monitor meets them in, folded from the events that lead there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from examples import PUSHED, requested

from dag_common.contracts import codec
from dag_common.contracts.envelope import Recorded, stream_of
from dag_common.contracts.events import ChartPushed, DeploymentId, Event, RolloutTarget
from dag_common.domain.deployment import Deployment, evolve

ID = DeploymentId("01924f5a-7b3c-7d8e-9f1a-2b3c4d5e6f7a")
PUSHED_AT = datetime(2026, 9, 1, 10, 0, 0, tzinfo=UTC)


def after(state: Deployment, *events: Event, at: datetime = PUSHED_AT) -> Deployment:
    for event in events:
        (type_, schema), payload = codec.stored_name(event), codec.encode(event)
        record = Recorded(
            position=state.version + 1, event_id=f"e{state.version}", stream=stream_of(ID), version=state.version + 1,
            type=type_, schema=schema, occurred_at=at, recorded_at=at, correlation_id=ID, causation_id="",
            service="monitor", traceparent="", payload=payload, hash="",
        )  # fmt: skip
        state = evolve(state, record)
    return state


def pushed(*targets: RolloutTarget, **changes: Any) -> Deployment:
    values = {name: getattr(PUSHED, name) for name in PUSHED.__struct_fields__}
    return after(Deployment(id=ID), requested(targets=targets), ChartPushed(**(values | changes)))
