"""Whether a reconciler has to be told of a push, and how: a pure decision over what is seen of its objects.

Flux's source-controller looks at once when `reconcile.fluxcd.io/requestedAt` holds a new token, and repeats the token
in `status.lastHandledReconcileAt` when it is done (fluxcd/source-controller docs/spec/v1/gitrepositories.md). HelmChart
and HelmRelease follow by themselves. Argo CD's controller removes `argocd.argoproj.io/refresh` once it has looked
(argoproj/argo-cd controller/appcontroller.go).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from dag_monitor.domain import argocd_observation, fields, flux_observation
from dag_monitor.domain.argocd_case import Case
from dag_monitor.domain.expectation import Expectation, Objects, Ref, Relation
from dag_monitor.domain.flux_versions import commit_of
from dag_monitor.domain.places import same_address

REQUESTED_AT: Final = "reconcile.fluxcd.io/requestedAt"
REFRESH: Final = "argocd.argoproj.io/refresh"


@dataclass(frozen=True, slots=True)
class Kick:
    """An annotation to be written on one object, unless somebody wrote it since it was `seen` (resource version)."""

    ref: Ref
    annotation: str
    value: str
    seen: str

    @property
    def patch(self) -> dict[str, Any]:
        """The merge patch; the API server refuses it with a conflict when the object is not as it was seen."""
        return {"metadata": {"resourceVersion": self.seen, "annotations": {self.annotation: self.value}}}


def due(objects: Objects, expected: Expectation) -> Kick | None:
    """What to write so that the reconciler looks now; None if it knows our commit, was asked, or is being asked.

    Who decides again on the same objects decides the same, so a second monitor and one that begins anew do no harm.
    """
    rule = _RULES.get(expected.target.kind)
    return rule(objects, expected) if rule else None


def token(commit: str) -> str:
    """What asks Flux to look for this commit: the same words whoever asks."""
    return f"dag-{commit}"


def _flux(objects: Objects, expected: Expectation) -> Kick | None:
    concerned = flux_observation.concerned(objects, expected.target)
    ref = next((ref for ref in concerned if ref.kind == "GitRepository"), None)
    obj = objects.get(ref) if ref else None
    if ref is None or obj is None or fields.flag(obj, "spec", "suspend") or not _follows(objects, expected):
        return None
    asked = fields.text(obj, "metadata", "annotations", REQUESTED_AT)
    answered = asked == fields.text(obj, "status", "lastHandledReconcileAt")
    fetched = commit_of(fields.text(obj, "status", "artifact", "revision"))
    ours = token(expected.commit)
    if expected.relation(fetched).contains_ours or asked == ours or (asked and not answered):
        return None
    return Kick(ref, REQUESTED_AT, ours, fields.text(obj, "metadata", "resourceVersion"))


def _follows(objects: Objects, expected: Expectation) -> bool:
    """Whether a look could bring our commit: it follows our branch, of our repository or of a copy.

    A copy goes by another address; that it holds a commit of our branch tells what it is.
    """
    repository = flux_observation.observe(objects, expected.target).repository
    if repository is None or repository.branch != expected.branch:
        return False
    return same_address(repository.url, expected.url) or expected.relation(repository.commit) is not Relation.UNKNOWN


def _argocd(objects: Objects, expected: Expectation) -> Kick | None:
    seen = argocd_observation.observe(objects, expected.target)
    if seen is None or seen.deleting:
        return None
    obj = objects[seen.ref]
    known = any(expected.relation(revision).contains_ours for revision in Case(expected, seen).revisions)
    if known or fields.text(obj, "metadata", "annotations", REFRESH):
        return None
    return Kick(seen.ref, REFRESH, "normal", fields.text(obj, "metadata", "resourceVersion"))


_RULES: Final[dict[str, Callable[[Objects, Expectation], Kick | None]]] = {"flux": _flux, "argocd": _argocd}
