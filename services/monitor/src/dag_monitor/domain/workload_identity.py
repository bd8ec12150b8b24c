"""Whose chart a workload was rendered from, as far as the labels that charts put on their objects tell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dag_monitor.domain import fields
from dag_monitor.domain.expectation import Expectation, Later, Object, Relation

CHART_LABEL: Final = "helm.sh/chart"
VERSION_LABEL: Final = "app.kubernetes.io/version"
_LONGEST: Final = 63
# What fluxcd/source-controller internal/controller/helmchart_controller.go puts in place of build metadata.
_STAMP: Final = re.compile(r"(?P<revision>[0-9a-f]{12})?(?:(?:^|\.)[0-9]+)?")


class Origin(StrEnum):
    """What the labels say about where a workload comes from."""

    OURS = "ours"
    OTHER = "other"
    UNLABELLED = "unlabelled"
    AMBIGUOUS = "ambiguous"  # ours by its version, which another content carried right before


_AND: Final = " and "
"""Between values that differ; a label's value has no space in it."""


@dataclass(frozen=True, slots=True)
class Labels:
    """One label that names the chart, in every place it stands: on the object, and on its pods."""

    key: str = ""
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.key}={_AND.join(dict.fromkeys(self.values))}" if self.key else ""


def told_as(text: str) -> Labels:
    """The labels that `str` made this text of; a value that stood in several places stands there once."""
    key, _, values = text.partition("=")
    return Labels(key, tuple(values.split(_AND)))


def naming(obj: Object) -> Labels:
    """The label to go by: the chart's, else the app version's; what the object says of itself and of its pods."""
    for key in (CHART_LABEL, VERSION_LABEL):
        places = (("metadata", "labels", key), ("spec", "template", "metadata", "labels", key))
        values = tuple(value for place in places if (value := fields.text(obj, *place)))
        if values:
            return Labels(key, values)
    return Labels()


def origin(labels: Labels, expected: Expectation) -> Origin:
    """Whether the workload was rendered from our chart.

    One apply writes an object with its labels, so a label that names our chart proves the rest of its spec too. All
    places must agree. A version that was used right before with another content proves nothing.
    """
    if not labels.key:
        return Origin.UNLABELLED
    if not all(_names_ours(labels.key, value, expected) for value in labels.values):
        return Origin.OTHER
    return Origin.AMBIGUOUS if expected.reused else Origin.OURS


def taken_over_by(labels: Labels, expected: Expectation, *, after_ours: bool) -> Later | None:
    """The later deployment whose chart the workload shows.

    A version that stood there before ours proves none, unless the workload is known to have carried ours meanwhile.
    """
    if labels.key != CHART_LABEL:
        return None
    old = "" if after_ours else expected.previous_chart_version
    candidates = (one for one in expected.later if one.chart_version != old)
    wanted = set(labels.values)
    return next((one for one in candidates if wanted == {chart_label(expected.chart_name, one.chart_version)}), None)


def chart_label(name: str, version: str) -> str:
    """`helm.sh/chart` as `helm create` has charts write it (helm/helm pkg/chart/v2/util/create.go)."""
    return f"{name}-{version}".replace("+", "_")[:_LONGEST].removesuffix("-")


def _names_ours(key: str, value: str, expected: Expectation) -> bool:
    if key == VERSION_LABEL:
        return bool(expected.app_version) and value == expected.app_version
    if value == chart_label(expected.chart_name, expected.chart_version):
        return True
    return _stamped_by_flux(value, expected)


def _stamped_by_flux(value: str, expected: Expectation) -> bool:
    plain, _, build = value.partition("_")
    version, _, own_build = expected.chart_version.partition("+")
    found = _STAMP.fullmatch(build) if build else None
    if found is None or plain != f"{expected.chart_name}-{version}":
        return False
    if not found["revision"]:
        return not own_build
    return expected.relation(found["revision"]) in (Relation.OURS, Relation.DESCENDANT)
