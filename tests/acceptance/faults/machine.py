"""What the machines under the services do: clocks step, disks fill up."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import suppress
from resource import RLIM_INFINITY, RLIMIT_FSIZE, prlimit

from acceptance.faults.storm import Storm, Strike, until
from acceptance.harness.service import Service

HOUR = 3600
ROOM = 8 << 20
"""Bytes: more than a log holds, less than a pusher wants to have left before it writes to a mirror."""

SKEWED = "abs(extract(epoch FROM occurred_at - recorded_at)) > 1800"
"""A record whose service's clock was far from the database's."""


def _clock_stepped(seconds: int, name: str) -> Strike:
    async def strike(storm: Storm, draw: random.Random) -> int:
        """Step the clocks of all services of a kind, until one of them has recorded something by it."""
        services = storm.scene.dag.services[draw.choice(["gateway", "pusher", "monitor"])]
        before = await storm.in_log(SKEWED)

        async def somebody_recorded() -> bool:
            return await storm.in_log(SKEWED) > before

        for service in services:
            service.step_clock(seconds)
        try:
            await until("an event is recorded by a wrong clock", somebody_recorded)
        finally:
            for service in services:
                service.step_clock(0)
        return await storm.in_log(SKEWED) - before

    strike.__name__ = name
    return strike


async def disk_full(storm: Storm, draw: random.Random) -> int:
    """The pushers' disk takes no more than a little, until something that waits for them was postponed.

    A bound on the size of files is what a full disk is to whoever wants to write, and needs no rights.
    """
    pushers = [*storm.scene.dag.services["pusher"]]
    before = sum(map(_postponed, pushers))

    def one_was_postponed() -> bool:
        _bound(pushers, ROOM)
        return sum(map(_postponed, pushers)) > before

    try:
        await until("a full disk postpones a push", one_was_postponed)
    finally:
        _bound(pushers, RLIM_INFINITY)
    return sum(map(_postponed, pushers)) - before


def _bound(pushers: Sequence[Service], size: int) -> None:
    """Bound the size of every pusher's files; again and again, for another fault may replace the process."""
    for pusher in pushers:
        if pusher.running:
            with suppress(ProcessLookupError):  # it has ended, and nobody has looked yet
                prlimit(pusher.pid, RLIMIT_FSIZE, (size, RLIM_INFINITY))


def _postponed(pusher: Service) -> int:
    return pusher.log.read_text(errors="replace").count("is full (File too large)")


FAULTS: tuple[Strike, ...] = (
    disk_full,
    _clock_stepped(HOUR, "clock_stepped_an_hour_ahead"),
    _clock_stepped(-HOUR, "clock_stepped_an_hour_back"),
)
