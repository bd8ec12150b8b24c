"""What a judge says about one target. A verdict other than `Progressing` is final for the deployment."""

from __future__ import annotations

from dataclasses import dataclass

from dag_common.contracts.events import Evidence
from dag_common.domain.deployment import Carried


@dataclass(frozen=True, slots=True)
class Progressing:
    """Nothing is decided yet; `message` tells the person who waits what it waits for.

    What is `carried` now has to be known later on, by whoever judges then.
    """

    message: str
    evidence: Evidence | None = None
    carried: Carried | None = None


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The target runs our chart, proven by `evidence`."""

    message: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Failed:
    """The target tried our chart, or never will, and nothing but a new deployment or a person's hand changes that.

    `reason` is a code in kebab case; `message` is the cause in words a person can act on.
    """

    reason: str
    message: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Superseded:
    """Another chart took the target over before ours was seen healthy.

    `by` is the id of the newer deployment, empty if it was none of ours; `version` and `commit` as far as known.
    """

    by: str
    version: str
    commit: str
    message: str
    evidence: Evidence


Verdict = Progressing | Succeeded | Failed | Superseded
