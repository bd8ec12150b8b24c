"""How fast the stand-in works; the real controllers' defaults are minutes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds for each thing that takes time.

    `interval` None follows each GitRepository's own `spec.interval`; `action` is one Helm install, upgrade or
    rollback; `retry` stands for Flux's back-off, `dependency` for `--requeue-dependency` (30 s there).
    """

    interval: float | None = None
    action: float = 0.5
    retry: float = 0.3
    dependency: float = 0.3
