"""The names on the broker. Everything is declared by whoever needs it, with equal arguments everywhere."""

from __future__ import annotations

from typing import Final

EXCHANGE: Final = "dag.events"
"""Topic exchange; the routing key is the event's stored type name."""

PUSHER_QUEUE: Final = "dag.pusher"
"""Work for pushers: a `deployment.requested` wakes the list of its IaC branch."""

MONITOR_QUEUE: Final = "dag.monitor"
"""Work for monitors: a `chart.pushed` wakes the watch of its deployment; continuations come here too."""

DEAD_LETTERS: Final = "dag.dead-letters"
"""What no handler could take, kept for an operator."""

BINDINGS: Final[dict[str, tuple[str, ...]]] = {
    PUSHER_QUEUE: ("deployment.requested",),
    MONITOR_QUEUE: ("chart.pushed",),
}

FEED_BINDING: Final = "#"
"""A gateway's own queue takes every event."""
