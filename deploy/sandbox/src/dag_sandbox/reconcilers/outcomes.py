"""How a rollout in the sandbox goes, chosen by the chart itself: `sandbox:` in its values.yaml."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from dag_common.errors import Invalid

SUCCEED: Final = "succeed"
FAIL: Final = "fail"
ROLLBACK: Final = "rollback"
RENDER_ERROR: Final = "render-error"
STUCK: Final = "stuck"
RETRY_THEN_SUCCEED: Final = "retry-then-succeed"
OUTCOMES: Final = (SUCCEED, FAIL, ROLLBACK, RENDER_ERROR, STUCK, RETRY_THEN_SUCCEED)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happens to a release: `outcome` (one of `OUTCOMES`), the `reason` a failure gives, and how long it takes.

    `rollback` and `retry-then-succeed` try twice and roll back in between, whatever the release allows; `fail` goes
    by the release's own remediation. `seconds` None is the sandbox's pace.
    """

    outcome: str = SUCCEED
    reason: str = ""
    seconds: float | None = None

    @property
    def retries(self) -> int:
        """How many retries this outcome needs at least."""
        return 1 if self.outcome in (ROLLBACK, RETRY_THEN_SUCCEED) else 0

    def fails(self, *, attempts_failed: int) -> bool:
        """Whether the next attempt fails, after so many failed ones of the same chart."""
        if self.outcome == RETRY_THEN_SUCCEED:
            return attempts_failed == 0
        return self.outcome in (FAIL, ROLLBACK, RENDER_ERROR)


def outcome_of(values: Any) -> Outcome:
    """What a chart's values ask for. Raises `Invalid` with what would have been right."""
    wanted = values.get("sandbox") if isinstance(values, dict) else None
    if wanted is None:
        return Outcome()
    if not isinstance(wanted, dict):
        raise Invalid("values.yaml: sandbox must be a mapping like {outcome: fail, reason: no space left, seconds: 2}")
    outcome, reason, seconds = wanted.get("outcome", SUCCEED), wanted.get("reason", ""), wanted.get("seconds")
    if outcome not in OUTCOMES:
        raise Invalid(f"values.yaml: sandbox.outcome is {outcome!r}, it must be one of {', '.join(OUTCOMES)}")
    return Outcome(outcome, str(reason or ""), None if seconds is None else _length(seconds))


def _length(seconds: Any) -> float:
    """A number, also one written as text: `--set` of CI clients makes text of everything."""
    try:
        length = math.nan if isinstance(seconds, bool) else float(seconds)
    except (TypeError, ValueError):
        length = math.nan
    if not 0 <= length < math.inf:
        raise Invalid(f"values.yaml: sandbox.seconds is {seconds!r}, it must be a number, 0 or more")
    return length
