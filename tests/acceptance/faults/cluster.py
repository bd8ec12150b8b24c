"""The cluster's API cuts watches, forgets history, limits the rate, and rotates its token."""

from __future__ import annotations

import random

from acceptance.faults.storm import Storm, Strike, until
from acceptance.harness.landscape import write_cluster_token

from dag_sandbox.cluster.faults import Action, Fault


async def watches_cut(storm: Storm, draw: random.Random) -> int:
    """In the middle of a line, or at its end."""
    return await _on_watches(storm, draw.choice(["reset", "eof"]), draw.randint(1, 4))


async def watches_expired(storm: Storm, draw: random.Random) -> int:
    """410 as an event: the history is gone, only a list helps."""
    return await _on_watches(storm, "expire", draw.randint(1, 3))


async def watches_in_pieces(storm: Storm, draw: random.Random) -> int:
    """A line in pieces of a few bytes."""
    return await _on_watches(storm, "split", draw.randint(1, 3))


async def watches_refused(storm: Storm, draw: random.Random) -> int:
    """410 before the watch begins."""
    return await _refused(storm, 410, draw)


async def cluster_busy(storm: Storm, draw: random.Random) -> int:
    """429 with Retry-After."""
    return await _refused(storm, 429, draw)


async def cluster_token_rotated(storm: Storm, draw: random.Random) -> int:
    """The old token is refused before the new one is there."""
    outside = storm.scene.outside
    before = outside.gates.cluster.answered[401]
    token = outside.cluster.rotate_token()
    try:
        outside.cluster.faults.add(Fault(action="eof", verb="watch"))
        await until("the old token is refused", lambda: outside.gates.cluster.answered[401] > before)
    finally:
        write_cluster_token(outside.registry, token)
    return outside.gates.cluster.answered[401] - before


async def _on_watches(storm: Storm, action: Action, times: int) -> int:
    faults = storm.scene.outside.cluster.faults
    faults.add(Fault(action=action, verb="watch", times=times))
    await until(f"{action} strikes watches", lambda: not faults.waiting)
    return times


async def _refused(storm: Storm, status: int, draw: random.Random) -> int:
    """Refuse the next watches; an open one is ended, so that there is a next one."""
    outside, times = storm.scene.outside, draw.randint(1, 2)
    before = outside.gates.cluster.answered[status]
    outside.cluster.faults.add(Fault(action="respond", verb="watch", status=status, retry_after=1, times=times))
    outside.cluster.faults.add(Fault(action="eof", verb="watch"))
    await until(f"watches are answered with {status}", lambda: not outside.cluster.faults.waiting)
    return outside.gates.cluster.answered[status] - before


FAULTS: tuple[Strike, ...] = (
    watches_cut,
    watches_expired,
    watches_in_pieces,
    watches_refused,
    cluster_busy,
    cluster_token_rotated,
)
