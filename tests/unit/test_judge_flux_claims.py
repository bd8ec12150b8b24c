"""What a success of kind flux claims, and what it leaves open in words."""

from __future__ import annotations

from typing import Any

import pytest
from flux_objects import CHART, RELEASE, REPOSITORY, expectation, flux, without

from dag_monitor.domain.expectation import Objects
from dag_monitor.domain.flux import assess
from dag_monitor.domain.verdict import Succeeded


def told(objects: Objects, **expected: Any) -> str:
    verdict = assess(objects, expectation(**expected))
    assert isinstance(verdict, Succeeded), verdict
    return verdict.message


UNWAITED = {"disableWait": True}


@pytest.mark.parametrize(
    ("spec", "action", "waits"),
    [
        ({"upgrade": UNWAITED}, "upgrade", False),
        ({"install": UNWAITED}, "install", False),
        ({"install": UNWAITED}, "upgrade", True),
        ({"upgrade": UNWAITED}, "install", True),
        ({"upgrade": UNWAITED}, None, False),
        ({"install": UNWAITED}, None, False),
        ({"upgrade": {"disableWait": False}}, "upgrade", True),
    ],
)
def test_a_release_that_does_not_wait_for_pods_is_applied_and_no_more(spec: Any, action: Any, waits: bool) -> None:
    objects = flux("success", release={"spec": spec, "status": {"lastAttemptedReleaseAction": action}})
    message = told(objects)
    assert message.startswith("podinfo 1.2.3 runs: " if waits else "podinfo 1.2.3 is applied: ")
    unknown = "Whether its pods run is not known: this HelmRelease does not wait for them (disableWait)."
    assert message.endswith(unknown) != waits
    again = told(objects, unchanged=True)
    assert ("already runs, unchanged" if waits else "was applied before, unchanged") in again


def from_a_registry() -> Objects:
    spec = {"chart": None, "chartRef": {"kind": "OCIRepository", "name": "podinfo"}}
    stamped = {"lastAttemptedRevision": "1.2.3+0123456789ab", "helmChart": None}
    objects = without(flux("success", release={"spec": spec, "status": stamped}), CHART, REPOSITORY)
    objects[RELEASE]["status"]["history"][0]["chartVersion"] = "1.2.3+0123456789ab"
    return objects


def from_helm_repository() -> Objects:
    source = {"sourceRef": {"kind": "HelmRepository", "name": "oci", "namespace": None}}
    chart = {"spec": source, "status": {"observedSourceArtifactRevision": None}}
    return without(flux("success", release={"spec": {"chart": {"spec": source}}}, chart=chart), REPOSITORY)


@pytest.mark.parametrize(
    ("objects", "source"),
    [
        (from_a_registry(), "OCIRepository default/podinfo"),
        (from_helm_repository(), "HelmRepository default/oci"),
    ],
)
def test_a_chart_that_git_does_not_bring_is_known_by_its_version_alone_and_that_is_told(
    objects: Objects, source: str
) -> None:
    assert told(objects).endswith(f"It is known by its version alone: it comes from {source}, not from git.")
    assert "version alone" not in told(flux("success"))
