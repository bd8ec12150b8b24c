"""Print a deployment's whole event log as a table: print_log.py DEPLOYMENT_ID DATABASE_URL."""

import asyncio
import sys

import asyncpg
from rich import print as show
from rich.table import Table


async def log() -> list[asyncpg.Record]:
    connection = await asyncpg.connect(sys.argv[2])
    return await connection.fetch("SELECT * FROM dag.events WHERE stream = $1 ORDER BY version", stream)


stream, names = f"deployment-{sys.argv[1]}", ("position", "version", "recorded_at", "type", "service", "payload")
table = Table(*names, title=stream, show_lines=True)
for row in asyncio.run(log()):
    table.add_row(*(str(row[name]) for name in names))
show(table)
