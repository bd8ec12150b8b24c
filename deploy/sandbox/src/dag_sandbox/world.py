"""The whole sandbox in one context: git host, CI provider, cluster with its reconcilers, and their registry.

async with world(Path("sandbox"), Path("registry"), Ground()) as addresses:
...
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp

from dag_common.runtime.clock import now
from dag_sandbox.addresses import GIT_PASSWORD, GIT_USER, IAC, Addresses
from dag_sandbox.cluster.api import ClusterApp
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.front import Front
from dag_sandbox.githost import GitHost
from dag_sandbox.gitlab import GitLabDouble
from dag_sandbox.gitlab_app import app as gitlab_app
from dag_sandbox.gitlab_jobs import Jobs
from dag_sandbox.reconcilers.argocd import ArgoApp, ArgoCd
from dag_sandbox.reconcilers.flux import FluxReconciler, FluxRelease, FluxSource
from dag_sandbox.reconcilers.git_follower import GitSource
from dag_sandbox.reconcilers.helm import HelmAgent, HelmApp, HelmFlags
from dag_sandbox.reconcilers.pace import Pace
from dag_sandbox.reconcilers.workloads import WorkloadControllers
from dag_sandbox.registration import write_registry
from dag_sandbox.releases import ARGOCD_NAMESPACE, Release, of_kind
from dag_sandbox.serving import serve

PARTS: Final = ("front", "git", "gitlab", "cluster")
"""In the order of their ports."""

_PACE: Final = Pace(interval=1.0, deadline=1.0)

README = b"""# Infrastructure as code of the sandbox

`clusters/sandbox/<environment>/<app>` holds the chart that runs there. DAG writes it; Flux, Argo CD and Helm follow it.
"""


@dataclass(frozen=True, slots=True)
class Ground:
    """Where the sandbox listens: `port` and the three after it (0: any free ones), told to others as `name`."""

    host: str = "127.0.0.1"
    name: str = "127.0.0.1"
    port: int = 0

    def part(self, number: int) -> Ground:
        """The ground of one part."""
        return replace(self, port=self.port + number if self.port else 0)


@asynccontextmanager
async def world(directory: Path, registry: Path, ground: Ground) -> AsyncIterator[Addresses]:
    """Run a sandbox whose repositories lie in `directory`/git; `registry` gets a file that lets DAG deploy to it.

    Raises OSError if a port is taken, `Unavailable` if the `git` command is missing.
    """
    async with AsyncExitStack() as stack:
        front, gitlab, cluster = Front(), GitLabDouble(), ClusterDouble("sandbox")
        gitlab.jobs = Jobs(first_id=int(now().timestamp()))
        host = GitHost(directory / "git", user=GIT_USER, password=GIT_PASSWORD)
        apps: tuple[ASGIApp, ...] = (front.app(), host.app, gitlab_app(gitlab), ClusterApp(cluster))
        urls = [await _serve(stack, app, ground.part(number)) for number, app in enumerate(apps)]
        addresses = Addresses(**dict(zip(PARTS, urls, strict=True)))
        gitlab.url = gitlab.issuer.url = addresses.gitlab
        host.base_url = addresses.git
        await _seed(host)
        for reconciler in _reconcilers(cluster, addresses):
            await stack.enter_async_context(reconciler)
        write_registry(registry, addresses, cluster.token)
        front.addresses = addresses
        yield addresses


def free_port(*, prefer: int = 0, count: int = 1) -> int:
    """`prefer` if it and the ports after it, `count` in all, are free; else the number of some free port."""
    if prefer and all(_is_free(prefer + number) for number in range(count)):
        return prefer
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


async def _serve(stack: AsyncExitStack, app: ASGIApp, ground: Ground) -> str:
    url = await stack.enter_async_context(serve(app, host=ground.host, port=ground.port))
    return f"http://{ground.name}:{urlsplit(url).port}"


def _reconcilers(cluster: ClusterDouble, addresses: Addresses) -> Iterator[AbstractAsyncContextManager[object]]:
    """Everybody who works in the cluster, each at a pace that one can wait for."""
    source = GitSource(url=addresses.iac_url, user=GIT_USER, password=GIT_PASSWORD)
    yield WorkloadControllers(cluster, pace=_PACE)
    yield FluxReconciler(cluster, _flux_releases(addresses), workloads=True)
    yield ArgoCd(cluster, [_argo_app(one, source) for one in of_kind("argocd")], pace=_PACE)
    yield HelmAgent(cluster, [_helm_app(one, source) for one in of_kind("helm", "workload")], pace=_PACE)


def _flux_releases(addresses: Addresses) -> list[FluxRelease]:
    source = FluxSource(url=addresses.iac_url, user=GIT_USER, password=GIT_PASSWORD)
    flux = of_kind("flux")
    return [FluxRelease(name=one.name, namespace=one.namespace, path=one.path, source=source) for one in flux]


def _argo_app(release: Release, source: GitSource) -> ArgoApp:
    return ArgoApp(
        name=release.name,
        path=release.path,
        source=source,
        namespace=ARGOCD_NAMESPACE,
        destination=release.namespace,
    )


def _helm_app(release: Release, source: GitSource) -> HelmApp:
    waits = release.kind == "helm"
    flags = HelmFlags(wait=waits, rollback_on_failure=waits)
    return HelmApp(name=release.name, namespace=release.namespace, path=release.path, source=source, flags=flags)


async def _seed(host: GitHost) -> None:
    """The IaC repository with a first commit, unless it has one from an earlier run."""
    await host.create(IAC)
    if not host.repository(IAC).tip():
        await host.commit(IAC, {"README.md": README}, message="Begin")
