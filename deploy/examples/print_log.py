"""Print a deployment's whole event log as a table: print_log.py DEPLOYMENT_ID   (reads DAG_DATABASE_URL)"""

import asyncio
import os
import sys

from rich.console import Console
from rich.table import Table

from dag_common.store.database import Database
from dag_common.store.event_log import read_stream


async def main(deployment_id: str) -> None:
    database = await Database.connect(os.environ["DAG_DATABASE_URL"])
    async with database.connection() as connection:
        records = await read_stream(connection, deployment_id)
    table = Table("position", "version", "recorded (UTC)", "type", "by", "payload", title=f"deployment {deployment_id}")
    for r in records:
        table.add_row(str(r.position), str(r.version), f"{r.recorded_at:%F %T.%f}"[:-3], r.type, r.service, r.payload)
    Console().print(table)


asyncio.run(main(sys.argv[1]))
