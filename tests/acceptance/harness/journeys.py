"""What one reader of a deployment's event stream was told, over as many connections as it took."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

TERMINAL = frozenset({"deployed", "failed"})


@dataclass(frozen=True, slots=True)
class Told:
    """One event of the stream: its type, its id (empty: none), its data, and which connection brought it."""

    connection: int
    type: str
    id: str
    data: dict[str, Any]


@dataclass(slots=True)
class Connection:
    """One connection: to whom, what it asked to go on from, and how it ended."""

    gateway: str
    after: str
    ending: str = "open"
    retry_ms: int | None = None


@dataclass(slots=True)
class Journey:
    """Everything one reader saw, in order."""

    deployment_id: str
    told: list[Told] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)

    @property
    def statuses(self) -> list[Told]:
        """The `status` events."""
        return [told for told in self.told if told.type == "status"]

    @property
    def last_id(self) -> str:
        """What the next connection has to go on from, as a browser keeps it."""
        return next((told.id for told in reversed(self.told) if told.id), "")

    @property
    def status(self) -> str:
        """The status told last; empty before the first."""
        statuses = self.statuses
        return str(statuses[-1].data["status"]) if statuses else ""

    @property
    def ended(self) -> bool:
        """Whether a terminal status was told."""
        return self.status in TERMINAL

    def story(self) -> str:
        """All of it as text, for a failure's message."""
        lines = [f"{one.gateway} after {one.after or '-'}: {one.ending}" for one in self.connections]
        lines += [f"{told.connection} {told.id:>3} {told.type:<9} {json.dumps(told.data)}" for told in self.told]
        return "\n".join(lines)
