"""Postgres is restarted, loses its connections, falls silent, and another server takes over."""

from __future__ import annotations

import random

from acceptance.faults.storm import Storm, Strike, silenced, until
from acceptance.harness.interventions import cut_connections, sessions

SILENT_SECONDS = (1.0, 7.0)


async def database_restarted(storm: Storm, draw: random.Random) -> int:
    """In order, or as after a crash."""
    connected = await sessions(storm.scene.database_url)
    await storm.servers.postgres.restart(draw.choice(["fast", "immediate"]))
    return connected


async def database_fails_over(storm: Storm, draw: random.Random) -> int:
    """The primary is killed; its synchronous standby has every commit that was confirmed."""
    connected = await sessions(storm.scene.database_url)
    await storm.servers.postgres.fail_over()
    return connected


async def database_connections_cut(storm: Storm, draw: random.Random) -> int:
    """An administrator ends every session of DAG."""
    cut = 0

    async def some() -> bool:
        nonlocal cut
        cut = await cut_connections(storm.scene.database_url)
        return cut > 0

    await until("somebody is connected to Postgres", some)
    return cut


async def database_silent(storm: Storm, draw: random.Random) -> int:
    """The network carries nothing, and closes nothing."""
    return await silenced(storm.servers.postgres.wire, draw.uniform(*SILENT_SECONDS))


FAULTS: tuple[Strike, ...] = (database_restarted, database_fails_over, database_connections_cut, database_silent)
