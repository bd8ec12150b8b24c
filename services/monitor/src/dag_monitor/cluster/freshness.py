"""Whether the copies that watches keep have come as far as somebody else's state that was already seen."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from dag_common.runtime import clock
from dag_monitor.cluster.reader import Floor, Reader, floor_of
from dag_monitor.domain.concern import Since
from dag_monitor.domain.expectation import Object, Objects, Ref

_PATIENCE_SECONDS: Final = 5.0
"""How long copy and cluster may differ before the cluster is asked again."""


class Freshness:
    """One window's. A copy that has come far enough stays so: watches go forward only."""

    def __init__(self, changed: asyncio.Event) -> None:
        self._changed = changed
        self._settled: set[Since] = set()

    def lag(self, concerns: Sequence[Since], objects: Objects, reader: Reader) -> str:
        """What is still waited for, or what is in the way; empty if all the objects are as new as was asked."""
        for state in {concern.state for concern in concerns if concern not in self._settled}:
            refs = tuple(concern.ref for concern in concerns if concern.state == state)
            waiting = self._wait(state, refs, objects, reader)
            if waiting:
                return waiting
            self._settled.update(Since(ref, state) for ref in refs)
        return ""

    def _wait(self, state: str, refs: tuple[Ref, ...], objects: Objects, reader: Reader) -> str:
        reading = reader.floors(state, refs, self._changed)
        if reading.value is None:
            return reading.trouble or f"Looking at {refs[0]}"
        behind = [ref for ref in refs if not _reached(objects.get(ref), reading.value.get(ref))]
        if behind and clock.monotonic() - reading.since > _PATIENCE_SECONDS:
            reader.floors_outdated(state, refs)
            reader.floors(state, refs, self._changed)
        return f"Looking at {behind[0]}" if behind else ""


def _reached(obj: Object | None, floor: Floor | None) -> bool:
    """The same object at the same spec or a later one; an object that is not there has to be missing in both."""
    if obj is None or floor is None:
        return obj is None and floor is None
    uid, generation = floor_of(obj)
    return uid == floor[0] and generation >= floor[1]
