"""Whose chart a workload was rendered from, as far as the labels that charts put on their objects tell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dag_monitor.domain import fields
from dag_monitor.domain.expectation import Earlier, Expectation, Later, Object, Relation

CHART_LABEL: Final = "helm.sh/chart"
VERSION_LABEL: Final = "app.kubernetes.io/version"
LONGEST: Final = 63
"""Characters of a label's value."""
# What fluxcd/source-controller internal/controller/helmchart_controller.go puts in place of build metadata.
_STAMP: Final = re.compile(r"(?P<revision>[0-9a-f]{12})?(?:(?:^|\.)[0-9]+)?")


class Origin(StrEnum):
    """What the labels say about where a workload comes from."""

    OURS = "ours"
    OTHER = "other"
    UNLABELLED = "unlabelled"
    AMBIGUOUS = "ambiguous"  # ours, or an earlier content's that has the same labels


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
    return next((found for key in (CHART_LABEL, VERSION_LABEL) if (found := _labels(obj, key)).key), Labels())


def telling(obj: Object, expected: Expectation) -> Labels:
    """As `naming`, but the app version's also where the chart's tells ours from an earlier one no more."""
    chart, version = naming(obj), _labels(obj, VERSION_LABEL)
    return version if version.key and origin(chart, expected) is Origin.AMBIGUOUS else chart


def _labels(obj: Object, key: str) -> Labels:
    places = (("metadata", "labels", key), ("spec", "template", "metadata", "labels", key))
    values = tuple(value for place in places if (value := fields.text(obj, *place)))
    return Labels(key, values) if values else Labels()


def origin(labels: Labels, expected: Expectation) -> Origin:
    """Whether the workload was rendered from our chart.

    One apply writes an object with its labels, so a label that names our chart proves the rest of its spec too. All
    places must agree. A label that an earlier content, if it still runs, would show as well proves nothing.
    """
    if not labels.key:
        return Origin.UNLABELLED
    if not all(_names_ours(labels.key, value, expected) for value in labels.values):
        return Origin.OTHER
    return Origin.OURS if mistakable(labels, expected) is None else Origin.AMBIGUOUS


def mistakable(labels: Labels, expected: Expectation) -> Earlier | None:
    """The newest earlier content that may still run and would carry one of these labels too."""
    could = (
        one for one in _may_run(expected) if any(_names(labels.key, each, one, expected) for each in labels.values)
    )
    return next(could, None)


def taken_over_by(labels: Labels, expected: Expectation, *, after_ours: bool) -> Later | None:
    """The later deployment whose chart the workload shows.

    A label that stood there before ours proves none, unless the workload is known to have carried ours meanwhile; nor
    does one that is ours too.
    """
    old = [] if after_ours else [expected.previous_chart_version]
    known = {chart_label(expected.chart_name, version) for version in (expected.chart_version, *old)}
    if labels.key != CHART_LABEL or known & set(labels.values):
        return None
    named = ((chart_label(expected.chart_name, one.chart_version), one) for one in expected.later)
    return next((one for label, one in named if {label} == set(labels.values)), None)


def chart_label(name: str, version: str) -> str:
    """`helm.sh/chart` as `helm create` has charts write it (helm/helm pkg/chart/v2/util/create.go)."""
    return f"{name}-{version}".replace("+", "_")[:LONGEST].removesuffix("-")


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


def _may_run(expected: Expectation) -> tuple[Earlier, ...]:
    """The earlier contents down to the oldest that the workload was seen with since: what lay below that is gone."""
    seen = {told_as(one.label) for one in expected.carried}
    oldest: dict[Labels, int] = {}
    for place, earlier in enumerate(expected.earlier):
        oldest |= {labels: place for labels in _carrying(earlier, expected) if labels in seen}
    return expected.earlier[: min(oldest.values(), default=len(expected.earlier)) + 1]


def _carrying(earlier: Earlier, expected: Expectation) -> tuple[Labels, ...]:
    chart = Labels(CHART_LABEL, (chart_label(expected.chart_name, earlier.chart_version),))
    return chart, Labels(VERSION_LABEL, (earlier.app_version,))


def _names(key: str, value: str, earlier: Earlier, expected: Expectation) -> bool:
    """Whether a label that names ours would be on the earlier content too; one with a commit is on ours alone."""
    if key == VERSION_LABEL:
        return value == earlier.app_version
    if value == chart_label(expected.chart_name, earlier.chart_version):
        return True
    stamp = _STAMP.fullmatch(value.partition("_")[2])
    return stamp is not None and not stamp["revision"] and earlier.chart_version == expected.chart_version
