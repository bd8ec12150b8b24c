"""Why a rollout failed, in a few lines for the author of a CI job: from what an inspection saw of the cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from dag_monitor.domain import fields
from dag_monitor.domain.conditions import conditions_of
from dag_monitor.domain.expectation import Object
from dag_monitor.domain.explanation_pods import made_since, new_pods, newest_replica_set
from dag_monitor.domain.explanation_symptoms import Container, Finding, Rank, symptoms
from dag_monitor.domain.wording import lacking, told

LINES: Final = 4
"""Besides the judge's own line."""

_LOG_LINES: Final = 2
_PODS_ASKED: Final = 3
_LONGEST: Final = 400
_LONGEST_LOGGED: Final = 200
_ESCAPES: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


@dataclass(frozen=True, slots=True)
class Family:
    """A workload, what stands between it and its pods (replica sets, controller revisions), and the pods."""

    workload: Object
    between: Sequence[Object] = ()
    pods: Sequence[Object] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What was seen of a target after its failure, as far as it could be seen in time.

    `rights` are those that were missing, `owner` is the HelmRelease or Application.
    """

    pushed_at: datetime
    owner: Object = field(default_factory=dict)
    families: Sequence[Family] = ()
    events: Sequence[Object] = ()
    logs: Mapping[Container, str] = field(default_factory=dict)
    rights: Sequence[str] = ()


def explain(scene: Scene) -> tuple[str, ...]:
    """At most four lines, the most telling first, and the missing rights last. Never raises on odd objects."""
    found = list(_lines(scene))
    missing = [line(lacking(tuple(dict.fromkeys(scene.rights))))] if scene.rights else []
    return (*found[: LINES - len(missing)], *missing)


def of_interest(scene: Scene) -> list[Object]:
    """The objects whose events may tell more: unwell pods, and what should have made pods."""
    return [obj for family in scene.families for obj in (*_makers(family), *_unwell(family, scene)[:_PODS_ASKED])]


def worth_reading(scene: Scene) -> list[Container]:
    """The containers whose logs may tell more."""
    return [finding.container for finding, _ in _grouped(_findings(scene)) if finding.container]


def line(text: str, longest: int = _LONGEST) -> str:
    """Another's words on one line of bounded length, without anything that steers a terminal."""
    plain = told(_ESCAPES.sub("", text.replace("\t", " ").replace("\r", "\n")))
    shown = "".join(letter for letter in plain if letter.isprintable())
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def _lines(scene: Scene) -> Iterator[str]:
    for finding, others in _grouped(_findings(scene)):
        more = f" (and {others} more)" if others else ""
        yield line(f"{finding.who}{more}: {finding.what}")
        if finding.container and finding.container in scene.logs:
            yield from _last_words(finding.container.name, scene.logs[finding.container])


def _last_words(container: str, log: str) -> Iterator[str]:
    said = [shown for one in log.splitlines() if (shown := line(one, _LONGEST_LOGGED))]
    yield from (f"  {container}: {one}" for one in said[-_LOG_LINES:])


def _grouped(findings: Sequence[Finding]) -> list[tuple[Finding, int]]:
    """Each finding once, in order of rank, with how many others suffer the same."""
    firsts: dict[tuple[Rank, str], Finding] = {}
    counts: dict[tuple[Rank, str], int] = {}
    for finding in sorted(findings, key=lambda finding: finding.rank):
        key = finding.rank, finding.what
        firsts.setdefault(key, finding)
        counts[key] = counts.get(key, -1) + 1
    return [(finding, counts[key]) for key, finding in firsts.items()]


def _findings(scene: Scene) -> list[Finding]:
    pods = [found for family in scene.families for pod in _suspects(family, scene) for found in _of_pod(pod, scene)]
    return [
        *pods,
        *(found for family in scene.families for found in _of_makers(family, scene)),
        *_of_reconciler(scene.owner),
    ]


def _suspects(family: Family, scene: Scene) -> Sequence[Object]:
    """The new revision's pods; if they are well, whatever came since the push: a rollback may have begun already."""
    new = new_pods(family.workload, family.between, family.pods)
    if any(found for pod in new for found in symptoms(pod, ())):
        return new
    return [*new, *(pod for pod in made_since(family.pods, scene.pushed_at) if pod not in new)]


def _unwell(family: Family, scene: Scene) -> list[Object]:
    """Pods with symptoms of their own, and pending ones, of which only events tell."""
    pods = _suspects(family, scene)
    pending = (pod for pod in pods if fields.text(pod, "status", "phase") == "Pending")
    return [pod for pod in pods if any(symptoms(pod, ()))] or list(pending)


def _of_pod(pod: Object, scene: Scene) -> Iterator[Finding]:
    events = [event for event in scene.events if _about(event, pod)]
    old = "" if made_since([pod], scene.pushed_at) else " (from before this push)"
    for found in symptoms(pod, events):
        yield Finding(found.rank, f"{found.who}{old}", found.what, found.container)


def _makers(family: Family) -> list[Object]:
    """Who creates the new revision's pods."""
    if fields.text(family.workload, "kind") != "Deployment":
        return [family.workload]
    newest = newest_replica_set(family.workload, family.between)
    return [newest] if newest else []


def _of_makers(family: Family, scene: Scene) -> Iterator[Finding]:
    failure = conditions_of(family.workload)["ReplicaFailure"]
    events = [
        event
        for maker in _makers(family)
        for event in scene.events
        if _about(event, maker) and fields.text(event, "reason") == "FailedCreate"
    ]
    newest = max(events, key=lambda event: fields.text(event, "lastTimestamp"), default=None)
    said = failure.message if failure.true else fields.text(newest, "message")
    if said:
        who = f"{fields.text(family.workload, 'kind')} {fields.text(family.workload, 'metadata', 'name')}"
        yield Finding(Rank.CREATE, who, f"pods cannot be created: {said}")


def _of_reconciler(owner: Object) -> Iterator[Finding]:
    """What the HelmRelease or the Application says of its own last attempt."""
    kind = fields.text(owner, "kind")
    released = conditions_of(owner)["Released"]
    if kind == "HelmRelease" and released.false:
        yield Finding(Rank.RECONCILER, "Helm", released.message)
    if kind != "Application":
        return
    results = fields.items(owner, "status", "operationState", "syncResult", "resources")
    for one in results:
        if fields.text(one, "status") == "SyncFailed":
            yield Finding(Rank.RECONCILER, _named(one), f"was not applied: {fields.text(one, 'message')}")
    for one in fields.items(owner, "status", "resources"):
        if fields.text(one, "health", "status") == "Degraded":
            yield Finding(Rank.RECONCILER, _named(one), f"is degraded: {fields.text(one, 'health', 'message')}")


def _named(one: Object) -> str:
    return f"{fields.text(one, 'kind')} {fields.text(one, 'name')}"


def _about(event: Object, obj: Object) -> bool:
    involved, metadata = fields.field(event, "involvedObject"), fields.field(obj, "metadata")
    if uid := fields.text(involved, "uid"):
        return uid == fields.text(metadata, "uid")
    wanted = (fields.text(obj, "kind"), fields.text(metadata, "namespace"), fields.text(metadata, "name"))
    return (fields.text(involved, "kind"), fields.text(involved, "namespace"), fields.text(involved, "name")) == wanted
