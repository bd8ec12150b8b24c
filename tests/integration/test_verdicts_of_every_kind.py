"""Every scenario with every kind of reconciler: the verdict, its reason and its words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from played_cluster import later
from verdict_stage import Stage, stage

from dag_monitor.domain.expectation import Relation
from dag_monitor.domain.verdict import Failed, Progressing, Succeeded, Superseded, Verdict
from dag_sandbox.cluster.resources import SECRETS
from dag_sandbox.reconcilers.outcomes import Outcome

KINDS = ("flux", "helm", "argocd", "workload")
Scenario = Callable[[Stage], Awaitable[Verdict]]
HELD_UP = {"flux": "stuck", "helm": "refused", "argocd": "refused", "workload": "fail"}
"""What keeps a rollout from its end without ending it, for a target that waits for its timeout."""

BUSY = {
    "flux": "Running 'upgrade' action",
    "helm": "is under way",
    "argocd": "waiting for completion of hook",
    "workload": "updated",
}


async def clean_success(on: Stage) -> Verdict:
    await on.push("1.2.3")
    return await on.watch().final()


async def failure(on: Stage) -> Verdict:
    outcome = "refused" if on.kind == "argocd" else "fail"  # an Application is degraded only after half a minute
    await on.push("1.2.3", outcome=outcome, reason="no database", symptom="crash-loop")
    return await on.watch().final()


async def failure_with_rollback(on: Stage) -> Verdict:
    await on.push("1.2.3", outcome="rollback")
    return await on.watch(fail_after=0 if on.kind == "flux" else 1).final()


async def failure_then_success(on: Stage) -> Verdict:
    await on.push("1.2.3", outcome="retry-then-succeed")
    return await on.watch(fail_after=0 if on.kind == "workload" else 2).final()


async def stuck(on: Stage) -> Verdict:
    await on.push("1.2.3", outcome="stuck")
    return await on.watch().says(BUSY[on.kind])


async def suspended(on: Stage) -> Verdict:
    on.suspend(whether=True)
    await on.push("1.2.3")
    watch = on.watch()
    if on.kind in ("flux", "argocd"):
        await watch.says("is suspended" if on.kind == "flux" else "argocd app sync")
    on.suspend(whether=False)
    return await watch.final()


async def foreign_change(on: Stage) -> Verdict:
    return await replaced(on, "9.9.9", by_us=False)


async def back_to_back(on: Stage) -> Verdict:
    first = await replaced(on, "1.2.4", by_us=True)
    assert isinstance(await on.watch("1.2.4", "1.2.3").final(), Succeeded)
    return first


async def replaced(on: Stage, version: str, *, by_us: bool) -> Verdict:
    """Ours does not come to an end, and another chart is pushed over it."""
    ours = await on.push("1.2.3", outcome=HELD_UP[on.kind])
    since = on.since
    await on.watch(fail_after=0).says({**BUSY, "helm": "Attempt 1", "argocd": "Attempt 1"}[on.kind])
    theirs = await on.push(version)
    newer, relations = (later(version, theirs),) if by_us else (), {theirs: Relation.REPLACED}
    watch = on.watch(commit=ours, since=since, fail_after=0, later=newer, relations=relations)
    if on.kind == "workload" and not by_us:
        return await watch.says(f"carries helm.sh/chart=podinfo-{version}")  # a label names no commit
    return await watch.final()


async def controller_restarted(on: Stage) -> Verdict:
    await on.stop()
    await on.begin(None if on.kind == "workload" else Outcome("stuck"))
    await on.push("1.2.3")
    watch = on.watch()
    await watch.says(BUSY[on.kind])
    await on.stop()
    if on.kind == "helm":
        on.double.delete(SECRETS, "default", "sh.helm.release.v1.podinfo.v2")  # what people do about a killed helm
    await on.begin(Outcome() if on.kind == "helm" else None)
    return await watch.final()


@dataclass(frozen=True)
class Cell:
    verdict: type[Verdict]
    words: str
    reason: str = ""


TABLE: dict[Scenario, dict[str, Cell]] = {
    clean_success: {
        "flux": Cell(Succeeded, "podinfo 1.2.3 runs: Helm upgrade succeeded for release default/podinfo.v2"),
        "helm": Cell(Succeeded, "podinfo 1.2.3 is deployed: Upgrade complete."),
        "argocd": Cell(Succeeded, "podinfo 1.2.3 runs: Application argocd/podinfo is synced to commit"),
        "workload": Cell(Succeeded, "podinfo 1.2.3 runs in Deployment default/podinfo: 2 replicas are available."),
    },
    failure: {
        "flux": Cell(Failed, "message: no database", "upgrade-failed"),
        "helm": Cell(
            Failed, 'Upgrade "podinfo" failed: resource Deployment/default/podinfo not ready', "release-failed"
        ),
        "argocd": Cell(Failed, "no database", "sync-failed"),
        "workload": Cell(Failed, "has timed out progressing", "progress-deadline-exceeded"),
    },
    failure_with_rollback: {
        "flux": Cell(Failed, "Flux rolled back to 1.2.2.", "retries-exceeded"),
        "helm": Cell(Failed, 'Upgrade "podinfo" failed', "release-failed"),
        "argocd": Cell(Failed, "by admin after commit", "rolled-back"),
        "workload": Cell(Failed, "has timed out progressing", "progress-deadline-exceeded"),
    },
    failure_then_success: {
        "flux": Cell(Succeeded, "podinfo 1.2.3 runs"),
        "helm": Cell(Succeeded, "podinfo 1.2.3 is deployed"),
        "argocd": Cell(Succeeded, "podinfo 1.2.3 runs"),
        "workload": Cell(Succeeded, "podinfo 1.2.3 runs"),
    },
    stuck: {
        "flux": Cell(Progressing, "Running 'upgrade' action with timeout of 5m0s"),
        "helm": Cell(Progressing, "Version 2 of Helm release default/podinfo is under way"),
        "argocd": Cell(Progressing, "waiting for completion of hook"),
        "workload": Cell(Progressing, "updated"),
    },
    suspended: {kind: Cell(Succeeded, "podinfo 1.2.3") for kind in KINDS},
    foreign_change: {kind: Cell(Superseded, "from outside DAG") for kind in ("flux", "helm", "argocd")}
    | {"workload": Cell(Progressing, "carries helm.sh/chart=podinfo-9.9.9; waiting for helm.sh/chart=podinfo-1.2.3")},
    back_to_back: {kind: Cell(Superseded, "deployment 0199-newer") for kind in KINDS},
    controller_restarted: {kind: Cell(Succeeded, "podinfo 1.2.3") for kind in KINDS},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scenario", TABLE, ids=lambda scenario: scenario.__name__)
async def test_the_verdict_is_true_and_says_why(scenario: Scenario, kind: str, tmp_path: Path) -> None:
    cell = TABLE[scenario][kind]
    async with stage(kind, tmp_path) as on:
        verdict = await scenario(on)
    assert isinstance(verdict, cell.verdict), verdict
    assert cell.words in verdict.message
    if isinstance(verdict, Failed):
        assert verdict.reason == cell.reason
