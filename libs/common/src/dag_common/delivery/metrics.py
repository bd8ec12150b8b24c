"""What delivery counts, for /metrics."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

HANDLED: Final = Counter("dag_messages_handled", "Messages by how handling them ended.", ["queue", "type", "outcome"])
HANDLING_SECONDS: Final = Histogram(
    "dag_message_handling_seconds",
    "How long a handler had a message.",
    ["queue", "type"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600),
)
DEAD_LETTERS: Final = Gauge(
    "dag_dead_letters", "Messages that no handler could take, waiting for an operator; NaN while the broker is away."
)
RELAYED: Final = Counter("dag_relay_published", "Records of the log published to the bus.")
CURSOR_POSITION: Final = Gauge(
    "dag_cursor_position",
    "The log position a cursor has dealt with; 0 where another process leads.",
    ["cursor"],
)
SKIPPED: Final = Counter("dag_projection_skipped", "Records a running projection could not read.", ["projection"])
FEED_GAPS: Final = Counter("dag_feed_gaps", "Times the feed read from the log what the bus had not brought.")
