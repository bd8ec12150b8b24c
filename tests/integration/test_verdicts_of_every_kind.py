"""Every scenario with every kind of reconciler: the verdict, its reason, its words, and the write it comes with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from deciding_writes import (
    Write,
    application_is_at,
    application_runs,
    application_went_back_to,
    deployment_carries,
    deployment_gave_up,
    deployment_runs,
    first,
    release_attempts,
    release_failed,
    release_runs,
    release_stalled,
    secret_is,
    sync_failed,
)
from played_cluster import QUICK, later
from verdict_stage import Stage, Watch, stage

from dag_monitor.domain.expectation import Relation
from dag_monitor.domain.verdict import Failed, Progressing, Succeeded, Superseded, Verdict
from dag_sandbox.cluster.resources import SECRETS
from dag_sandbox.reconcilers.helm import HelmFlags
from dag_sandbox.reconcilers.outcomes import Outcome

KINDS = ("flux", "helm", "argocd", "workload")
Scenario = Callable[[Stage], Awaitable[Watch]]
HELD_UP = {"flux": "stuck", "helm": "refused", "argocd": "refused", "workload": "fail"}
"""What keeps a rollout from its end without ending it, for a target that waits for its timeout."""

BUSY = {
    "flux": "Running 'upgrade' action",
    "helm": "is under way",
    "argocd": "waiting for completion of hook",
    "workload": "1 of 2 new replicas have been updated",
}
RUNS: dict[str, Callable[[str], Write]] = {
    "flux": release_runs,
    "helm": lambda version: secret_is(version, "deployed"),
    "argocd": application_runs,
    "workload": deployment_runs,
}
IS_TAKEN: dict[str, Callable[[str], Write]] = {
    "flux": release_attempts,
    "helm": lambda version: secret_is(version, "deployed"),
    "argocd": application_is_at,
    "workload": lambda version: deployment_carries(version, generation=3),
}
"""The write in which another version than ours is the one that is rolled out."""


async def clean_success(on: Stage) -> Watch:
    await on.push("1.2.3")
    return on.watch()


async def failure(on: Stage) -> Watch:
    outcome = "refused" if on.kind == "argocd" else "fail"  # an Application is degraded only after half a minute
    await on.push("1.2.3", outcome=outcome, reason="no database", symptom="crash-loop")
    return on.watch()


async def failure_with_rollback(on: Stage) -> Watch:
    if on.kind == "workload":  # Helm gives up before the Deployment does, as with the defaults of both
        await on.stop()
        on.flags, on.pace = HelmFlags(timeout=0.2, rollback_on_failure=True), replace(QUICK, deadline=None)
        await on.begin()
    await on.push("1.2.3", outcome="rollback")
    return on.watch(fail_after=0 if on.kind == "flux" else 1)


async def failure_then_success(on: Stage) -> Watch:
    await on.push("1.2.3", outcome="retry-then-succeed")
    return on.watch(fail_after=0 if on.kind == "workload" else 2)


async def stuck(on: Stage) -> Watch:
    await on.push("1.2.3", outcome="stuck")
    return on.watch()


async def suspended(on: Stage) -> Watch:
    on.suspend(whether=True)
    await on.push("1.2.3")
    watch = on.watch()
    if on.kind in ("flux", "argocd"):
        await watch.says("is suspended" if on.kind == "flux" else "argocd app sync")
    on.suspend(whether=False)
    return watch


async def foreign_change(on: Stage) -> Watch:
    watch = await replaced(on, "9.9.9", by_us=False)
    await on.sees(RUNS[on.kind]("9.9.9"))
    return watch


async def back_to_back(on: Stage) -> Watch:
    watch = await replaced(on, "1.2.4", by_us=True)
    newer = on.watch("1.2.4", "1.2.3")
    assert isinstance(await newer.final(), Succeeded)
    by, _ = newer.outcome()
    assert by.revision == first(RUNS[on.kind]("1.2.4"), on.double, on.commits, since=newer.since).revision
    return watch


async def replaced(on: Stage, version: str, *, by_us: bool) -> Watch:
    """Ours does not come to an end, and another chart is pushed over it."""
    await on.push("1.2.3", outcome=HELD_UP[on.kind])
    since = on.since
    await on.watch(fail_after=0).says({**BUSY, "helm": "Attempt 1", "argocd": "Attempt 1"}[on.kind])
    theirs = await on.push(version)
    newer, relations = (later(version, theirs),) if by_us else (), {theirs: Relation.REPLACED}
    return on.watch(since=since, fail_after=0, later=newer, relations=relations)


async def controller_restarted(on: Stage) -> Watch:
    await on.stop()
    await on.begin(None if on.kind == "workload" else Outcome("stuck"))
    await on.push("1.2.3")
    watch = on.watch()
    await watch.says(BUSY[on.kind])
    await on.stop()
    if on.kind == "helm":
        on.double.delete(SECRETS, "default", "sh.helm.release.v1.podinfo.v2")  # what people do about a killed helm
    await on.begin(Outcome() if on.kind == "helm" else None)
    return watch


@dataclass(frozen=True)
class Cell:
    """`write` is the one that the verdict comes with; a target that waits for its timeout gets none."""

    verdict: type[Verdict]
    words: str
    write: Write | None = None
    reason: str = ""


TABLE: dict[Scenario, dict[str, Cell]] = {
    clean_success: {
        "flux": Cell(
            Succeeded,
            "podinfo 1.2.3 runs: Helm upgrade succeeded for release default/podinfo.v2",
            release_runs("1.2.3"),
        ),
        "helm": Cell(Succeeded, "podinfo 1.2.3 is deployed: Upgrade complete.", secret_is("1.2.3", "deployed")),
        "argocd": Cell(
            Succeeded,
            "podinfo 1.2.3 runs: Application argocd/podinfo is synced to commit",
            application_runs("1.2.3"),
        ),
        "workload": Cell(
            Succeeded,
            "podinfo 1.2.3 runs in Deployment default/podinfo: 2 replicas are available.",
            deployment_runs("1.2.3"),
        ),
    },
    failure: {
        "flux": Cell(Failed, "message: no database", release_failed("1.2.3"), "upgrade-failed"),
        "helm": Cell(
            Failed,
            'Upgrade "podinfo" failed: resource Deployment/default/podinfo not ready',
            secret_is("1.2.3", "failed"),
            "release-failed",
        ),
        "argocd": Cell(Failed, "no database", sync_failed("1.2.3"), "sync-failed"),
        "workload": Cell(
            Failed, "has timed out progressing", deployment_gave_up("1.2.3"), "progress-deadline-exceeded"
        ),
    },
    failure_with_rollback: {
        "flux": Cell(Failed, "Flux rolled back to 1.2.2.", release_stalled("1.2.3"), "retries-exceeded"),
        "helm": Cell(Failed, 'Upgrade "podinfo" failed', secret_is("1.2.3", "failed"), "release-failed"),
        "argocd": Cell(Failed, "by admin after commit", application_went_back_to("1.2.2"), "rolled-back"),
        "workload": Cell(
            Failed,
            "it had podinfo 1.2.3, and carries helm.sh/chart=podinfo-1.2.2 again.",
            deployment_carries("1.2.2", generation=3),
            "rolled-back",
        ),
    },
    failure_then_success: {kind: Cell(Succeeded, "podinfo 1.2.3", RUNS[kind]("1.2.3")) for kind in KINDS},
    stuck: {kind: Cell(Progressing, BUSY[kind]) for kind in KINDS},
    suspended: {kind: Cell(Succeeded, "podinfo 1.2.3", RUNS[kind]("1.2.3")) for kind in KINDS},
    foreign_change: {
        kind: Cell(Superseded, "from outside DAG", IS_TAKEN[kind]("9.9.9")) for kind in ("flux", "helm", "argocd")
    }
    | {"workload": Cell(Progressing, "carries helm.sh/chart=podinfo-9.9.9; waiting for helm.sh/chart=podinfo-1.2.3")},
    back_to_back: {kind: Cell(Superseded, "deployment 0199-newer", IS_TAKEN[kind]("1.2.4")) for kind in KINDS},
    controller_restarted: {kind: Cell(Succeeded, "podinfo 1.2.3", RUNS[kind]("1.2.3")) for kind in KINDS},
}
assert all(tuple(cells) == KINDS for cells in TABLE.values())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scenario", TABLE, ids=lambda scenario: scenario.__name__)
async def test_the_verdict_is_true_says_why_and_comes_with_the_write_that_decides(
    scenario: Scenario, kind: str, tmp_path: Path
) -> None:
    cell = TABLE[scenario][kind]
    async with stage(kind, tmp_path) as on:
        watch = await scenario(on)
        await (watch.final() if cell.write else watch.says(cell.words))
    by, verdict = watch.outcome()
    assert isinstance(verdict, cell.verdict), verdict
    if cell.write:
        assert cell.words in verdict.message
        assert by.revision == first(cell.write, on.double, on.commits, since=watch.since).revision
    if isinstance(verdict, Failed):
        assert verdict.reason == cell.reason
