"""What every service reads from its environment, and the one way its process starts."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dag_common.runtime.lifecycle import run
from dag_common.runtime.logs import configure_logs, log_level
from dag_common.runtime.settings import existing, explain, seconds, settings_from, variable


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """The settings that are the same for all services; each service adds its own."""

    database_url: str = variable("DAG_DATABASE_URL", "postgresql:// address of the event log", secret=True)
    amqp_url: str = variable("DAG_AMQP_URL", "amqp:// address of RabbitMQ", secret=True)
    amqp_namespace: str = variable(
        "DAG_AMQP_NAMESPACE", "prefix of names on the broker, for installations that share a virtual host", default=""
    )
    registry: Path = variable("DAG_REGISTRY", "dag.yaml, or a directory of such files", parse=existing)
    data_dir: Path = variable("DAG_DATA_DIR", "where mirrors are kept; may be lost", default=Path(".dag"), parse=Path)
    drain_seconds: float = variable(
        "DAG_DRAIN_SECONDS", "seconds to finish what is in hand when told to stop", default=20.0, parse=seconds
    )
    log_level: str = variable("DAG_LOG_LEVEL", "debug, info, warning or error", default="info", parse=log_level)


S = TypeVar("S", bound=ServiceSettings)


def main(name: str, manual: str, settings: type[S], work: Callable[[S, asyncio.Event], Awaitable[None]]) -> int:
    """Explain (`--help`), or read the settings and work until told to stop; returns the exit code."""
    if sys.argv[1:]:
        asked = {"--help", "-h"} & set(sys.argv[1:])
        (sys.stdout if asked else sys.stderr).write(f"{manual}{explain(settings)}\n")
        return 0 if asked else 2
    configure_logs(name)

    async def started(stop: asyncio.Event) -> None:
        read = settings_from(settings, os.environ)
        configure_logs(name, level=read.log_level)
        await work(read, stop)

    return run(started)
