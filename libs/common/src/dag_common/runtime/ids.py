"""The only place that makes identifiers and draws random numbers."""

from __future__ import annotations

import random
import secrets

import uuid_utils

from dag_common.contracts.events import DeploymentId

_RANDOM = random.SystemRandom()


def new_event_id() -> str:
    """A UUIDv7 (RFC 9562): sortable by creation time."""
    return str(uuid_utils.uuid7())


def new_deployment_id() -> DeploymentId:
    """A UUIDv7 for a new deployment."""
    return DeploymentId(str(uuid_utils.uuid7()))


def new_traceparent() -> str:
    """A fresh W3C Trace Context header value, sampled (https://www.w3.org/TR/trace-context/ §3.2)."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def jitter(seconds: float) -> float:
    """A random duration in [seconds/2, seconds): spreads retries that began together."""
    return seconds * (0.5 + _RANDOM.random() / 2)


def between(low: float, high: float) -> float:
    """A random duration in [low, high]: the step of a decorrelated-jitter backoff."""
    return _RANDOM.uniform(low, high)
