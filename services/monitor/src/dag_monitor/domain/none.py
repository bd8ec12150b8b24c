"""The judge of kind `none`: nothing is watched, the commit itself is the deployment."""

from __future__ import annotations

from dag_common.contracts.events import Evidence, RolloutTarget
from dag_monitor.domain.expectation import Expectation, Objects, Ref
from dag_monitor.domain.verdict import Succeeded, Verdict


def concerned(objects: Objects, target: RolloutTarget) -> tuple[Ref, ...]:  # noqa: ARG001  judges share one signature
    """Nothing."""
    return ()


def assess(objects: Objects, expectation: Expectation) -> Verdict:  # noqa: ARG001  judges share one signature
    """Success, in words that claim no more than the commit."""
    message = f"{expectation.chart_name} {expectation.chart_version} is committed; its rollout is not watched"
    evidence = Evidence(object=f"commit {expectation.commit}", revision=expectation.chart_version, reason="Committed")
    return Succeeded(message, evidence)
