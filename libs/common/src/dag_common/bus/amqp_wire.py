"""Our messages in AMQP's form and back."""

from __future__ import annotations

from typing import Any, Final

import aio_pika
from aio_pika.abc import AbstractIncomingMessage, DeliveryMode

from dag_common.bus.amqp_topology import Topology
from dag_common.bus.seam import DeadLetter, Message

ATTEMPT: Final = "x-dag-attempt"
FAILURES: Final = "x-dag-failures"
QUEUE: Final = "x-dag-queue"
REASON: Final = "x-dag-reason"
_REASON_LENGTH: Final = 1_000
"""Headers travel in one frame with everything else AMQP says of a message; a reason is a sentence, not a dump."""


def to_amqp(
    message: Message, *, attempt: int = 1, failures: int = 0, expires_after: float | None = None
) -> aio_pika.Message:
    """The message, kept on disk by the broker; `expires_after` in seconds."""
    return aio_pika.Message(
        message.body,
        headers={ATTEMPT: attempt, FAILURES: failures, "traceparent": message.traceparent},
        message_id=message.id,
        type=message.routing_key,
        content_type="application/json",
        delivery_mode=DeliveryMode.PERSISTENT,
        expiration=expires_after,
    )


def from_amqp(incoming: AbstractIncomingMessage) -> Message:
    """What was sent; a foreign message comes out with what it has."""
    return Message(
        id=incoming.message_id or "",
        routing_key=incoming.type or incoming.routing_key or "",
        body=incoming.body,
        traceparent=_text(incoming.headers.get("traceparent", "")),
    )


def attempt_of(incoming: AbstractIncomingMessage) -> int:
    """Our own count plus the broker's, which counts deliveries that ended without an answer."""
    return _number(incoming.headers.get(ATTEMPT), 1) + _number(incoming.headers.get("x-delivery-count"), 0)


def failures_of(incoming: AbstractIncomingMessage) -> int:
    """Our own count alone: a message that was given back, or whose process died, did not fail in its handler."""
    return _number(incoming.headers.get(FAILURES), 0)


def to_dead_letter(letter: DeadLetter) -> aio_pika.Message:
    """The message with the reason it was set aside for."""
    sent = to_amqp(letter.message, attempt=letter.attempt)
    sent.headers[QUEUE] = letter.queue
    sent.headers[REASON] = letter.reason[:_REASON_LENGTH]
    return sent


def from_dead_letter(incoming: AbstractIncomingMessage, topology: Topology) -> DeadLetter:
    """A dead letter of ours, or one the broker made of a message that was delivered too often."""
    headers = incoming.headers
    death = _last_death(headers.get("x-death"))
    broker_queue = topology.plain(_text(death.get("queue", "")))
    broker_reason = f"set aside by the broker: {_text(death.get('reason', 'unknown'))}"
    return DeadLetter(
        message=from_amqp(incoming),
        queue=_text(headers.get(QUEUE, broker_queue)),
        reason=_text(headers.get(REASON, broker_reason)),
        attempt=_number(headers.get(ATTEMPT), 1),
    )


def _last_death(deaths: Any) -> dict[str, Any]:
    """The newest stands first (rabbitmq-website `docs/dlx.md`); the first of all may be a stay in a waiting room."""
    return deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else {}


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _number(value: Any, otherwise: int) -> int:
    return value if isinstance(value, int) else otherwise
