"""What becomes of a message after its handler: the one table from error to settlement."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

from dag_common.bus.seam import Delivery
from dag_common.errors import Conflict, DagError, Refused, Unavailable, Unreadable
from dag_common.runtime.ids import jitter
from dag_common.runtime.lifecycle import backoff

UNKNOWN_FAILURES: Final = 3
"""How often an error nobody foresaw may strike before the message is set aside: the first may be a passing one.

Only those count: outages do not, nor does a message that a process gave back when it stopped or died (the broker counts
those)."""

RETRY_CAP_SECONDS: Final = 60.0
CONFLICT_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a message is settled, and what the log says of it."""

    outcome: str
    level: int = logging.INFO
    retry_after: float | None = None
    dead_because: str = ""
    reason: str = ""
    error: BaseException | None = None
    """The one nobody foresaw."""

    async def settle(self, delivery: Delivery) -> None:
        """Acknowledge, retry or set aside. Raises `Unavailable`."""
        if self.dead_because:
            await delivery.dead_letter(self.dead_because)
        elif self.retry_after is not None:
            await delivery.retry(self.retry_after, failures=delivery.failures + (self.error is not None))
        else:
            await delivery.ack()

    def fields(self) -> dict[str, Any]:
        """What the canonical log line says beyond the outcome; a traceback only where nobody foresaw the error."""
        fields: dict[str, Any] = {"reason": self.reason} if self.reason else {}
        return fields | ({"exc_info": _info(self.error)} if self.error else {})


DONE: Final = Verdict(outcome="done")


def verdict_on(error: Exception, attempt: int, failures: int = 0) -> Verdict:
    """What an error of a handler at this attempt, after so many that nobody foresaw, means for the message."""
    match error:
        case Refused():
            return Verdict(outcome="refused", reason=f"{error.reason}: {error.message}")
        case Conflict():
            return Verdict(outcome="retried", retry_after=jitter(CONFLICT_SECONDS), reason=error.message)
        case Unavailable():
            delay = backoff(attempt, first=1.0, cap=RETRY_CAP_SECONDS)
            return Verdict(outcome="retried", level=logging.WARNING, retry_after=delay, reason=error.message)
        case Unreadable():
            return Verdict(
                outcome="dead_lettered", level=logging.ERROR, dead_because=error.message, reason=error.message
            )
        case _:
            return _unforeseen(error, attempt, failures + 1)


def _unforeseen(error: Exception, attempt: int, failures: int) -> Verdict:
    """The text of an unknown error may hold anything, so only its type goes into the dead letter."""
    reason = error.message if isinstance(error, DagError) else type(error).__name__
    if failures < UNKNOWN_FAILURES:
        delay = backoff(failures)
        return Verdict(outcome="retried", level=logging.ERROR, retry_after=delay, reason=reason, error=error)
    dead_because = f"{type(error).__name__} at attempt {attempt}; the log has the traceback"
    return Verdict(outcome="dead_lettered", level=logging.ERROR, dead_because=dead_because, reason=reason, error=error)


def _info(error: BaseException) -> tuple[type[BaseException], BaseException, TracebackType | None]:
    return type(error), error, error.__traceback__
