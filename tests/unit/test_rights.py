"""The rights DAG needs for one target, exactly."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from dag_common.contracts.events import RolloutTarget
from dag_common.errors import NotFound
from dag_common.registry.loading import SourceFile, load
from dag_common.registry.registry import Registry
from dag_monitor.cluster.rights import Places, Purpose, needed
from dag_sandbox.cluster.access import AccessRules
from dag_standalone.rbac import Elsewhere, Holder, manifests, rights_in

PLACES = Places(sources=frozenset({"flux-system"}), workloads=frozenset({"shop"}))
HOLDER = Holder("dag-monitor", "dag")
ELSEWHERE = Elsewhere(sources=("flux-system",), workloads=())
WATCHED = {
    "flux": [
        "list gitrepositories.source.toolkit.fluxcd.io in namespace flux-system",
        "list helmcharts.source.toolkit.fluxcd.io in namespace flux-system",
        "list helmreleases.helm.toolkit.fluxcd.io in namespace own",
        "watch gitrepositories.source.toolkit.fluxcd.io in namespace flux-system",
        "watch helmcharts.source.toolkit.fluxcd.io in namespace flux-system",
        "watch helmreleases.helm.toolkit.fluxcd.io in namespace own",
    ],
    "argocd": [
        "list applications.argoproj.io in namespace own",
        "watch applications.argoproj.io in namespace own",
    ],
    "helm": [
        "get secrets in namespace own",
        "list daemonsets.apps in namespace shop",
        "list deployments.apps in namespace shop",
        "list jobs.batch in namespace shop",
        "list secrets in namespace own",
        "list statefulsets.apps in namespace shop",
        "watch daemonsets.apps in namespace shop",
        "watch deployments.apps in namespace shop",
        "watch jobs.batch in namespace shop",
        "watch secrets in namespace own",
        "watch statefulsets.apps in namespace shop",
    ],
    "workload": [
        "list deployments.apps in namespace own",
        "watch deployments.apps in namespace own",
    ],
}
KICKED = {
    "flux": ["patch gitrepositories.source.toolkit.fluxcd.io in namespace flux-system"],
    "argocd": ["patch applications.argoproj.io in namespace own"],
}


def rights(kind: str, purpose: Purpose, *, name: str = "web", kick: bool = True, logs: bool = True) -> list[str]:
    target = RolloutTarget(kind=kind, cluster="prod", namespace="own", name=name, timeout_seconds=60)
    found = needed(target, PLACES, kick=kick, logs=logs)
    return sorted(str(right) for right, wanted_for in found.items() if wanted_for is purpose)


@pytest.mark.parametrize("kind", sorted(WATCHED))
def test_a_verdict_needs_to_list_and_watch_what_its_judge_is_shown(kind: str) -> None:
    assert rights(kind, Purpose.WATCH) == WATCHED[kind]


@pytest.mark.parametrize("kind", sorted(WATCHED))
def test_a_kick_needs_one_patch_and_none_where_the_registry_forbids_it(kind: str) -> None:
    assert rights(kind, Purpose.KICK) == KICKED.get(kind, [])
    assert rights(kind, Purpose.KICK, kick=False) == []


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("web", ["get deployments.apps", "get pods/log", "list events", "list pods", "list replicasets.apps"]),
        ("job/web", ["get jobs.batch", "get pods/log", "list events", "list pods"]),
        (
            "daemonset/web",
            ["get daemonsets.apps", "get pods/log", "list controllerrevisions.apps", "list events", "list pods"],
        ),
    ],
)
def test_a_workload_is_explained_by_what_belongs_to_its_kind(name: str, kinds: list[str]) -> None:
    assert rights("workload", Purpose.EXPLAIN, name=name) == [f"{kind} in namespace shop" for kind in kinds]


@pytest.mark.parametrize("kind", sorted(WATCHED))
def test_logs_are_not_asked_for_where_the_registry_forbids_it(kind: str) -> None:
    with_logs = rights(kind, Purpose.EXPLAIN)
    assert set(with_logs) - set(rights(kind, Purpose.EXPLAIN, logs=False)) == {"get pods/log in namespace shop"}


def test_secrets_are_read_for_helm_alone() -> None:
    of_kind = {
        kind: [one for purpose in Purpose for one in rights(kind, purpose) if "secrets" in one] for kind in WATCHED
    }
    assert [kind for kind, found in of_kind.items() if found] == ["helm"]


def registry(*targets: dict[str, str], **cluster: bool) -> Registry:
    environment = {
        "name": "live",
        "branch": "main",
        "iac": {"repository": "live", "path": "apps/shop"},
        "targets": [{"cluster": "prod", **target} for target in targets],
    }
    app = {"name": "shop", "repoUrl": "https://git.example.com/a/b", "provider": "ci", "environments": [environment]}
    document = {
        "providers": {"ci": {"kind": "gitlab", "url": "https://git.example.com"}},
        "iac": {"live": {"url": "https://git.example.com/live.git"}},
        "clusters": {"prod": {"server": "https://k8s.example.com", **cluster}, "idle": {"inCluster": True}},
        "apps": [app],
    }
    return load([SourceFile("dag.yaml", yaml.safe_dump(document).encode(), Path())])


FLUX = {"kind": "flux", "namespace": "shop", "name": "shop"}
JOB = {"kind": "workload", "namespace": "batch", "name": "job/migrate"}
ARGO = {"kind": "argocd", "namespace": "argocd", "name": "shop"}


def test_the_manifests_grant_what_is_needed_and_nothing_else() -> None:
    for cluster in ({}, {"kick": False, "logs": False}):
        loaded, rules = registry(FLUX, JOB, ARGO, **cluster), AccessRules()
        rules.apply(manifests(loaded, "prod", HOLDER, ELSEWHERE))
        wanted = rights_in(loaded, "prod", ELSEWHERE)
        assert rules.granted == {(one.verb, one.resource.group, one.plural, one.namespace) for one in wanted}


def test_the_manifests_are_one_account_and_a_bound_role_in_each_namespace() -> None:
    text = manifests(registry(FLUX, JOB), "prod", HOLDER, ELSEWHERE)
    documents = list(yaml.safe_load_all(text))
    assert [(one["kind"], one["metadata"]["namespace"]) for one in documents] == [
        ("ServiceAccount", "dag"),
        *[(kind, place) for place in ("batch", "flux-system", "shop") for kind in ("Role", "RoleBinding")],
    ]
    assert all(
        one["subjects"] == [{"kind": "ServiceAccount", "name": "dag-monitor", "namespace": "dag"}]
        for one in documents
        if one["kind"] == "RoleBinding"
    )


def test_where_argo_cd_deploys_to_has_to_be_said() -> None:
    unsaid = manifests(registry(ARGO), "prod", HOLDER, ELSEWHERE)
    said = manifests(registry(ARGO), "prod", HOLDER, Elsewhere((), ("shop",)))
    assert "--workloads" in unsaid
    assert "--workloads" not in said
    assert "pods/log" in said


@pytest.mark.parametrize("cluster", ["idle", "unknown"])
def test_a_cluster_without_targets_gets_no_manifests(cluster: str) -> None:
    with pytest.raises(NotFound, match=cluster):
        manifests(registry(FLUX), cluster, HOLDER, ELSEWHERE)
