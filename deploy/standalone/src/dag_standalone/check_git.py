"""Whether an IaC repository can be read, has its branch, and lets DAG push, without pushing anything."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import pygit2
from pygit2.remotes import Remote

from dag_common.iac import library
from dag_common.iac.mirrors import access_to
from dag_common.iac.wire import Heads, Wire
from dag_common.registry.repositories import IacRepository
from dag_standalone.check_findings import Finding, Question

T = TypeVar("T")

PUSHABLE = "the server begins a push with these credentials; protected branches and hooks speak up at a real push only"
_FEW = 5


@dataclass(frozen=True, slots=True)
class GitCheck:
    """The rows of one IaC repository, and its branches if they could be read."""

    rows: list[Finding]
    heads: Heads | None = None


async def check_git(name: str, repository: IacRepository, seconds: float) -> GitCheck:
    """Ask the repository, whose secrets can be read."""
    subject, found = f"iac {name}", list[Heads]()
    mend = "correct its url, credentials or ca in the registry, or bring the git host back"

    async def read() -> str:
        found.append(await _conversation(repository, Wire.heads))
        return "its branches can be read"

    async def push() -> str:
        await _conversation(repository, Wire.knock)
        return PUSHABLE

    rows = [await Question(subject, "read", mend, seconds).ask(read())]
    if found:
        allow = "give the user or token of its credentials the right to push"
        rows += [_branch(subject, repository.branch, found[0])]
        rows += [await Question(subject, "push", allow, seconds).ask(push())]
    return GitCheck(rows, found[0] if found else None)


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Let libgit2, whose calls cannot be cancelled, wait no longer than the check does."""
    library.prepare()
    library.set_timeouts(connect=seconds, silence=seconds)
    try:
        yield
    finally:
        library.set_timeouts(connect=library.CONNECT_SECONDS, silence=library.SILENCE_SECONDS)


def _branch(subject: str, branch: str, heads: Heads) -> Finding:
    if branch in heads.branches:
        return Finding(subject, "branch", f"{branch} is at {heads.branches[branch][:7]}")
    has = ", ".join(sorted(heads.branches)[:_FEW]) or "none"
    more = " and more" if len(heads.branches) > _FEW else ""
    return Finding(
        subject,
        "branch",
        f"there is no branch {branch}; there is {has}{more}",
        f"correct branch in the registry, or create {branch}: the first push would create it, from the default branch",
    )


async def _conversation(repository: IacRepository, talk: Callable[[Wire, Remote], T]) -> T:
    """One conversation with the server, in a thread, from a repository that is thrown away."""

    def converse() -> T:
        with tempfile.TemporaryDirectory(prefix="dag-check-") as directory:
            wire = Wire(repository.url, lambda: access_to(repository))
            return talk(wire, wire.remote(pygit2.init_repository(directory, bare=True)))

    return await asyncio.to_thread(converse)
