"""The bare repositories a git host serves, as they lie on disk."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pygit2
from pygit2.enums import FileMode, SortMode

from dag_common.errors import Invalid
from dag_common.runtime.clock import now

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")

_RACED = ("current tip is not the first parent", "failed to lock file", "old reference value does not match")
"""What libgit2 says when a branch moved since its tip was read, or moves now (libgit2, src/libgit2/commit.c)."""


@dataclass(frozen=True, slots=True)
class HostedCommit:
    """One commit of a branch."""

    id: str
    message: str
    author: str


def create(root: Path, name: str) -> None:
    """Make `<root>/<name>.git`, bare, with `main` as its default branch and pushes allowed; leaves one that exists."""
    if not _NAME.fullmatch(name):
        raise Invalid(f"a repository name is words with / between them, got {name!r}")
    directory = root / f"{name}.git"
    if (directory / "HEAD").exists():
        return
    directory.parent.mkdir(parents=True, exist_ok=True)
    repository = pygit2.init_repository(str(directory), bare=True, initial_head="main")
    repository.config["http.receivepack"] = True
    repository.free()


class HostedRepository:
    """Looks at and changes one bare repository directly. Every call opens it anew: a push may have changed it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def commit(
        self, files: Mapping[str, bytes | None], *, branch: str = "main", message: str, links: Mapping[str, str] = {}
    ) -> str:
        """Add a commit on `branch`: new contents by path, `None` deletes, `links` are symbolic links by path.

        Whoever pushes at the same time may be first: then it is built anew, on theirs.
        """
        while True:
            try:
                return self._commit(files, branch=branch, message=message, links=links)
            except (pygit2.GitError, OSError) as exc:
                if not any(raced in str(exc) for raced in _RACED):
                    raise

    def _commit(self, files: Mapping[str, bytes | None], *, branch: str, message: str, links: Mapping[str, str]) -> str:
        repository = pygit2.Repository(str(self.directory))
        ref = f"refs/heads/{branch}"
        parents = [repository.references[ref].target] if ref in repository.references else []
        index = pygit2.Index()
        if parents:
            index.read_tree(repository[parents[0]].peel(pygit2.Tree))
        for path, content in files.items():
            if content is None:
                index.remove(path)
            else:
                index.add(pygit2.IndexEntry(path, repository.create_blob(content), FileMode.BLOB))
        for path, target in links.items():
            index.add(pygit2.IndexEntry(path, repository.create_blob(target.encode()), FileMode.LINK))
        author = pygit2.Signature("Somebody Else", "somebody@example.com", int(now().timestamp()), 0)
        return str(repository.create_commit(ref, author, author, message, index.write_tree(repository), parents))

    def tip(self, branch: str = "main") -> str:
        """The branch's commit id; empty if there is no such branch."""
        reference = pygit2.Repository(str(self.directory)).references.get(f"refs/heads/{branch}")
        return str(reference.target) if reference else ""

    def log(self, branch: str = "main") -> list[HostedCommit]:
        """The branch's commits, the newest first."""
        repository = pygit2.Repository(str(self.directory))
        walk = repository.walk(repository.references[f"refs/heads/{branch}"].target, SortMode.TOPOLOGICAL)
        return [HostedCommit(str(commit.id), commit.message, commit.author.name) for commit in walk]

    def files(self, branch: str = "main") -> dict[str, bytes]:
        """Every file of the branch's tip."""
        repository = pygit2.Repository(str(self.directory))
        index = pygit2.Index()
        index.read_tree(repository.references[f"refs/heads/{branch}"].peel(pygit2.Tree))
        return {entry.path: repository[entry.id].read_raw() for entry in index}

    def rewind(self, to: str, *, branch: str = "main") -> None:
        """Move a branch to another commit, as a forced push would."""
        pygit2.Repository(str(self.directory)).references.create(f"refs/heads/{branch}", to, force=True)

    def delete_branch(self, branch: str) -> None:
        """Remove a branch."""
        pygit2.Repository(str(self.directory)).references.delete(f"refs/heads/{branch}")
