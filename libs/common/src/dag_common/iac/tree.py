"""Directories in git trees, read and rewritten without a work tree; only the trees on the path change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import pygit2
from pygit2.enums import FileMode, ObjectType

from dag_common.errors import Invalid, TooLarge
from dag_common.iac.damage import Damaged, undamaged

MAX_FILES: Final = 10_000
MAX_BYTES: Final = 100 * 1024 * 1024
"""Helm refuses more than this decompressed (helm, pkg/chart/loader/archive/archive.go)."""

_PLAIN = frozenset({FileMode.BLOB, FileMode.BLOB_EXECUTABLE})


class OtherKind(Invalid):
    """A file where a directory was looked for, or the reverse: to a reader, what it looks for is not there."""


@dataclass(frozen=True, slots=True)
class DirectoryContent:
    """A directory as it stands in a commit: its tree id, and its files by path within it."""

    tree: str
    files: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Entry:
    """Something in a git tree that is no directory: equal entries are equal in mode and content."""

    mode: int
    id: str


def read_directory(
    repository: pygit2.Repository, root: str, path: str, *, max_files: int = MAX_FILES, max_bytes: int = MAX_BYTES
) -> DirectoryContent | None:
    """Every file under `path` of the tree `root`; None if nothing is there.

    Raises `Invalid` if a symbolic link or submodule lies on the path or inside, or if the path is a file, and
    `TooLarge` over the limits.
    """
    with undamaged():
        tree_id = find_directory(repository, root, path)
        if tree_id is None:
            return None
        blobs = []
        for name, mode, blob in _walk(repository, pygit2.Oid(hex=tree_id), ""):
            if mode not in _PLAIN:
                raise _not_plain(f"{path}/{name}", mode)
            blobs.append((name, blob))
        if len(blobs) > max_files:
            raise TooLarge(f"{path!r} holds {len(blobs)} files, more than {max_files}")
        size = sum(repository.odb.read_header(blob)[1] for _, blob in blobs)
        if size > max_bytes:
            raise TooLarge(f"{path!r} holds {size} bytes, more than {max_bytes}")
        return DirectoryContent(tree_id, {name: repository.odb.read(blob)[1] for name, blob in blobs})


def list_directory(repository: pygit2.Repository, root: str, path: str) -> dict[str, Entry]:
    """What lies under `path` of the tree `root`, links and submodules too, by path within it; empty if nothing does.

    Raises `Invalid` if the way there leads through anything but directories.
    """
    with undamaged():
        tree_id = find_directory(repository, root, path)
        if tree_id is None:
            return {}
        return {name: Entry(mode, str(oid)) for name, mode, oid in _walk(repository, pygit2.Oid(hex=tree_id), "")}


def as_entry(content: bytes) -> Entry:
    """The entry that `write_directory` would make of a file; nothing is stored."""
    return Entry(FileMode.BLOB, str(pygit2.hash(content)))


def read_entry(repository: pygit2.Repository, entry: Entry, *, max_bytes: int) -> bytes | None:
    """A file's content, or where a link leads; None if it is larger. A submodule is empty: it is elsewhere."""
    if entry.mode == FileMode.COMMIT:
        return b""
    with undamaged():
        if repository.odb.read_header(entry.id)[1] > max_bytes:
            return None
        content: bytes = repository.odb.read(entry.id)[1]
        return content


def read_file(repository: pygit2.Repository, root: str, path: str, *, max_bytes: int = MAX_BYTES) -> bytes | None:
    """One file of the tree `root`; None if nothing is there. Raises as `read_directory` does."""
    *directories, name = segments(path)
    with undamaged():
        tree_id = find_directory(repository, root, "/".join(directories)) if directories else root
        tree = _tree(repository, pygit2.Oid(hex=tree_id)) if tree_id else {}
        if name not in tree:
            return None
        mode, blob = tree[name]
        if mode not in _PLAIN:
            raise _not_plain(path, mode)
        if repository.odb.read_header(blob)[1] > max_bytes:
            raise TooLarge(f"{path!r} is larger than {max_bytes} bytes")
        return repository.odb.read(blob)[1]


def find_directory(repository: pygit2.Repository, root: str, path: str) -> str | None:
    """The tree id of the directory `path` under the tree `root`; None if nothing is there. Raises `Invalid`."""
    current = pygit2.Oid(hex=root)
    with undamaged():
        for segment in segments(path):
            entry = _tree(repository, current).get(segment)
            if entry is None:
                return None
            mode, current = entry
            if mode != FileMode.TREE:
                raise _not_plain(path, mode, segment)
    return str(current)


def write_directory(repository: pygit2.Repository, files: Mapping[str, bytes]) -> str:
    """Store files (paths with `/`) as a tree of plain files and return its id: equal files give an equal id.

    Raises `Invalid` for a name git would not take and for a path that is both a file and a directory.
    """
    with undamaged():
        tree: dict[str, object] = {}
        for path, content in files.items():
            *directories, name = segments(path)
            place = tree
            for segment in directories:
                below = place.setdefault(segment, {})
                if not isinstance(below, dict):
                    raise Invalid(f"{path!r} is below another file of the same chart")
                place = below
            if name in place:
                raise Invalid(f"{path!r} is both a file and a directory, or there twice")
            place[name] = repository.create_blob(content)
        return str(_store(repository, tree))


def replace_directory(repository: pygit2.Repository, root: str, path: str, directory: str) -> str:
    """The tree `root` with `path` replaced by the tree `directory`; every other entry keeps its mode and id.

    Missing directories on the way are made. Raises `Invalid` if a file, symbolic link or submodule is in the way.
    """
    with undamaged():
        return str(_replaced(repository, pygit2.Oid(hex=root), path, segments(path), pygit2.Oid(hex=directory)))


def empty_tree(repository: pygit2.Repository) -> str:
    """The id of the tree without entries, stored."""
    with undamaged():
        return str(repository.TreeBuilder().write())


def segments(path: str) -> list[str]:
    """The names of a path; raises `Invalid` if it could leave the repository or touch git's own files."""
    names = path.split("/")
    if not path or any(name in {"", ".", ".."} or "\0" in name or "\\" in name for name in names):
        raise Invalid(f"the path {path!r} resolves outside the repository: expected names with / between them")
    if any(name.lower() in {".git", "git~1"} for name in names):
        raise Invalid(f"the path {path!r} leads into git's own files")
    return names


def _tree(repository: pygit2.Repository, oid: pygit2.Oid) -> dict[str, tuple[int, pygit2.Oid]]:
    """The entries of a tree by name, read straight from its bytes: names that are not UTF-8 survive as surrogates."""
    kind, raw = repository.odb.read(oid)
    if kind != ObjectType.TREE:
        raise Damaged(f"object {oid} is not a tree")
    entries, at, width = {}, 0, len(oid.raw)
    while at < len(raw):
        space, end = raw.index(b" ", at), raw.index(b"\0", at)
        name = raw[space + 1 : end].decode("utf-8", "surrogateescape")
        entries[name] = (int(raw[at:space], 8), pygit2.Oid(raw=raw[end + 1 : end + 1 + width]))
        at = end + 1 + width
    return entries


def _walk(repository: pygit2.Repository, tree: pygit2.Oid, prefix: str) -> Iterator[tuple[str, int, pygit2.Oid]]:
    for name, (mode, oid) in _tree(repository, tree).items():
        if mode == FileMode.TREE:
            yield from _walk(repository, oid, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", mode, oid


def _store(repository: pygit2.Repository, tree: Mapping[str, object]) -> pygit2.Oid:
    builder = repository.TreeBuilder()
    for name, entry in tree.items():
        if isinstance(entry, dict):
            builder.insert(name, _store(repository, entry), FileMode.TREE)
        elif isinstance(entry, pygit2.Oid):
            builder.insert(name, entry, FileMode.BLOB)
    return builder.write()


def _replaced(
    repository: pygit2.Repository, root: pygit2.Oid | None, path: str, names: list[str], directory: pygit2.Oid
) -> pygit2.Oid:
    if not names:
        return directory
    name, *rest = names
    builder = repository.TreeBuilder(repository[root].peel(pygit2.Tree)) if root else repository.TreeBuilder()
    there = builder.get(name)
    if there is not None and there.filemode != FileMode.TREE:
        raise _not_plain(path, there.filemode, name)
    below = _replaced(repository, there.id if there is not None else None, path, rest, directory)
    builder.insert(name, below, FileMode.TREE)
    return builder.write()


def _not_plain(path: str, mode: int, segment: str = "") -> Invalid:
    where = f"{path!r} (at {segment!r})" if segment else repr(path)
    if mode == FileMode.LINK:
        return Invalid(f"{where} resolves outside the repository: a symbolic link may lead anywhere")
    if mode == FileMode.COMMIT:
        return Invalid(f"{where} resolves outside the repository: a submodule is another repository")
    return OtherKind(f"{where} is not a directory" if mode in _PLAIN else f"{where} is not a file")
