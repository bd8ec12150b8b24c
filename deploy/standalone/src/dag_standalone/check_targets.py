"""What is there of a target, found the way its judge finds it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from dag_common.contracts.events import RolloutTarget
from dag_common.errors import DagError, NotFound, Refused
from dag_monitor.cluster import releases
from dag_monitor.cluster.failures import FORBIDDEN
from dag_monitor.cluster.resources import WATCHED, Object, Query, key_of
from dag_monitor.cluster.rights import Right
from dag_monitor.domain import fields
from dag_monitor.domain.concern import Concern, Releases, Since
from dag_monitor.domain.expectation import Ref
from dag_monitor.domain.fit import Remark
from dag_monitor.domain.judges import judge_for
from dag_monitor.domain.wording import lacking
from dag_standalone.check_asking import Asking, together

_OTHERS: Final = 6


@dataclass(slots=True)
class Sight:
    """The objects there are; `others` are names of its kind beside a target that is not there.

    `blind` says why it cannot be told whether there are more.
    """

    objects: dict[Ref, Object] = field(default_factory=dict)
    others: tuple[str, ...] = ()
    blind: Remark | None = None


async def look(asking: Asking, target: RolloutTarget) -> Sight:
    """Follow the objects as they name each other, by lists alone: DAG needs no other right to see them."""
    sight = Sight()
    try:
        await _walk(asking, target, sight)
    except Refused as exc:
        grant = f"grant it, as said of the rights to watch in cluster {asking.cluster}"
        sight.blind = _unseen(exc, grant)
    except NotFound as exc:
        install = f"install what serves targets of kind {target.kind}, or correct the target's kind in the registry"
        sight.blind = _unseen(exc, install)
    except DagError as exc:
        sight.blind = _unseen(exc, "check again when the cluster answers")
    return sight


def _unseen(exc: DagError, remedy: str) -> Remark:
    return Remark(f"cannot be seen: {exc.message}", remedy)


async def _walk(asking: Asking, target: RolloutTarget, sight: Sight) -> None:
    concerned = judge_for(target.kind).concerned
    asked: set[Concern] = set()
    while fresh := [one for one in concerned(sight.objects, target) if one not in asked]:
        for found in await together(_found(asking, one) for one in fresh):
            sight.objects |= found
        asked.update(fresh)
    if not sight.objects:
        (sought,) = concerned({}, target)
        sight.others = await _others(asking, sought)


async def _found(asking: Asking, concern: Concern) -> dict[Ref, Object]:
    if isinstance(concern, Releases):
        return {Ref("Secret", *key_of(one)): one for one in await _secrets(asking, concern, concern.name)}
    ref = concern.ref if isinstance(concern, Since) else concern
    query = Query(WATCHED[ref.kind], ref.namespace, field_selector=f"metadata.name={ref.name}")
    with _permitted(query):
        return {Ref(ref.kind, *key_of(obj)): obj for obj in await asking.sample(query, 1)}


async def _others(asking: Asking, sought: Concern) -> tuple[str, ...]:
    if isinstance(sought, Releases):
        names = [fields.text(one, "metadata", "labels", "name") for one in await _secrets(asking, sought)]
    else:
        ref = sought.ref if isinstance(sought, Since) else sought
        query = Query(WATCHED[ref.kind], ref.namespace, metadata_only=True)
        with _permitted(query):
            names = [key_of(one)[1] for one in await asking.sample(query, _OTHERS)]
    return tuple(sorted(set(names)))[:_OTHERS]


async def _secrets(asking: Asking, concern: Releases, name: str = "") -> Sequence[Object]:
    """What Helm stored of one release, or of all in the namespace."""
    query, mine = releases.query(concern), releases.belonging(concern)
    with _permitted(query):
        return [one for one in await asking.all(query) if not name or mine(key_of(one))]


@contextmanager
def _permitted(query: Query) -> Iterator[None]:
    """A missing right is told in fewer words than the API server's."""
    try:
        yield
    except Refused as exc:
        if exc.reason == FORBIDDEN:
            raise Refused(FORBIDDEN, lacking((str(Right("list", query.resource, query.namespace)),))) from exc
        raise
