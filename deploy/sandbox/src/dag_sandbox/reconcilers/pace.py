"""How fast the stand-ins work; the real controllers' defaults are minutes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds for each thing that takes time.

    `interval` is how often git is looked at (None: as the objects say, or as often as the real controller does);
    `action` is one Helm install, upgrade or rollback, or one sync; `retry` stands for any back-off's first step,
    `dependency` for Flux's `--requeue-dependency` (30 s there). `pod` is a pod's step from one state to the next;
    `deadline` is how long a rollout may stand still (None: the Deployment's `progressDeadlineSeconds`).
    """

    interval: float | None = None
    action: float = 0.5
    retry: float = 0.3
    dependency: float = 0.3
    pod: float = 0.1
    deadline: float | None = 2.0


REAL: Final = Pace(action=20.0, retry=10.0, dependency=30.0, pod=2.0, deadline=None)
"""About as slow as the real controllers with their defaults."""
