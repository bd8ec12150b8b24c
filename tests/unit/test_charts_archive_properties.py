from __future__ import annotations

import gzip
import io
import tarfile

from crafted_tars import CHART_YAML, crafted, entry, header, padded, pax, tar_of
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dag_common.charts.archive import Chart, read_archive
from dag_common.errors import Invalid, TooLarge

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def as_python_reads(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(content)), mode="r:") as archive:
        files = [(info, archive.extractfile(info)) for info in archive.getmembers() if info.isreg()]
        return {info.name.partition("/")[2]: file.read() for info, file in files if file}


def taken_or_refused(content: bytes) -> Chart | None:
    """Any other exception fails the test that calls this."""
    try:
        return read_archive(content)
    except (Invalid, TooLarge):
        return None


GOOD = tar_of(
    entry("podinfo/Chart.yaml", CHART_YAML), entry("podinfo/templates/", kind=tarfile.DIRTYPE),
    entry("podinfo/templates/" + "é" * 80 + ".yaml", b"kind: Service\n"), entry("podinfo/values.yaml", b"a: 1\n"),
)  # fmt: skip
GNU = tar_of(
    entry("podinfo/Chart.yaml", CHART_YAML), entry("podinfo/" + "l/" * 20 + "é" * 80), dialect=tarfile.GNU_FORMAT
)


@given(st.binary(max_size=2000))
@QUICK
def test_random_bytes_are_refused(content: bytes) -> None:
    assert taken_or_refused(content) is None
    assert taken_or_refused(gzip.compress(content, 1)) is None


@given(
    st.sampled_from(["pax", "gnu"]),
    st.lists(st.tuples(st.integers(0, 5000), st.binary(min_size=1, max_size=12)), max_size=4),
)
@settings(QUICK, max_examples=400)
def test_a_mutated_tar_is_read_as_others_read_it_or_refused(dialect: str, changes: list[tuple[int, bytes]]) -> None:
    mutated = bytearray({"pax": GOOD, "gnu": GNU}[dialect])
    for at, change in changes:
        mutated[at : at + len(change)] = change
    content = gzip.compress(bytes(mutated), 1)
    if chart := taken_or_refused(content):
        assert dict(chart.files) == as_python_reads(content)


def field(*values: bytes) -> st.SearchStrategy[bytes]:
    return st.sampled_from(values) | st.binary(max_size=12)


HEADERS = st.builds(
    header,
    field(b"podinfo/a", b"podinfo/b/", b"../x", b"podinfo"),
    st.sampled_from([b"0", b"\x00", b"1", b"2", b"5", b"x", b"g", b"L", b"K", b"S", b"7", b"D"]),
    field(b"00000000000", b"00000000010", b"77777777777", b"\x80" + bytes(10) + b"\x05", b"\xff" * 12),
    st.sampled_from([b"ustar\x0000", b"ustar  \x00", bytes(8)]),
)
RECORDS = st.tuples(
    st.sampled_from([b"path", b"size", b"linkpath", b"GNU.sparse.map", b"mtime", b"hdrcharset"]),
    field(b"podinfo/p", b"0", b"5", b"-1", b"1e3", b"podinfo/../q"),
)


def whole(name: bytes, content: bytes) -> bytes:
    return header(name, size=b"%011o" % len(content)) + padded(content)


def long_named(name: bytes, member: bytes) -> bytes:
    return header(b"long", b"L", b"%011o" % (len(name) + 1)) + padded(name + b"\x00") + member


FILE_NAMES = st.integers(0, 30).map(lambda number: b"podinfo/file-%d" % number)
FILES = st.builds(whole, FILE_NAMES, st.binary(max_size=600))
SOUND = (
    FILES
    | st.builds(lambda name, file: pax((b"path", name), (b"mtime", b"1.5")) + file, FILE_NAMES, FILES)
    | st.builds(long_named, FILE_NAMES, FILES)
    | FILE_NAMES.map(lambda name: header(name + b".d/", b"5"))
)
ODD = HEADERS | st.builds(padded, st.binary(max_size=40)) | st.lists(RECORDS, max_size=3).map(lambda some: pax(*some))
SEQUENCES = st.builds(
    lambda sound, odd, at: [*sound[:at], *odd, *sound[at:]],
    st.lists(SOUND, max_size=4),
    st.just([]) | st.lists(ODD, max_size=2),
    st.integers(0, 4),
)


@given(SEQUENCES, st.sampled_from([bytes(1024), bytes(512), b""]))
@settings(QUICK, max_examples=400)
def test_any_crafted_sequence_of_headers_is_read_as_others_read_it_or_refused(blocks: list[bytes], end: bytes) -> None:
    content = crafted(*blocks, end=end)
    if chart := taken_or_refused(content):
        assert dict(chart.files) == as_python_reads(content)


@given(st.binary(min_size=1, max_size=6), st.integers(0, 400), st.integers(0, 400))
@QUICK
def test_a_mutated_gzip_stream_gives_the_same_files_or_none(change: bytes, at: int, cut: int) -> None:
    good = gzip.compress(GOOD, mtime=0)
    mutated = good[:at] + change + good[at + len(change) :]
    chart = taken_or_refused(mutated)
    assert chart is None or chart == read_archive(good)
    assume(cut < len(good))
    assert taken_or_refused(good[:cut]) is None
