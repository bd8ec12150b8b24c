from __future__ import annotations

from pathlib import Path

import pygit2
import pytest
from pygit2.enums import FileMode, ObjectType

from dag_common.errors import Invalid
from dag_common.iac.tree import empty_tree, replace_directory, write_directory
from dag_gateway.queries.diffs import MAX_COMPARED_BYTES, MAX_DIFF_BYTES, TOO_LARGE, Diff, Side, difference
from dag_gateway.queries.plans import MAX_DIFFS_BYTES, MAX_FILES, planned_files


def plain(content: bytes) -> Side:
    return Side(FileMode.BLOB, content)


def test_a_changed_file_is_told_by_its_lines() -> None:
    diff = difference("values.yaml", plain(b"a: 1\nb: 1\n"), plain(b"a: 1\nb: 2\n"))
    assert diff == Diff("--- a/values.yaml\n+++ b/values.yaml\n@@ -1,2 +1,2 @@\n a: 1\n-b: 1\n+b: 2\n")


def test_an_added_and_a_removed_file_have_nothing_on_the_other_side() -> None:
    assert difference("x", None, plain(b"a\n")) == Diff("--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+a\n")
    assert difference("x", plain(b"a\n"), None) == Diff("--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n")
    assert difference("x", None, plain(b"")) == Diff("--- /dev/null\n+++ b/x\n")


def test_a_last_line_that_does_not_end_is_told() -> None:
    diff = difference("x", plain(b"a\n"), plain(b"a"))
    assert diff == Diff("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+a\n\\ No newline at end of file\n")


def test_a_file_that_only_stops_being_executable_is_told_by_its_mode() -> None:
    assert difference("x", Side(FileMode.BLOB_EXECUTABLE, b"a"), plain(b"a")) == Diff(
        "old mode 100755\nnew mode 100644\n"
    )


@pytest.mark.parametrize("content", [b"\0", b"text\n\xff\n", b"\x1f\x8b\x08"])
def test_a_binary_file_has_no_diff(content: bytes) -> None:
    assert difference("x", None, plain(content)) == Diff(None)
    assert difference("x", plain(content), plain(b"text\n")) == Diff(None)


def test_a_long_diff_is_cut_after_a_whole_line() -> None:
    diff = difference("x", None, plain(b"line\n" * 20_000))
    assert diff.truncated
    assert diff.text is not None
    assert MAX_DIFF_BYTES - len("+line\n") < len(diff.text) <= MAX_DIFF_BYTES
    assert diff.text.endswith("\n+line\n")


def test_what_is_too_large_to_compare_is_not_compared() -> None:
    large = plain(b"a" * (MAX_COMPARED_BYTES + 1))
    assert difference("x", large, plain(b"a")) == TOO_LARGE
    assert difference("x", Side(FileMode.BLOB, None), plain(b"a")) == TOO_LARGE
    assert difference("x", None, plain(b"a"), room=0) == TOO_LARGE


@pytest.fixture
def repository(tmp_path: Path) -> pygit2.Repository:
    return pygit2.init_repository(str(tmp_path / "repository"), bare=True)


def rooted(repository: pygit2.Repository, files: dict[str, bytes]) -> str:
    return write_directory(repository, {f"apps/shop/{path}": content for path, content in files.items()})


def test_files_are_told_in_order_and_what_is_the_same_is_not(repository: pygit2.Repository) -> None:
    root = rooted(repository, {"Chart.yaml": b"1\n", "old": b"old\n", "same": b"same\n"})
    files, omitted = planned_files(
        repository, root, "apps/shop", {"Chart.yaml": b"2\n", "new": b"new\n", "same": b"same\n"}
    )
    assert [(file.path, file.change) for file in files] == [
        ("Chart.yaml", "changed"),
        ("new", "added"),
        ("old", "removed"),
    ]
    assert omitted == 0
    assert planned_files(repository, root, "apps/shop", {"Chart.yaml": b"1\n", "old": b"old\n", "same": b"same\n"}) == (
        (),
        0,
    )


def test_planning_stores_nothing(repository: pygit2.Repository) -> None:
    root = rooted(repository, {"Chart.yaml": b"1\n"})
    before = list(repository.odb)
    planned_files(repository, root, "apps/shop", {"Chart.yaml": b"2\n"})
    planned_files(repository, None, "apps/shop", {"Chart.yaml": b"2\n"})
    assert list(repository.odb) == before


def test_a_plan_says_what_it_leaves_out(repository: pygit2.Repository) -> None:
    many = {f"{number:04}": b"line\n" * 20_000 for number in range(MAX_FILES + 7)}
    files, omitted = planned_files(repository, None, "apps/shop", many)
    assert (len(files), omitted) == (MAX_FILES, 7)
    assert all(file.truncated for file in files)
    assert sum(len(file.diff) for file in files if isinstance(file.diff, str)) <= MAX_DIFFS_BYTES
    assert isinstance(files[0].diff, str)
    assert not isinstance(files[-1].diff, str)


def test_what_strangers_left_inside_is_replaced_and_what_they_left_on_the_way_is_refused(
    repository: pygit2.Repository,
) -> None:
    link = repository.create_blob(b"../../etc/passwd")
    entries = [
        (b"160000", b"elsewhere", b"\x12" * 20),
        (b"120000", b"values.yaml", link.raw),
        (b"100644", b"\xff", link.raw),
    ]
    directory = repository.odb.write(ObjectType.TREE, b"".join(b"%s %s\0%s" % entry for entry in entries))
    root = replace_directory(repository, empty_tree(repository), "apps/shop", str(directory))
    files, _ = planned_files(repository, root, "apps/shop", {"values.yaml": b"a: 1\n"})
    assert [(file.path, file.change) for file in files] == [
        ("elsewhere", "removed"),
        ("values.yaml", "changed"),
        ("�", "removed"),
    ]
    assert str(files[1].diff).startswith("old mode 120000\nnew mode 100644\n--- ")
    with pytest.raises(Invalid, match="symbolic link"):
        planned_files(repository, root, "apps/shop/values.yaml/deeper", {})
