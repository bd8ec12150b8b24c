"""What the machines under the services do: clocks step, disks fill up."""

from __future__ import annotations

import random

from acceptance.faults.storm import Storm, Strike, until

HOUR = 3600
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


FAULTS: tuple[Strike, ...] = (
    _clock_stepped(HOUR, "clock_stepped_an_hour_ahead"),
    _clock_stepped(-HOUR, "clock_stepped_an_hour_back"),
)
