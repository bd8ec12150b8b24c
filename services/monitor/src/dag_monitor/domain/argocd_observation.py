"""What an Argo CD Application says, read into values (argoproj/argo-cd pkg/apis/application/v1alpha1/types.go)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from dag_common.contracts.events import RolloutTarget
from dag_monitor.domain import fields
from dag_monitor.domain.argocd_sources import Source, Taken, compared_as_specified, named, sources_of, taken_of
from dag_monitor.domain.expectation import Object, Objects, Ref

# The types that types.go counts as errors; the others are warnings. A condition has no status: it is there or not.
_ERRORS: Final = ("InvalidSpecError", "ComparisonError", "SyncError", "DeletionError", "UnknownError")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_HISTORY: Final = 10
"""The newest syncs that are read; Argo CD keeps as many unless spec.revisionHistoryLimit says otherwise."""
_UNREADABLE: Final = "Unknown"
"""The phase of a sync that does not say; an Application that was never synced has no operation state at all."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """An error condition."""

    type: str
    message: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Operation:
    """The last sync. Of one that waits to retry, `retries` failed so far; any other may show those of one before.

    A `rehearsal` (dry run) has phases and results like any other, and applied nothing. `unpruned` are the objects that
    are not in git any more and were left (PruneSkipped).
    """

    phase: str = ""
    message: str = ""
    taken: tuple[Taken, ...] = ()
    unpruned: tuple[str, ...] = ()
    finished_at: datetime | None = None
    retries: int = 0
    rehearsal: bool = False

    @property
    def waits_to_retry(self) -> bool:
        """Whether an attempt failed and the next has not begun; a merge patch leaves no other trace of which it is."""
        return self.phase == "Running" and self.finished_at is not None

    @property
    def failed(self) -> bool:
        """Whether Argo CD gave this sync up; it does not repeat one for the same commit by itself."""
        return self.phase in ("Failed", "Error") and self.finished_at is not None

    @property
    def succeeded(self) -> bool:
        """Whether everything was applied, which says nothing about health."""
        return self.phase == "Succeeded" and self.finished_at is not None


@dataclass(frozen=True, slots=True)
class Sync:
    """A sync of the history: all of it was applied, so neither a dry run nor a selection of resources is one.

    `by` is the user who began it (empty: Argo CD itself, or an Argo CD that does not say).
    """

    number: int
    taken: tuple[Taken, ...]
    ended_at: datetime | None
    by: str
    automated: bool


@dataclass(frozen=True, slots=True)
class Application:
    """An Application. `taken` is what it was compared with, not what was applied; `history` has the newest last.

    It has no observedGeneration: the status is about the spec as it is only if `compared_as_specified`.
    """

    ref: Ref
    deleting: bool
    automated: bool
    queued: bool
    sources: tuple[Source, ...]
    compared_as_specified: bool
    sync: str
    taken: tuple[Taken, ...]
    health: str
    health_message: str
    health_since: datetime | None
    reconciled_at: datetime | None
    operation: Operation
    errors: tuple[Trouble, ...]
    history: tuple[Sync, ...]

    @property
    def revisions(self) -> tuple[str, ...]:
        """What all sources together were compared with."""
        return named(self.taken)

    @property
    def by_hand(self) -> str:
        """The command that syncs it."""
        return f"argocd app sync {self.ref.namespace}/{self.ref.name}"


def concerned(objects: Objects, target: RolloutTarget) -> tuple[Ref, ...]:  # noqa: ARG001  judges share one signature
    """The Application; `namespace` is where it lives, not where it deploys to."""
    return (Ref("Application", target.namespace, target.name),)


def revisions(objects: Objects, target: RolloutTarget) -> frozenset[str]:
    """The commits it was compared with and synced to; charts of a chart repository have versions instead.

    Earlier syncs tell only of an Application that does not sync by itself: any other comes back to the branch.
    """
    app = observe(objects, target)
    if app is None:
        return frozenset()
    past = () if app.automated else tuple(one for sync in app.history for one in sync.taken)
    return frozenset(one for one in named((*app.taken, *app.operation.taken, *past)) if is_commit(one))


def is_commit(revision: str) -> bool:
    """Whether it is the full hash of a commit, not a branch or the version of a chart."""
    return _COMMIT.fullmatch(revision) is not None


def observe(objects: Objects, target: RolloutTarget) -> Application | None:
    """The target's Application, None if there is none or it may not be seen."""
    (ref,) = concerned(objects, target)
    obj = objects.get(ref)
    return None if obj is None else _application(ref, obj)


def _application(ref: Ref, obj: Object) -> Application:
    status, spec = fields.field(obj, "status"), fields.field(obj, "spec")
    return Application(
        ref=ref,
        deleting=bool(fields.text(obj, "metadata", "deletionTimestamp")),
        automated=_automated(obj),
        queued=fields.field(obj, "operation") is not None,
        sources=sources_of(spec),
        compared_as_specified=compared_as_specified(obj),
        sync=fields.text(status, "sync", "status"),
        taken=taken_of(
            fields.field(status, "sync"), fields.field(status, "sync", "comparedTo"), fields.field(obj, "spec")
        ),
        health=fields.text(status, "health", "status"),
        health_message=fields.text(status, "health", "message"),
        health_since=fields.instant(status, "health", "lastTransitionTime"),
        reconciled_at=fields.instant(status, "reconciledAt"),
        operation=_operation(fields.field(status, "operationState"), spec),
        errors=_errors(status),
        history=_history(status),
    )


def _automated(obj: Object) -> bool:
    automated = fields.field(obj, "spec", "syncPolicy", "automated")
    return isinstance(automated, Mapping) and fields.field(automated, "enabled") is not False


def _operation(state: Any, spec: Any) -> Operation:
    asked, result = fields.field(state, "operation", "sync"), fields.field(state, "syncResult")
    return Operation(
        phase=fields.text(state, "phase") or ("" if state is None else _UNREADABLE),
        message=fields.text(state, "message"),
        taken=taken_of(result, result, asked, spec) or taken_of(asked, asked, spec),
        unpruned=tuple(_unpruned(result)),
        finished_at=fields.instant(state, "finishedAt"),
        retries=fields.number(state, "retryCount"),
        rehearsal=fields.flag(state, "operation", "sync", "dryRun"),
    )


def _unpruned(result: Any) -> Iterator[str]:
    for one in fields.items(result, "resources"):
        if fields.text(one, "status") == "PruneSkipped":
            place = filter(None, (fields.text(one, "namespace"), fields.text(one, "name")))
            yield f"{fields.text(one, 'kind')} {'/'.join(place)}"


def _errors(status: Any) -> tuple[Trouble, ...]:
    found = {fields.text(one, "type"): one for one in fields.items(status, "conditions")}
    return tuple(
        Trouble(type_, fields.text(found[type_], "message"), fields.instant(found[type_], "lastTransitionTime"))
        for type_ in _ERRORS
        if type_ in found
    )


def _history(status: Any) -> tuple[Sync, ...]:
    """Numbered and kept in the order of the syncs (argoproj/argo-cd controller/state.go, persistRevisionHistory)."""
    newest = fields.items(status, "history")[-_HISTORY:]
    return tuple(sorted((_sync(one) for one in newest), key=lambda sync: sync.number))


def _sync(entry: Any) -> Sync:
    return Sync(
        number=fields.number(entry, "id"),
        taken=taken_of(entry, entry),
        ended_at=fields.instant(entry, "deployedAt"),
        by=fields.text(entry, "initiatedBy", "username"),
        automated=fields.flag(entry, "initiatedBy", "automated"),
    )
