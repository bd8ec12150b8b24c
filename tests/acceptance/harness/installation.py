"""One DAG as an operator runs it: service processes on one database and one broker."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from acceptance.harness.past import TODAY, Code
from acceptance.harness.service import Service
from servers.warden import Warden

KINDS = ("gateway", "pusher", "monitor")


class Installation:
    """The processes by kind. They stop for good when the installation is closed, whatever state they are in."""

    def __init__(self, directory: Path, environment: Mapping[str, str], warden: Warden) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._environment = environment
        self._warden = warden
        self.services: dict[str, list[Service]] = {kind: [] for kind in KINDS}

    @property
    def gateways(self) -> Sequence[str]:
        """The addresses a load balancer would know."""
        return [service.url for service in self.services["gateway"]]

    @property
    def all(self) -> list[Service]:
        """Every process."""
        return [service for kind in KINDS for service in self.services[kind]]

    async def start(self, *, code: Code = TODAY, **counts: int) -> None:
        """Start so many of each kind (`gateway=2`), all at once, and wait until all are ready."""
        fresh = [self.add(kind, code=code) for kind, count in counts.items() for _ in range(count)]
        for service in fresh:
            await service.start()
        await asyncio.gather(*(service.ready() for service in fresh))

    def add(self, kind: str, *, code: Code = TODAY) -> Service:
        """One more process of a kind, not started."""
        same = self.services[kind]
        name, environment = f"{kind}-{len(same) + 1}{code.mark}", {**self._environment, **code.variables}
        service = Service(name, f"dag_{kind}", environment, self.directory, self._warden)
        same.append(service)
        return service

    def one(self, kind: str) -> Service:
        """The first process of a kind."""
        return self.services[kind][0]

    async def close(self) -> None:
        """Kill what still runs."""
        await asyncio.gather(*(service.kill() for service in self.all if service.running))
