"""Everything a registry refers to, tried at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec

from dag_common.errors import DagError
from dag_common.registry.file import read_registry
from dag_common.registry.registry import Registry
from dag_standalone.check_cluster import check_cluster
from dag_standalone.check_findings import Finding
from dag_standalone.check_git import check_git, patience
from dag_standalone.check_provider import check_provider
from dag_standalone.check_references import unreadable
from dag_standalone.rbac import targets_of

Check = Callable[[], Awaitable[list[Finding]]]


async def check_registry(path: Path, seconds: float) -> list[Finding]:
    """A row for each question, in the order of the registry's sections; each has so many seconds, all run at once."""
    try:
        registry = await asyncio.to_thread(read_registry, path)
    except DagError as exc:
        return [Finding("registry", str(path), exc.message, "correct the file")]
    with patience(seconds):
        rows = await asyncio.gather(*(_of_entry(*each) for each in _entries(registry, seconds)))
    return [*_reading(path, registry), *(row for part in rows for row in part)]


def _reading(path: Path, registry: Registry) -> Iterator[Finding]:
    apps, problems = len(registry.apps), registry.problems
    if not problems:
        yield Finding("registry", str(path), f"{apps} {'app' if apps == 1 else 'apps'}, nothing is wrong with it")
    for problem in problems:
        told = f"{problem.path}: {problem.message}" if problem.path else problem.message
        place = f"{problem.file}:{problem.line}" if problem.line else problem.file
        yield Finding("registry", place, told, "correct it: until then this entry, and what uses it, is left out")


def _entries(registry: Registry, seconds: float) -> Iterator[tuple[str, msgspec.Struct, Check]]:
    for name, provider in registry.providers.items():
        yield f"provider {name}", provider, partial(check_provider, name, provider, seconds)
    for name, repository in registry.iac_repositories.items():
        yield f"iac {name}", repository, partial(check_git, name, repository, seconds)
    for name, cluster in registry.clusters.items():
        targets = targets_of(registry, name)
        yield f"cluster {name}", cluster, partial(check_cluster, name, cluster, targets, seconds)


async def _of_entry(subject: str, entry: msgspec.Struct, check: Check) -> list[Finding]:
    """Who cannot read its secrets is not asked: what it would answer to that is no news."""
    return await asyncio.to_thread(unreadable, subject, entry) or await check()
