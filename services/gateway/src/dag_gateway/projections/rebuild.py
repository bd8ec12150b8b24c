"""Empty the gateway's tables and write them anew from the log.

python -m dag_gateway.projections.rebuild

Uses DAG_DATABASE_URL. Readers see the old tables until the new ones are there; running gateways need not stop.
"""

from __future__ import annotations

import asyncio
import os
import sys

from dag_common.delivery.projector import rebuild
from dag_common.errors import DagError
from dag_common.runtime.logs import configure_logs
from dag_common.store.database import Database
from dag_gateway.projections.deployments import DeploymentsProjection


async def _rebuild(url: str) -> str:
    database = await Database.connect(url, max_size=2)
    projection = DeploymentsProjection()
    try:
        position = await rebuild(database, projection)
    finally:
        await database.close()
    return f"rebuilt {projection.name} up to position {position}\n"


def main() -> int:
    """Rebuild and say how far; the exit code is 1 if it could not be done, and everything is as it was then."""
    url = os.environ.get("DAG_DATABASE_URL")
    if not url or sys.argv[1:]:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    configure_logs("rebuild")
    try:
        sys.stdout.write(asyncio.run(_rebuild(url)))
    except DagError as exc:
        sys.stderr.write(f"rebuild: {exc.message}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
