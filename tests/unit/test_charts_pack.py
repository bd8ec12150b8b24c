from __future__ import annotations

import gzip
import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dag_common.charts.archive import Chart, read_archive
from dag_common.charts.limits import DEFAULT
from dag_common.charts.names import folded, is_dropping, wrong_with
from dag_common.charts.pack import pack
from dag_common.charts.version import stamp
from dag_common.errors import Invalid

CHART_YAML = b"apiVersion: v2\nname: podinfo\nversion: 1.2.3\n"


def test_the_archive_is_a_charts_directory_with_fixed_metadata() -> None:
    packed = pack("podinfo", {"values.yaml": b"a: 1\n", "Chart.yaml": CHART_YAML, "templates/" + "ü" * 90: b""})
    assert packed[3:8] == bytes(5), "the gzip header carries no name and no time"
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(packed)), mode="r:") as archive:
        members = archive.getmembers()
    assert [m.name for m in members] == ["podinfo/Chart.yaml", "podinfo/templates/" + "ü" * 90, "podinfo/values.yaml"]
    assert {(m.mode, m.mtime, m.uid, m.gid, m.uname, m.gname, m.isreg()) for m in members} == {
        (0o644, 0, 0, 0, "", "", True)
    }


def test_order_of_the_files_does_not_show() -> None:
    files = {"Chart.yaml": CHART_YAML, "values.yaml": b"", "templates/a.yaml": b"x"}
    assert pack("podinfo", files) == pack("podinfo", dict(reversed(files.items())))


@pytest.mark.parametrize(
    ("name", "path"), [("..", "a"), ("", "a"), ("a/b", "a"), ("a", "../b"), ("a", "/b"), ("a", "b//c")]
)
def test_nothing_is_packed_outside_the_charts_directory(name: str, path: str) -> None:
    with pytest.raises(Invalid, match="leaves the chart"):
        pack(name, {path: b""})


def test_a_packed_chart_can_be_deployed_again() -> None:
    once = stamp(read_archive(pack("podinfo", {"Chart.yaml": CHART_YAML, "values.yaml": b"a: 1\n"})), "feature/x")
    again = stamp(read_archive(pack(once.name, once.files)), "feature/x")
    assert again == once


LETTERS = st.characters(categories=("Ll", "Nd", "Po", "Sm", "So"), exclude_characters="/\\")
PART = st.text(LETTERS, min_size=1, max_size=12).filter(
    lambda part: not wrong_with(part, DEFAULT) and not is_dropping((part,)) and folded(part) == part
)
FILES = st.dictionaries(
    st.lists(PART, min_size=1, max_size=6).map(lambda parts: "/".join(("templates", *parts, "x.y"))),
    st.binary(max_size=600),
    max_size=6,
)


@given(FILES)
@settings(max_examples=60, deadline=None)
def test_what_was_packed_is_read_back_the_same(files: dict[str, bytes]) -> None:
    whole = {**files, "Chart.yaml": CHART_YAML}
    paths = {path.rpartition("/")[0] for path in whole}
    if any(parent in whole for parent in paths):
        return
    assert read_archive(pack("podinfo", whole)) == Chart("podinfo", "1.2.3", dict(sorted(whole.items())))
