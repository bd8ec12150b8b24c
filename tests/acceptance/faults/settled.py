"""Nothing stuck: when the storm is over and every pipeline has its answer, nothing waits and everybody is at work."""

from __future__ import annotations

from acceptance.faults.storm import STRIKES_WITHIN, Storm, until
from acceptance.harness.interventions import waiting_in

from dag_common.contracts.topology import DEAD_LETTERS, MONITOR_QUEUE, PUSHER_QUEUE

WAITING = "(SELECT count(*) FROM dag.push_todo) + (SELECT count(*) FROM dag.watch_todo) > 0"
BEHIND = "EXISTS (SELECT FROM dag.checkpoints, dag.log_head WHERE checkpoints.position <> log_head.position)"


async def nothing_is_stuck(storm: Storm) -> None:
    """Fails with what still waits, lags or is away a minute after the end; dead letters are wrong at once."""
    for service in storm.scene.dag.all:
        await service.ready(within=STRIKES_WITHIN)
    await until("the to-do lists are empty", lambda: _never(storm, WAITING))
    await until("every cursor is at the log's head", lambda: _never(storm, BEHIND))
    for queue in (PUSHER_QUEUE, MONITOR_QUEUE):
        await until(f"no message waits in {queue}", lambda queue=queue: _empty(storm, queue))  # type: ignore[misc]
    assert await _empty(storm, DEAD_LETTERS), "a storm made dead letters, and every message of it was sound"


async def _never(storm: Storm, condition: str) -> bool:
    return not await storm.in_log(condition)


async def _empty(storm: Storm, queue: str) -> bool:
    return not await waiting_in(storm.servers.broker.url, queue)
