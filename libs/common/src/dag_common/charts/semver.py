"""Versions as Helm and Flux read them: SemVer 2, and Masterminds/semver's loose reading of it (`version.go`)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dag_common.charts.names import in_quotes
from dag_common.errors import Invalid

_IDENTIFIERS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_STRICT = re.compile(rf"(?a:(\d+)\.(\d+)\.(\d+)(?:-({_IDENTIFIERS}))?(?:\+({_IDENTIFIERS}))?)")
_LOOSE = re.compile(rf"(?a:v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-({_IDENTIFIERS}))?(?:\+({_IDENTIFIERS}))?)")
_LARGEST = 2**64 - 1  # Masterminds/semver holds each number in 64 bits
_LARGEST_DIGITS = 20


@dataclass(frozen=True, slots=True)
class SemVer:
    """A version's parts; `numbers` is `major.minor.patch` without leading zeros."""

    numbers: str
    pre_release: str
    build: str

    @property
    def core(self) -> str:
        """What says which chart this is: everything but the build metadata."""
        return f"{self.numbers}-{self.pre_release}" if self.pre_release else self.numbers


def strict(text: str) -> SemVer | None:
    """`text` as SemVer 2.0.0 defines it, all three numbers, no `v`; None if it is not."""
    found = _STRICT.fullmatch(text)
    if found is None or any(has_leading_zero(number) for number in found.groups()[:3]):
        return None
    return _parsed(found)


def loose(text: str) -> SemVer | None:
    """`text` as Helm accepts a chart's version: `v1`, `1.2` and leading zeros are padded and cut; None if it is not."""
    found = _LOOSE.fullmatch(text)
    return None if found is None else _parsed(found)


def core(version: str) -> str:
    """The version without `v` and build metadata, padded to three numbers; `Invalid` if it is no version.

    Flux replaces build metadata by the commit and adds the generation of the values files, so only this part can
    be compared (fluxcd/source-controller, `internal/controller/helmchart_controller.go`).
    """
    parsed = loose(version)
    if parsed is None:
        raise Invalid(f"{in_quotes(version)} is not a version. Write it like 1.2.3.")
    return parsed.core


def matches(observed: str, ours: str) -> bool:
    """Whether a version seen in a cluster is ours, whatever build metadata was put on it on the way."""
    if observed == ours:
        return True
    seen, expected = loose(observed), loose(ours)
    return seen is not None and expected is not None and seen.core == expected.core


def has_leading_zero(identifier: str) -> bool:
    """Whether a numeric identifier is written as SemVer forbids: `007`."""
    return len(identifier) > 1 and identifier.startswith("0") and identifier.isascii() and identifier.isdigit()


def _parsed(found: re.Match[str]) -> SemVer | None:
    numbers = [number or "0" for number in found.groups()[:3]]
    pre_release, build = found[4] or "", found[5] or ""
    if any(len(number.lstrip("0")) > _LARGEST_DIGITS or int(number) > _LARGEST for number in numbers):
        return None
    if any(has_leading_zero(identifier) for identifier in pre_release.split(".")):
        return None
    return SemVer(".".join(str(int(number)) for number in numbers), pre_release, build)
