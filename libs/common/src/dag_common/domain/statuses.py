"""The statuses an API user sees. They move only forward, and a terminal one is terminal."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """Where a deployment stands, in order; `failed` may follow any but the terminal ones."""

    PENDING = "pending"
    VALIDATING = "validating"
    PUSHING = "pushing"
    PUSHED = "pushed"
    MONITORING = "monitoring"
    DEPLOYED = "deployed"
    FAILED = "failed"

    @property
    def terminal(self) -> bool:
        """Whether the deployment ended here."""
        return self in (Status.DEPLOYED, Status.FAILED)

    @property
    def rank(self) -> int:
        """The place in the order; both terminal statuses are last."""
        return _ORDER[self]


_ORDER = {status: place for place, status in enumerate(Status)} | {Status.FAILED: 5, Status.DEPLOYED: 5}
