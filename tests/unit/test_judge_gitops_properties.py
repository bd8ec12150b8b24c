"""Whatever Flux and Argo CD may show, a success has all that it claims; read here from the raw fields."""

from __future__ import annotations

import copy
from typing import Any

from argocd_objects import APPLICATION, BEFORE, SOURCE, application
from argocd_objects import expectation as argocd_expectation
from flux_objects import CHART, EARLIER, NEWER, OURS, RELEASE, condition, expectation, flux
from hypothesis import given, settings
from hypothesis import strategies as st

from dag_monitor.domain import argocd
from dag_monitor.domain import flux as flux_judge
from dag_monitor.domain.expectation import Expectation, Relation
from dag_monitor.domain.verdict import Succeeded

DONE = flux("success")
STRANGE = "c" * 40
RELATIONS = {EARLIER: Relation.ANCESTOR, NEWER: Relation.DESCENDANT}
MOMENTS = ("2026-08-30T09:00:00Z", "2026-09-01T10:00:13Z", "2026-09-01T10:00:14Z", "2026-09-01T10:00:41Z", None)


def usually(good: Any, *others: Any) -> st.SearchStrategy[Any]:
    """The good value often enough that all of them come together, and each other one alone."""
    return st.one_of(*[st.just(good)] * 5, st.sampled_from(others))


@st.composite
def flux_objects(draw: st.DrawFn) -> dict[Any, Any]:
    objects = copy.deepcopy(DONE)
    for type_, good, others in (
        ("Ready", "True", ("False", "Unknown", None)),
        ("Reconciling", None, ("True", "False")),
        ("Stalled", None, ("True", "False")),
        ("TestSuccess", None, ("True", "Unknown")),
    ):
        objects = condition(objects, type_, status=draw(usually(good, *others)), reason="Progressing")
    release, built = objects[RELEASE], objects[CHART]["status"]
    release["spec"] |= {"suspend": draw(usually(False, True)), "test": {"enable": draw(usually(False, True))}}
    release["metadata"]["deletionTimestamp"] = draw(usually(None, "2026-09-01T10:00:20Z"))
    release["status"]["observedGeneration"] = draw(usually(4, 3, -1, None))
    release["status"]["lastAttemptedRevision"] = draw(usually("1.2.3", "1.2.2", "1.2.3-rc.1", None))
    release["status"]["history"] = draw(
        usually(release["status"]["history"], [], None, release["status"]["history"][1:])
    )
    for newest in (release["status"]["history"] or [])[:1]:
        newest["chartVersion"] = draw(usually("1.2.3", "1.2.2"))
        newest["status"] = draw(usually("deployed", "failed", "superseded", "pending-upgrade"))
        newest["chartName"] = draw(usually("podinfo", "other"))
        newest["lastDeployed"] = draw(usually("2026-09-01T10:00:08Z", "2026-08-30T09:00:05Z"))
    built["observedSourceArtifactRevision"] = f"main@sha1:{draw(usually(OURS, NEWER, EARLIER, STRANGE))}"
    return objects


def shows_ours(objects: dict[Any, Any], expected: Expectation) -> bool:
    release, chart = objects[RELEASE], objects[CHART]
    status, conditions = release["status"], {one["type"]: one["status"] for one in release["status"]["conditions"]}
    history = status.get("history") or [{}]
    commits = {OURS, NEWER, EARLIER} if expected.unchanged else {OURS, NEWER}
    return (
        not release["spec"]["suspend"]
        and release["metadata"]["deletionTimestamp"] is None
        and release["metadata"]["generation"] == status["observedGeneration"]
        and conditions.get("Ready") == "True"
        and "True" not in (conditions.get("Reconciling"), conditions.get("Stalled"))
        and not (release["spec"]["test"]["enable"] and conditions.get("TestSuccess") == "Unknown")
        and status["lastAttemptedRevision"] == "1.2.3"
        and [history[0].get(key) for key in ("chartName", "chartVersion", "status")] == ["podinfo", "1.2.3", "deployed"]
        and history[0]["lastDeployed"] >= "2026-09-01"
        and chart["status"]["observedSourceArtifactRevision"].removeprefix("main@sha1:") in commits
        and not expected.reused
    )


@settings(max_examples=200)
@given(flux_objects(), st.booleans(), usually(False, True))
def test_success_means_flux_attempted_released_and_settled_our_chart(
    objects: dict[Any, Any], unchanged: bool, reused: bool
) -> None:
    expected = expectation(unchanged=unchanged, reused=reused, relations=RELATIONS)
    verdict = flux_judge.assess(objects, expected)
    assert isinstance(verdict, Succeeded) == shows_ours(objects, expected)


COMMITS = (OURS, NEWER, EARLIER, STRANGE)
BESIDE = (
    {**SOURCE, "path": "apps/other"},
    {"repoURL": SOURCE["repoURL"], "targetRevision": "values", "ref": "values"},
    {"repoURL": "https://charts.example.com", "chart": "base", "targetRevision": "6.0.0"},
)


@st.composite
def applications(draw: st.DrawFn) -> dict[str, Any]:
    app = application()
    sources = draw(st.permutations([SOURCE, draw(st.sampled_from(BESIDE))]) | st.just([SOURCE]))
    changed = [{**one, "targetRevision": "changed"} for one in sources]
    status, operation = app["status"], app["status"]["operationState"]
    app["spec"] |= {"sources": sources, "source": None}
    status["sync"] = {
        "status": draw(usually("Synced", "OutOfSync", "Unknown", None)),
        "revisions": [draw(usually(*COMMITS)) for _ in sources],
        "comparedTo": {"sources": draw(usually(sources, changed, None))},
    }
    status["health"]["status"] = draw(usually("Healthy", "Progressing", "Degraded", "Suspended", "Missing", None))
    status["reconciledAt"] = draw(usually(MOMENTS[3], *MOMENTS))
    error = {"type": "SyncError", "message": "boom", "lastTransitionTime": MOMENTS[2]}
    status["conditions"] = draw(usually([], [error], [error | {"type": "OrphanedResourceWarning"}]))
    app["metadata"]["deletionTimestamp"] = draw(usually(None, MOMENTS[2]))
    app["operation"] = draw(usually(None, {"sync": {"revision": OURS}}))
    operation["phase"] = draw(usually("Succeeded", "Running", "Failed", "Error", "Terminating"))
    operation["finishedAt"] = draw(usually(MOMENTS[2], None, MOMENTS[0]))
    operation["operation"] = {"sync": {"dryRun": draw(usually(False, True))}}
    operation["syncResult"] = {"sources": sources, "revisions": [draw(usually(*COMMITS)) for _ in sources]}
    status["operationState"] = draw(
        usually(operation, BEFORE["status"]["operationState"] | {"phase": "Succeeded"}, None)
    )
    return app


def taken(app: dict[str, Any], listed: dict[str, Any]) -> str:
    """The commit at the place of our source."""
    of_ours = [one for one, source in zip(listed["revisions"], app["spec"]["sources"], strict=True) if source == SOURCE]
    return str(of_ours[0])


def applied(app: dict[str, Any]) -> bool:
    operation = app["status"]["operationState"]
    if operation is None:
        return True
    if operation["operation"]["sync"].get("dryRun"):
        return False
    early = operation["finishedAt"] is not None and operation["finishedAt"] < "2026-09-01T10:00:00Z"
    result = operation["syncResult"]
    commit = taken(app, result) if "revisions" in result else result["revision"]
    ended = operation["phase"] == "Succeeded" and operation["finishedAt"] is not None
    return ended and (early or commit in (OURS, NEWER, EARLIER))


def runs_ours(app: dict[str, Any]) -> bool:
    status = app["status"]
    sync, finished = status["sync"], (status["operationState"] or {}).get("finishedAt") or ""
    return (
        app["metadata"]["deletionTimestamp"] is None
        and app["operation"] is None
        and not any(one["type"].endswith("Error") for one in status["conditions"])
        and sync["status"] == "Synced"
        and taken(app, sync) in (OURS, NEWER)
        and sync["comparedTo"]["sources"] == app["spec"]["sources"]
        and applied(app)
        and status["health"]["status"] == "Healthy"
        and status["reconciledAt"] is not None
        and status["reconciledAt"] >= finished
    )


@settings(max_examples=200)
@given(applications())
def test_success_means_argo_cd_compared_synced_and_looked_at_our_source(app: dict[str, Any]) -> None:
    verdict = argocd.assess({APPLICATION: app}, argocd_expectation(relations=RELATIONS))
    assert isinstance(verdict, Succeeded) == runs_ours(app)
