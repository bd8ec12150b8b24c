"""A registry and all it refers to, in order, for checks to find fault with."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from flux_objects import CHART, RELEASE, REPOSITORY, flux

from dag_common.contracts.events import RolloutTarget
from dag_monitor.cluster.rights import needed, places_of
from dag_sandbox.cluster.access import Asked
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.resources import GIT_REPOSITORIES, HELM_CHARTS, HELM_RELEASES
from dag_sandbox.cluster.serving import ClusterApi
from dag_sandbox.githost import GitHost
from dag_sandbox.gitlab import GitLabDouble
from dag_sandbox.oidc_issuer import IssuerDouble
from dag_standalone.check import check_registry
from dag_standalone.check_findings import Finding

PASSWORD, WRONG = "hunter2-planted", "wrong-planted"
DAG = Path(sys.executable).with_name("dag")
TARGET = RolloutTarget(kind="flux", cluster="prod", namespace="default", name="podinfo", timeout_seconds=600)
FLUX_ROW = ("app podinfo", "live prod/flux/default/podinfo")
NOBODY = "http://127.0.0.1:9"
Rows = dict[tuple[str, str], Finding]


@dataclass
class Outside:
    """Everything the registry refers to, in order, until a test breaks it."""

    directory: Path
    host: GitHost
    gitlab: GitLabDouble
    issuer: IssuerDouble
    api: ClusterApi

    @property
    def cluster(self) -> ClusterDouble:
        return self.api.cluster

    def write(self, change: Callable[[dict[str, Any]], Any] = lambda _: None) -> Path:
        (self.directory / "token").write_text(self.api.token)
        (self.directory / "password").write_text(PASSWORD)
        registry = self.registry()
        change(registry)
        path = self.directory / "dag.yaml"
        path.write_text(yaml.safe_dump(registry, sort_keys=False))
        return path

    def registry(self) -> dict[str, Any]:
        https = {"username": "dag", "password": {"file": "password"}}
        target = {"kind": "flux", "cluster": "prod", "namespace": "default", "name": "podinfo"}
        iac = {"repository": "live", "path": "charts/podinfo"}
        environment = {"name": "live", "branch": "main", "iac": iac, "targets": [target]}
        return {
            "providers": {
                "gitlab": {"kind": "gitlab", "url": self.gitlab.url, "audience": "dag"},
                "ci": {"kind": "oidc", "url": self.issuer.url, "audience": "dag"},
            },
            "iac": {"live": {"url": self.host.url("iac"), "credentials": {"https": https}}},
            "clusters": {"prod": {"server": self.api.url, "token": {"file": "token"}}},
            "apps": [
                {
                    "name": "podinfo",
                    "repoUrl": f"{self.gitlab.url}/acme/podinfo",
                    "provider": "gitlab",
                    "environments": [environment],
                }
            ],
        }

    async def rows(self, change: Callable[[dict[str, Any]], Any] = lambda _: None, *, seconds: float = 10) -> Rows:
        findings = await check_registry(self.write(change), seconds)
        assert not any(secret in str(findings) for secret in (PASSWORD, WRONG, self.api.token))
        return {(one.subject, f"{one.question} {one.target}".strip()): one for one in findings}

    async def wrong(self, change: Callable[[dict[str, Any]], Any] = lambda _: None, **more: Any) -> Finding:
        """The one row that is not fine."""
        (finding,) = [row for row in (await self.rows(change, **more)).values() if not row.fine]
        return finding


@asynccontextmanager
async def outside_world(directory: Path) -> AsyncIterator[Outside]:
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(GitHost(directory / "git", user="dag", password=PASSWORD))
        await host.commit("iac", {"README.md": b"hello"})
        cluster = ClusterDouble("prod")
        objects = flux_objects(host.url("iac"))
        for resource, ref in ((HELM_RELEASES, RELEASE), (HELM_CHARTS, CHART), (GIT_REPOSITORIES, REPOSITORY)):
            cluster.create(resource, objects[ref])
        yield Outside(
            directory,
            host,
            await stack.enter_async_context(GitLabDouble()),
            await stack.enter_async_context(IssuerDouble()),
            await stack.enter_async_context(ClusterApi(cluster)),
        )


@contextmanager
def silent() -> Iterator[str]:
    """The URL of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def flux_objects(url: str = "") -> dict[Any, Any]:
    objects = flux("success", repository={"spec": {"url": url}} if url else None)
    return {ref: {key: value for key, value in obj.items() if key != "status"} for ref, obj in objects.items()}


def granted() -> set[Asked]:
    """What DAG needs for the target, as the double names rights."""
    rights = needed(TARGET, places_of(TARGET, flux_objects()), kick=True, logs=True)
    return {Asked(one.verb, one.resource.group, one.plural, one.namespace) for one in rights}


def https(registry: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = registry["iac"]["live"]["credentials"]["https"]
    return found


async def run(*arguments: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(str(DAG), *arguments, stdout=-1, stderr=-1)
    out, _ = await process.communicate()
    return process.returncode, out.decode()
