"""Whether what a target names is there, found the way its judge finds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dag_common.contracts.events import RolloutTarget
from dag_common.errors import NotFound, Refused
from dag_monitor.cluster import releases
from dag_monitor.cluster.client import ClusterClient
from dag_monitor.cluster.failures import FORBIDDEN
from dag_monitor.cluster.resources import WATCHED, Query, key_of
from dag_monitor.cluster.rights import Right
from dag_monitor.domain.concern import Concern, Releases, Since
from dag_monitor.domain.expectation import Object, Objects, Ref
from dag_monitor.domain.judges import judge_for
from dag_monitor.domain.wording import lacking
from dag_standalone.check_findings import Finding, Question

_FIRST_BRINGS_IT = frozenset({"helm", "workload"})
"""Kinds whose object a first deployment makes; the reconcilers' own objects have to be there before."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What is there of a target, and the row about it."""

    objects: Objects
    finding: Finding


async def look(client: ClusterClient, target: RolloutTarget, seconds: float) -> Sight:
    """Follow the objects as they name each other, by lists alone: DAG needs no other right to see them."""
    seen: dict[Ref, Object] = {}
    create = "create it, or correct the target in the registry: rollouts would wait for it until their timeout"
    again = "check again when the cluster answers"
    remedies = {NotFound: create, Refused: "grant it, as said of the rights to watch"}
    question = Question(
        f"cluster {client.name}", f"{target.kind} {target.namespace}/{target.name}", again, seconds, remedies
    )
    return Sight(seen, await question.ask(_walk(client, target, seen)))


async def _walk(client: ClusterClient, target: RolloutTarget, seen: dict[Ref, Object]) -> str:
    concerned = judge_for(target.kind).concerned
    asked: dict[Concern, str] = {}
    while fresh := [one for one in concerned(seen, target) if one not in asked]:
        for concern in fresh:
            asked[concern] = await _found(client, concern, seen)
            if asked[concern]:
                continue
            if target.kind not in _FIRST_BRINGS_IT:
                raise NotFound(f"there is no {_named(concern)}")
            asked[concern] = f"{_named(concern)} is not there yet: the first deployment brings it"
    return ", ".join(asked.values())


async def _found(client: ClusterClient, concern: Concern, seen: dict[Ref, Object]) -> str:
    """What is there, in words; empty if nothing."""
    if isinstance(concern, Releases):
        mine = releases.belonging(concern)
        query = releases.query(concern)
        with _permitted(query):
            there = (await client.list(query)).items
        return _named(concern) if any(mine(key_of(secret)) for secret in there) else ""
    ref = concern.ref if isinstance(concern, Since) else concern
    query = Query(WATCHED[ref.kind], ref.namespace, field_selector=f"metadata.name={ref.name}")
    with _permitted(query):
        for obj in await client.sample(query, 1):
            seen[ref] = obj
            return _named(concern)
    return ""


@contextmanager
def _permitted(query: Query) -> Iterator[None]:
    """A missing right is told in fewer words than the API server's."""
    try:
        yield
    except Refused as exc:
        if exc.reason == FORBIDDEN:
            raise Refused(FORBIDDEN, lacking((str(Right("list", query.resource, query.namespace)),))) from exc
        raise


def _named(concern: Concern) -> str:
    if isinstance(concern, Releases):
        return f"Helm release {concern.namespace}/{concern.name}"
    return str(concern.ref if isinstance(concern, Since) else concern)
