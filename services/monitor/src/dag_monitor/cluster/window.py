"""What one target's judge sees of its cluster, through watches it shares with every other target there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Final

from dag_common.contracts.events import RolloutTarget
from dag_common.errors import Invalid, NotFound, Unavailable
from dag_common.runtime import clock
from dag_monitor.cluster import releases
from dag_monitor.cluster.freshness import Freshness
from dag_monitor.cluster.reader import Reader
from dag_monitor.cluster.reflector import Reflector
from dag_monitor.cluster.reflectors import Reflectors
from dag_monitor.cluster.resources import SECRETS, WATCHED, Key, Query
from dag_monitor.domain.concern import Concern, Releases, Since
from dag_monitor.domain.expectation import Objects, Ref
from dag_monitor.domain.judges import judge_for
from dag_monitor.domain.sighting import Seen, Sighting, Unseen

_CLOCKS_DIFFER: Final = timedelta(minutes=5)


class Windows:
    """Opens windows on the registry's clusters; both functions raise `NotFound` for one it does not have."""

    def __init__(self, reflectors_of: Callable[[str], Reflectors], reader_of: Callable[[str], Reader]) -> None:
        self._reflectors_of = reflectors_of
        self._reader_of = reader_of

    @asynccontextmanager
    async def open(self, target: RolloutTarget, changed: asyncio.Event) -> AsyncIterator[Window]:
        """A window on what the target's judge is concerned with; `changed` is set whenever there is news in it."""
        async with AsyncExitStack() as stack:
            yield Window(target, self._reflectors_of, self._reader_of, changed, stack)


class Window:
    """One target's view. It widens by itself as the objects name further ones."""

    def __init__(
        self,
        target: RolloutTarget,
        reflectors_of: Callable[[str], Reflectors],
        reader_of: Callable[[str], Reader],
        changed: asyncio.Event,
        stack: AsyncExitStack,
    ) -> None:
        self._target = target
        self._reflectors_of = reflectors_of
        self._reader_of = reader_of
        self._changed = changed
        self._stack = stack
        self._reflectors: dict[Query, Reflector] = {}
        self._wanted: dict[Query, set[Key]] = {}
        self._freshness = Freshness(changed)
        # A rollout is over when its timeout is: what began before this was there before the push.
        self._since = clock.now() - timedelta(seconds=target.timeout_seconds) - _CLOCKS_DIFFER

    async def look(self) -> Sighting:
        """The objects the judge is concerned with as they are known now, or why they cannot be known yet."""
        try:
            return await self._look(judge_for(self._target.kind).concerned)
        except (NotFound, Invalid, Unavailable) as exc:
            return Unseen(f"It cannot be watched: {exc.message}")

    async def _look(self, concerned: Callable[[Objects, RolloutTarget], tuple[Concern, ...]]) -> Sighting:
        seen: Objects = {}
        while True:
            concerns = concerned(seen, self._target)
            watches = [(concern, await self._watch(concern)) for concern in concerns]
            blind = next((reflector for _, reflector in watches if _is_blind(reflector)), None)
            if blind is not None:
                return Unseen(_why(self._target, blind))
            now = {ref: obj for concern, reflector in watches for ref, obj in self._shown(concern, reflector).items()}
            lag = self._lag(concerns, now)
            if lag:
                return Unseen(lag)
            if now.keys() == seen.keys() and set(concerned(now, self._target)) == set(concerns):
                return Seen(now)
            seen = now

    def _shown(self, concern: Concern, reflector: Reflector) -> Objects:
        if isinstance(concern, Releases):
            reader = self._reader_of(self._target.cluster)
            found = releases.known(concern, reflector.objects, self._since, reader, self._changed)
            return {Ref(SECRETS.kind, *key): secret for key, secret in found.items()}
        ref = _ref(concern)
        obj = reflector.objects.get(_key(ref))
        return {} if obj is None else {ref: obj}

    def _lag(self, concerns: Sequence[Concern], objects: Objects) -> str:
        asked = [concern for concern in concerns if isinstance(concern, Since)]
        return self._freshness.lag(asked, objects, self._reader_of(self._target.cluster)) if asked else ""

    async def _watch(self, concern: Concern) -> Reflector:
        if isinstance(concern, Releases):
            return await self._attached(releases.query(concern), releases.belonging(concern))
        ref = _ref(concern)
        query = Query(WATCHED[ref.kind], ref.namespace)
        wanted = self._wanted.setdefault(query, set())
        wanted.add(_key(ref))
        return await self._attached(query, wanted.__contains__)

    async def _attached(self, query: Query, wants: Callable[[Key], bool]) -> Reflector:
        if query not in self._reflectors:
            reflectors = self._reflectors_of(self._target.cluster)
            reflector = await self._stack.enter_async_context(reflectors.reflect(query))
            batches = self._stack.enter_context(reflector.subscribe(wants))
            pump = asyncio.create_task(self._pump(batches), name=f"window {self._target.id}")
            self._stack.callback(pump.cancel)
            self._reflectors[query] = reflector
        return self._reflectors[query]

    async def _pump(self, batches: AsyncIterator[object]) -> None:
        async for _ in batches:
            self._changed.set()


def _ref(concern: Ref | Since) -> Ref:
    return concern.ref if isinstance(concern, Since) else concern


def _key(ref: Ref) -> Key:
    return ref.namespace, ref.name


def _is_blind(reflector: Reflector) -> bool:
    """Nothing was seen yet, or somebody has to act before anything is seen again: the copy only gets older."""
    return not reflector.condition.synced or bool(reflector.condition.reason)


def _why(target: RolloutTarget, reflector: Reflector) -> str:
    trouble = reflector.condition.last_error
    what = f"{reflector.query.resource.kind} objects of cluster {target.cluster}"
    return f"{what} cannot be watched: {trouble}" if trouble else f"Looking at the {what}"
