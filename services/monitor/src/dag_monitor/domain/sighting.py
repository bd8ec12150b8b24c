"""What can be seen of a target: its objects, or why not."""

from __future__ import annotations

from dataclasses import dataclass

from dag_monitor.domain.expectation import Objects


@dataclass(frozen=True, slots=True)
class Seen:
    """The objects a judge is concerned with; one that is not in it does not exist."""

    objects: Objects


@dataclass(frozen=True, slots=True)
class Unseen:
    """The cluster cannot be looked at (yet); `reason` is for the person who waits."""

    reason: str


Sighting = Seen | Unseen
