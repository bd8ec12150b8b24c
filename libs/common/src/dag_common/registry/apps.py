"""The section `apps` of `dag.yaml`: which CI project deploys which branch to where, and what is watched then."""

from __future__ import annotations

import re
from typing import Literal

from dag_common.registry.branches import check_pattern, fits
from dag_common.registry.durations import Seconds
from dag_common.registry.entry import Entry, Misfit, check_name, check_web_url
from dag_common.registry.repo_urls import normalise

_KUBERNETES_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_WORKLOAD = re.compile(r"(?:(?:deployment|statefulset|daemonset|job)/)?[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")


class IacPlace(Entry, frozen=True, kw_only=True):
    """Where an environment's chart lives: the repository's name in `iac`, and the directory as written.

    The directory is checked when it is used (`dag_common.registry.iac_path`), not when it is loaded.
    """

    repository: str
    path: str


class Target(Entry, frozen=True, kw_only=True):
    """One thing to watch after the push. `none` watches nothing; every other kind names its object.

    `timeout` counts from the push; `fail_after` is how many failed attempts of our chart make a verdict
    (0 waits for the timeout). A Deployment past its progress deadline tries no more: any number above 0 is 1 there.
    """

    kind: Literal["flux", "argocd", "helm", "workload", "none"]
    cluster: str | None = None
    namespace: str | None = None
    name: str | None = None
    timeout: Seconds = Seconds(600)
    fail_after: int = 1

    def __post_init__(self) -> None:
        named = {"cluster": self.cluster, "namespace": self.namespace, "name": self.name}
        if self.kind == "none":
            if any(value is not None for value in named.values()):
                raise ValueError("kind none watches nothing: leave out cluster, namespace and name")
            return
        missing = [field for field, value in named.items() if not value]
        if missing:
            raise ValueError(f"kind {self.kind} needs {', '.join(missing)}")
        if not _KUBERNETES_NAME.fullmatch(self.namespace or ""):
            raise Misfit("namespace", "expected the name of a Kubernetes namespace")
        if not (_WORKLOAD if self.kind == "workload" else _KUBERNETES_NAME).fullmatch(self.name or ""):
            raise Misfit("name", "expected the name of a Kubernetes object")
        if self.fail_after < 0:
            raise Misfit("failAfter", "expected 0 or more")


class Environment(Entry, frozen=True, kw_only=True):
    """Where an app's chart goes for one branch or for all branches that fit a glob, and who may send it there.

    `sources` are the provider's pipeline sources or events that may deploy (none given: the provider's safe ones);
    `require_protected` asks for proof that the branch is protected. `chart_version` says which version is written to
    Chart.yaml: `stamp` the deployment's, `unique` the deployment's with a number that no other deployment has.
    """

    name: str
    branch: str
    iac: IacPlace
    targets: tuple[Target, ...]
    require_protected: bool = False
    sources: tuple[str, ...] | None = None
    supersede: bool = False
    chart_version: Literal["stamp", "unique"] = "stamp"

    def __post_init__(self) -> None:
        check_name(self.name)
        try:
            check_pattern(self.branch)
        except ValueError as exc:
            raise Misfit("branch", str(exc)) from exc
        kinds = [target.kind for target in self.targets]
        if not kinds or ("none" in kinds and len(kinds) > 1):
            raise Misfit("targets", "expected what to watch, or [{kind: none}] alone to watch nothing")
        if len(set(self.targets)) != len(kinds):
            raise Misfit("targets", "the same target stands there twice")

    @property
    def unique_version(self) -> bool:
        """Whether each deployment's chart carries a version of its own."""
        return self.chart_version == "unique"

    def takes(self, branch: str) -> bool:
        """Whether this branch deploys here."""
        return fits(self.branch, branch)


class App(Entry, frozen=True, kw_only=True):
    """A CI project that may deploy. `project_id` pins it by the provider's own id, which survives renames."""

    name: str
    repo_url: str
    provider: str
    environments: tuple[Environment, ...]
    project_id: int | str | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.repo_url.startswith(("http://", "https://")):
            check_web_url(self.repo_url, "repoUrl")
        if not self.environments:
            raise Misfit("environments", "expected at least one")

    @property
    def url(self) -> str:
        """The repository's URL in its normalised spelling. Raises `Invalid` if it is none."""
        return normalise(self.repo_url)
