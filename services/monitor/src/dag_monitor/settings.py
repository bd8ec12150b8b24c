"""What the monitor reads from its environment."""

from __future__ import annotations

from dataclasses import dataclass

from dag_common.runtime.service import ServiceSettings
from dag_common.runtime.settings import seconds, variable, whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(ServiceSettings):
    """One frozen value, read once, in `__main__`."""

    rollouts_at_once: int = variable("DAG_MONITOR_ROLLOUTS", "rollouts one monitor watches", default=500, parse=whole)
    hold_seconds: float = variable(
        "DAG_HOLD_SECONDS",
        "seconds a message is held before it is handed over; RabbitMQ cuts at 30 minutes",
        default=600.0,
        parse=seconds,
    )
    sweep_seconds: float = variable(
        "DAG_SWEEP_SECONDS",
        "seconds between looks for rollouts that nobody has in hand: with 1, one is taken up within 5 s of the silent "
        "death of its monitor (what is overdue is looked for every 15 s in any case)",
        default=1.0,
        parse=seconds,
    )
    health_host: str = variable("DAG_HEALTH_HOST", "where the health pages are served", default="127.0.0.1")
    health_port: int = variable("DAG_HEALTH_PORT", "port of the health pages; 0: none", default=0, parse=whole)
