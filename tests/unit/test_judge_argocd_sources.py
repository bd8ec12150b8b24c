"""Applications with several sources: which of them says at which commit our chart is."""

from __future__ import annotations

from typing import Any

import pytest
from argocd_objects import APPLICATION, SOURCE, application, expectation, judged, progressing
from flux_objects import EARLIER, NEWER, OURS

from dag_monitor.domain.expectation import Expectation, Relation
from dag_monitor.domain.kick import due
from dag_monitor.domain.verdict import Failed, Progressing, Succeeded, Superseded, Verdict

OTHER_PATH = {**SOURCE, "path": "apps/other"}
AT_A_TAG = {**SOURCE, "targetRevision": "stable"}
VALUES = {"repoURL": SOURCE["repoURL"], "targetRevision": "values-prod", "ref": "values"}
BASE = {"repoURL": "https://charts.example.com", "chart": "base", "targetRevision": "6.0.0"}
MIRROR = {**SOURCE, "repoURL": "https://mirror.internal/copy.git"}
REPLACED = expectation(relations={NEWER: Relation.REPLACED})


def several(*taken: tuple[Any, str]) -> Any:
    sources, revisions = [source for source, _ in taken], [revision for _, revision in taken]
    of_all = {"revision": None, "revisions": revisions}
    return {
        "spec": {"source": None, "sources": sources},
        "status": {
            "sync": {**of_all, "comparedTo": {"source": None, "sources": sources}},
            "operationState": {"operation": {"sync": of_all}, "syncResult": {**of_all, "sources": sources}},
        },
    }


@pytest.mark.parametrize(
    ("change", "expected", "verdict"),
    [
        pytest.param(several((OTHER_PATH, OURS), (AT_A_TAG, EARLIER)), None, Progressing, id="ours is at an old tag"),
        pytest.param(several((SOURCE, OURS), (AT_A_TAG, EARLIER)), None, Progressing, id="it is taken twice"),
        pytest.param(several((OTHER_PATH, EARLIER), (SOURCE, OURS)), None, Succeeded, id="another path lags"),
        pytest.param(several((SOURCE, OURS), (VALUES, NEWER)), REPLACED, Succeeded, id="values of another branch"),
        pytest.param(several((SOURCE, NEWER), (VALUES, OURS)), REPLACED, Superseded, id="the chart is replaced"),
        pytest.param(several((SOURCE, EARLIER), (VALUES, OURS)), None, Progressing, id="only the values are at ours"),
        pytest.param(several((BASE, "6.0.0"), (VALUES, OURS)), None, Succeeded, id="nothing but values is ours"),
        pytest.param(several((BASE, "6.0.0"), (MIRROR, OURS)), None, Succeeded, id="a mirror by another address"),
        pytest.param(several((OTHER_PATH, OURS), (BASE, "6.0.0")), None, Failed, id="only another path"),
    ],
)
def test_a_commit_counts_only_for_the_source_that_takes_our_path(
    change: Any, expected: Expectation | None, verdict: type[Verdict]
) -> None:
    assert isinstance(judged(change, expected=expected), verdict)


def test_what_is_waited_for_is_the_commit_of_our_source() -> None:
    message = progressing(judged(several((OTHER_PATH, OURS), (AT_A_TAG, EARLIER))))
    assert message == "Application argocd/podinfo is at aaaaaaa; waiting for commit 4d1c3a9 or a later one"


def test_a_sync_counts_by_the_sources_it_was_of() -> None:
    both = several((OTHER_PATH, EARLIER), (SOURCE, OURS))
    swapped = {"syncResult": {"revisions": [OURS, "c" * 40]}, "finishedAt": "2026-09-01T10:00:14Z"}
    assert isinstance(judged(both, {"status": {"operationState": swapped}}), Progressing)


def test_argo_cd_is_asked_to_look_while_only_another_source_is_at_our_commit() -> None:
    lagging = application(several((OTHER_PATH, OURS), (SOURCE, EARLIER)))
    assert due({APPLICATION: lagging}, expectation()) is not None
    assert due({APPLICATION: application(several((OTHER_PATH, EARLIER), (SOURCE, OURS)))}, expectation()) is None


WRITTEN = {**SOURCE, "helm": {"parameters": [{"name": "x"}]}}


def compared(specified: Any, written: Any) -> Verdict:
    return judged({"spec": {"source": specified}, "status": {"sync": {"comparedTo": {"source": written}}}})


@pytest.mark.parametrize(
    "helm",
    [
        {"skipCrds": False, "parameters": [{"name": "x", "value": ""}]},
        {"parameters": [{"name": "x", "forceString": False}], "valueFiles": []},
        {"parameters": [{"name": "x"}], "values": "", "fileParameters": [], "valuesObject": {}},
    ],
)
def test_what_argo_cd_leaves_out_when_it_writes_a_source_back_is_no_change(helm: Any) -> None:
    assert isinstance(compared({**SOURCE, "helm": helm, "directory": {"recurse": False}}, WRITTEN), Succeeded)


@pytest.mark.parametrize(
    ("specified", "written"),
    [
        ({"parameters": [{"name": "x", "value": "1"}]}, {"parameters": [{"name": "x"}]}),
        ({"skipCrds": True}, {}),
        ({"valueFiles": ["", "a.yaml"]}, {"valueFiles": ["a.yaml"]}),
        ({"valuesObject": {"replicas": 0}}, {"valuesObject": {}}),
    ],
)
def test_what_argo_cd_has_not_compared_yet_is_waited_for(specified: Any, written: Any) -> None:
    verdict = compared({**SOURCE, "helm": specified}, {**SOURCE, "helm": written})
    assert "has not been compared with its changed source yet" in progressing(verdict)
