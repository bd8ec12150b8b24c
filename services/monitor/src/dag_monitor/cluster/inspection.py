"""What one inspection asks of a cluster, and what it has seen so far."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import structlog

from dag_common.contracts.events import RolloutTarget
from dag_common.errors import DagError, Refused
from dag_monitor.cluster import resources
from dag_monitor.cluster.client import ClusterClient
from dag_monitor.cluster.failures import FORBIDDEN
from dag_monitor.cluster.resources import BETWEEN, WORKLOADS, Query, Resource
from dag_monitor.cluster.rights import Right
from dag_monitor.domain import fields
from dag_monitor.domain.expectation import Object, Objects, Ref
from dag_monitor.domain.explanation import Family, Scene, explain, of_interest, worth_reading
from dag_monitor.domain.explanation_pods import selector
from dag_monitor.domain.explanation_scope import HelmName, Scope, owner, scope
from dag_monitor.domain.explanation_symptoms import Container
from dag_monitor.domain.workload import finished

log = structlog.get_logger()

_LISTED: Final = 200
"""Objects asked for in one question."""

_WORKLOADS_ASKED: Final = 5
_EVENTS_ASKED: Final = 6
_LOGS_ASKED: Final = 2
_LOG_LINES: Final = 10


class Inspection:
    """Looks at one target's workloads once. `lines` may be asked at any time, also when `run` was cut short."""

    def __init__(
        self, client: ClusterClient, target: RolloutTarget, objects: Objects, pushed_at: datetime, *, logs: bool
    ) -> None:
        """`logs` says whether logs may be read."""
        self._client = client
        self._scope = scope(target, objects)
        self._owner = owner(objects)
        self._pushed_at = pushed_at
        self._may_read_logs = logs
        self._families: list[Family] = []
        self._events: list[Object] = []
        self._logs: dict[Container, str] = {}
        self._rights: list[str] = []

    def lines(self) -> tuple[str, ...]:
        """What is known to be wrong by now."""
        return explain(self._scene())

    async def run(self) -> None:
        """Look. What cannot be asked is left out, a missing right is noted, and the rest looked at."""
        workloads = await self._workloads(self._scope)
        unfinished = [one for one in workloads if not finished(one)][:_WORKLOADS_ASKED]
        await asyncio.gather(*(self._family(one) for one in unfinished))
        await asyncio.gather(*(self._events_of(obj) for obj in of_interest(self._scene())[:_EVENTS_ASKED]))
        if self._may_read_logs:
            await asyncio.gather(*(self._log(one) for one in worth_reading(self._scene())[:_LOGS_ASKED]))

    def _scene(self) -> Scene:
        return Scene(
            pushed_at=self._pushed_at,
            owner=self._owner,
            families=self._families,
            events=self._events,
            logs=self._logs,
            rights=self._rights,
        )

    async def _workloads(self, where: Scope) -> list[Object]:
        if where.release is not None:
            found = await asyncio.gather(*(self._made_by(where.release, kind) for kind in WORKLOADS.values()))
        else:
            found = await asyncio.gather(*(self._named(ref) for ref in where.named[: _LISTED // 10]))
        return [obj for objects in found for obj in objects]

    async def _made_by(self, release: HelmName, resource: Resource) -> list[Object]:
        return [one for one in await self._list(Query(resource, release.namespace)) if release.made(one)]

    async def _named(self, ref: Ref) -> list[Object]:
        resource = WORKLOADS[ref.kind]
        with self._asking(Right("get", resource, ref.namespace)):
            return [await self._client.get(resource, ref.namespace, ref.name)]
        return []

    async def _family(self, workload: Object) -> None:
        chosen, between = selector(workload), BETWEEN.get(fields.text(workload, "kind"))
        namespace = fields.text(workload, "metadata", "namespace")
        if not chosen:
            return
        queries = [Query(each, namespace, chosen) for each in (resources.PODS, between) if each]
        pods, *rest = await asyncio.gather(*(self._list(query) for query in queries))
        self._families.append(Family(workload, [one for listed in rest for one in listed], pods))

    async def _events_of(self, obj: Object) -> None:
        namespace, name = fields.text(obj, "metadata", "namespace"), fields.text(obj, "metadata", "name")
        about = f"involvedObject.kind={fields.text(obj, 'kind')},involvedObject.name={name}"
        self._events += await self._list(Query(resources.EVENTS, namespace, field_selector=f"{about},type=Warning"))

    async def _log(self, container: Container) -> None:
        with self._asking(Right("get", resources.PODS, container.namespace, "log")):
            self._logs[container] = await self._client.log(
                container.namespace, container.pod, container.name, previous=container.previous, lines=_LOG_LINES
            )

    async def _list(self, query: Query) -> Sequence[Object]:
        with self._asking(Right("list", query.resource, query.namespace)):
            return await self._client.sample(query, _LISTED)
        return []

    @contextlib.contextmanager
    def _asking(self, right: Right) -> Iterator[None]:
        """One question among several: none keeps the others from being asked."""
        try:
            yield
        except DagError as exc:
            if isinstance(exc, Refused) and exc.reason == FORBIDDEN:
                self._rights.append(str(right))
            else:
                log.info("inspection_question_unanswered", reason=exc.message)
