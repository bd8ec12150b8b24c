"""The outside world, in the test's own process: CI provider, git host, a cluster with Flux, over real protocols.

Each part has gates in front of it (`gates`) and faults inside (the sandbox's own).
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from acceptance.harness.charts import NAME
from acceptance.harness.gates import Gated
from acceptance.harness.landscape import Addresses, Keys, Landscape, write_registry
from starlette.requests import Request

from dag_sandbox.cluster.api import ClusterApp
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.githost import GitHost
from dag_sandbox.gitlab import GitLabDouble
from dag_sandbox.gitlab_app import app as gitlab_app
from dag_sandbox.reconcilers.flux import FluxReconciler, FluxRelease, FluxSource, Pace
from dag_sandbox.serving import serve

PACE = Pace(interval=0.4, action=0.02, retry=0.1, dependency=0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """What stands in front of each part."""

    gitlab: Gated
    git: Gated
    cluster: Gated

    def open_all(self) -> None:
        """Nothing is held any more."""
        for gated in (self.gitlab, self.git, self.cluster):
            gated.open_all()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The parts, the gates in front of them, and what a registry has to say of them."""

    landscape: Landscape
    keys: Keys
    gitlab: GitLabDouble
    git: GitHost
    cluster: ClusterDouble
    flux: FluxReconciler
    gates: Gates
    registry: Path


@asynccontextmanager
async def outside_world(directory: Path, landscape: Landscape) -> AsyncIterator[Outside]:
    """The world for the block; every watched environment has a release that follows its directory."""
    async with AsyncExitStack() as stack:
        cluster, gitlab = ClusterDouble("main"), GitLabDouble()
        keys = Keys(git_password=f"planted-git-{secrets.token_hex(8)}", cluster_token=cluster.token)
        git = GitHost(directory / "git", user=keys.git_user, password=keys.git_password)
        gates = Gates(gitlab=Gated(gitlab_app(gitlab)), git=Gated(git.app), cluster=Gated(ClusterApp(cluster)))
        gitlab.url = gitlab.issuer.url = await stack.enter_async_context(serve(gates.gitlab))
        git.base_url = await stack.enter_async_context(serve(gates.git))
        cluster_url = await stack.enter_async_context(serve(gates.cluster))
        for repository in landscape.repositories:
            await git.commit(repository, {"README.md": b"Infrastructure as code\n"}, message="Begin")
        addresses = Addresses(gitlab=gitlab.url, git=git.base_url, cluster=cluster_url)
        flux = FluxReconciler(cluster, _releases(landscape, git, keys), pace=PACE)
        await stack.enter_async_context(flux)
        stack.callback(gates.open_all)
        yield Outside(
            landscape=landscape,
            keys=keys,
            gitlab=gitlab,
            git=git,
            cluster=cluster,
            flux=flux,
            gates=gates,
            registry=write_registry(directory / "registry", landscape, addresses, keys),
        )


def looks_at_branch(request: Request) -> bool:
    """The pusher asks the git host for its refs (git, gitprotocol-http): what comes before every push."""
    return _is_ours(request) and request.url.path.endswith("/info/refs") and "upload-pack" in request.url.query


def pushes(request: Request) -> bool:
    """The pusher sends a pack."""
    return _is_ours(request) and request.url.path.endswith("/git-receive-pack") and request.method == "POST"


def reconciles(request: Request) -> bool:
    """Flux asks the git host for its refs: until it is answered, it sees no new commit."""
    return not _is_ours(request) and request.url.path.endswith("/info/refs")


def verifies_job(request: Request) -> bool:
    """The gateway asks who a job is."""
    return request.url.path.endswith("/api/v4/job")


def _is_ours(request: Request) -> bool:
    """Services speak through libgit2; the reconciler in the cluster uses the git command."""
    return "libgit2" in request.headers.get("user-agent", "")


def _releases(landscape: Landscape, git: GitHost, keys: Keys) -> Iterator[FluxRelease]:
    sources = {
        name: FluxSource(url=git.url(name), name=name, user=keys.git_user, password=keys.git_password)
        for name in landscape.repositories
    }
    for place in landscape.places:
        if place.watched:
            source = sources[place.repository]
            yield FluxRelease(name=NAME, namespace=place.namespace, path=place.path, source=source)
