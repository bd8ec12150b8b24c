from __future__ import annotations

import gzip
import tarfile
import zlib
from dataclasses import replace

import pytest
from crafted_tars import CHART_YAML, chart_with, crafted, entry, header, padded, pax, tar_of, tgz

from dag_common.charts.archive import Chart, read_archive
from dag_common.charts.limits import DEFAULT, MIB, Limits
from dag_common.errors import Invalid, TooLarge


def refusal(content: bytes, limits: Limits = DEFAULT) -> str:
    with pytest.raises(Invalid) as refused:
        read_archive(content, limits)
    return refused.value.message


@pytest.mark.parametrize("dialect", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_every_common_dialect_is_read_the_same(dialect: int) -> None:
    deep = f"podinfo/templates/{'d' * 60}/{'e' * 50}.yaml"
    content = chart_with(
        entry("podinfo", kind=tarfile.DIRTYPE), entry("podinfo/templates/", kind=tarfile.DIRTYPE),
        entry(deep, b"deep", mode=0o755, uname="someone", mtime=1_700_000_000),
        entry("podinfo/README.md", b""), dialect=dialect,
    )  # fmt: skip
    chart = read_archive(content)
    assert chart == Chart("podinfo", "1.2.3", {"Chart.yaml": CHART_YAML, "README.md": b"", deep[8:]: b"deep"})
    assert list(chart.files) == sorted(chart.files)


@pytest.mark.parametrize("dialect", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_names_too_long_for_a_header_and_names_in_any_script_are_read(dialect: int) -> None:
    long = "podinfo/templates/" + "/".join(["long" * 30] * 3) + "/größe-配置.yaml"
    assert read_archive(chart_with(entry(long), dialect=dialect)).files[long[8:]] == b"x"


def test_the_charts_own_name_wins_over_its_folders() -> None:
    assert read_archive(tgz(entry("my-folder/Chart.yaml", CHART_YAML))).name == "podinfo"


def test_what_macos_leaves_behind_is_dropped() -> None:
    content = tgz(
        entry("._podinfo"), entry("podinfo/Chart.yaml", CHART_YAML), entry("podinfo/._Chart.yaml"),
        entry("podinfo/templates/.DS_Store"), entry("__MACOSX/podinfo/x"), entry("podinfo/.helmignore"),
    )  # fmt: skip
    assert set(read_archive(content).files) == {"Chart.yaml", ".helmignore"}


def test_the_global_header_of_git_archive_is_harmless() -> None:
    content = gzip.compress(pax((b"comment", b"4d1c3a9be0f7" * 3), kind=b"g") + gzip.decompress(crafted()))
    assert read_archive(content).name == "podinfo"


def test_an_upload_over_the_limit_is_too_large() -> None:
    with pytest.raises(TooLarge, match="larger than 1 MiB"):
        read_archive(bytes(MIB + 1), replace(DEFAULT, upload=MIB))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/podinfo/x", "absolute path"),
        ("podinfo//x", "empty name"),
        ("./podinfo/x", "'.' in its path"),
        ("podinfo/../x", "'..' in its path"),
        ("podinfo/..", "'..' in its path"),
        ("podinfo/a\\b", "backslash"),
        ("podinfo/c:/x", "drive letter"),
        ("podinfo/a\nb", "control character U+000A"),
        ("podinfo/a\u202eb", "invisible character U+202E"),
        ("podinfo/.git/config", "git"),
        ("podinfo/.GIT", "git"),
        ("podinfo/.git./x", "git"),
        ("podinfo/.git /x", "git"),
        ("podinfo/GIT~1/x", "git"),
        ("podinfo/.git::$INDEX_ALLOCATION/x", "git"),
        ("podinfo/.g\u200cit/config", "invisible character U+200C"),
        ("podinfo/.gitmodules", "IaC repository"),
        ("podinfo/templates/.gitattributes", "IaC repository"),
        ("podinfo/GITMOD~1", "IaC repository"),
        ("podinfo/" + "n" * 256, "longer than 255 bytes"),
        ("podinfo/" + "/".join(["n" * 200] * 6), "longer than 1024 bytes"),
        ("podinfo/" + "/".join("n" * 40), "32 directories deep"),
    ],
)
def test_a_name_that_could_do_harm_is_refused_with_its_reason(name: str, reason: str) -> None:
    message = refusal(chart_with(entry(name)))
    assert reason in message
    assert "\n" not in message


def test_gits_own_harmless_files_may_stay() -> None:
    assert ".gitignore" in read_archive(chart_with(entry("podinfo/.gitignore"))).files


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (tarfile.SYMTYPE, "symbolic link"), (tarfile.LNKTYPE, "hard link"), (tarfile.CHRTYPE, "character device"),
        (tarfile.BLKTYPE, "block device"), (tarfile.FIFOTYPE, "named pipe"), (tarfile.CONTTYPE, "unusual type"),
        (tarfile.GNUTYPE_SPARSE, "sparse"), (b"K", "link"), (b"V", "unusual type"), (b"X", "unusual type"),
    ],
)  # fmt: skip
def test_only_files_and_directories_are_taken(kind: bytes, reason: str) -> None:
    message = refusal(crafted(header(b"podinfo/evil", kind)))
    assert reason in message
    assert "'podinfo/evil'" in message


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ("podinfo/a", "podinfo/a", "twice"),
        ("podinfo/a", "podinfo/A", "letter case"),
        ("podinfo/templates/a", "podinfo/Templates/b", "letter case"),
        ("podinfo/caf\u00e9", "podinfo/cafe\u0301", "accents"),
        ("podinfo/stra\u00dfe", "podinfo/STRASSE", "letter case"),
        ("podinfo/a", "podinfo/a/b", "both as a file and as a directory"),
        ("podinfo/a/b", "podinfo/a", "both as a file and as a directory"),
        ("podinfo/a", "other/b", "two top directories"),
        ("podinfo/a", "README.md", "lies outside"),
        ("podinfo/a", "podinfo/chart.yaml", "letter case"),
    ],
)
def test_members_that_collide_are_refused(first: str, second: str, reason: str) -> None:
    assert reason in refusal(chart_with(entry(first), entry(second)))


@pytest.mark.parametrize(
    ("blocks", "reason"),
    [
        ([header(b"podinfo/a", size=b"\xff" * 12)], "no valid size"),
        ([header(b"podinfo/a", size=b"-0000000001")], "no valid size"),
        ([header(b"podinfo/a", size=b"\x000000000010")], "no valid size"),
        ([header(b"podinfo/a", size=b"\x80" + b"\xff" * 11)], "larger than 5 MiB"),
        ([header(b"podinfo/a", size=b"00000004000")], "cut short inside 'podinfo/a'"),
        ([header(b"podinfo/a/", size=b"00000000000", kind=b"\x00")], "directory's name"),
        ([header(b"podinfo/a", size=b"00000000001", kind=b"5"), bytes(512)], "claims to have content"),
        ([header(b"podinfo/a", magic=b"ustar  \x00", prefix=b"podinfo")], "unusual tar dialect"),
        ([header(b"podinfo/a", padding=b"tar\x00")], "unusual tar dialect"),
        ([header(b"podinfo/a", magic=b"abcdefgh")], "unusual tar dialect"),
        ([header(b"podinfo/\xff")], "not UTF-8"),
        ([bytes(511) + b"x"], "damaged"),
        ([pax((b"comment", b"x"), kind=b"g")], "ends where a member must follow"),
        ([pax((b"path", b"podinfo/x"))], "ends where a member must follow"),
        ([pax((b"path", b"podinfo/x")), pax((b"path", b"podinfo/y"))], "two extended headers"),
        ([pax((b"path", b"podinfo/x"), (b"path", b"podinfo/y"))], "damaged extended header"),
        ([pax((b"path", b"podinfo/x"), kind=b"g")], "names or sizes every member"),
        ([pax((b"size", b"-1")), header(b"podinfo/a")], "extended header with the size"),
        ([pax((b"size", b"9" * 30)), header(b"podinfo/a")], "extended header with the size"),
        ([pax((b"size", b"999999999")), header(b"podinfo/a")], "larger than 5 MiB"),
        ([pax((b"path", b"../../etc/passwd")), header(b"podinfo/a")], "'..' in its path"),
        ([pax((b"path", b"")), header(b"podinfo/a")], "empty name"),
        ([pax((b"hdrcharset", b"ISO-IR 8859 1")), header(b"podinfo/a")], "not UTF-8"),
        ([header(b"podinfo/a", b"S", magic=b"ustar  \x00", prefix=b"1")], "Pack without `--sparse`"),
        ([pax((b"GNU.sparse.major", b"1")), header(b"podinfo/a")], "sparse"),
        ([header(b"pax", b"x", b"77777777777")], "extended header over 64 KiB"),
        ([header(b"pax", b"x", b"00000000013"), padded(b"0 path=abc\n")], "damaged extended header"),
        ([header(b"pax", b"x", b"00000000013"), padded(b"99 path=ab\n")], "damaged extended header"),
        ([header(b"pax", b"x", b"00000000024"), padded(b"10 path=ab\nx path=ab\n")], "damaged extended header"),
        ([header(b"long", b"L", b"00000000014"), padded(b"podinfo/../x"), header(b"podinfo/a")], "'..' in its path"),
        (
            [header(b"long", b"L", b"00000000011"), padded(b"podinfo/b"), pax((b"path", b"podinfo/c")), header(b"a")],
            "names one member twice",
        ),
    ],
)
def test_a_crafted_header_is_refused(blocks: list[bytes], reason: str) -> None:
    assert reason in refusal(crafted(*blocks))


def test_an_archive_is_taken_to_its_very_end_or_not_at_all() -> None:
    whole = tar_of(entry("podinfo/Chart.yaml", CHART_YAML), entry("podinfo/values.yaml", b"a: 1\n"))
    damaged = bytearray(whole)
    damaged[1024] ^= 0xFF
    assert "damaged" in refusal(gzip.compress(bytes(damaged), mtime=0))
    assert "no end mark" in refusal(gzip.compress(whole[:2048], mtime=0))
    assert "after its end mark" in refusal(gzip.compress(whole + header(b"podinfo/late") + bytes(1024), mtime=0))
    assert "after its end" in refusal(gzip.compress(whole, mtime=0) + gzip.compress(b""))
    assert "after its end" in refusal(gzip.compress(whole, mtime=0) + b"\x00")
    assert "cut short" in refusal(gzip.compress(whole, mtime=0)[:-1])


def test_a_wrong_checksum_of_the_gzip_stream_is_refused() -> None:
    content = bytearray(chart_with())
    content[-6] ^= 1
    assert "damaged" in refusal(bytes(content))


def test_a_decompression_bomb_is_refused_before_it_fills_memory() -> None:
    zeros = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = zeros.compress(bytes(24 * MIB)) + zeros.flush()
    assert "200 times its packed size" in refusal(bomb)
    assert "unpacks to more than 1 MiB" in refusal(bomb, replace(DEFAULT, unpacked=MIB))


def test_limits_on_files_and_members_name_what_is_over_them() -> None:
    message = refusal(chart_with(entry("podinfo/big", bytes(2048))), replace(DEFAULT, file=1024))
    assert "'podinfo/big' is larger than 1 KiB" in message
    many = chart_with(*(entry(f"podinfo/{n}") for n in range(20)))
    assert "more than 20 members" in refusal(many, replace(DEFAULT, members=20))
    assert len(read_archive(many, replace(DEFAULT, members=21)).files) == 21


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a gzip archive"),
        (b"PK\x03\x04", "not a gzip archive"),
        (gzip.compress(b"", mtime=0), "no end mark"),
        (gzip.compress(bytes(1024), mtime=0), "holds no files"),
        (tgz(entry("podinfo/values.yaml")), "no Chart.yaml"),
        (tgz(entry("a/b/Chart.yaml", CHART_YAML)), "no Chart.yaml"),
        (tgz(entry("Chart.yaml", CHART_YAML)), "lies outside the chart's directory"),
        (tgz(entry("podinfo/Chart.yaml", kind=tarfile.DIRTYPE)), "holds no files"),
    ],
)
def test_what_is_no_chart_archive_says_how_to_make_one(content: bytes, reason: str) -> None:
    assert reason in refusal(content)


@pytest.mark.parametrize(
    ("chart_yaml", "reason"),
    [
        ("", "apiVersion is ''; it must be v1 or v2"),
        ("apiVersion: v3\nname: a\nversion: 1.0.0", "'v3'"),
        ("apiVersion: v2\nversion: 1.0.0", "no name"),
        ("apiVersion: v2\nname: ''\nversion: 1.0.0", "no name"),
        ("apiVersion: v2\nname: [a]\nversion: 1.0.0", "one value"),
        ("apiVersion: v2\nname: ..\nversion: 1.0.0", "is a path"),
        ("apiVersion: v2\nname: ../../etc\nversion: 1.0.0", "is a path"),
        ("apiVersion: v2\nname: .git\nversion: 1.0.0", "git"),
        ('apiVersion: v2\nname: "a\\tb"\nversion: 1.0.0', "control character"),
        ("apiVersion: v2\nname: a", "no version"),
        ("apiVersion: v2\nname: a\nversion: latest", "'latest' is not a version"),
        ("apiVersion: v2\nname: a\nversion: 1.0.0-01", "not a version"),
        ("apiVersion: v2\nname: a\nversion: 99999999999999999999.0.0", "not a version"),
        ("apiVersion: v2\nname: a\nversion: 1.0.0\ntype: plugin", "application or library"),
        ("apiVersion: v2\nname: a\nversion: 1.0.0\ndependencies: [null]", "list of entries"),
        ("apiVersion: v2\nname: a\nversion: 1.0.0\ndependencies: [{name: b}, {name: c, alias: b}]", "called 'b'"),
        ("apiVersion: v2\nname: a\nversion: 1.0.0\n  bad: [", "line 4"),
    ],
)
def test_a_chart_that_helm_would_not_load_is_refused(chart_yaml: str, reason: str) -> None:
    assert reason in refusal(tgz(entry("podinfo/Chart.yaml", chart_yaml.encode())))


@pytest.mark.parametrize(
    ("written", "seen"),
    [("v1.2", "v1.2"), ("1", "1"), ("1.10", "1.1"), ("'1.10'", "1.10"), ("1.0.0-rc.1+b", "1.0.0-rc.1+b")],
)
def test_a_version_is_read_as_helm_reads_it(written: str, seen: str) -> None:
    chart_yaml = f"apiVersion: v1\nname: 7\nversion: {written}\ntype: library\n".encode()
    chart = read_archive(tgz(entry("x/Chart.yaml", chart_yaml)))
    assert (chart.name, chart.version) == ("7", seen)
