from __future__ import annotations

from pathlib import Path

import pytest

from dag_common.contracts.events import IacTarget, RolloutTarget
from dag_common.errors import Invalid, NotFound
from dag_common.registry.iac_path import check_iac_path
from dag_common.registry.loading import SourceFile, load
from dag_common.registry.registry import Registry, find_environment

TEXT = """
providers:
  gitlab: {kind: gitlab, url: "https://gitlab.example.com"}
iac:
  infra: {url: "ssh://git@git.example.com/infra.git", branch: live}
clusters:
  here: {inCluster: true}
apps:
  - name: shop
    repoUrl: https://gitlab.example.com/acme/shop
    provider: gitlab
    environments:
      - name: production
        branch: main
        iac: {repository: infra, path: ./apps//shop/}
        targets:
          - {kind: flux, cluster: here, namespace: shop, name: shop, timeout: 15m, failAfter: 3}
          - {kind: argocd, cluster: here, namespace: shop, name: extra}
      - {name: blue, branch: release/*, iac: {repository: infra, path: apps/blue}, targets: [{kind: none}]}
      - {name: green, branch: release/**, iac: {repository: infra, path: apps/green}, targets: [{kind: none}]}
      - {name: outside, branch: outside, iac: {repository: infra, path: ../../etc}, targets: [{kind: none}]}
"""


@pytest.fixture
def registry() -> Registry:
    read = load([SourceFile("dag.yaml", TEXT.encode(), Path())])
    assert read.problems == ()
    return read


def test_an_app_is_found_however_its_url_is_spelt(registry: Registry) -> None:
    assert registry.find_app("git@GitLab.example.com:acme/shop.git").name == "shop"


@pytest.mark.parametrize("url", ["https://gitlab.example.com/acme/other", "nonsense"])
def test_an_unknown_repository_is_not_found(registry: Registry, url: str) -> None:
    with pytest.raises(NotFound, match="No app is configured"):
        registry.find_app(url)


def test_what_is_not_found_is_named_without_its_password(registry: Registry) -> None:
    with pytest.raises(NotFound) as caught:
        registry.find_app("https://ci:planted@gitlab.example.com/acme/other")
    assert "planted" not in str(caught.value)


def test_the_environment_of_a_branch_is_found(registry: Registry) -> None:
    app = registry.find_app("https://gitlab.example.com/acme/shop")
    assert find_environment(app, "main").name == "production"
    assert find_environment(app, "release/1/fix").name == "green"
    assert find_environment(app, "release/1", "blue").name == "blue"


def test_several_environments_for_a_branch_ask_for_a_name(registry: Registry) -> None:
    app = registry.find_app("https://gitlab.example.com/acme/shop")
    with pytest.raises(Invalid, match="several environments for the branch release/1; name one of them: blue, green"):
        find_environment(app, "release/1")


@pytest.mark.parametrize(
    ("branch", "named", "words"),
    [
        ("develop", None, "has no environment for the branch develop"),
        ("main", "prod", "has no environment named prod; it has production, blue, green, outside"),
        ("main", "blue", "Environment blue of app shop does not take the branch main: it takes release/"),
    ],
)
def test_no_environment_is_told_with_its_reason(registry: Registry, branch: str, named: str | None, words: str) -> None:
    app = registry.find_app("https://gitlab.example.com/acme/shop")
    with pytest.raises(NotFound, match=words):
        find_environment(app, branch, named)


def test_an_environment_resolves_to_what_events_carry(registry: Registry) -> None:
    app = registry.find_app("https://gitlab.example.com/acme/shop")
    iac, targets = registry.resolve(app, find_environment(app, "main"))
    assert iac == IacTarget(
        repository="infra", url="ssh://git@git.example.com/infra.git", branch="live", path="apps/shop"
    )
    flux, helm = targets
    assert flux == RolloutTarget(
        kind="flux", cluster="here", namespace="shop", name="shop", timeout_seconds=900, fail_after=3
    )
    assert (helm.timeout_seconds, helm.fail_after) == (600, 1)


def test_kind_none_gives_nothing_to_watch(registry: Registry) -> None:
    app = registry.find_app("https://gitlab.example.com/acme/shop")
    assert registry.resolve(app, find_environment(app, "release/1", "blue"))[1] == ()


def test_a_path_outside_the_repository_loads_and_is_refused_on_use(registry: Registry) -> None:
    app = registry.find_app("https://gitlab.example.com/acme/shop")
    with pytest.raises(Invalid, match=r"environment outside: the IaC path '../../etc' resolves outside the repository"):
        registry.resolve(app, find_environment(app, "outside"))


@pytest.mark.parametrize(
    "path", ["/etc", "..", "a/../../b", "a/..", "a\\..\\b", "a\0b", ".git/hooks", "a/.GIT", ".", "./"]
)
def test_a_path_that_is_no_chart_directory_is_refused(path: str) -> None:
    with pytest.raises(Invalid, match="the IaC path"):
        check_iac_path(path)


def test_names_of_everything_are_looked_up(registry: Registry) -> None:
    assert registry.provider("gitlab").kind == "gitlab"
    assert registry.iac("infra").branch == "live"
    assert registry.cluster("here").in_cluster
    with pytest.raises(NotFound, match="No cluster named there is configured"):
        registry.cluster("there")
