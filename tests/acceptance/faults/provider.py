"""The CI provider is late, down, or asks for patience."""

from __future__ import annotations

import random

from acceptance.faults.storm import Storm, Strike, until

from dag_sandbox.gitlab_faults import Fault

TOO_LATE_SECONDS = 3.0
"""Longer than the registry of the suite waits for the provider."""


async def provider_times_out(storm: Storm, draw: random.Random) -> int:
    """The truth comes, after the gateway has stopped waiting for it."""
    return await _meets(storm, Fault(delay_seconds=TOO_LATE_SECONDS, times=draw.randint(1, 4)))


async def provider_down(storm: Storm, draw: random.Random) -> int:
    """A proxy's error page."""
    return await _meets(
        storm, Fault(status=draw.choice([500, 502, 504]), body="<h1>down</h1>", times=draw.randint(1, 6))
    )


async def provider_limits_the_rate(storm: Storm, draw: random.Random) -> int:
    """429 with Retry-After."""
    return await _meets(storm, Fault(status=429, headers={"retry-after": "1"}, times=draw.randint(1, 6)))


async def _meets(storm: Storm, fault: Fault) -> int:
    faults = storm.scene.outside.gitlab.faults
    faults.set(fault)
    await until("the provider's fault meets its questions", lambda: not faults.active)
    return fault.times or 0


FAULTS: tuple[Strike, ...] = (provider_times_out, provider_down, provider_limits_the_rate)
