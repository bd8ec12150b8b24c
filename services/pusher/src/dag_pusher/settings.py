"""What the pusher reads from its environment."""

from __future__ import annotations

from dataclasses import dataclass

from dag_common.runtime.service import ServiceSettings
from dag_common.runtime.settings import seconds, variable, whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(ServiceSettings):
    """One frozen value, read once, in `__main__`."""

    lanes_at_once: int = variable("DAG_PUSHER_LANES", "IaC branches pushed to at once", default=8, parse=whole)
    push_deadline: float = variable(
        "DAG_PUSH_DEADLINE", "seconds until a deployment that cannot be pushed fails", default=900.0, parse=seconds
    )
    sweep_seconds: float = variable(
        "DAG_SWEEP_SECONDS", "seconds between looks at the to-do list", default=15.0, parse=seconds
    )
    health_host: str = variable("DAG_HEALTH_HOST", "where the health pages are served", default="127.0.0.1")
    health_port: int = variable("DAG_HEALTH_PORT", "port of the health pages; 0: none", default=0, parse=whole)
