"""Whether an Application can ever show what an environment commits, asked before anything is pushed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from argocd_objects import APPLICATION, BEFORE, BROKEN, DEGRADED, GAVE_UP, RETRYING, SOURCE, application, expectation
from flux_objects import EARLIER, OURS, TARGET

from dag_monitor.domain.argocd import assess
from dag_monitor.domain.fit import Fit, Place, Remark
from dag_monitor.domain.fit_argocd import fit
from dag_monitor.domain.verdict import Failed

APP = msgspec.structs.replace(TARGET, kind="argocd", namespace="argocd")
PLACE = Place(url="https://git.example.com/iac.git", branch="main", path="charts/podinfo")
OTHER = "https://git.example.com/other.git"


def held(*changes: Any, **place: Any) -> Fit:
    return fit({APPLICATION: application(*changes)}, APP, replace(PLACE, **place))


def remark(*changes: Any, **place: Any) -> Remark:
    (only,) = held(*changes, **place).remarks
    assert only.remedy
    return only


def source(**changes: Any) -> Any:
    return {"spec": {"source": changes}}


def sources(*each: Any) -> Any:
    return {"spec": {"source": None, "sources": [SOURCE | one for one in each]}}


@pytest.mark.parametrize("earlier", [{}, BEFORE, RETRYING, GAVE_UP, DEGRADED])
def test_how_earlier_rollouts_ended_is_no_matter(earlier: Any) -> None:
    assert held(earlier) == Fit("takes charts/podinfo of main, and syncs by itself")


def test_an_application_that_is_not_there_is_grave() -> None:
    (found,) = fit({}, APP, PLACE).remarks
    assert (found.told, found.grave) == ("there is no such Application", True)


def test_an_application_on_its_way_out_is_grave() -> None:
    assert remark({"metadata": {"deletionTimestamp": "2026-09-01T10:00:00Z"}}).grave


@pytest.mark.parametrize("automated", [None, {"enabled": False}])
def test_an_application_that_somebody_has_to_sync_is_no_mistake_but_to_be_known(automated: Any) -> None:
    found = remark({"spec": {"syncPolicy": {"automated": automated}}})
    assert found.told == "the Application does not sync by itself, somebody has to"
    assert "argocd app sync argocd/podinfo" in found.remedy
    assert not found.grave


def test_another_repository_is_grave() -> None:
    found = remark(source(repoURL=OTHER))
    assert found.told == (
        f"the Application follows {OTHER}, the environment commits to https://git.example.com/iac.git"
    )
    assert found.grave


def test_another_address_that_holds_the_branchs_newest_commit_is_the_same_repository() -> None:
    assert held(source(repoURL="http://git.internal/iac"), tip=OURS).remarks == ()
    assert held(source(repoURL="http://git.internal/iac"), tip=EARLIER).remarks != ()


@pytest.mark.parametrize("url", ["git@git.example.com:iac.git", "https://git.example.com/iac/"])
def test_one_repository_may_be_spelt_in_many_ways(url: str) -> None:
    assert held(source(repoURL=url)).remarks == ()


@pytest.mark.parametrize("path", ["charts/other", "chart", "charts/podinfo/sub"])
def test_another_path_is_grave_as_it_is_to_the_judge(path: str) -> None:
    found = remark(source(path=path))
    assert found.told == f"the Application deploys {path}, the environment commits to charts/podinfo"
    assert found.grave
    verdict = assess({APPLICATION: application(source(path=path))}, expectation())
    assert isinstance(verdict, Failed)
    assert verdict.reason == "wrong-path"


@pytest.mark.parametrize("path", ["./charts/podinfo/", "charts", ".", ""])
def test_a_directory_above_the_chart_holds_it_too(path: str) -> None:
    assert held(source(path=path)).remarks == ()


@pytest.mark.parametrize("revision", ["stable", "refs/heads/stable", "v1.*"])
def test_another_branch_is_grave_and_so_is_whatever_does_not_move_with_it(revision: str) -> None:
    found = remark(source(targetRevision=revision))
    followed = revision.removeprefix("refs/heads/")
    assert found.told == f"the Application follows {followed}, the environment commits to the branch main"
    assert "targetRevision" in found.remedy
    assert found.grave


@pytest.mark.parametrize("revision", [None, "", "HEAD"])
@pytest.mark.parametrize(("default", "grave"), [("main", 0), ("", 0), ("trunk", 1)])
def test_no_revision_means_the_repositorys_own_branch(revision: Any, default: str, grave: int) -> None:
    found = held(source(targetRevision=revision), default=default).remarks
    assert len(found) == grave
    assert all("the repository's HEAD, which is trunk" in one.told for one in found)


def test_one_of_many_sources_is_enough() -> None:
    assert held(sources({"repoURL": OTHER, "path": "values"}, {})).remarks == ()
    assert held(sources({"path": "values"}, {})).remarks == ()
    assert remark(sources({"path": "values"}, {"targetRevision": "stable"})).grave
    assert remark(sources({"repoURL": OTHER}, {"repoURL": f"{OTHER}2"})).grave


def test_an_application_without_a_source_is_grave() -> None:
    assert remark({"spec": {"source": None, "sourceHydrator": {"drySource": SOURCE}}}).told == (
        "the Application has no source"
    )


def test_a_spec_that_argo_cd_refuses_is_grave_and_a_comparison_that_fails_may_mend() -> None:
    refused = [{"type": "InvalidSpecError", "message": "project shop does not permit it"}]
    found = remark({"status": {"conditions": refused}})
    assert found.told == "the Application shows InvalidSpecError: project shop does not permit it"
    assert found.grave
    assert not remark(BROKEN).grave


@pytest.mark.parametrize("odd", [None, 1, [], {"spec": []}, {"spec": {"source": "x", "sources": 1, "syncPolicy": 2}}])
def test_odd_objects_are_remarked_on_and_never_raise(odd: Any) -> None:
    assert isinstance(fit({APPLICATION: odd}, APP, PLACE), Fit)
