"""The git host is slow, out of order, cuts connections, refuses, and takes what others push."""

from __future__ import annotations

import asyncio
import random

from acceptance.faults.storm import Storm, Strike, until

SLOW_SECONDS = 1.5
REJECTION = "Changes are frozen until the storm is over"


async def git_slow(storm: Storm, draw: random.Random) -> int:
    """Every answer is late."""
    git = storm.scene.outside.git
    before = git.app.requests
    git.faults.delay_seconds = SLOW_SECONDS
    try:
        await until("the slow git host is asked", lambda: git.app.requests >= before + 3)
        await asyncio.sleep(SLOW_SECONDS)
    finally:
        git.faults.delay_seconds = 0.0
    return git.app.requests - before


async def git_out_of_order(storm: Storm, draw: random.Random) -> int:
    """5xx, whoever asks."""
    storm.scene.outside.git.faults.failure_status = draw.choice([500, 502, 503, 504])
    return await _count_down(storm, "failures", draw.randint(2, 8))


async def git_cuts_before_the_push_is_stored(storm: Storm, draw: random.Random) -> int:
    """The connection is lost before anything was stored."""
    return await _count_down(storm, "cut_before_push", draw.randint(1, 2))


async def git_cuts_after_the_push_was_stored(storm: Storm, draw: random.Random) -> int:
    """The connection is lost, and the outcome unknown."""
    return await _count_down(storm, "cut_after_push", draw.randint(1, 2))


async def git_raced(storm: Storm, draw: random.Random) -> int:
    """Somebody else pushes between the look and the write."""
    return await _count_down(storm, "races", draw.randint(1, 3))


async def git_rejects(storm: Storm, draw: random.Random) -> int:
    """A hook refuses every push, with words."""
    before, first = await _rejected(storm), await storm.head()
    storm.scene.outside.git.faults.reject = REJECTION

    async def struck() -> bool:
        return await _rejected(storm) > before

    try:
        await until("a push is refused", struck)
    finally:
        storm.scene.outside.git.faults.reject = ""
        storm.rejecting.append(range(first + 1, await storm.head() + 1))
    return await _rejected(storm) - before


async def _rejected(storm: Storm) -> int:
    return await storm.in_log("type = 'deployment.failed' AND payload::jsonb ->> 'reason' = 'rejected'")


async def _count_down(storm: Storm, counter: str, times: int) -> int:
    faults = storm.scene.outside.git.faults
    setattr(faults, counter, times)
    await until(f"{counter} strikes {times} times", lambda: getattr(faults, counter) == 0)
    return times


FAULTS: tuple[Strike, ...] = (
    git_slow,
    git_out_of_order,
    git_cuts_before_the_push_is_stored,
    git_cuts_after_the_push_was_stored,
    git_raced,
    git_rejects,
)
