"""How a deployment may end in a storm, and what has to be so for that. Each function says what it found wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from acceptance.faults.git_host import REJECTION
from acceptance.harness.evidence import Evidence

ENDS = ("deployed", "superseded", "cancelled", "rejected")
"""A time-out or an error of DAG's own is a fault that was not survived."""


def unfounded(evidence: Evidence, rejecting: Sequence[range]) -> list[str]:
    """The ends nothing called for; `rejecting` are the positions by which the git host rejected every push."""
    return [
        *_unforeseen(evidence),
        *_rejected_without_the_hook(evidence, rejecting),
        *_superseded_by_nothing(evidence),
        *_cancelled_by_nobody(evidence),
        *_newest_not_deployed(evidence),
    ]


def end_of(evidence: Evidence, deployment_id: str) -> str:
    """`deployed`, or the reason of the failure."""
    failure = evidence.fact(deployment_id, "deployment.failed")
    return str(failure["reason"]) if failure else "deployed"


def _ended(evidence: Evidence, reason: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for one in evidence.streams:
        failure = evidence.fact(one, "deployment.failed")
        if failure and failure["reason"] == reason:
            yield one, failure


def _unforeseen(evidence: Evidence) -> Iterator[str]:
    for one, stream in evidence.streams.items():
        if end_of(evidence, one) not in ENDS:
            yield f"{one} ended as none should: {stream[-1].payload}"


def _rejected_without_the_hook(evidence: Evidence, rejecting: Sequence[range]) -> Iterator[str]:
    """In the hook's words; announced before it was off, ended after it was on."""
    for one, failure in _ended(evidence, "rejected"):
        if REJECTION not in failure["message"]:
            yield f"{one} was rejected, not in the hook's words: {failure['message']}"
        end = evidence.streams[one][-1].position
        began = _last(evidence, one, "push.started")
        if not any(began < hours.stop and end >= hours.start for hours in rejecting):
            yield f"{one} was pushed at position {began} and rejected at {end}, the hook was on at {[*rejecting]}"


def _superseded_by_nothing(evidence: Evidence) -> Iterator[str]:
    """Before its push by a newer one that is named, where the environment wants it; in the cluster by a newer push."""
    for one, failure in _ended(evidence, "superseded"):
        newer = _newer(evidence, one)
        pushed = evidence.fact(one, "chart.pushed") is not None
        if pushed and not any(evidence.fact(other, "chart.pushed") for other in newer):
            yield f"{one} was superseded in the cluster, and nothing newer was pushed: {failure}"
        if not pushed and not (_gives_way(evidence, one) and any(other in failure["message"] for other in newer)):
            yield f"{one} gave way, and to nothing newer that it had to give way to: {failure}"


def _cancelled_by_nobody(evidence: Evidence) -> Iterator[str]:
    for one, _ in _ended(evidence, "cancelled"):
        order = evidence.order_of.get(one)
        if order is None or not order.cancels:
            yield f"{one} was cancelled, and nobody asked for it"


def _newest_not_deployed(evidence: Evidence) -> Iterator[str]:
    """The newest of each environment that nobody cancelled or rejected is deployed, unless it gave way before that."""
    newest: dict[str, str] = {}
    for one in sorted(evidence.requests, key=lambda one: evidence.streams[one][0].position):
        end = end_of(evidence, one)
        gave_way = end == "superseded" and not evidence.fact(one, "chart.pushed")
        if end not in ("cancelled", "rejected") and not gave_way:
            newest[evidence.requests[one]["environment"]] = one
    for environment, one in newest.items():
        if (end := end_of(evidence, one)) != "deployed":
            yield f"{one} is the newest of {environment}, and {end}"


def _newer(evidence: Evidence, deployment_id: str) -> list[str]:
    """The deployments of the same environment with a later position."""
    environment = evidence.requests[deployment_id]["environment"]
    position = evidence.streams[deployment_id][0].position
    same = (one for one, request in evidence.requests.items() if request["environment"] == environment)
    return [one for one in same if evidence.streams[one][0].position > position]


def _gives_way(evidence: Evidence, deployment_id: str) -> bool:
    return evidence.landscape.place(evidence.requests[deployment_id]["environment"]).supersedes


def _last(evidence: Evidence, deployment_id: str, type_name: str) -> int:
    """The position of the last record of a type; 0 without one."""
    return max((one.position for one in evidence.streams[deployment_id] if one.type == type_name), default=0)
