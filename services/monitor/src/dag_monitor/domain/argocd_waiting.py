"""What a person who waits for Argo CD is told: the first thing that has not happened yet."""

from __future__ import annotations

from collections.abc import Iterator

from dag_monitor.domain.argocd_case import Case
from dag_monitor.domain.expectation import Relation
from dag_monitor.domain.wording import sentences, short, told


def waiting(case: Case) -> str:
    """The sentence for this moment."""
    said = (*_standing_still(case), *_operating(case), *_comparing(case), *_healing(case))
    return said[0] if said else f"Waiting for {case.app.ref} to be compared, synced and healthy"


def _standing_still(case: Case) -> Iterator[str]:
    app = case.app
    if app.deleting:
        yield f"{app.ref} is being deleted"
    if not (app.sync or app.operation.phase or app.errors):
        yield f"{app.ref} has not been looked at by Argo CD yet"


def _operating(case: Case) -> Iterator[str]:
    app, operation = case.app, case.app.operation
    if operation.waits_to_retry and case.attempted:
        yield sentences(f"Attempt {max(operation.retries, 1)} failed: {told(operation.message)}")
    if operation.phase in ("Running", "Terminating"):
        commits = ", ".join(short(one) for one in case.counted(operation.taken))
        yield sentences(f"Argo CD syncs {app.ref}" + (f" to {commits}" if commits else ""), told(operation.message))
    if app.queued:
        yield f"{app.ref} has a sync queued"
    about_us = (one for one in app.errors if one.type != "SyncError" or case.attempted)
    for trouble in about_us:
        yield f"{app.ref} shows {trouble.type}: {told(trouble.message)}"


def _comparing(case: Case) -> Iterator[str]:
    app, ours = case.app, short(case.expected.commit)
    if not case.compared:
        strange = next((one for one in case.revisions if case.expected.relation(one) is Relation.UNKNOWN), "")
        if strange:
            yield f"{app.ref} is at commit {short(strange)}: {case.expected.doubt(strange)}"
        now = ", ".join(short(one) for one in case.revisions) or "no commit"
        yield f"{app.ref} is at {now}; waiting for commit {ours} or a later one"
    if not app.compared_as_specified:
        yield f"{app.ref} has not been compared with its changed source yet"
    if app.sync == "OutOfSync" and case.left_over:
        named = ", ".join(told(one) for one in case.left_over)
        yield f"{app.ref} is out of sync until what is not in git any more is pruned ({named}): {app.by_hand} --prune"
    if app.sync == "OutOfSync" and not app.automated:
        yield f"{app.ref} is out of sync and does not sync by itself, somebody has to: {app.by_hand}"
    if app.sync != "Synced":
        yield f"{app.ref} is {app.sync or 'not compared'} at commit {ours}; waiting for Argo CD to sync it"
    if not case.applied:
        yield f"The last sync of {app.ref} is not known to hold commit {ours}: {told(app.operation.message)}"


def _healing(case: Case) -> Iterator[str]:
    app = case.app
    if not case.fresh:
        yield f"{app.ref} is synced; waiting for its health to be looked at again"
    why = f": {told(app.health_message)}" if app.health_message else ""
    if app.health == "Suspended":
        yield f"{app.ref} is synced but suspended, until somebody resumes it{why}"
    if app.health != "Healthy":
        yield f"{app.ref} is synced, its health is {app.health or 'unknown'}{why}"
