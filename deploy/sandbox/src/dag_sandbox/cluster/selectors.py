"""Label and field selectors, as far as clients of DAG's kind use them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from dag_common.errors import Invalid
from dag_sandbox.cluster.resources import Object

_SET: Final = re.compile(r"(?P<key>[^\s!=,()]+)\s+(?P<operator>in|notin)\s+\((?P<values>[^()]*)\)")
_EQUALITY: Final = re.compile(r"(?P<key>[^\s!=,()]+)\s*(?P<operator>==|!=|=)\s*(?P<value>[^\s!=,()]*)")
_PRESENCE: Final = re.compile(r"(?P<absent>!?)\s*(?P<key>[^\s!=,()]+)")
_COMMA_OUTSIDE_PARENTHESES: Final = re.compile(r",(?![^(]*\))")
_Labels = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Selection:
    """What of a collection is meant: a namespace (empty: all) and both selectors; all parts must agree."""

    namespace: str = ""
    labels: str = ""
    fields: str = ""

    def predicate(self) -> Callable[[Object], bool]:
        """A test for objects. Raises `Invalid` for a selector that cannot be read."""
        label_rules = [_label_rule(term) for term in _terms(self.labels)]
        field_rules = [_field_rule(term) for term in _terms(self.fields)]

        def matches(obj: Object) -> bool:
            if self.namespace and obj["metadata"].get("namespace") != self.namespace:
                return False
            labels = obj["metadata"].get("labels") or {}
            return all(rule(labels) for rule in label_rules) and all(rule(obj) for rule in field_rules)

        return matches


def _terms(selector: str) -> list[str]:
    terms = (term.strip() for term in _COMMA_OUTSIDE_PARENTHESES.split(selector))
    return [term for term in terms if term]


def _label_rule(term: str) -> Callable[[_Labels], bool]:
    if found := _SET.fullmatch(term):
        key, among = found["key"], found["operator"] == "in"
        values = {value.strip() for value in found["values"].split(",")}
        return lambda labels: (labels.get(key) in values) is among
    if found := _EQUALITY.fullmatch(term):
        key, value, equal = found["key"], found["value"], found["operator"] != "!="
        return lambda labels: (labels.get(key) == value) is equal
    if found := _PRESENCE.fullmatch(term):
        key, present = found["key"], not found["absent"]
        return lambda labels: (key in labels) is present
    raise Invalid(f"unable to parse label selector requirement {term!r}")


def _field_rule(term: str) -> Callable[[Object], bool]:
    found = _EQUALITY.fullmatch(term)
    if found is None:
        raise Invalid(f"unable to parse field selector requirement {term!r}")
    path, value, equal = found["key"].split("."), found["value"], found["operator"] != "!="
    if path[0] not in {"metadata", "involvedObject", "spec", "status", "reason", "type"}:
        raise Invalid(f"field label not supported: {found['key']}")
    return lambda obj: (_at(obj, path) == value) is equal


def _at(obj: Any, path: list[str]) -> str:
    for step in path:
        obj = obj.get(step, "") if isinstance(obj, dict) else ""
    return str(obj)
