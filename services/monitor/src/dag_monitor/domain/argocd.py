"""The judge of kind `argocd`: an Application whose manifests come from the IaC repository.

Sources: argoproj/argo-cd pkg/apis/application/v1alpha1/types.go, controller/{appcontroller,state,sync}.go and
docs/user-guide/auto_sync.md. Sync, operation and health are written in separate calls, and sync.revision is what was
compared, not what was applied; so Success is the conjunction of all that our commit implies.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from dag_monitor.domain.argocd_case import Case, in_repository, takes
from dag_monitor.domain.argocd_observation import concerned, observe, revisions
from dag_monitor.domain.argocd_rollback import rolled_back
from dag_monitor.domain.argocd_trouble import of_the_chart
from dag_monitor.domain.argocd_waiting import waiting
from dag_monitor.domain.expectation import Expectation, Objects, Relation
from dag_monitor.domain.verdict import Failed, Progressing, Succeeded, Superseded, Verdict
from dag_monitor.domain.wording import rewritten, sentences, short, told

__all__ = ["assess", "concerned", "revisions"]

_DEGRADED_FOR: Final = timedelta(seconds=30)
"""Health flaps right after a sync; both ends are read on the cluster's clock."""
_BROKEN_FOR: Final = timedelta(minutes=2)
"""A repository server that restarts is a ComparisonError too."""
_LASTING: Final = {"ComparisonError": "comparison-error", "InvalidSpecError": "invalid-spec"}


def assess(objects: Objects, expectation: Expectation) -> Verdict:
    """How our commit stands in the Application. Never raises on odd objects: what cannot be read proves nothing."""
    target = expectation.target
    app = observe(objects, target)
    if app is None:
        return Progressing(f"Application {target.namespace}/{target.name} does not exist yet")
    case = Case(expectation, app)
    verdicts = (rule(case) for rule in _RULES)
    return next((verdict for verdict in verdicts if verdict), Progressing(waiting(case), case.evidence))


def _wrong_path(case: Case) -> Failed | None:
    """Every source in our repository takes another directory, and none that ours is part of."""
    ours = in_repository(case.app, case.expected.url)
    if not ours or any(takes(one, case.expected.path) for one in ours):
        return None
    message = (
        f"{case.app.ref} deploys {', '.join(told(one.path) for one in ours)}, but this deployment was committed to "
        f"{case.expected.path}: correct the Application's source, or the environment's path or target in the registry"
    )
    return Failed("wrong-path", message, case.evidence)


def _superseded(case: Case) -> Superseded | None:
    """Argo CD is at a commit that put another chart in the place of ours."""
    seen = (*case.revisions, *case.counted(case.app.operation.taken))
    commit = next((one for one in seen if case.expected.relation(one) is Relation.REPLACED), "")
    if not commit:
        return None
    later = next((one for one in case.expected.later if one.commit.startswith(commit)), None)
    who = f"deployment {later.deployment_id}" if later else "a change from outside DAG"
    message = (
        f"Commit {short(commit)} from {who} took over {case.app.ref} "
        f"before {case.expected.chart_version} was seen healthy"
    )
    version = later.chart_version if later else ""
    return Superseded(later.deployment_id if later else "", version, commit, message, case.evidence)


def _removed(case: Case) -> Failed | None:
    """The branch was rewritten without our commit: Argo CD follows the branch, so nobody will ever see it."""
    commit = next((one for one in case.revisions if case.expected.relation(one) is Relation.REMOVED), "")
    if not commit or case.compared:
        return None
    return Failed("removed", rewritten(case.expected.branch, case.expected.commit, commit), case.evidence)


def _sync_failed(case: Case) -> Failed | None:
    """Argo CD gave up, or failed as often as the target allows while it still retries."""
    operation, allowed = case.app.operation, case.expected.target.fail_after
    if not case.attempted:
        return None
    often = operation.waits_to_retry and 0 < allowed <= operation.retries
    if not often and (not operation.failed or case.app.queued):
        return None
    told_by = told(operation.message) or f"The sync ended as {operation.phase}"
    return Failed("sync-failed", sentences(told_by), case.evidence)


def _degraded(case: Case) -> Failed | None:
    """Our chart was applied, and its objects are broken for longer than a flap."""
    app, since = case.app, case.app.operation.finished_at
    applied = case.attempted and app.operation.succeeded and case.compared and not app.queued
    if app.health != "Degraded" or not applied or not case.fresh or not case.expected.target.fail_after:
        return None
    if not _lasts(max(filter(None, (since, app.health_since)), default=None), app.reconciled_at, _DEGRADED_FOR):
        return None
    message = f"{app.ref} was synced to our commit and is degraded"
    return Failed("degraded", sentences(message, told(app.health_message)), case.evidence)


def _cannot_compare(case: Case) -> Failed | None:
    """Argo CD cannot make manifests since our push, and that has not passed: such a comparison may name no commit."""
    if not (case.compared or case.nameless) or not case.expected.target.fail_after:
        return None
    for trouble in case.app.errors:
        since = trouble.since
        ours = since is not None and since >= case.expected.pushed_at.replace(microsecond=0)
        lasting = trouble.type in _LASTING and ours and _lasts(since, case.app.reconciled_at, _BROKEN_FOR)
        if lasting and of_the_chart(trouble, nameless=not case.compared):
            message = sentences(f"{case.app.ref} shows {trouble.type}: {told(trouble.message)}")
            return Failed(_LASTING[trouble.type], message, case.evidence)
    return None


def _succeeded(case: Case) -> Succeeded | None:
    app = case.app
    resting = not app.deleting and not app.queued and not app.errors
    synced = app.sync == "Synced" and case.compared and case.applied
    if not (resting and synced and case.fresh and app.health == "Healthy"):
        return None
    how = "already runs, unchanged" if case.expected.unchanged else "runs"
    at = f"{app.ref} is synced to commit {short(case.evidence.revision)} and healthy"
    return Succeeded(sentences(f"{case.expected.chart_name} {case.expected.chart_version} {how}: {at}"), case.evidence)


def _lasts(since: datetime | None, until: datetime | None, length: timedelta) -> bool:
    return since is not None and until is not None and until - since >= length


Rule = Callable[[Case], Verdict | None]
_RULES: Final[tuple[Rule, ...]] = (
    _wrong_path,
    _superseded,
    _removed,
    _sync_failed,
    _degraded,
    rolled_back,
    _cannot_compare,
    _succeeded,
)
"""The first rule that knows an answer gives the verdict; if none does, the rollout goes on."""
