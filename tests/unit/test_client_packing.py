from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path, PurePosixPath

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dag_client.errors import Misused
from dag_client.globs import Glob
from dag_client.helmignore import Rules
from dag_client.overrides import Overrides
from dag_client.packing import left_out, pack, read_chart

NONE = Overrides()


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    for name, text in {
        "Chart.yaml": "name: shop\nversion: 1.0.0\n",
        "values.yaml": "# how many\nreplicas: 1\nimage: {tag: old, pull: yes}\nlist: [1, 2]\n",
        "templates/deployment.yaml": "kind: Deployment\n",
        "templates/.hidden.yaml": "no\n",
        "crds/one.yaml": "kind: X\n",
        "README.md": "read me\n",
        "secret.env": "TOKEN=1\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_only_what_belongs_to_a_chart_is_packed_below_one_directory(chart: Path) -> None:
    assert _names(pack(chart, NONE)) == [
        "shop/Chart.yaml",
        "shop/crds/one.yaml",
        "shop/templates/deployment.yaml",
        "shop/values.yaml",
    ]


def test_what_is_left_out_is_told_but_for_what_nobody_misses(chart: Path) -> None:
    for name in ("files/app.conf", "scratch/one.txt", ".git/HEAD"):
        (chart / name).parent.mkdir(exist_ok=True)
        (chart / name).write_text("x")
    (chart / ".helmignore").write_text("scratch/\n")
    assert left_out(chart) == ["files/", "secret.env"]
    assert left_out(chart / "Chart.yaml") == []


def test_everything_is_packed_on_demand(chart: Path) -> None:
    names = _names(pack(chart, NONE, include_all=True))
    assert {"shop/README.md", "shop/secret.env"} <= set(names)


def test_ignored_files_stay_out(chart: Path) -> None:
    (chart / ".helmignore").write_text("# comment\n\n*.env\ncrds/\n")
    names = _names(pack(chart, NONE, include_all=True))
    assert "shop/secret.env" not in names
    assert "shop/crds/one.yaml" not in names
    assert "shop/.helmignore" in names


def test_the_same_folder_packs_to_the_same_bytes_whatever_its_times_and_modes(chart: Path) -> None:
    before = pack(chart, NONE)
    (chart / "values.yaml").chmod(0o600)
    os.utime(chart / "Chart.yaml", (1, 1))
    assert pack(chart, NONE) == before


def test_the_top_directory_is_the_folders_real_name(chart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(chart)
    assert _names(pack(Path(), NONE))[0] == "shop/Chart.yaml"


def test_a_linked_file_is_packed_as_its_content(chart: Path, tmp_path: Path) -> None:
    (tmp_path / "shared.yaml").write_text("shared: true\n")
    (chart / "templates/shared.yaml").symlink_to(tmp_path / "shared.yaml")
    assert _file(pack(chart, NONE), "shop/templates/shared.yaml") == b"shared: true\n"


def test_a_link_in_a_circle_is_refused(chart: Path) -> None:
    (chart / "templates/round").symlink_to(chart)
    with pytest.raises(Misused, match="leads back"):
        pack(chart, NONE)


def test_a_broken_link_is_refused_by_name(chart: Path) -> None:
    (chart / "templates/gone.yaml").symlink_to("nowhere")
    with pytest.raises(Misused, match=r"gone\.yaml"):
        pack(chart, NONE)


def test_a_folder_without_chart_yaml_is_no_chart(tmp_path: Path) -> None:
    with pytest.raises(Misused, match=r"no Chart\.yaml"):
        pack(tmp_path, NONE)


def test_a_packed_chart_is_sent_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(b"bytes")
    assert read_chart(tmp_path / "a.tar.gz", NONE) == b"bytes"


def test_overrides_need_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.tgz").write_bytes(b"bytes")
    with pytest.raises(Misused, match="packed already"):
        read_chart(tmp_path / "a.tgz", Overrides(strings=["a=b"]))


@pytest.mark.parametrize(("name", "message"), [("gone", "no chart at"), ("x.zip", "neither a folder nor")])
def test_what_is_no_chart_is_told(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "x.zip").touch()
    with pytest.raises(Misused, match=message):
        read_chart(tmp_path / name, NONE)


def test_overrides_apply_in_their_order_to_a_copy(chart: Path, tmp_path: Path) -> None:
    before = (chart / "values.yaml").read_bytes()
    (tmp_path / "prod.yaml").write_text("replicas: 3\nimage: {tag: mid}\nlist: [9]\nnew: {a: 1}\n")
    (tmp_path / "motd").write_text("line one\nline two\n")
    overrides = Overrides(
        values_files=[tmp_path / "prod.yaml"],
        strings=["image.tag=1e3", "new.b.c=yes", r"image.dotted\.key=x"],
        json=["replicas=5"],
        files=[f"motd={tmp_path / 'motd'}"],
    )
    packed = _file(pack(chart, overrides), "shop/values.yaml")
    assert (chart / "values.yaml").read_bytes() == before
    assert packed.startswith(b"# how many\n")
    assert yaml.safe_load(packed) == {
        "replicas": 5,
        "image": {"tag": "1e3", "pull": True, "dotted.key": "x"},
        "list": [9],
        "new": {"a": 1, "b": {"c": "yes"}},
        "motd": "line one\nline two\n",
    }


def test_values_yaml_is_made_where_there_was_none(chart: Path) -> None:
    (chart / "values.yaml").unlink()
    packed = _file(pack(chart, Overrides(strings=["a.b=c"])), "shop/values.yaml")
    assert yaml.safe_load(packed) == {"a": {"b": "c"}}


@pytest.mark.parametrize("values", [b"# why\n\n# how\n", b"# why\n---\n# how", b"# why\nnull\n# how\r\n"])
def test_comments_stay_where_there_is_nothing_but_comments(values: bytes) -> None:
    packed = Overrides(strings=["a=b"]).apply(values)
    assert [line for line in packed.splitlines() if line] == [b"# why", b"# how", b'a: "b"']


def test_an_override_does_not_show_through_an_alias() -> None:
    packed = Overrides(strings=["second.x=2"]).apply(b"first: &a {x: '1'}\nsecond: *a\n")
    assert yaml.safe_load(packed) == {"first": {"x": "1"}, "second": {"x": "2"}}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (Overrides(strings=["novalue"]), "key=value"),
        (Overrides(strings=["a..b=1"]), "key=value"),
        (Overrides(json=["a={"]), "--set-json a: the value is not JSON"),
        (Overrides(json=["a=NaN"]), "not in JSON"),
        (Overrides(files=["a=/no/such/file"]), "cannot be read"),
        (Overrides(values_files=[Path("/no/such/file")]), "--values-file"),
        (Overrides(strings=["replicas.deep=1"]), "'replicas' holds a value"),
    ],
)
def test_a_wrong_override_is_told_by_its_flag(overrides: Overrides, message: str) -> None:
    with pytest.raises(Misused, match=message):
        overrides.apply(b"replicas: 1\n")


@pytest.mark.parametrize("values", [b"- a list\n", b"a: [\n", b"\xff\xfe\xff"])
def test_values_that_are_no_mapping_are_refused(values: bytes) -> None:
    with pytest.raises(Misused, match=r"values\.yaml"):
        Overrides(strings=["a=b"]).apply(values)


@given(st.text())
def test_any_text_that_is_set_is_read_back_as_that_text(text: str) -> None:
    plain = text.encode("utf-8", "ignore").decode()
    packed = Overrides(strings=[f"key={plain}"]).apply(b"other: 1\n")
    assert yaml.safe_load(packed) == {"other": 1, "key": plain}


@pytest.mark.parametrize(
    ("rule", "path", "directory", "ignored"),
    [
        ("*.md", "docs/a.md", False, True),
        ("/a.md", "a.md", False, True),
        ("/a.md", "docs/a.md", False, False),
        ("docs/*.md", "docs/a.md", False, True),
        ("docs/*.md", "docs/deep/a.md", False, False),
        ("docs/", "docs", False, False),
        ("docs/", "docs", True, True),
        ("a?c", "abc", False, True),
        ("a[0-9]", "a7", False, True),
        ("a[^0-9]", "a7", False, False),
        (r"a\*", "a*", False, True),
        (r"a\*", "ab", False, False),
        ("!keep", "other", False, True),
        ("!keep", "keep", False, False),
        ("a.b", "axb", False, False),
    ],
)
def test_ignore_rules_match_as_in_helm(rule: str, path: str, directory: bool, ignored: bool) -> None:
    assert Rules([rule]).ignores(PurePosixPath(path), directory=directory) is ignored


REFUSED = (
    *("a/**/b", "[", "[a", "[a-", "[a-]", "[-a]", "[]", "[]a]", "[^", "[^]", "[^]a]", "[-]", "[a-c-e]", "a[", "*["),
    *("ab\\", "[\\", "[\\]", "[a\\", "[a-\\", "z[a", "*.md[", "![a", "[a/", "x*[^", "\\"),
)


@pytest.mark.parametrize("rule", REFUSED)
def test_a_rule_that_helm_refuses_is_refused(rule: str) -> None:
    with pytest.raises(Misused, match="helmignore"):
        Rules([rule])


@pytest.mark.parametrize(
    ("rule", "name", "ignored"),
    [
        ("[z-a]", "m", False),
        ("[^z-a]", "m", True),
        ("a]", "a]", True),
        ("]", "]", True),
        ("[!a]", "!", True),
        ("[a^]", "^", True),
        ("[[]", "[", True),
        ("[a*]", "*", True),
        ("[a*]", "ab", False),
        (r"[\]]", "]", True),
        (r"[a\-c]", "b", False),
        (r"[a\-c]", "-", True),
        (r"[\a-c]", "b", True),
        ("a\\/", "a", False),
        ("!a\\/", "a", True),
        ("a[?]", "a?", True),
        ("é?", "éü", True),
        ("*a*b", "xxaxxb", True),
        ("*a*b", "xxbxxa", False),
        ("*ab", "aab", True),
        ("*.tar.*", "a.tar.tar.gz", True),
        ("a*", "a", True),
        ("*", "", True),
    ],
)
def test_a_rule_that_helm_takes_matches_as_there(rule: str, name: str, ignored: bool) -> None:
    assert Rules([rule]).ignores(PurePosixPath(name), directory=False) is ignored


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("a[^x]b", "a/b", True),
        ("a?b", "a/b", False),
        ("a*b", "a/b", False),
        ("*[^x]y*z", "ayb/yz", False),
        ("*/b", "a/b", True),
        ("*b", "a/b", False),
        ("a/*", "a/b", True),
        ("a/*", "a/b/c", False),
    ],
)
def test_slashes_are_met_as_in_go(pattern: str, name: str, matches: bool) -> None:
    """A class may be a slash; a star ends at the first fit, even if a later one would have brought it further."""
    assert Glob.parse(pattern).matches(name) is matches


def test_the_lines_of_a_helmignore_file_are_those_that_helm_reads(chart: Path) -> None:
    (chart / ".helmignore").write_bytes("\ufeffREADME.md\r\n*.env\x0b\n# a\u2028templates\n".encode())
    names = _names(pack(chart, NONE, include_all=True))
    assert not {"shop/README.md", "shop/secret.env"} & set(names)
    assert "shop/templates/deployment.yaml" in names


def test_a_helmignore_file_that_is_no_text_is_refused(chart: Path) -> None:
    (chart / ".helmignore").write_bytes(b"\xff\xfe*")
    with pytest.raises(Misused, match=r"\.helmignore is not UTF-8"):
        pack(chart, NONE)


def _names(archive: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as opened:
        return opened.getnames()


def _file(archive: bytes, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as opened:
        member = opened.extractfile(name)
        assert member is not None
        return member.read()
