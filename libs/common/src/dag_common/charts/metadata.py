"""What Chart.yaml must say for Helm to load the chart (helm/helm, `pkg/chart/v2/metadata.go`, `Metadata.Validate`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dag_common.charts.limits import DEFAULT
from dag_common.charts.names import in_quotes, wrong_with
from dag_common.charts.scalars import key_text
from dag_common.charts.semver import loose
from dag_common.charts.values import read_yaml
from dag_common.errors import Invalid

CHART_YAML = "Chart.yaml"
_API_VERSIONS = ("v1", "v2")
_TYPES = ("", "application", "library")


@dataclass(frozen=True, slots=True)
class Metadata:
    """The checked parts of Chart.yaml. `version` is the text Helm sees: an unquoted 1.10 is 1.1."""

    name: str
    version: str


def read_metadata(content: bytes) -> Metadata:
    """Read and check Chart.yaml; `Invalid` names the field and what it must be."""
    fields = read_yaml(content, CHART_YAML)
    _check_one_of(fields, "apiVersion", _API_VERSIONS)
    _check_one_of(fields, "type", _TYPES)
    _check_dependencies(fields.get("dependencies"))
    return Metadata(name=_name(fields), version=_version(fields))


def _name(fields: dict[str, Any]) -> str:
    name = _required(fields, "name")
    if "/" in name or name in (".", ".."):
        raise Invalid(f"Chart.yaml: the chart's name {in_quotes(name)} is a path. Give it a plain name.")
    if problem := wrong_with(name, DEFAULT):
        raise Invalid(f"Chart.yaml: the chart {in_quotes(name)} {problem}")
    return name


def _version(fields: dict[str, Any]) -> str:
    version = _required(fields, "version")
    if loose(version) is None:
        raise Invalid(f"Chart.yaml: version {in_quotes(version)} is not a version Helm takes. Write it like 1.2.3.")
    return version


def _required(fields: dict[str, Any], field: str) -> str:
    text = _text(fields, field)
    if not text.strip():
        raise Invalid(f"Chart.yaml has no {field}. Add a line `{field}:` at the top level.")
    return text


def _check_one_of(fields: dict[str, Any], field: str, allowed: tuple[str, ...]) -> None:
    text = _text(fields, field)
    if text not in allowed:
        expected = " or ".join(value for value in allowed if value)
        raise Invalid(f"Chart.yaml: {field} is {in_quotes(text)}; it must be {expected}.")


def _text(fields: dict[str, Any], field: str) -> str:
    value = fields.get(field)
    if isinstance(value, dict | list):
        raise Invalid(f"Chart.yaml: {field} must be one value, not a list or a mapping.")
    return "" if value is None else key_text(value)


def _check_dependencies(dependencies: Any) -> None:
    """Empty entries and names that clash stop Helm only when the chart is installed: say so now."""
    if dependencies is None:
        return
    if not isinstance(dependencies, list) or not all(isinstance(entry, dict) for entry in dependencies):
        raise Invalid("Chart.yaml: dependencies must be a list of entries with name, version and repository.")
    names: set[str] = set()
    for entry in dependencies:
        name = _text(entry, "alias") or _text(entry, "name")
        if name in names:
            raise Invalid(
                f"Chart.yaml: more than one dependency is called {in_quotes(name)}. Give each an alias of its own."
            )
        names.add(name)
