"""Trees read and rewritten without a work tree."""

from __future__ import annotations

from pathlib import Path

import pygit2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pygit2.enums import FileMode

from dag_common.errors import Invalid, TooLarge
from dag_common.iac.damage import Damaged
from dag_common.iac.tree import (
    empty_tree,
    find_directory,
    read_directory,
    read_file,
    replace_directory,
    segments,
    write_directory,
)

NAMES = st.sampled_from(["a", "b", "c", "values.yaml", "ünïcode", "with space"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
FILES = st.dictionaries(PATHS, st.binary(max_size=8), max_size=6)


@pytest.fixture
def repository(tmp_path: Path) -> pygit2.Repository:
    return pygit2.init_repository(str(tmp_path / "repository"), bare=True)


def everything(repository: pygit2.Repository, root: str) -> dict[str, tuple[int, str]]:
    """Every entry below a tree, by path."""
    index = pygit2.Index()
    index.read_tree(repository[root].peel(pygit2.Tree))
    return {entry.path: (entry.mode, str(entry.id)) for entry in index}


def mixed_tree(repository: pygit2.Repository) -> str:
    """A tree with every kind of entry there is."""
    blob = repository.create_blob(b"text")
    index = pygit2.Index()
    for path, mode in {
        "README.md": FileMode.BLOB,
        "apps/run.sh": FileMode.BLOB_EXECUTABLE,
        "apps/link": FileMode.LINK,
        "apps/web/Chart.yaml": FileMode.BLOB,
        "apps/web/templates/a.yaml": FileMode.BLOB,
        "apps/linked/latest": FileMode.LINK,
    }.items():
        index.add(pygit2.IndexEntry(path, blob, mode))
    index.add(pygit2.IndexEntry("apps/module", pygit2.Oid(hex="12" * 20), FileMode.COMMIT))
    return str(index.write_tree(repository))


def test_only_the_replaced_directory_changes(repository: pygit2.Repository) -> None:
    root = mixed_tree(repository)
    chart = write_directory(repository, {"Chart.yaml": b"new", "templates/b.yaml": b"b"})
    after = replace_directory(repository, root, "apps/web", chart)
    outside = {path: entry for path, entry in everything(repository, root).items() if not path.startswith("apps/web/")}
    assert {p: e for p, e in everything(repository, after).items() if not p.startswith("apps/web/")} == outside
    content = read_directory(repository, after, "apps/web")
    assert content is not None
    assert content.files == {"Chart.yaml": b"new", "templates/b.yaml": b"b"}
    assert content.tree == chart == find_directory(repository, after, "apps/web")


def test_a_path_used_first_is_made_with_its_parents(repository: pygit2.Repository) -> None:
    chart = write_directory(repository, {"Chart.yaml": b"new"})
    after = replace_directory(repository, empty_tree(repository), "clusters/eu/apps/web", chart)
    assert list(everything(repository, after)) == ["clusters/eu/apps/web/Chart.yaml"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("apps/link", "symbolic link"),
        ("apps/link/web", "symbolic link"),
        ("apps/module", "submodule"),
        ("apps/module/web", "submodule"),
        ("README.md", "not a directory"),
        ("README.md/web", "not a directory"),
    ],
)
def test_what_is_in_the_way_is_never_followed_or_replaced(repository: pygit2.Repository, path: str, words: str) -> None:
    root = mixed_tree(repository)
    with pytest.raises(Invalid, match=words):
        replace_directory(repository, root, path, write_directory(repository, {"a": b""}))
    with pytest.raises(Invalid, match=words):
        read_directory(repository, root, path)
    with pytest.raises(Invalid, match=words):
        read_file(repository, root, f"{path}/values.yaml")


@pytest.mark.parametrize(
    "path", ["", ".", "..", "/etc", "a/../../b", "a//b", "a/", "./a", "a/.git", ".GIT/config", "a\\b", "a\0b"]
)
def test_a_path_that_could_leave_the_repository_is_invalid(repository: pygit2.Repository, path: str) -> None:
    for use in (read_directory, read_file, find_directory):
        with pytest.raises(Invalid):
            use(repository, empty_tree(repository), path)
    with pytest.raises(Invalid):
        write_directory(repository, {path: b""})


def test_a_link_inside_a_chart_is_not_followed(repository: pygit2.Repository) -> None:
    with pytest.raises(Invalid, match=r"apps/linked/latest.*symbolic link"):
        read_directory(repository, mixed_tree(repository), "apps/linked")


def test_what_is_not_there_is_none(repository: pygit2.Repository) -> None:
    root = mixed_tree(repository)
    assert read_directory(repository, root, "apps/other") is None
    assert read_file(repository, root, "apps/web/values.yaml") is None
    assert read_file(repository, root, "apps/other/values.yaml") is None
    assert read_file(repository, root, "apps/web/Chart.yaml") == b"text"
    assert read_file(repository, root, "README.md") == b"text"


def test_reads_are_bounded(repository: pygit2.Repository) -> None:
    root = write_directory(repository, {"c/a": b"x" * 60, "c/b": b"x" * 60})
    with pytest.raises(TooLarge, match="2 files"):
        read_directory(repository, root, "c", max_files=1)
    with pytest.raises(TooLarge, match="120 bytes"):
        read_directory(repository, root, "c", max_bytes=100)
    with pytest.raises(TooLarge, match="larger than 10 bytes"):
        read_file(repository, root, "c/a", max_bytes=10)


def test_missing_objects_are_damage_not_absence(repository: pygit2.Repository) -> None:
    with pytest.raises(Damaged):
        read_directory(repository, "ab" * 20, "apps")
    with pytest.raises(Damaged):
        replace_directory(repository, "ab" * 20, "apps", "ab" * 20)


@pytest.mark.parametrize("files", [{"a": b"", "a/b": b""}, {"a/b": b"", "a": b""}, {"a/b/c": b"", "a/b": b""}])
def test_a_file_that_is_also_a_directory_is_invalid(repository: pygit2.Repository, files: dict[str, bytes]) -> None:
    with pytest.raises(Invalid):
        write_directory(repository, files)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(files=FILES.filter(bool), path=PATHS, before=FILES)
def test_what_was_written_is_read_back_and_nothing_else_moves(
    repository: pygit2.Repository, files: dict[str, bytes], path: str, before: dict[str, bytes]
) -> None:
    try:
        root, chart = write_directory(repository, before), write_directory(repository, files)
        after = replace_directory(repository, root, path, chart)
    except Invalid:
        clash = any(path.startswith(f"{file}/") or path == file for file in before)
        assert clash or _clashes(before) or _clashes(files)
        return
    content = read_directory(repository, after, path)
    assert content is not None
    assert content.files == files
    kept = {p: e for p, e in everything(repository, root).items() if not p.startswith(f"{path}/")}
    assert {p: e for p, e in everything(repository, after).items() if not p.startswith(f"{path}/")} == kept
    assert replace_directory(repository, after, path, chart) == after


def _clashes(files: dict[str, bytes]) -> bool:
    return any(other.startswith(f"{file}/") for file in files for other in files)


def test_segments_are_the_names_of_a_path() -> None:
    assert segments("apps/web") == ["apps", "web"]
