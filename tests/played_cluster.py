"""A cluster double whose whole history a judge reads afterwards, write by write; and one that dies after any write."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from dag_common.contracts.events import RolloutTarget
from dag_common.runtime import clock
from dag_monitor.domain.expectation import Earlier, Expectation, Later, Object, Ref, Relation
from dag_monitor.domain.helm_observation import at_work
from dag_monitor.domain.helm_payload import release_of
from dag_monitor.domain.judges import judge_for
from dag_monitor.domain.verdict import Progressing, Verdict
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.history import Change
from dag_sandbox.cluster.resources import Resource
from dag_sandbox.reconcilers.charts import Built
from dag_sandbox.reconcilers.outcomes import Outcome
from dag_sandbox.reconcilers.pace import Pace

BEGINNING = ClusterDouble().history.head
QUICK = Pace(interval=0.05, action=0.05, retry=0.02, dependency=0.05, pod=0.02, deadline=0.3)
OURS, BEFORE, AFTER = "4d1c3a9" + "0" * 33, "a" * 40, "b" * 40


class Died(Exception):
    """The process that wrote is gone."""


class MortalDouble(ClusterDouble):
    """Lets whoever writes die after so many more writes; then nobody writes any more until it is told to live."""

    left: int | None = None

    def _commit(self, *arguments: Any) -> Object:
        if self.left == 0:
            raise Died
        committed = super()._commit(*arguments)
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise Died
        return committed


def expectation(kind: str, name: str, version: str = "1.2.3", previous: str = "1.2.2", **more: Any) -> Expectation:
    now = clock.now()
    fail_after, namespace = more.pop("fail_after", 1), more.pop("namespace", "default")
    target = RolloutTarget(
        kind=kind, cluster="c", namespace=namespace, name=name, timeout_seconds=60, fail_after=fail_after
    )
    usual: dict[str, Any] = {
        "target": target,
        "chart_name": "podinfo",
        "chart_version": version,
        "previous_chart_version": previous,
        "url": "https://git.example.com/iac.git",
        "branch": "main",
        "path": "apps/podinfo",
        "commit": OURS,
        "unchanged": False,
        "pushed_at": now,
        "content_since": now,
        "reused": version == previous,
        "earlier": (Earlier(previous, previous),),
        "relations": {BEFORE: Relation.ANCESTOR},
        "app_version": version,
    }
    return Expectation(**usual | more)


def chart(version: str, *, replicas: int = 2, name: str = "podinfo") -> Built:
    return Built(name, version, version, {"replicas": replicas})


def sick(outcome: str, symptom: str = "", reason: str = "") -> Outcome:
    return Outcome(outcome, reason, None, symptom)


def changes(double: ClusterDouble, *resources: Resource, since: int = BEGINNING) -> list[Change]:
    return [change for change in double.history.after(since) if not resources or change.resource in resources]


def pictures(double: ClusterDouble, *, since: int = BEGINNING) -> Iterator[Mapping[Ref, Object]]:
    """The cluster after every write, from the beginning on; those up to `since` are not told."""
    objects: dict[Ref, Object] = {}
    for change in double.history.after(BEGINNING):
        ref = Ref(change.object["kind"], *change.key)
        if change.type == "DELETED":
            objects.pop(ref, None)
        else:
            objects[ref] = shown(change.object)
        if change.revision > since:
            yield dict(objects)


def shown(obj: Object) -> Object:
    """As the monitor sees it: without secret data, and a release of Helm read unless Helm is at work on it."""
    if obj["kind"] != "Secret":
        return obj
    partial = {"metadata": obj["metadata"]}
    if at_work(obj["metadata"]["labels"]["status"]):
        return partial
    return partial | {"release": release_of(obj["data"]["release"])}


def verdicts(double: ClusterDouble, expected: Expectation, *, since: int = BEGINNING) -> list[Verdict]:
    """What the judge says after every single write."""
    assess = judge_for(expected.target.kind).assess
    return [assess(picture, expected) for picture in pictures(double, since=since)]


def verdict(double: ClusterDouble, expected: Expectation, *, since: int = BEGINNING) -> Verdict:
    """The first final verdict, which is the one that counts; the last one if none is final."""
    said = verdicts(double, expected, since=since)
    return next((one for one in said if not isinstance(one, Progressing)), said[-1] if said else Progressing(""))


def told(said: list[Verdict]) -> list[str]:
    """The messages of what was not final, each once, in order."""
    return list(dict.fromkeys(one.message for one in said if isinstance(one, Progressing)))


@contextlib.contextmanager
def deaths() -> Iterator[None]:
    """Whoever runs inside may die."""
    try:
        yield
    except* Died:
        pass


def later(version: str, commit: str = AFTER) -> Later:
    return Later("0199-newer", version, commit)
