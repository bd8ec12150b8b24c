"""Whether a HelmRelease can ever show what an environment commits, asked before anything is pushed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from flux_objects import (
    CHART,
    EARLIER,
    OURS,
    RELEASE,
    REPOSITORY,
    STATES,
    TARGET,
    condition,
    expectation,
    flux,
    without,
)

from dag_monitor.domain.expectation import Objects
from dag_monitor.domain.fit import Fit, Place, Remark
from dag_monitor.domain.fit_flux import fit
from dag_monitor.domain.fits import FITS
from dag_monitor.domain.flux import assess
from dag_monitor.domain.flux_observation import concerned
from dag_monitor.domain.judges import JUDGES
from dag_monitor.domain.verdict import Failed

PLACE = Place(url="https://git.example.com/iac.git", branch="main", path="charts/podinfo")
ELSEWHERE = {"spec": {"url": "https://git.example.com/other.git"}}


def held(objects: Objects, **changes: Any) -> Fit:
    return fit(objects, TARGET, replace(PLACE, **changes))


def remark(objects: Objects, **changes: Any) -> Remark:
    (only,) = held(objects, **changes).remarks
    assert only.remedy
    return only


def chart_spec(**spec: Any) -> Any:
    return {"spec": {"chart": {"spec": spec}}}


def by_reference(kind: str, name: str = "shared") -> Any:
    return {"spec": {"chart": None, "chartRef": {"kind": kind, "name": name, "namespace": "flux-system"}}}


def test_every_kind_that_is_judged_and_has_objects_is_held_against_its_environment() -> None:
    assert FITS.keys() == JUDGES.keys() - {"none"}


@pytest.mark.parametrize("state", sorted({*STATES} - {"suspended"}))
def test_how_earlier_rollouts_ended_is_no_matter(state: str) -> None:
    assert held(flux(state)).remarks == ()


@pytest.mark.parametrize(
    ("release", "changes", "versions"),
    [
        ({}, {}, "once a version (ChartVersion)"),
        ({}, {"unique": True}, "once a version (each deployment has its own)"),
        (
            chart_spec(reconcileStrategy="Revision"),
            {},
            "at each commit (reconcileStrategy Revision)",
        ),
    ],
)
def test_what_fits_says_which_chart_comes_from_where_and_what_versions_it_takes(
    release: Any, changes: Any, versions: str
) -> None:
    told = held(flux("success", release=release), **changes).told
    assert told.startswith("takes charts/podinfo of main from GitRepository flux-system/iac, ")
    assert told.endswith(versions)


def test_a_helm_release_that_is_not_there_is_grave_for_no_chart_brings_it() -> None:
    found = remark({})
    assert (found.told, found.grave) == ("there is no such HelmRelease", True)


@pytest.mark.parametrize(
    ("ref", "what", "command"),
    [
        (RELEASE, "the HelmRelease", "flux resume helmrelease podinfo -n default"),
        (REPOSITORY, str(REPOSITORY), "flux resume source git iac -n flux-system"),
        (CHART, str(CHART), "flux resume source chart default-podinfo -n flux-system"),
    ],
)
def test_whatever_is_suspended_is_grave_and_the_command_that_resumes_it_is_told(
    ref: Any, what: str, command: str
) -> None:
    objects = flux("success")
    objects[ref]["spec"]["suspend"] = True
    found = remark(objects)
    assert (f"{what} is suspended" in found.told, found.remedy, found.grave) == (True, command, True)


def test_what_is_grave_is_told_beside_what_is_only_to_be_known() -> None:
    objects = flux("success", chart={"spec": {"suspend": True}}, repository={"spec": {"ref": {"tag": "v1"}}})
    assert sorted(one.grave for one in held(objects).remarks) == [False, True]


def test_a_release_on_its_way_out_is_grave() -> None:
    gone = flux("success", release={"metadata": {"deletionTimestamp": "2026-09-01T10:00:00Z"}})
    assert remark(gone) == Remark("the HelmRelease is being deleted", "create it anew when it is gone")


@pytest.mark.parametrize("reason", ["AccessDenied", "InvalidCELExpression"])
def test_a_release_stalled_by_its_own_spec_is_grave_and_told_in_fluxs_words(reason: str) -> None:
    stalled = condition(flux("before"), "Stalled", status="True", reason=reason, message="cross-namespace reference")
    assert remark(stalled).told == f"the HelmRelease is stalled ({reason}): cross-namespace reference"


@pytest.mark.parametrize(
    "url",
    [
        "https://git.example.com/iac",
        "https://git.example.com/iac.git/",
        "ssh://git@git.example.com:22/iac.git",
        "git@git.example.com:iac.git",
        "https://user@GIT.example.com/iac.git",
    ],
)
def test_one_repository_may_be_spelt_in_many_ways(url: str) -> None:
    assert held(flux("success", repository={"spec": {"url": url}})).remarks == ()


def test_another_repository_is_grave() -> None:
    found = remark(flux("success", repository=ELSEWHERE))
    assert found.told == (
        "GitRepository flux-system/iac follows https://git.example.com/other.git, "
        "the environment commits to https://git.example.com/iac.git"
    )
    assert "spec.url" in found.remedy
    assert found.grave


def test_another_address_that_holds_the_branchs_newest_commit_is_the_same_repository() -> None:
    assert held(flux("success", repository=ELSEWHERE), tip=OURS).remarks == ()
    assert held(flux("success", repository=ELSEWHERE), tip=EARLIER).remarks != ()


@pytest.mark.parametrize(
    ("reference", "followed"),
    [
        ({"branch": "stable"}, "the branch stable"),
        (None, "the branch master"),
        ({"branch": "main", "name": "refs/heads/stable"}, "the branch stable"),
        ({"name": "refs/pull/1/head"}, "name refs/pull/1/head"),
        ({"branch": "main", "commit": OURS}, f"commit {OURS}"),
    ],
)
def test_another_branch_is_grave_and_so_is_whatever_does_not_move_with_it(reference: Any, followed: str) -> None:
    """Even if it is at the branch's newest commit just now."""
    objects = flux("success")
    objects[REPOSITORY]["spec"] |= {"ref": reference}
    found = remark(objects, tip=OURS)
    assert found.told == f"GitRepository flux-system/iac follows {followed}, the environment commits to the branch main"
    assert found.grave


@pytest.mark.parametrize("reference", [{"branch": "main", "tag": "v1"}, {"branch": "main", "semver": ">=1.0"}])
def test_a_repository_that_follows_tags_needs_somebody_who_tags(reference: Any) -> None:
    objects = flux("success", repository={"spec": {"ref": reference}})
    found = remark(objects)
    assert "what is committed to main waits for somebody's tag" in found.told
    assert not found.grave


@pytest.mark.parametrize(
    ("reference", "branch"),
    [({"branch": "main"}, "main"), (None, "master"), ({"branch": "x", "name": "refs/heads/main"}, "main")],
)
def test_a_branch_is_followed_by_its_name_in_full_or_by_default_too(reference: Any, branch: str) -> None:
    objects = flux("success")
    objects[REPOSITORY]["spec"] |= {"ref": reference}
    assert held(objects, branch=branch).remarks == ()


def test_another_path_is_grave() -> None:
    found = remark(flux("success"), path="charts/other")
    assert (
        found.told == "the HelmRelease deploys the chart in ./charts/podinfo, the environment commits to charts/other"
    )
    assert found.grave


def test_everything_that_is_wrong_is_told_at_once() -> None:
    objects = flux("suspended", repository={"spec": ELSEWHERE["spec"] | {"ref": {"branch": "stable"}}})
    assert len(held(objects, path="charts/other").remarks) == 4


@pytest.mark.parametrize("type_", ["FetchFailed", "Stalled"])
def test_a_repository_that_flux_cannot_fetch_is_grave(type_: str) -> None:
    failing = condition(
        flux("success"), type_, REPOSITORY, status="True", reason="AuthenticationFailed", message="denied"
    )
    assert remark(failing).told == ("GitRepository flux-system/iac cannot be fetched (AuthenticationFailed): denied")


def test_a_repository_that_is_not_there_is_grave() -> None:
    assert remark(without(flux("success"), REPOSITORY)).told == (
        "there is no GitRepository flux-system/iac, which the chart is to come from"
    )


def test_a_chart_that_flux_makes_may_not_be_there_yet() -> None:
    found = remark(without(flux("success"), CHART))
    assert (found.told, found.grave) == ("Flux has not made HelmChart flux-system/default-podinfo yet", False)


def test_a_chart_that_somebody_else_makes_has_to_be_there() -> None:
    objects = without(flux("success", release=by_reference("HelmChart")), CHART)
    found = remark(objects)
    assert (found.told, found.grave) == (
        "there is no HelmChart flux-system/shared, which it names",
        True,
    )


def test_a_chart_by_reference_is_followed_to_its_repository_and_path() -> None:
    objects = flux("success", release=by_reference("HelmChart", "default-podinfo"))
    objects[CHART]["spec"] = {"chart": "charts/podinfo", "sourceRef": {"kind": "GitRepository", "name": "iac"}}
    assert held(objects).remarks == ()
    assert "charts/podinfo, the environment commits to charts/other" in remark(objects, path="charts/other").told


@pytest.mark.parametrize(
    ("release", "source"),
    [
        (by_reference("OCIRepository"), "OCIRepository flux-system/shared"),
        (by_reference("ExternalArtifact"), "ExternalArtifact flux-system/shared"),
        (
            {"spec": {"chart": {"kind": "OCIRepository", "spec": {"sourceRef": None}}}},
            "OCIRepository default/default-podinfo",
        ),
        (chart_spec(sourceRef={"kind": "HelmRepository", "name": "charts"}), "HelmRepository flux-system/charts"),
    ],
)
def test_a_chart_that_does_not_come_from_git_may_be_published_by_somebody(release: Any, source: str) -> None:
    found = remark(without(flux("success", release=release), CHART, REPOSITORY))
    assert found.told.startswith(f"the chart comes from {source}, not from git")
    assert not found.grave


def test_what_flux_makes_of_a_template_for_an_oci_repository_is_no_helm_chart() -> None:
    """helm-controller reports it with its kind in `status.helmChart`."""
    release = {
        "spec": {"chart": {"kind": "OCIRepository", "spec": {"sourceRef": None}}},
        "status": {"helmChart": "OCIRepository/default/default-podinfo"},
    }
    assert concerned(flux("success", release=release), TARGET) == (RELEASE,)


def test_a_release_that_names_no_chart_is_grave() -> None:
    nameless = {"spec": {"chart": None, "chartRef": {"kind": "HelmChart"}}}
    found = remark(flux("success", release=nameless))
    assert found.told == "the HelmRelease does not say where its chart comes from"
    assert found.grave


@pytest.mark.parametrize("odd", [None, 1, "x", [], {"spec": []}, {"spec": {"chart": 1, "ref": "x", "chartRef": []}}])
@pytest.mark.parametrize("ref", [RELEASE, CHART, REPOSITORY])
def test_odd_objects_are_remarked_on_and_never_raise(ref: Any, odd: Any) -> None:
    assert isinstance(held(flux("success") | {ref: odd}), Fit)


def test_what_the_judge_calls_the_wrong_path_is_grave_before_the_push_too() -> None:
    objects = flux("success")
    assert isinstance(verdict := assess(objects, expectation(path="charts/other")), Failed)
    assert verdict.reason == "wrong-path"
    assert remark(objects, path="charts/other").grave


@pytest.mark.parametrize("action", ["install", "upgrade"])
def test_a_release_that_does_not_wait_for_pods_is_to_be_known(action: str) -> None:
    spec, unsaid = {action: {"disableWait": True}}, {"lastAttemptedReleaseAction": None}
    found = remark(flux("success", release={"spec": spec, "status": unsaid}))
    assert "does not wait for pods (disableWait)" in found.told
    assert not found.grave
