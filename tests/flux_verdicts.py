"""What tests of the Flux judge expect of it, and how they take a verdict apart."""

from __future__ import annotations

from typing import Any

import msgspec
from flux_objects import (
    CHART,
    EARLIER,
    NEWER,
    TARGET,
    condition,
    expectation,
    flux,
)

from dag_monitor.domain.expectation import Objects, Ref, Relation
from dag_monitor.domain.verdict import Failed, Progressing, Superseded, Verdict

AT_EARLIER = {"status": {"observedSourceArtifactRevision": f"main@sha1:{EARLIER}", "artifact": {"revision": "1.2.2"}}}
AT_NEWER = {"status": {"observedSourceArtifactRevision": f"main@sha1:{NEWER}", "artifact": {"revision": "1.2.4"}}}
FETCHED_EARLIER = {"status": {"artifact": {"revision": f"main@sha1:{EARLIER}"}}}
BEFORE_OURS = {EARLIER: Relation.ANCESTOR}
ON_TOP = {NEWER: Relation.DESCENDANT}
IN_ITS_PLACE = {NEWER: Relation.REPLACED}


def fail_after(attempts: int) -> Any:
    return expectation(target=msgspec.structs.replace(TARGET, fail_after=attempts))


def failed(verdict: Verdict) -> Failed:
    assert isinstance(verdict, Failed), verdict
    return verdict


def progressing(verdict: Verdict) -> str:
    assert isinstance(verdict, Progressing), verdict
    return verdict.message


def superseded(verdict: Verdict) -> Superseded:
    assert isinstance(verdict, Superseded), verdict
    return verdict


def packaged(objects: Objects, version: str) -> dict[Ref, Any]:
    """The objects with a chart of this version, as source-controller leaves them when it is done."""
    changed = condition(objects, "Ready", CHART, message=f"packaged 'podinfo' chart with version '{version}'")
    changed[CHART]["status"]["artifact"]["revision"] = version
    return changed


def unbuilt(reason: str, *, stalled: bool) -> dict[Ref, Any]:
    ours = {"status": {"artifact": {"revision": "1.2.2"}}}
    message = "chart package error: values.yaml: line 3: did not find expected key"
    objects = condition(flux("before", chart=ours), "Ready", CHART, status="False", reason=reason, message=message)
    objects = condition(objects, "BuildFailed", CHART, status="True", reason=reason, message=message)
    if stalled:
        return condition(objects, "Stalled", CHART, status="True", reason=reason, message=message)
    return condition(objects, "Reconciling", CHART, status="True", reason="ProgressingWithRetry", message=message)
