"""dag-gateway: takes deployments over HTTP and answers with their truth.

python -m dag_gateway            serves until SIGTERM or SIGINT; a second one ends it at once
python -m dag_gateway --help     this text and the variables below

The database must have been migrated: python -m dag_common.store.migrate
On SIGTERM it stops accepting, closes event streams so that clients resume them elsewhere, and finishes requests
within DAG_DRAIN_SECONDS. Health: /healthz, /readyz (each dependency), /metrics. The API: /openapi.json.

Environment:
"""

from __future__ import annotations

import asyncio
import os
import sys

from dag_common.runtime.lifecycle import run
from dag_common.runtime.logs import configure_logs
from dag_common.runtime.settings import explain, settings_from
from dag_gateway.bootstrap import serve_gateway
from dag_gateway.settings import Settings


def main() -> int:
    """Read the settings, boot, serve; the exit code says whether it went well."""
    if "--help" in sys.argv[1:] or "-h" in sys.argv[1:]:
        sys.stdout.write(f"{__doc__}{explain(Settings)}\n")
        return 0
    configure_logs("gateway")

    async def serve(stop: asyncio.Event) -> None:
        settings = settings_from(Settings, os.environ)
        configure_logs("gateway", level=settings.log_level)
        await serve_gateway(settings, stop)

    return run(serve)


if __name__ == "__main__":
    sys.exit(main())
