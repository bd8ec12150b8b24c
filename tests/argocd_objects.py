"""An Application for tests: ours done, changed where a test says so, and verdicts taken apart."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
from flux_objects import EARLIER, NEWER, OURS, TARGET, merged
from flux_objects import expectation as flux_expectation

from dag_monitor.domain.argocd import assess
from dag_monitor.domain.expectation import Expectation, Ref, Relation
from dag_monitor.domain.verdict import Failed, Progressing, Verdict

APPLICATION = Ref("Application", "argocd", "podinfo")
SOURCE = {"repoURL": "https://git.example.com/iac.git", "path": "charts/podinfo", "targetRevision": "main"}
DONE: dict[str, Any] = {
    "metadata": {"name": "podinfo", "namespace": "argocd"},
    "spec": {"source": SOURCE, "syncPolicy": {"automated": {}}},
    "status": {
        "sync": {"status": "Synced", "revision": OURS, "comparedTo": {"source": SOURCE}},
        "health": {"status": "Healthy", "lastTransitionTime": "2026-09-01T10:00:41Z"},
        "reconciledAt": "2026-09-01T10:00:41Z",
        "operationState": {
            "phase": "Succeeded",
            "message": "successfully synced (all tasks run)",
            "startedAt": "2026-09-01T10:00:10Z",
            "finishedAt": "2026-09-01T10:00:14Z",
            "operation": {"sync": {"revision": OURS}},
            "syncResult": {"revision": OURS},
        },
    },
}
RETRYING = {
    "operation": {"sync": {"revision": OURS}},
    "status": {
        "sync": {"status": "OutOfSync"},
        "operationState": {
            "phase": "Running",
            "retryCount": 1,
            "message": "one or more objects failed to apply. Retrying attempt #1 at 10:01AM.",
        },
    },
}
GAVE_UP = {
    "status": {
        "sync": {"status": "OutOfSync"},
        "operationState": {"phase": "Failed", "message": "one or more objects failed to apply, reason: boom"},
        "conditions": [{"type": "SyncError", "message": "Failed last sync attempt to [4d1c3a9]: boom"}],
    }
}
DEGRADED = {
    "status": {
        "health": {"status": "Degraded", "message": "1 pod crashes", "lastTransitionTime": "2026-09-01T10:00:20Z"},
        "reconciledAt": "2026-09-01T10:03:00Z",
    }
}
BROKEN = {
    "status": {
        "sync": {"status": "Unknown"},
        "conditions": [
            {"type": "ComparisonError", "message": "helm template failed", "lastTransitionTime": "2026-09-01T10:00:05Z"}
        ],
        "reconciledAt": "2026-09-01T10:03:00Z",
    }
}
OPERATED_EARLIER = {
    "operation": {"sync": {"revision": EARLIER}},
    "syncResult": {"revision": EARLIER},
    "finishedAt": "2026-08-30T10:00:00Z",
}
BEFORE: Any = {
    "status": {
        "sync": {"revision": EARLIER},
        "operationState": OPERATED_EARLIER,
        "reconciledAt": "2026-08-30T10:00:30Z",
        "health": {"lastTransitionTime": "2026-08-30T10:00:30Z"},
    }
}


def synced(number: int, commit: str, at: str, by: Any = None) -> dict[str, Any]:
    """An entry of the history, as the controller appends it after a sync that succeeded."""
    begun = {"username": by} if isinstance(by, str) else by or {"automated": True}
    return {"id": number, "revision": commit, "source": SOURCE, "deployedAt": at, "initiatedBy": begun}


BEFORE_OURS = synced(7, EARLIER, "2026-08-30T10:00:00Z")
OURS_SYNCED = synced(8, OURS, "2026-09-01T10:00:14Z")
TAKEN_BACK = synced(9, EARLIER, "2026-09-01T10:00:35Z", "admin")
ROLLED_BACK: dict[str, Any] = {
    "spec": {"syncPolicy": {"automated": None}},
    "status": {
        "sync": {"status": "OutOfSync"},
        "reconciledAt": "2026-09-01T10:00:36Z",
        "operationState": {
            "operation": {"sync": {"revision": EARLIER}, "initiatedBy": {"username": "admin"}},
            "syncResult": {"revision": EARLIER},
            "startedAt": "2026-09-01T10:00:33Z",
            "finishedAt": "2026-09-01T10:00:35Z",
        },
        "history": [BEFORE_OURS, OURS_SYNCED, TAKEN_BACK],
    },
}


def expectation(*, fail_after: int = 1, **changes: Any) -> Expectation:
    target = msgspec.structs.replace(TARGET, kind="argocd", namespace="argocd", fail_after=fail_after)
    relations = {EARLIER: Relation.ANCESTOR, NEWER: Relation.DESCENDANT}
    expected: Expectation = flux_expectation(**({"target": target, "relations": relations} | changes))
    return expected


def application(*changes: Any) -> dict[str, Any]:
    obj: dict[str, Any] = copy.deepcopy(DONE)
    for change in changes:
        obj = merged(obj, change)
    return obj


def judged(*changes: Any, expected: Expectation | None = None) -> Verdict:
    return assess({APPLICATION: application(*changes)}, expected or expectation())


def progressing(verdict: Verdict) -> str:
    assert isinstance(verdict, Progressing), verdict
    return verdict.message


def failed(verdict: Verdict) -> Failed:
    assert isinstance(verdict, Failed), verdict
    return verdict
