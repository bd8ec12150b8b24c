"""Chart versions and source revisions as Flux writes them, compared with what we committed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

# Masterminds/semver version.go accepts a leading v and missing numbers.
_SEMVER: Final = re.compile(
    r"v?(0|[1-9][0-9]*)(?:\.(0|[1-9][0-9]*))?(?:\.(0|[1-9][0-9]*))?(?:-([0-9A-Za-z.-]+))?(?:\+([0-9A-Za-z.-]+))?"
)
_HEX: Final = re.compile(r"[0-9a-f]{7,64}")
_STAMP: Final = re.compile(r"(?P<revision>[0-9a-f]{12})?(?:(?:^|\.)(?P<generation>[0-9]+))?")


@dataclass(frozen=True, slots=True)
class Stamping:
    """What Flux puts in place of a chart version's build metadata.

    With `reconcileStrategy: Revision` the first 12 hex digits of the commit, with `valuesFiles` also the HelmChart's
    generation (fluxcd/source-controller internal/controller/helmchart_controller.go, buildFromTarballArtifact); for
    a chart from an OCIRepository the first 12 of its digest (fluxcd/helm-controller, mutateChartWithSourceRevision).
    """

    revision: bool = False
    generation: bool = False
    digest: bool = False


def same_version(observed: str, ours: str, stamping: Stamping) -> bool:
    """Whether `observed` is what Flux makes of our chart version."""
    if observed == ours:
        return bool(ours)
    if not core(observed) or core(observed) != core(ours):
        return False
    return _build(observed) == _build(ours) or _stamped(_build(observed), stamping)


def core(version: str) -> str:
    """The version without leading v and build metadata, padded to three numbers; empty if it is no SemVer."""
    found = _SEMVER.fullmatch(version)
    if found is None:
        return ""
    major, minor, patch, prerelease, _ = found.groups()
    return f"{major}.{minor or 0}.{patch or 0}" + (f"-{prerelease}" if prerelease else "")


def stamped_commit(version: str, stamping: Stamping) -> str:
    """The abbreviated commit a chart was built from, as far as its version tells."""
    found = _STAMP.fullmatch(_build(version)) if stamping.revision else None
    return found["revision"] or "" if found else ""


def commit_of(revision: str) -> str:
    """The commit in a source's revision: `main@sha1:<hex>`, `refs/heads/x@sha1:<hex>`, `sha1:<hex>`, `main/<hex>`.

    A branch name may hold `/`, `@` and `:`; the hash stands last (fluxcd/pkg git, ExtractHashFromRevision).
    """
    last = re.split(r"[:/]", revision)[-1]
    return last if _HEX.fullmatch(last) else ""


def _build(version: str) -> str:
    return version.partition("+")[2]


def _stamped(build: str, stamping: Stamping) -> bool:
    found = _STAMP.fullmatch(build)
    if not found:
        return False
    expected = (stamping.revision or stamping.digest, stamping.generation)
    return bool(build) and (bool(found["revision"]), bool(found["generation"])) == expected
