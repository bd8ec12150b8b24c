"""`dag check` looks at each environment's targets as their judges do, however many there are and whoever is silent."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from argocd_objects import application
from check_world import FLUX_ROW, Outside, flux_objects, granted, outside_world, run
from flux_objects import CHART, RELEASE
from helm_objects import stored
from starlette.types import ASGIApp, Receive, Scope, Send

from dag_sandbox.cluster.access import Asked
from dag_sandbox.cluster.api import ClusterApp
from dag_sandbox.cluster.resources import (
    APPLICATIONS,
    DEPLOYMENTS,
    GIT_REPOSITORIES,
    HELM_CHARTS,
    HELM_RELEASES,
    SECRETS,
)
from dag_sandbox.serving import serve
from dag_standalone.check_asking import AT_ONCE
from dag_standalone.check_findings import Finding

MANY = 50
SECONDS = 4
"""Enough for whoever does answer, on a busy machine too."""


@pytest.fixture
async def outside(tmp_path: Path) -> AsyncIterator[Outside]:
    async with outside_world(tmp_path) as outside:
        yield outside


class Gate:
    """Lets `free` requests for one resource pass, and the others when `together` of them wait; counts them all."""

    def __init__(self, app: ASGIApp, resource: str, *, free: int = 0, together: float = math.inf) -> None:
        self.asked = self.most = self._now = 0
        self._app, self._resource = app, resource
        self._free, self._together, self._open = free, together, asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].endswith(f"/{self._resource}"):
            await self._wait()
        await self._app(scope, receive, send)

    async def _wait(self) -> None:
        self.asked += 1
        if self.asked <= self._free:
            return
        self._now += 1
        self.most = max(self.most, self._now)
        if self._now >= self._together:
            self._open.set()
        await self._open.wait()
        self._now -= 1


def target(kind: str, name: str = "podinfo", namespace: str = "default", cluster: str = "prod") -> dict[str, str]:
    return {"kind": kind, "cluster": cluster, "namespace": namespace, "name": name}


def watching(*targets: dict[str, str], **environment: Any) -> Callable[[dict[str, Any]], None]:
    def change(registry: dict[str, Any]) -> None:
        registry["apps"][0]["environments"][0] |= {"targets": list(targets)} | environment

    return change


async def row_of(outside: Outside, kind: str, name: str = "podinfo", namespace: str = "default") -> Finding:
    rows = await outside.rows(watching(target(kind, name, namespace)))
    return rows["app podinfo", f"live prod/{kind}/{namespace}/{name}"]


def flux_environments(outside: Outside, count: int = MANY) -> Callable[[dict[str, Any]], None]:
    """As many environments, each with a HelmRelease of its own, all by one GitRepository."""
    objects = flux_objects(outside.host.url("iac"))
    for number in range(count):
        outside.cluster.create(HELM_RELEASES, objects[RELEASE] | {"metadata": named("default", f"p{number}")})
        outside.cluster.create(HELM_CHARTS, objects[CHART] | {"metadata": named("flux-system", f"default-p{number}")})

    def change(registry: dict[str, Any]) -> None:
        (environment,) = registry["apps"][0]["environments"]
        registry["apps"][0]["environments"] = [
            environment | {"name": f"e{number}", "targets": [target("flux", f"p{number}")]} for number in range(count)
        ]

    return change


def served_at(url: str, change: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    def at(registry: dict[str, Any]) -> None:
        registry["clusters"]["prod"]["server"] = url
        change(registry)

    return at


def named(namespace: str, name: str) -> dict[str, str]:
    return {"namespace": namespace, "name": name}


async def test_a_helm_release_that_is_not_there_is_named_with_those_beside_it(outside: Outside) -> None:
    row = await row_of(outside, "flux", "podinfoo")
    assert row.told == "there is no such HelmRelease; in default there is podinfo"
    assert "correct the target" in row.remedy
    assert not row.fine


async def test_a_git_repository_that_is_not_there_is_named(outside: Outside) -> None:
    outside.cluster.delete(GIT_REPOSITORIES, "flux-system", "iac")
    row = await outside.wrong()
    assert row.told == "there is no GitRepository flux-system/iac, which the chart is to come from"


@pytest.mark.parametrize(
    ("patch", "told"),
    [
        ({"url": "https://git.example.com/other"}, "follows https://git.example.com/other, the environment commits to"),
        ({"ref": {"branch": "stable"}}, "follows the branch stable, the environment commits to the branch main"),
        ({"suspend": True}, "is suspended"),
    ],
)
async def test_a_git_repository_that_will_never_have_the_chart_is_told(outside: Outside, patch: Any, told: str) -> None:
    outside.cluster.merge_patch(GIT_REPOSITORIES, "flux-system", "iac", {"spec": patch})
    row = await outside.wrong()
    assert (row.subject, row.target) == ("app podinfo", "prod/flux/default/podinfo")
    assert told in row.told


async def test_a_repository_by_another_address_is_known_by_its_newest_commit(outside: Outside) -> None:
    tip = outside.host.repository("iac").tip()
    outside.cluster.merge_patch(GIT_REPOSITORIES, "flux-system", "iac", {"spec": {"url": "http://git.internal/iac"}})
    status = {"artifact": {"revision": f"main@sha1:{tip}"}}
    outside.cluster.merge_patch_status(GIT_REPOSITORIES, "flux-system", "iac", {"status": status})
    assert (await outside.rows())[FLUX_ROW].fine


async def test_two_environments_that_share_a_target_are_each_held_against_their_own_path(outside: Outside) -> None:
    def change(registry: dict[str, Any]) -> None:
        environments = registry["apps"][0]["environments"]
        environments.append(environments[0] | {"name": "other", "iac": {"repository": "live", "path": "charts/other"}})

    row = await outside.wrong(change)
    assert (row.question, row.target) == ("other", "prod/flux/default/podinfo")
    assert "the environment commits to charts/other" in row.told


async def test_an_application_is_held_against_its_environment(outside: Outside) -> None:
    source = {"repoURL": outside.host.url("iac"), "targetRevision": "HEAD"}
    outside.cluster.create(APPLICATIONS, application({"spec": {"source": source, "syncPolicy": None}}))
    row = await row_of(outside, "argocd", namespace="argocd")
    assert (row.fine, row.warning) == (True, True)
    assert "does not sync by itself" in row.told
    patch = {"spec": {"source": {"path": "charts/other"}, "syncPolicy": {"automated": {}}}}
    outside.cluster.merge_patch(APPLICATIONS, "argocd", "podinfo", patch)
    row = await row_of(outside, "argocd", namespace="argocd")
    assert (row.fine, row.warning) == (False, False)
    assert "deploys charts/other" in row.told


async def test_a_release_is_found_by_its_secrets_whose_contents_are_not_read(outside: Outside) -> None:
    outside.cluster.create(SECRETS, stored(4, "1.2.3", "deployed"))
    assert (await row_of(outside, "helm")).told == "the release is at version 4, deployed"
    row = await row_of(outside, "helm", "podinfoo")
    assert row.told.endswith(": the first deployment may bring it; in default there is podinfo")
    assert row.warning
    assert {asked.verb for asked in outside.cluster.access.asked} == {"list"}


async def test_a_workload_is_looked_at_for_the_label_that_its_judge_goes_by(outside: Outside) -> None:
    metadata = named("default", "podinfo") | {"labels": {"app.kubernetes.io/version": "1.2.3"}}
    spec = {"selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "x"}}, "spec": {}}}
    outside.cluster.create(DEPLOYMENTS, {"metadata": metadata, "spec": spec})
    row = await row_of(outside, "workload")
    assert (row.fine, "app.kubernetes.io/version=1.2.3" in row.told) == (True, True)
    outside.cluster.merge_patch(DEPLOYMENTS, "default", "podinfo", {"metadata": {"labels": None}})
    assert not (await row_of(outside, "workload")).fine


async def test_what_the_first_deployment_may_bring_is_a_warning_and_no_failure(outside: Outside) -> None:
    path = str(outside.write(watching(target("helm"), target("workload", "job/migrate"))))
    code, out = await run("check", "--registry", path, "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    warnings = [(row["fine"], bool(row["remedy"])) for row in rows if row["warning"]]
    assert (code, warnings) == (0, [(True, True), (True, True)])
    code, out = await run("check", "--registry", path)
    assert (code, "!" in out, f"None of {len(rows)} is wrong; 2 are to be looked at." in out) == (0, True, True)


async def test_a_target_that_may_not_be_seen_says_so_and_where_the_right_is_told(outside: Outside) -> None:
    outside.cluster.access.grant(granted() - {Asked("list", "source.toolkit.fluxcd.io", "helmcharts", "flux-system")})
    row = (await outside.rows())[FLUX_ROW]
    lacks = "DAG lacks the right to list helmcharts.source.toolkit.fluxcd.io in namespace flux-system"
    assert row.told == f"cannot be seen: {lacks}"
    assert row.remedy == "grant it, as said of the rights to watch in cluster prod"
    assert not row.fine


async def test_a_kind_that_is_not_installed_is_told(outside: Outside) -> None:
    outside.cluster.resources.discard(APPLICATIONS)
    row = await row_of(outside, "argocd", namespace="argocd")
    assert "install what serves targets of kind argocd" in row.remedy


async def test_a_path_that_leaves_the_repository_is_told(outside: Outside) -> None:
    row = await outside.wrong(watching(target("flux"), iac={"repository": "live", "path": "../elsewhere"}))
    assert (row.subject, row.question) == ("app podinfo", "live")


async def test_an_environment_that_watches_nothing_has_no_row(outside: Outside) -> None:
    rows = await outside.rows(watching({"kind": "none"}))
    assert not [subject for subject, _ in rows if subject.startswith("app ")]


async def test_fifty_environments_are_asked_about_side_by_side_and_what_they_share_once(outside: Outside) -> None:
    """With fewer at a time the gate would stay shut."""
    sources = Gate(ClusterApp(outside.cluster), "gitrepositories", together=1)
    releases = Gate(sources, "helmreleases", together=AT_ONCE)
    many = flux_environments(outside)
    async with serve(releases) as url:
        rows = await outside.rows(served_at(url, many))
    assert [row.told for row in rows.values() if not row.fine] == []
    assert sum(subject == "app podinfo" for subject, _ in rows) == MANY
    assert (releases.asked, releases.most, sources.asked) == (MANY, AT_ONCE, 1)


async def test_a_cluster_that_falls_silent_is_waited_for_once_and_not_once_for_each_target(outside: Outside) -> None:
    releases = Gate(ClusterApp(outside.cluster), "helmreleases")
    many = flux_environments(outside)
    async with serve(releases) as url:
        rows = await outside.rows(served_at(url, many), seconds=SECONDS)
    told = [row.told for (subject, _), row in rows.items() if subject == "app podinfo"]
    assert told == [f"cannot be seen: no answer within {SECONDS} s"] * MANY
    assert releases.asked == AT_ONCE


async def test_a_cluster_that_falls_silent_is_waited_for_once_and_not_once_for_each_right(outside: Outside) -> None:
    reviews = Gate(ClusterApp(outside.cluster), "selfsubjectaccessreviews", free=1)
    many = flux_environments(outside)
    async with serve(reviews) as url:
        rows = await outside.rows(served_at(url, many), seconds=SECONDS)
    told = {question: row.told for (subject, question), row in rows.items() if question.startswith("rights to ")}
    assert told == dict.fromkeys(
        ("rights to watch", "rights to kick", "rights to explain failures"), f"no answer within {SECONDS} s"
    )
    assert reviews.asked == 1 + AT_ONCE


async def test_a_dead_cluster_takes_no_rows_from_the_others(outside: Outside) -> None:
    def change(registry: dict[str, Any]) -> None:
        registry["clusters"] = {"dead": {"server": url, "token": {"file": "token"}}} | registry["clusters"]
        watching(target("flux"), target("flux", cluster="dead"))(registry)

    async with serve(Gate(ClusterApp(outside.cluster), "selfsubjectaccessreviews")) as url:
        rows = await outside.rows(change, seconds=SECONDS)
    assert {place: row.told for place, row in rows.items() if not row.fine} == {
        ("cluster dead", "answer"): f"no answer within {SECONDS} s"
    }
    assert rows[FLUX_ROW].told.startswith("takes charts/podinfo of main")
    assert ("cluster prod", "rights to watch") in rows
