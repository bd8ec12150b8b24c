"""What a watch needs of a cluster beside its windows, where nothing is to be told and nothing can be asked."""

from __future__ import annotations

from datetime import datetime

from dag_common.contracts.events import RolloutTarget
from dag_monitor.domain.expectation import Objects
from dag_monitor.domain.kick import Kick


class NoCluster:
    """Takes no kick and knows no cause."""

    async def kick(self, cluster: str, kick: Kick) -> bool:
        return False

    async def inspect(self, target: RolloutTarget, objects: Objects, pushed_at: datetime) -> tuple[str, ...]:
        return ()
