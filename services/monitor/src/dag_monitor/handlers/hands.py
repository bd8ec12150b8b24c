"""What one monitor has in hand: which rollouts, who may take one up, and whether it is still ours."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from dag_common.contracts.events import DeploymentId
from dag_common.runtime.clock import monotonic


@dataclass(slots=True, eq=False)
class Hold:
    """One rollout in hand. `touch` is what we last wrote on the to-do list; None: whatever stands there, it is ours.

    `changed` wakes its watch. The watch ends when the rollout is `lost` (it ended, or is another's by now), and is
    handed over when the process is `leaving` or at `until`, on the monotonic clock.
    """

    until: float
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    touch: datetime | None = None
    lost: bool = False
    leaving: bool = False


class Hands:
    """At most so many rollouts at once, each once, and each for so many seconds at a time."""

    def __init__(self, *, at_once: int, hold_seconds: float) -> None:
        self._at_once = at_once
        self._hold_seconds = hold_seconds
        self._holds: dict[DeploymentId, Hold] = {}
        self._leaving = False

    @property
    def free(self) -> int:
        """How many more rollouts may be taken up."""
        return self._at_once - len(self._holds)

    @contextmanager
    def hold(self, deployment_id: DeploymentId) -> Iterator[Hold | None]:
        """Have a rollout in hand for the block; None if it is in hand already, or no hand is free."""
        if deployment_id in self._holds or not self.free:
            yield None
            return
        hold = self._holds[deployment_id] = Hold(until=monotonic() + self._hold_seconds, leaving=self._leaving)
        try:
            yield hold
        finally:
            del self._holds[deployment_id]

    def let_go(self) -> None:
        """Every watch is to be handed over: this process is about to stop."""
        self._leaving = True
        for hold in self._holds.values():
            hold.leaving = True
            hold.changed.set()

    def holds(self) -> dict[DeploymentId, Hold]:
        """What is in hand now."""
        return dict(self._holds)

    @staticmethod
    def touched(held: Mapping[DeploymentId, Hold], touches: Mapping[DeploymentId, datetime]) -> None:
        """What became of the holds that were touched: those without a touch are lost."""
        for deployment_id, hold in held.items():
            hold.touch = touches.get(deployment_id)
            if hold.touch is None:
                hold.lost = True
                hold.changed.set()

    def claim_all(self) -> None:
        """Whether the last touches were written is not known: the next ones count whatever stands there."""
        for hold in self._holds.values():
            hold.touch = None
