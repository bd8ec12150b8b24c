"""What one target's judge sees of its cluster, through watches it shares with every other target there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from dag_common.contracts.events import RolloutTarget
from dag_common.errors import Invalid, NotFound, Unavailable
from dag_monitor.cluster import resources
from dag_monitor.cluster.reflector import Reflector
from dag_monitor.cluster.reflectors import Reflectors
from dag_monitor.cluster.resources import Key, Query, Resource
from dag_monitor.domain.expectation import Objects, Ref
from dag_monitor.domain.judges import judge_for
from dag_monitor.domain.sighting import Seen, Sighting, Unseen

_BY_KIND: Final[dict[str, Resource]] = {
    resource.kind: resource
    for resource in (
        resources.HELM_RELEASES,
        resources.HELM_CHARTS,
        resources.GIT_REPOSITORIES,
        resources.APPLICATIONS,
        resources.DEPLOYMENTS,
        resources.STATEFUL_SETS,
        resources.DAEMON_SETS,
        resources.JOBS,
    )
}


class Windows:
    """Opens windows on the registry's clusters; `reflectors_of` raises `NotFound` for one it does not have."""

    def __init__(self, reflectors_of: Callable[[str], Reflectors]) -> None:
        self._reflectors_of = reflectors_of

    @asynccontextmanager
    async def open(self, target: RolloutTarget, changed: asyncio.Event) -> AsyncIterator[Window]:
        """A window on what the target's judge is concerned with; `changed` is set whenever there is news in it."""
        async with AsyncExitStack() as stack:
            yield Window(target, self._reflectors_of, changed, stack)


class Window:
    """One target's view. It widens by itself as the objects name further ones."""

    def __init__(
        self,
        target: RolloutTarget,
        reflectors_of: Callable[[str], Reflectors],
        changed: asyncio.Event,
        stack: AsyncExitStack,
    ) -> None:
        self._target = target
        self._reflectors_of = reflectors_of
        self._changed = changed
        self._stack = stack
        self._reflectors: dict[Query, Reflector] = {}
        self._wanted: dict[Query, set[Key]] = {}

    async def look(self) -> Sighting:
        """The objects the judge is concerned with as they are known now, or why they cannot be known yet."""
        try:
            return await self._look(judge_for(self._target.kind).concerned)
        except (NotFound, Invalid, Unavailable) as exc:
            return Unseen(f"It cannot be watched: {exc.message}")

    async def _look(self, concerned: Callable[[Objects, RolloutTarget], tuple[Ref, ...]]) -> Sighting:
        seen: dict[Ref, resources.Object] = {}
        while True:
            refs = concerned(seen, self._target)
            found = [await self._find(ref) for ref in refs]
            blind = [reflector for reflector, _ in found if _is_blind(reflector)]
            if blind:
                return Unseen(_why(self._target, blind[0]))
            now = {ref: obj for ref, (_, obj) in zip(refs, found, strict=True) if obj is not None}
            if now.keys() == seen.keys() and set(concerned(now, self._target)) == set(refs):
                return Seen(dict(now))
            seen = now

    async def _find(self, ref: Ref) -> tuple[Reflector, resources.Object | None]:
        query, key = Query(_BY_KIND[ref.kind], ref.namespace), (ref.namespace, ref.name)
        reflector = self._reflectors.get(query) or await self._attach(query)
        self._wanted[query].add(key)
        return reflector, reflector.objects.get(key)

    async def _attach(self, query: Query) -> Reflector:
        reflectors = self._reflectors_of(self._target.cluster)
        reflector = await self._stack.enter_async_context(reflectors.reflect(query))
        wanted = self._wanted[query] = set()
        batches = self._stack.enter_context(reflector.subscribe(wanted.__contains__))
        pump = asyncio.create_task(self._pump(batches), name=f"window {self._target.id}")
        self._stack.callback(pump.cancel)
        self._reflectors[query] = reflector
        return reflector

    async def _pump(self, batches: AsyncIterator[object]) -> None:
        async for _ in batches:
            self._changed.set()


def _is_blind(reflector: Reflector) -> bool:
    """Nothing was seen yet, or somebody has to act before anything is seen again: the copy only gets older."""
    return not reflector.condition.synced or bool(reflector.condition.reason)


def _why(target: RolloutTarget, reflector: Reflector) -> str:
    trouble = reflector.condition.last_error
    what = f"{reflector.query.resource.kind} objects of cluster {target.cluster}"
    return f"{what} cannot be watched: {trouble}" if trouble else f"Looking at the {what}"
