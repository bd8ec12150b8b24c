"""A deployment's state for telling, not for deciding: a record from a newer version of DAG is passed over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import reduce

import structlog

from dag_common.contracts.envelope import Recorded
from dag_common.contracts.events import DeploymentId
from dag_common.domain.deployment import Deployment, evolve
from dag_common.errors import Unreadable

log = structlog.get_logger()


def told(state: Deployment, record: Recorded) -> Deployment:
    """The state after one more record; during a rolling upgrade an unknown event moves the version and nothing else."""
    try:
        return evolve(state, record)
    except Unreadable as exc:
        log.warning("event_passed_over", event_id=record.event_id, type=record.type, reason=exc.message)
        return replace(state, version=record.version)


def tell(deployment_id: DeploymentId, records: Iterable[Recorded]) -> Deployment:
    """The state after all records of a stream."""
    return reduce(told, records, Deployment(id=deployment_id))
