"""Whether a Helm release or a workload shows what its judge goes by, asked before anything is pushed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from flux_objects import TARGET
from helm_objects import release

from dag_monitor.domain.expectation import Ref
from dag_monitor.domain.fit import Fit, Place, Remark
from dag_monitor.domain.fit_workload import fit_release, fit_workload

PLACE = Place(url="https://git.example.com/iac.git", branch="main", path="charts/podinfo")
HELM = msgspec.structs.replace(TARGET, kind="helm")
WORKLOAD = msgspec.structs.replace(TARGET, kind="workload", name="deployment/podinfo")
DEPLOYMENT = Ref("Deployment", "default", "podinfo")
CHART = "helm.sh/chart"


def workload(own: Any = None, pods: Any = None, **metadata: Any) -> Fit:
    obj = {
        "metadata": {"name": "podinfo", "namespace": "default", "labels": own or {}} | metadata,
        "spec": {"template": {"metadata": {"labels": pods or {}}}},
    }
    return fit_workload({DEPLOYMENT: obj}, WORKLOAD, PLACE)


def only(fit: Fit) -> Remark:
    (remark,) = fit.remarks
    assert remark.remedy
    return remark


def test_a_release_is_told_with_its_newest_version() -> None:
    objects = release(3, "1.2.2", "superseded") | release(4, "1.2.3", "deployed")
    assert fit_release(objects, HELM, PLACE) == Fit("the release is at version 4, deployed")


def test_another_releases_secrets_are_not_its_own() -> None:
    other = msgspec.structs.replace(HELM, name="other")
    assert "no such Helm release" in only(fit_release(release(4, "1.2.3", "deployed"), other, PLACE)).told


def test_a_release_may_come_with_the_first_deployment() -> None:
    found = only(fit_release({}, HELM, PLACE))
    assert found.told == "there is no such Helm release: the first deployment may bring it"
    assert not found.grave


@pytest.mark.parametrize("status", ["pending-install", "pending-upgrade", "pending-rollback", "uninstalling"])
def test_a_release_that_helm_may_have_been_killed_at_is_to_be_known(status: str) -> None:
    found = only(fit_release(release(5, "1.2.3", status), HELM, PLACE))
    assert found.told == (f"the release is at version 5, {status}: Helm is at work, or was killed")
    assert "helm rollback podinfo -n default" in found.remedy
    assert not found.grave


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("podinfo", "Deployment"),
        ("statefulset/db", "StatefulSet"),
        ("job/migrate", "Job (a finished one may have removed itself)"),
    ],
)
def test_a_workload_may_come_with_the_first_deployment(name: str, what: str) -> None:
    found = only(fit_workload({}, msgspec.structs.replace(WORKLOAD, name=name), PLACE))
    assert (found.told, found.grave) == (f"there is no such {what}: the first deployment may bring it", False)


@pytest.mark.parametrize("labels", [{CHART: "podinfo-1.2.3"}, {"app.kubernetes.io/version": "1.2.3"}])
@pytest.mark.parametrize("places", [("own",), ("pods",), ("own", "pods")])
def test_a_workload_that_says_its_chart_or_version_anywhere_fits(labels: Any, places: tuple[str, ...]) -> None:
    (label, value) = next(iter(labels.items()))
    fit = workload(**dict.fromkeys(places, labels))
    assert fit == Fit(f"the Deployment carries {label}={value}")


@pytest.mark.parametrize(("labels", "remarks"), [({"app.kubernetes.io/version": "1.2.3"}, 1), ({CHART: "p-1"}, 0)])
def test_where_each_deployment_has_a_version_of_its_own_the_app_version_alone_is_to_be_known(
    labels: dict[str, str], remarks: int
) -> None:
    obj = {"metadata": {"name": "podinfo", "namespace": "default", "labels": labels}}
    found = fit_workload({DEPLOYMENT: obj}, WORKLOAD, replace(PLACE, unique=True)).remarks
    assert [remark.grave for remark in found] == [False] * remarks
    assert all("which other content under one version has too" in remark.told for remark in found)


def test_a_workload_that_says_neither_is_grave() -> None:
    found = only(workload({"app": "podinfo"}))
    assert found.told.startswith("the Deployment carries neither the label helm.sh/chart nor ")
    assert found.grave


def test_a_workload_and_pods_of_different_charts_are_grave_for_both_have_to_name_ours() -> None:
    found = only(workload({CHART: "podinfo-1.2.3"}, {CHART: "podinfo-1.0.0"}))
    assert found.told == "the Deployment and its pods differ: helm.sh/chart=podinfo-1.2.3 and podinfo-1.0.0"
    assert found.grave


def test_a_workload_on_its_way_out_is_to_be_known() -> None:
    assert not only(workload({CHART: "podinfo-1.2.3"}, deletionTimestamp="2026-09-01T10:00:00Z")).grave


@pytest.mark.parametrize("odd", [None, 1, [], {"metadata": 1, "spec": {"template": "x"}}])
def test_odd_objects_are_remarked_on_and_never_raise(odd: Any) -> None:
    assert isinstance(fit_workload({DEPLOYMENT: odd}, WORKLOAD, PLACE), Fit)
    assert isinstance(fit_release({Ref("Secret", "default", "x"): odd}, HELM, PLACE), Fit)
