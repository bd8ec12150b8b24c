"""Rollouts whose streams this version of DAG cannot read: another process's work, told once."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import structlog
from prometheus_client import Gauge

from dag_common.contracts.events import DeploymentId

log = structlog.get_logger()

UNREAD: Final = Gauge(
    "dag_monitor_unreadable_rollouts", "Rollouts to be watched that hold events of a newer version of DAG."
)


class Unread:
    """What this process cannot read stays so until a newer version takes its place."""

    def __init__(self) -> None:
        self._ids: set[DeploymentId] = set()

    @property
    def ids(self) -> frozenset[DeploymentId]:
        """The deployments to leave alone."""
        return frozenset(self._ids)

    def add(self, deployment_id: DeploymentId, reason: str) -> None:
        """One more; it is logged the first time."""
        if deployment_id not in self._ids:
            log.error("rollout_unreadable", deployment_id=deployment_id, reason=reason)
        self._ids.add(deployment_id)
        UNREAD.set(len(self._ids))

    def keep(self, listed: Collection[DeploymentId]) -> None:
        """Forget all that are not on the to-do list any more."""
        self._ids.intersection_update(listed)
        UNREAD.set(len(self._ids))
