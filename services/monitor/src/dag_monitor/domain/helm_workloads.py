"""How the workloads of a deployed release have rolled out."""

from __future__ import annotations

from dataclasses import replace

from dag_monitor.domain import fields
from dag_monitor.domain.expectation import Objects, Ref
from dag_monitor.domain.helm_observation import Release
from dag_monitor.domain.workload_standing import READ, Standing


def standing_of(release: Release, objects: Objects) -> Standing:
    """All of them taken together: the first failure, or else the first wait, or else done."""
    standings = [_standing(ref, objects, release) for ref in release.workloads]
    failed = next((one for one in standings if one.failure), None)
    waiting = [one for one in standings if not one.done]
    if failed is not None:
        return failed
    if waiting:
        others = f" ({len(waiting) - 1} more are not done)" if len(waiting) > 1 else ""
        return Standing(f"{waiting[0].message}{others}")
    many = f"All {len(standings)} workloads are" if len(standings) > 1 else "Its workload is"
    return Standing(f"{many} healthy" if standings else "", done=True)


def _standing(ref: Ref, objects: Objects, release: Release) -> Standing:
    obj = objects.get(ref)
    if obj is None:
        removed = " (a finished job may remove itself)" if ref.kind == "Job" else ""
        return Standing(f"{ref} does not exist{removed}")
    if fields.text(obj, "metadata", "deletionTimestamp"):
        return Standing(f"{ref} is being deleted")
    standing = READ[ref.kind](obj)
    told = replace(standing, message=f"{ref}: {standing.message}")
    return replace(told, failure="") if _stale(standing, release) else told


def _stale(standing: Standing, release: Release) -> bool:
    """A deadline's condition may be left from an earlier version's spec."""
    since, begun = standing.since, release.released_at
    return not standing.final and since is not None and begun is not None and since < begun
