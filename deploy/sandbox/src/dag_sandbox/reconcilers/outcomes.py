"""How a rollout in the sandbox goes, chosen by the chart itself: `sandbox:` in its values.yaml.

One vocabulary serves every reconciler; what each makes of an outcome stands in its own modules.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any, Final

from dag_common.errors import Invalid

SUCCEED: Final = "succeed"
FAIL: Final = "fail"
REFUSED: Final = "refused"
ROLLBACK: Final = "rollback"
RENDER_ERROR: Final = "render-error"
STUCK: Final = "stuck"
RETRY_THEN_SUCCEED: Final = "retry-then-succeed"
OUTCOMES: Final = (SUCCEED, FAIL, REFUSED, ROLLBACK, RENDER_ERROR, STUCK, RETRY_THEN_SUCCEED)

IMAGE_PULL: Final = "image-pull"
CRASH_LOOP: Final = "crash-loop"
OUT_OF_MEMORY: Final = "out-of-memory"
CONFIG_ERROR: Final = "config-error"
UNSCHEDULABLE: Final = "unschedulable"
NOT_READY: Final = "not-ready"
VOLUME: Final = "volume"
QUOTA: Final = "quota"
SYMPTOMS: Final = (
    IMAGE_PULL, CRASH_LOOP, OUT_OF_MEMORY, CONFIG_ERROR, UNSCHEDULABLE, NOT_READY, VOLUME, QUOTA,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happens to a release: `outcome` (one of `OUTCOMES`), the `reason` a failure gives, and how long it takes.

    `rollback` and `retry-then-succeed` try twice and roll back in between, whatever the release allows; `fail` goes
    by the release's own remediation; `refused` is the API server's no to the manifests. `seconds` None is the
    sandbox's pace. `symptom` (one of `SYMPTOMS`) is what the new pods suffer from when the rollout goes wrong.
    """

    outcome: str = SUCCEED
    reason: str = ""
    seconds: float | None = None
    symptom: str = ""

    @property
    def retries(self) -> int:
        """How many retries this outcome needs at least."""
        return 1 if self.outcome in (ROLLBACK, RETRY_THEN_SUCCEED) else 0

    @property
    def ailment(self) -> str:
        """What the pods suffer from: nothing if all goes well, else the symptom or the usual one."""
        if self.outcome == SUCCEED:
            return ""
        return self.symptom or (UNSCHEDULABLE if self.outcome == STUCK else CRASH_LOOP)

    def fails(self, *, attempts_failed: int) -> bool:
        """Whether the next attempt fails, after so many failed ones of the same chart."""
        if self.outcome == RETRY_THEN_SUCCEED:
            return attempts_failed == 0
        return self.outcome in (FAIL, REFUSED, ROLLBACK, RENDER_ERROR)

    def written(self) -> str:
        """One line that `outcome_written` reads back: how a pod template carries its fate."""
        return json.dumps(asdict(self), sort_keys=True)


def outcome_of(values: Any) -> Outcome:
    """What a chart's values ask for. Raises `Invalid` with what would have been right."""
    return _outcome(values.get("sandbox") if isinstance(values, dict) else None)


def outcome_written(text: str) -> Outcome:
    """What `Outcome.written` wrote; nothing is a success. Raises `Invalid`."""
    return _outcome(json.loads(text) if text else None)


def _outcome(wanted: Any) -> Outcome:
    if wanted is None:
        return Outcome()
    if not isinstance(wanted, dict):
        raise Invalid("values.yaml: sandbox must be a mapping like {outcome: fail, reason: no space left, seconds: 2}")
    outcome, reason, seconds = wanted.get("outcome", SUCCEED), wanted.get("reason", ""), wanted.get("seconds")
    symptom = wanted.get("symptom") or ""
    if outcome not in OUTCOMES:
        raise Invalid(f"values.yaml: sandbox.outcome is {outcome!r}, it must be one of {', '.join(OUTCOMES)}")
    if symptom not in ("", *SYMPTOMS):
        raise Invalid(f"values.yaml: sandbox.symptom is {symptom!r}, it must be one of {', '.join(SYMPTOMS)}")
    return Outcome(outcome, str(reason or ""), None if seconds is None else _length(seconds), symptom)


def _length(seconds: Any) -> float:
    """A number, also one written as text: `--set` of CI clients makes text of everything."""
    try:
        length = math.nan if isinstance(seconds, bool) else float(seconds)
    except (TypeError, ValueError):
        length = math.nan
    if not 0 <= length < math.inf:
        raise Invalid(f"values.yaml: sandbox.seconds is {seconds!r}, it must be a number, 0 or more")
    return length
