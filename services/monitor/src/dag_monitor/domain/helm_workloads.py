"""How the workloads of a deployed release have rolled out.

A Job may remove itself after it finished (`ttlSecondsAfterFinished`), one that failed as well as one that completed:
its absence proves nothing. One that was seen complete is remembered in the log, for the version it was seen in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Final

from dag_common.domain.deployment import Carried
from dag_monitor.domain import fields
from dag_monitor.domain.expectation import Object, Objects, Ref
from dag_monitor.domain.helm_observation import Release
from dag_monitor.domain.workload_identity import Labels, told_as
from dag_monitor.domain.workload_standing import READ, UNSEEN, Standing

_COMPLETED: Final = "completed"


def standing_of(release: Release, objects: Objects, remembered: Collection[str] = ()) -> Standing:
    """All of them taken together: the first failure, or else the first wait, or else done.

    Those that are `remembered` completed, and need not be there any more.
    """
    awaited = [ref for ref in release.workloads if ref in objects or _name(ref) not in remembered]
    standings = [_standing(ref, objects, release) for ref in awaited]
    failed = next((one for one in standings if one.failure), None)
    waiting = [one for one in standings if not one.done]
    if failed is not None:
        return failed
    if waiting:
        others = f" ({len(waiting) - 1} more are not done)" if len(waiting) > 1 else ""
        return Standing(f"{waiting[0].message}{others}")
    return Standing(_healthy(len(release.workloads)), done=True)


def _healthy(many: int) -> str:
    return "" if not many else f"All {many} workloads are healthy" if many > 1 else "Its workload is healthy"


def completed(release: Release, objects: Objects, carried: Iterable[Carried]) -> tuple[str, ...]:
    """The Jobs of this version that completed and may be gone, by all that was seen so far."""
    known = (told_as(one.label) for one in carried if one.generation == release.number)
    before = {name for labels in known if labels.key == _COMPLETED for name in labels.values}
    now = {_name(ref) for ref in release.workloads if ref.kind == "Job" and _leaves(objects.get(ref, {}))}
    return tuple(sorted(before | now))


def carrying(release: Release, names: tuple[str, ...]) -> Carried | None:
    """What the log has to keep of them."""
    return Carried(str(Labels(_COMPLETED, names)), release.number) if names else None


def _leaves(obj: Object) -> bool:
    return fields.number(obj, "spec", "ttlSecondsAfterFinished", default=-1) >= 0 and READ["Job"](obj).done


def _name(ref: Ref) -> str:
    return f"{ref.namespace}/{ref.name}" if ref.kind == "Job" else ""


def _standing(ref: Ref, objects: Objects, release: Release) -> Standing:
    obj = objects.get(ref)
    if obj is None:
        return Standing(f"{ref} does not exist{UNSEEN if ref.kind == 'Job' else ''}")
    if fields.text(obj, "metadata", "deletionTimestamp"):
        return Standing(f"{ref} is being deleted")
    standing = READ[ref.kind](obj)
    told = replace(standing, message=f"{ref}: {standing.message}")
    return replace(told, failure="") if _stale(standing, release) else told


def _stale(standing: Standing, release: Release) -> bool:
    """A deadline's condition may be left from an earlier version's spec."""
    since, begun = standing.since, release.released_at
    return not standing.final and since is not None and begun is not None and since < begun
