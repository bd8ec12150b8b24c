"""Waiting for what the event log will hold: the one clock that all processes of a test share."""

from __future__ import annotations

import asyncio

from dag_common.contracts.envelope import Recorded
from dag_common.contracts.events import DeploymentId
from dag_common.store import event_log
from dag_common.store.database import Database


class LogReader:
    """Looks every few milliseconds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def stream(self, deployment_id: str) -> list[Recorded]:
        """A deployment's records."""
        async with self._database.connection() as connection:
            return await event_log.read_stream(connection, DeploymentId(deployment_id))

    async def until(self, deployment_id: str, type_name: str, *, within: float = 30) -> None:
        """Wait until a deployment's stream holds an event of this type; fails with what it holds instead."""
        types: list[str] = []
        try:
            async with asyncio.timeout(within):
                while type_name not in types:
                    types = [record.type for record in await self.stream(deployment_id)]
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise AssertionError(f"{deployment_id} has no {type_name}, only {types}") from None

    async def count(self, condition: str, *arguments: object) -> int:
        """How many records fit a condition in SQL. Raises `Unavailable`."""
        async with self._database.connection() as connection:
            found = await connection.fetchval(f"SELECT count(*) FROM dag.events WHERE {condition}", *arguments)  # noqa: S608 - a test's own
        return int(found)
