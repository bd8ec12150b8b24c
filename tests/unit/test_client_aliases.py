"""Overrides of values in which anchors, aliases and merge keys make one text show in several places."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dag_client.errors import Misused
from dag_client.overrides import Overrides

QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
KEYS = ("a", "b", "c", "1")
PATHS = st.lists(st.sampled_from(KEYS), min_size=1, max_size=4)
MERGED = b"""\
# the base
base: &base
  image: {tag: a}  # of all
  port: &port 0x50
web: {<<: *base}
worker:
  <<: *base
  deep: {image: {tag: z}}
health: *port
"""


def expanded(text: bytes | str) -> dict[str, Any]:
    """The values as Helm has them: nothing is shared, and keys are texts."""
    values: dict[str, Any] = json.loads(json.dumps(yaml.safe_load(text)))
    return values


def test_an_override_below_a_merge_key_changes_one_place() -> None:
    packed = Overrides(strings=["web.image.tag=b"]).apply(MERGED)
    wanted = expanded(MERGED)
    wanted["web"]["image"]["tag"] = "b"
    assert expanded(packed) == wanted
    assert b"# the base" in packed
    assert b"# of all" in packed


def test_an_override_of_what_others_merge_does_not_reach_them() -> None:
    packed = Overrides(strings=["base.image.tag=b", "base.port=1"]).apply(MERGED)
    wanted = expanded(MERGED)
    wanted["base"] = {"image": {"tag": "b"}, "port": "1"}
    assert expanded(packed) == wanted


def test_an_override_deep_below_an_alias_changes_one_place() -> None:
    packed = Overrides(strings=["other.x.y.z=2"]).apply(b"base: &b {x: {y: {z: 1}}}\nother: *b\n")
    assert expanded(packed) == {"base": {"x": {"y": {"z": 1}}}, "other": {"x": {"y": {"z": "2"}}}}


def test_a_values_file_reaches_no_other_place_and_its_anchors_meet_no_others(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text("web: {image: {tag: &base b}}\nnew: &port {x: *base}\n")
    packed = Overrides(values_files=[tmp_path / "more.yaml"]).apply(MERGED)
    wanted = expanded(MERGED)
    wanted["web"]["image"]["tag"] = "b"
    assert expanded(packed) == {**wanted, "new": {"x": "b"}}


def test_what_is_written_out_keeps_its_comments_and_its_notation() -> None:
    values = b"one: &one\n  # why\n  mode: &mode 0644\n  on: yes\n  text: |\n    a\n  size: 1.50\ntwo: *one\n"
    packed = Overrides(strings=["two.x=1"]).apply(values)
    assert packed.startswith(b"one:\n  # why\n  mode: &mode 0644\n  on: yes\n  text: |\n    a\n  size: 1.50\ntwo:\n")
    assert packed.endswith(b'  mode: 0644\n  on: yes\n  text: |\n    a\n  size: 1.50\n  x: "1"\n')


def test_values_that_are_nested_too_deeply_are_refused() -> None:
    with pytest.raises(Misused, match="nested too deeply"):
        Overrides(strings=["a=1"]).apply(b"b: " + b"[" * 5000 + b"]" * 5000)


@pytest.mark.parametrize(
    ("values", "key", "wanted"),
    [
        ("a: {1: x}", "a.1", {"a": {1: "y"}}),
        ("a: {'1': x}", "a.1", {"a": {"1": "y"}}),
        ("a: {true: x}", "a.true", {"a": {True: "y"}}),
        ("a: {1.5: x}", r"a.1\.5", {"a": {1.5: "y"}}),
        ("1: {2: x}", "1.2", {1: {2: "y"}}),
        ("a: {}", "a.1", {"a": {"1": "y"}}),
    ],
)
def test_a_key_that_is_no_text_is_found_by_what_it_is_to_helm(
    values: str, key: str, wanted: dict[Any, Any], tmp_path: Path
) -> None:
    packed = Overrides(strings=[f"{key}=y"]).apply(values.encode())
    assert yaml.safe_load(packed) == wanted
    (tmp_path / "more.yaml").write_text(yaml.safe_dump(wanted))
    assert yaml.safe_load(Overrides(values_files=[tmp_path / "more.yaml"]).apply(values.encode())) == wanted


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Values whose mappings have anchors, are aliased, and merge what stands before them."""
    anchors: list[str] = []

    def mapping(depth: int) -> str:
        merged = draw(st.lists(st.sampled_from(anchors), unique=True, max_size=2)) if anchors else []
        keys = draw(st.lists(st.sampled_from(KEYS), unique=True, max_size=3))
        parts = [f"<<: [{', '.join(f'*{name}' for name in merged)}]"] if merged else []
        return f"{{{', '.join([*parts, *(f'{key}: {node(depth)}' for key in keys)])}}}"

    def node(depth: int) -> str:
        kind = draw(st.sampled_from(["scalar", "mapping", "anchored", "alias"] if depth else ["scalar"]))
        if kind == "alias" and anchors:
            return f"*{draw(st.sampled_from(anchors))}"
        if kind in ("scalar", "alias"):
            return draw(st.sampled_from(["0", "text", "~", "[1, 2]"]))
        text = mapping(depth - 1)
        if kind == "mapping":
            return text
        anchors.append(f"m{len(anchors)}")
        return f"&{anchors[-1]} {text}"

    return "\n".join(f"{key}: {node(3)}" for key in draw(st.permutations(KEYS))) + "\n"


@QUICK
@example("a: &m0 {a: 0}\nb: [*m0]\nc: {<<: [*m0]}\n1: *m0\n", [["a"]])
@given(documents(), st.lists(PATHS, min_size=1, max_size=3))
def test_settings_change_what_they_name_and_nothing_else(text: str, paths: list[list[str]]) -> None:
    settings = [(path, f"set {number}") for number, path in enumerate(paths)]
    overrides = Overrides(strings=[f"{'.'.join(path)}={value}" for path, value in settings])

    def on_plain(values: dict[str, Any]) -> None:
        for path, value in settings:
            assign(values, path, value)

    compare(text, overrides, on_plain)


@QUICK
@given(documents(), documents())
def test_a_values_file_changes_what_it_names_and_nothing_else(text: str, more: str) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(more)
        file.flush()
        compare(text, Overrides(values_files=[Path(file.name)]), lambda values: merge(values, expanded(more)))


def compare(text: str, overrides: Overrides, on_plain: Callable[[dict[str, Any]], None]) -> None:
    """What the overrides make of a document is what they make of the plain values in it, if they can be applied."""
    wanted = expanded(text)
    try:
        on_plain(wanted)
    except TypeError:
        with pytest.raises(Misused):
            overrides.apply(text.encode())
    else:
        assert expanded(overrides.apply(text.encode())) == wanted


def assign(values: dict[str, Any], path: list[str], value: str) -> None:
    *parents, last = path
    for key in parents:
        values[key] = {} if values.get(key) is None else values[key]
        values = values[key]
        if not isinstance(values, dict):
            raise TypeError
    values[last] = value


def merge(into: dict[str, Any], values: dict[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value
