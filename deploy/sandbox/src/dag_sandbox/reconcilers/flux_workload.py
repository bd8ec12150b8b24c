"""The Deployment that a HelmRelease brings, where the sandbox plays workloads too."""

from __future__ import annotations

from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.reconcilers import health, manifests, rollouts
from dag_sandbox.reconcilers.charts import Built
from dag_sandbox.reconcilers.outcomes import Outcome
from dag_sandbox.reconcilers.work_queue import Key


class Workload:
    """One release's Deployment; somebody must bring it to an end, as `WorkloadControllers` do."""

    def __init__(self, double: ClusterDouble, key: Key) -> None:
        self._double = double
        self._key = key

    def apply(self, chart: Built, fate: Outcome) -> None:
        """Apply what the chart's templates would give."""
        rollouts.apply(self._double, self._key, manifests.deployment(self._key, chart, fate))

    def take_back(self, action: str) -> None:
        """What a remediation does to it: `rollback` or `uninstall`."""
        if action == "rollback":
            rollouts.undo(self._double, self._key)
        else:
            rollouts.remove(self._double, self._key)

    async def settled(self) -> None:
        """Wait until it is healthy or will not be, as Helm's wait does."""
        await health.settled(self._double, self._key)
