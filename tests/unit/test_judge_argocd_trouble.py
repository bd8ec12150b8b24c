"""Which errors of Argo CD end a rollout before its timeout, and what is told of objects that it may not prune."""

from __future__ import annotations

from typing import Any

import pytest
from argocd_objects import BROKEN, failed, judged, progressing
from flux_objects import OURS

_STATE = "Failed to load target state: failed to generate manifest for source 1 of 1: rpc error: "
AWAY = [
    "code = Unavailable desc = connection error: desc = transport: dial tcp 10.0.0.7:8081: connect: connection refused",
    "code = DeadlineExceeded desc = context deadline exceeded",
    "code = Unknown desc = failed to list refs: dial tcp: lookup git.example.com on 10.0.0.10:53: server misbehaving",
    "code = Unknown desc = Manifest generation error (cached): `helm dependency build` failed timeout after 1m30s",
    "code = Internal desc = `git fetch origin` failed exit status 128: fatal: Could not resolve host: git.example.com",
]
NOT_OF_THE_CHART = [
    "code = Unknown desc = failed to list refs: authentication required",
    "code = Unknown desc = unable to resolve 'main' to a commit SHA",
]
BAD_CHART = [
    "code = Unknown desc = `helm template .` failed exit status 1: Error: template: podinfo/templates/a.yaml:1:2: boom",
    "code = Unknown desc = Manifest generation error (cached): charts/podinfo: app path does not exist",
    "code = FailedPrecondition desc = Failed to unmarshal a.yaml: failed to unmarshal manifest: yaml: line 17",
]


def broken(message: str, revision: str | None = None) -> Any:
    one = {"type": "ComparisonError", "message": _STATE + message, "lastTransitionTime": "2026-09-01T10:00:05Z"}
    return {"status": {"sync": {"revision": revision}, "conditions": [one], "reconciledAt": "2026-09-01T10:02:30Z"}}


@pytest.mark.parametrize("message", AWAY + NOT_OF_THE_CHART)
def test_a_comparison_that_came_to_no_commit_for_another_reason_than_the_chart_waits_and_is_told(message: str) -> None:
    assert message in progressing(judged(BROKEN, broken(message)))


@pytest.mark.parametrize("message", AWAY)
def test_a_host_that_is_away_is_waited_for_at_our_commit_too(message: str) -> None:
    assert message in progressing(judged(BROKEN, broken(message, OURS)))


@pytest.mark.parametrize("message", BAD_CHART)
def test_a_chart_that_gives_no_manifests_fails_whether_its_commit_is_named_or_not(message: str) -> None:
    for revision in (None, OURS):
        assert failed(judged(BROKEN, broken(message, revision))).reason == "comparison-error"


def unpruned(*names: str) -> Any:
    left = [{"kind": "ConfigMap", "namespace": "shop", "name": name, "status": "PruneSkipped"} for name in names]
    listed = [{"kind": "Deployment", "namespace": "shop", "name": "web", "status": "Synced"}, *left]
    return {"status": {"sync": {"status": "OutOfSync"}, "operationState": {"syncResult": {"resources": listed}}}}


def test_what_argo_cd_may_not_prune_is_named_with_the_way_out() -> None:
    assert progressing(judged(unpruned("old", "older"))) == (
        "Application argocd/podinfo is out of sync until what is not in git any more is pruned "
        "(ConfigMap shop/old, ConfigMap shop/older): argocd app sync argocd/podinfo --prune"
    )
    assert "ConfigMap shop/9, 2 more)" in progressing(judged(unpruned(*map(str, range(12)))))


def test_what_a_sync_under_way_left_so_far_is_not_named() -> None:
    running = {"status": {"operationState": {"phase": "Running", "finishedAt": None}}}
    assert "pruned" not in progressing(judged(unpruned("old"), running))
