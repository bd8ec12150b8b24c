"""What the pusher reads from its environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dag_common.runtime.logs import log_level
from dag_common.runtime.settings import existing, seconds, variable, whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One frozen value, read once, in `__main__`."""

    database_url: str = variable("DAG_DATABASE_URL", "postgresql:// address of the event log", secret=True)
    amqp_url: str = variable("DAG_AMQP_URL", "amqp:// address of RabbitMQ", secret=True)
    registry: Path = variable("DAG_REGISTRY", "dag.yaml, or a directory of such files", parse=existing)
    data_dir: Path = variable("DAG_DATA_DIR", "where mirrors are kept; may be lost", default=Path(".dag"), parse=Path)
    lanes_at_once: int = variable("DAG_PUSHER_LANES", "IaC branches pushed to at once", default=8, parse=whole)
    push_deadline: float = variable(
        "DAG_PUSH_DEADLINE", "seconds until a deployment that cannot be pushed fails", default=900.0, parse=seconds
    )
    sweep_seconds: float = variable(
        "DAG_SWEEP_SECONDS", "seconds between looks at the to-do list", default=15.0, parse=seconds
    )
    drain_seconds: float = variable(
        "DAG_DRAIN_SECONDS", "seconds to finish what is in hand when told to stop", default=20.0, parse=seconds
    )
    health_host: str = variable("DAG_HEALTH_HOST", "where the health pages are served", default="127.0.0.1")
    health_port: int = variable("DAG_HEALTH_PORT", "port of the health pages; 0: none", default=0, parse=whole)
    log_level: str = variable("DAG_LOG_LEVEL", "debug, info, warning or error", default="info", parse=log_level)
