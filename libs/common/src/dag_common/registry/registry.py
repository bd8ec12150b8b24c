"""The registry as it is asked: which app, which environment, where its chart goes and what to watch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

from dag_common.contracts.events import IacTarget, RolloutTarget
from dag_common.errors import Invalid, NotFound
from dag_common.registry.apps import App, Environment
from dag_common.registry.clusters import Cluster
from dag_common.registry.entry import Entry
from dag_common.registry.iac_path import check_iac_path
from dag_common.registry.problems import Problem
from dag_common.registry.providers import Provider
from dag_common.registry.repo_urls import normalise
from dag_common.registry.repositories import IacRepository

_Kind = TypeVar("_Kind", bound=Entry)


@dataclass(frozen=True, slots=True)
class Registry:
    """Everything that may be deployed, as of one reading. Entries with problems are left out of it.

    `digest` (sha256, hex) is of what is in effect: comments, order and the split into files do not change it.
    """

    providers: Mapping[str, Provider]
    iac_repositories: Mapping[str, IacRepository]
    clusters: Mapping[str, Cluster]
    apps: tuple[App, ...]
    problems: tuple[Problem, ...]
    digest: str
    apps_by_url: Mapping[str, App] = field(repr=False)

    def find_app(self, repo_url: str) -> App:
        """The app of a repository, however its URL is spelt. Raises `NotFound`; no text of it repeats userinfo."""
        try:
            url = normalise(repo_url)
        except Invalid as exc:
            raise NotFound(f"No app is configured: {exc.message}") from exc
        app = self.apps_by_url.get(url)
        if app is None:
            raise NotFound(f"No app is configured for the repository {url}")
        return app

    def provider(self, name: str) -> Provider:
        """A CI provider by name. Raises `NotFound`."""
        return _named(self.providers, name, "CI provider")

    def iac(self, name: str) -> IacRepository:
        """An IaC repository by name. Raises `NotFound`."""
        return _named(self.iac_repositories, name, "IaC repository")

    def cluster(self, name: str) -> Cluster:
        """A cluster by name. Raises `NotFound`."""
        return _named(self.clusters, name, "cluster")

    def resolve(self, app: App, environment: Environment) -> tuple[IacTarget, tuple[RolloutTarget, ...]]:
        """Where the chart goes and what to watch, as the values that events carry. Kind `none` gives no target.

        Raises `Invalid` if the environment's IaC path leaves the repository.
        """
        place = environment.iac
        try:
            path = check_iac_path(place.path)
        except Invalid as exc:
            raise Invalid(f"App {app.name}, environment {environment.name}: {exc.message}") from exc
        repository = self.iac(place.repository)
        iac = IacTarget(
            repository=place.repository, url=without_userinfo(repository.url), branch=repository.branch, path=path
        )
        return iac, rollout_targets(environment)


def find_environment(app: App, branch: str, named: str | None = None) -> Environment:
    """The environment a branch deploys to; `named` chooses among several.

    Raises `NotFound` if none takes the branch, or the named one does not exist or does not take it, and `Invalid`
    listing the names if several do and none is named.
    """
    if named:
        return _named_environment(app, branch, named)
    fitting = [each for each in app.environments if each.takes(branch)]
    if not fitting:
        raise NotFound(f"App {app.name} has no environment for the branch {branch}")
    if len(fitting) > 1:
        names = ", ".join(each.name for each in fitting)
        raise Invalid(f"App {app.name} has several environments for the branch {branch}; name one of them: {names}")
    return fitting[0]


def rollout_targets(environment: Environment) -> tuple[RolloutTarget, ...]:
    """What to watch after the push."""
    return tuple(
        RolloutTarget(
            kind=target.kind,
            cluster=target.cluster or "",
            namespace=target.namespace or "",
            name=target.name or "",
            timeout_seconds=int(target.timeout),
            fail_after=target.fail_after,
        )
        for target in environment.targets
        if target.kind != "none"
    )


def without_userinfo(url: str) -> str:
    """A git URL as it may be shown: an http(s) URL without user name and password; ssh keeps its user."""
    if not url.startswith(("http://", "https://")):
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _named_environment(app: App, branch: str, named: str) -> Environment:
    environment = next((each for each in app.environments if each.name == named), None)
    if environment is None:
        names = ", ".join(each.name for each in app.environments)
        raise NotFound(f"App {app.name} has no environment named {named}; it has {names}")
    if not environment.takes(branch):
        raise NotFound(
            f"Environment {named} of app {app.name} does not take the branch {branch}: it takes {environment.branch}"
        )
    return environment


def _named(entries: Mapping[str, _Kind], name: str, kind: str) -> _Kind:
    try:
        return entries[name]
    except KeyError as exc:
        raise NotFound(f"No {kind} named {name} is configured") from exc
