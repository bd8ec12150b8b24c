"""Everything a registry refers to, tried at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from dag_common.errors import DagError
from dag_common.registry.clusters import Cluster
from dag_common.registry.file import read_registry
from dag_common.registry.providers import Provider
from dag_common.registry.registry import Registry
from dag_common.registry.repositories import IacRepository
from dag_standalone.check_cluster import check_cluster
from dag_standalone.check_findings import Finding
from dag_standalone.check_fits import World, check_fits
from dag_standalone.check_git import check_git, patience
from dag_standalone.check_provider import check_provider
from dag_standalone.check_references import unreadable
from dag_standalone.rbac import targets_of

Check = Callable[[], Awaitable[list[Finding]]]

_THREADS: Final = 64
"""A silent git host or name server keeps one until it is given up, and the others need theirs meanwhile."""


async def check_registry(path: Path, seconds: float) -> list[Finding]:
    """A row for each question, in the order of the registry's sections; each has so many seconds, all run at once.

    Replaces the running loop's default executor.
    """
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS, thread_name_prefix="check"))
    try:
        registry = await asyncio.to_thread(read_registry, path)
    except DagError as exc:
        return [Finding("registry", str(path), exc.message, _remedy(path))]
    round_ = _Round(registry, seconds)
    with patience(seconds):
        rows = await asyncio.gather(*(_of_entry(*each) for each in round_.entries()))
    return [*_reading(path, registry), *(row for part in rows for row in part), *check_fits(registry, round_.world)]


def _remedy(path: Path) -> str:
    files = path.glob("*.y*ml") if path.is_dir() else [path]
    written = any(file.is_file() and file.read_bytes().strip() for file in files)
    return "correct the file" if written else "copy deploy/examples/dag.yaml and fill it in"


def _reading(path: Path, registry: Registry) -> Iterator[Finding]:
    apps, problems = len(registry.apps), registry.problems
    if not problems:
        yield Finding("registry", str(path), f"{apps} {'app' if apps == 1 else 'apps'}, nothing is wrong with it")
    for problem in problems:
        told = f"{problem.path}: {problem.message}" if problem.path else problem.message
        place = f"{problem.file}:{problem.line}" if problem.line else problem.file
        yield Finding("registry", place, told, "correct it: until then this entry, and what uses it, is left out")


@dataclass(slots=True)
class _Round:
    """Asks every entry, and keeps what the environments are held against."""

    registry: Registry
    seconds: float
    world: World = field(default_factory=World)

    def entries(self) -> Iterator[tuple[str, msgspec.Struct, Check]]:
        for name, provider in self.registry.providers.items():
            yield f"provider {name}", provider, partial(self._provider, name, provider)
        for name, repository in self.registry.iac_repositories.items():
            yield f"iac {name}", repository, partial(self._git, name, repository)
        for name, cluster in self.registry.clusters.items():
            yield f"cluster {name}", cluster, partial(self._cluster, name, cluster)

    async def _provider(self, name: str, provider: Provider) -> list[Finding]:
        return await check_provider(name, provider, self.seconds)

    async def _git(self, name: str, repository: IacRepository) -> list[Finding]:
        checked = await check_git(name, repository, self.seconds)
        if checked.heads:
            self.world.heads[name] = checked.heads
        return checked.rows

    async def _cluster(self, name: str, cluster: Cluster) -> list[Finding]:
        checked = await check_cluster(name, cluster, targets_of(self.registry, name), self.seconds)
        self.world.sights.update({target.id: sight for target, sight in checked.sights.items()})
        return checked.rows


async def _of_entry(subject: str, entry: msgspec.Struct, check: Check) -> list[Finding]:
    """Who cannot read its secrets is not asked: what it would answer to that is no news."""
    return await asyncio.to_thread(unreadable, subject, entry) or await check()
