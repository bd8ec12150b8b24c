from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dag_common.charts.values import DEPTH, SIZE, read_yaml
from dag_common.errors import Invalid

QUICK = settings(max_examples=80, deadline=None)


def value_of(text: str) -> Any:
    return read_yaml(f"it: {text}\n".encode())["it"]


def refusal(content: str | bytes) -> str:
    with pytest.raises(Invalid) as refused:
        read_yaml(content if isinstance(content, bytes) else content.encode())
    return refused.value.message


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("2024-01-02", "2024-01-02"),
        ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z"),
        ("!!timestamp 2024-01-02 03:04:05", "2024-01-02 03:04:05"),
        ("yes", True),
        ("Off", False),
        ("y", True),
        ("yEs", "yEs"),
        ("'yes'", "yes"),
        ("~", None),
        ("", None),
        ("1_000", 1000),
        ("0x1F", 31),
        ("010", 8),
        ("0o17", 15),
        ("-0b11", -3),
        ("08", 8.0),
        ("1:30", "1:30"),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.2.3", "1.2.3"),
        ("123456789012345678901234567890", 123456789012345678901234567890),
        ("1e999", "1e999"),
        ("!!str 1.10", "1.10"),
        ("!!int '3'", 3),
        ("!!float 3", 3),
        ("!custom 3", "3"),
        ("!!binary aGVs\n  bG8=", "aGVsbG8="),
        ("!!set {a, b}", {"a": None, "b": None}),
        ("!!omap [a: 1, b: 2]", [{"a": 1}, {"b": 2}]),
        ("!!python/object/apply:os.system [ls]", ["ls"]),
        ("<<", "<<"),
        ("=", "="),
    ],
)
def test_a_value_is_what_helm_sees_and_loses_nothing(written: str, value: Any) -> None:
    seen = value_of(written)
    assert (seen, type(seen)) == (value, type(value))


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("8080", "8080"),
        ("true", "true"),
        ("on", "true"),
        ("1.10", "1.1"),
        ("2.0", "2"),
        ("1e6", "1e+06"),
        ("0x10", "16"),
    ],
)
def test_keys_become_text_as_helm_writes_them(key: str, text: str) -> None:
    assert read_yaml(f"{key}: x".encode()) == {text: "x"}


def test_keys_keep_their_order_and_the_last_of_two_wins() -> None:
    seen = read_yaml(b"z: 1\na: 2\nm: 3\nz: 4\n")
    assert list(seen.items()) == [("z", 4), ("a", 2), ("m", 3)]


@pytest.mark.parametrize("content", ["", "# only a comment\n", "---\n", "---\n...\n", "~", "\ufeff", "{}"])
def test_an_empty_document_is_an_empty_mapping(content: str) -> None:
    assert read_yaml(content.encode()) == {}


def test_only_the_first_document_counts() -> None:
    assert read_yaml(b"a: 1\n---\nb: [") == {"a": 1}


def test_merged_keys_never_win_over_explicit_ones() -> None:
    seen = read_yaml(
        b"base: &base {a: 1, b: 2}\nother: &other {b: 3, c: 4}\n"
        b"early: {<<: *base, a: 9}\nlate: {a: 9, <<: *base}\nlist: {<<: [*base, *other]}\nquoted: {'<<': 1}\n"
    )
    assert seen["early"] == seen["late"] == {"a": 9, "b": 2}
    assert seen["list"] == {"a": 1, "b": 2, "c": 4}
    assert seen["quoted"] == {"<<": 1}


@pytest.mark.parametrize(
    ("content", "place", "problem"),
    [
        ("a: 1\n  b: 2\n", "line 2, column 4", "not valid YAML"),
        ("a: [1,\n", "line 2, column 1", "not valid YAML"),
        ("é: 1\néé\x01: 2", "line 2, column 3", "U+0001"),
        (b"a: 1\nb: \xff\n", "line 2, column 4", "not UTF-8"),
        (b"\xff\xfea\x00", "line 1, column 1", "not UTF-8"),
        ("\n- a\n", "line 2, column 1", "must be a mapping"),
        ("text", "line 1, column 1", "must be a mapping"),
        ("a:\n  - .inf\n", "line 2, column 5", "JSON has no .inf"),
        ("a: -.Inf", "line 1, column 4", "JSON has no -.Inf"),
        ("a: .NaN", "line 1, column 4", "JSON has no .NaN"),
        ("a: *b", "line 1, column 4", "no anchor"),
        ("a: &a [*a]", "line 1, column 8", "contains itself"),
        ("a: 1\n~: 2", "line 2, column 1", "a key is null"),
        ("a: {[b]: c}", "line 1, column 5", "a key is a list"),
        ("a: {<<: 1}", "line 1, column 9", "`<<` takes a mapping"),
        ("a: !!int many", "line 1, column 4", "tagged !!int"),
        ("a: !!int yes", "line 1, column 4", "tagged !!int"),
        ("a: !!binary '?'", "line 1, column 4", "not base64"),
        ("%YAML 3.0\n---\na: 1", "line 1, column 1", "not valid YAML"),
    ],
)
def test_a_wrong_document_is_refused_with_its_place(content: str | bytes, place: str, problem: str) -> None:
    message = refusal(content)
    assert message.startswith(f"values.yaml, {place}: ")
    assert problem in message


def test_an_alias_bomb_is_refused() -> None:
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "aliases expanded" in refusal("\n".join(["a0: &a0 lol", *levels]))


def test_a_bomb_of_few_aliases_to_a_long_text_is_refused() -> None:
    assert "aliases expanded" in refusal(f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 1000)}]")


def test_a_bomb_of_merges_is_refused() -> None:
    wide = "base: &base {" + ", ".join(f"k{n}: 1" for n in range(1000)) + "}\n"
    assert "aliases expanded" in refusal(wide + "".join(f"m{n}: {{<<: *base}}\n" for n in range(1000)))


def test_nesting_is_limited_whether_written_or_built_of_aliases() -> None:
    assert "nested more than 64" in refusal("a: " + "[" * (DEPTH + 1))
    assert "nested more than 64" in refusal("a: " + "{b: " * (DEPTH + 1))
    chain = [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 2 * DEPTH)]
    assert "nested more than 64" in refusal("\n".join(["a0: &a0 x", *chain]))
    assert read_yaml(("a: " + "[" * (DEPTH - 1) + "]" * (DEPTH - 1)).encode())


def test_a_file_over_the_limit_is_refused() -> None:
    assert refusal(b"#" * (SIZE + 1)) == "values.yaml is larger than 5 MiB. Shorten it."


PRINTED = st.text(st.characters(categories=("L", "M", "N", "P", "S", "Zs")), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | PRINTED
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(PRINTED, inner, max_size=4), max_leaves=20
)
MAPPINGS = st.dictionaries(PRINTED, JSON, max_size=5)


@given(MAPPINGS)
@QUICK
def test_json_is_read_back_as_it_was_written(document: dict[str, Any]) -> None:
    seen = read_yaml(json.dumps(document, ensure_ascii=False).encode())
    assert json.dumps(seen) == json.dumps(document)


@given(MAPPINGS)
@QUICK
def test_quoted_and_tagged_block_yaml_is_read_back_as_it_was_written(document: dict[str, Any]) -> None:
    written = yaml.safe_dump(document, default_style='"', sort_keys=False, allow_unicode=True, width=10**6)
    assert json.dumps(read_yaml(written.encode())) == json.dumps(document)


MARKS = ["a: ", "b: ", "- ", "? ", "<<: ", "&x ", "*x", "[", "]", "{", "}", ", ", "'", '"', "#", "%", "---\n", "...\n"]
SPACES = ["\n", "  ", "\t", "\r", "\x85", "\u2028", "|\n", "\x00"]
SCALAR_PIECES = ["!!int ", "!t ", "1", "0x_", ".inf", "1e400", "9" * 500, "~", "é", "😀"]
PIECES = st.sampled_from([*MARKS, *SPACES, *SCALAR_PIECES])


@given(st.lists(PIECES, max_size=25).map("".join).map(str.encode) | st.binary(max_size=60))
@settings(QUICK, max_examples=400)
def test_any_bytes_become_json_or_are_refused(content: bytes) -> None:
    try:
        seen = read_yaml(content)
    except Invalid:
        return
    assert json.loads(json.dumps(seen, allow_nan=False, ensure_ascii=False).encode()) == seen
