"""When somebody took our chart back in Argo CD, which shows in its history of syncs and nowhere else.

`argocd app rollback` is a sync of an earlier entry's commit, refused while automated sync is on (argoproj/argo-cd
server/application/application.go). An Application that syncs by itself comes back to the branch, whatever brought it
to an earlier commit for a while; so does one with a sync under way. Both are waited for.
"""

from __future__ import annotations

from dag_common.contracts.events import Evidence
from dag_monitor.domain.argocd_case import Case
from dag_monitor.domain.argocd_observation import Sync
from dag_monitor.domain.clocks import CLOCKS_DIFFER
from dag_monitor.domain.expectation import Relation
from dag_monitor.domain.verdict import Failed
from dag_monitor.domain.wording import short, told


def rolled_back(case: Case) -> Failed | None:
    """Our commit was synced, the newest sync is of one from before ours, and nothing but a hand brings ours back."""
    *earlier, newest = case.app.history or (None,)
    if newest is None or newest.automated or not _stays(case) or not _is_from_before(newest, case):
        return None
    if not any(_brought_ours(sync, case) and _in_order(sync, newest) for sync in earlier):
        return None
    commit = case.counted(newest.taken)[0]
    app, ours = case.app, short(case.expected.commit)
    who = f" by {told(newest.by)}" if newest.by else ""
    message = (
        f"{app.ref} was rolled back to commit {short(commit)}{who} after commit {ours} of this deployment was synced, "
        f"and does not sync by itself; this deploys what is in git: {app.by_hand}"
    )
    evidence = Evidence(object=str(app.ref), revision=commit, reason=case.evidence.reason)
    return Failed("rolled-back", message, evidence)


def _stays(case: Case) -> bool:
    """Since its last sync the Application was compared with our commit, differs from it, and is left like that."""
    app = case.app
    at_work = app.queued or app.deleting or app.operation.phase in ("Running", "Terminating")
    return not (at_work or app.automated) and app.sync == "OutOfSync" and case.compared and case.fresh


def _is_from_before(sync: Sync, case: Case) -> bool:
    """Every commit of our repository in it lies before ours; of one that nobody can place this is not known."""
    commits = case.counted(sync.taken)
    return bool(commits) and all(case.expected.relation(one) is Relation.ANCESTOR for one in commits)


def _brought_ours(sync: Sync, case: Case) -> bool:
    """A commit of ours that is new was synced since our push; of any other that holds our chart only the time tells.

    What holds an unchanged chart may be from long ago, so there clocks that differ count against it; other commits
    with our chart in place come after ours, unless the branch was rewritten to it and back.
    """
    commits, expected = case.counted(sync.taken), case.expected
    if not expected.unchanged and any(expected.relation(one) is Relation.OURS for one in commits):
        return True
    since = expected.pushed_at + (CLOCKS_DIFFER if expected.unchanged else -CLOCKS_DIFFER)
    return case.holds_ours(sync.taken) and sync.ended_at is not None and sync.ended_at >= since


def _in_order(sync: Sync, later: Sync) -> bool:
    return sync.ended_at is not None and later.ended_at is not None and sync.ended_at <= later.ended_at
