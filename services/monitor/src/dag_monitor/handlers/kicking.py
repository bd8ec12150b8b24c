"""Tell the reconcilers of one deployment's targets of its push; if that fails they look by themselves, later."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final, Protocol, Self

import structlog

from dag_common.contracts.events import RolloutTarget
from dag_common.errors import Conflict, DagError, Refused
from dag_monitor.domain.expectation import Expectation, Objects, Ref
from dag_monitor.domain.kick import Kick, due

log = structlog.get_logger()

PATIENCE_SECONDS: Final = 10.0

Place = tuple[str, Ref]
"""A cluster's name and the object in it that is annotated."""


class Kicker(Protocol):
    """Who may write to clusters."""

    async def kick(self, cluster: str, kick: Kick) -> bool:
        """Write; False if the registry forbids it. Raises `Conflict` (it changed), `Refused`, `Unavailable`."""


class Kicking:
    """Kicks each reconciler once in a watch, beside it: a cluster that does not answer delays no verdict."""

    def __init__(self, kicker: Kicker, changed: asyncio.Event) -> None:
        """`changed` is set when a refusal has to be told, or the object is to be looked at again."""
        self._kicker = kicker
        self._changed = changed
        self._tried: set[Place] = set()
        self._outdated: dict[Place, str] = {}
        self._refusals: dict[Place, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kicks that are under way are dropped: the watch is over."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def note(self, target: RolloutTarget, objects: Objects, expected: Expectation) -> str:
        """Kick if it is due; what to tell who waits for a reconciler that could not be told, empty if nothing."""
        kick = due(objects, expected)
        if kick is None:
            return ""
        place = (target.cluster, kick.ref)
        if place not in self._tried and self._outdated.get(place) != kick.seen:
            self._tried.add(place)
            task = asyncio.create_task(self._kick(place, kick), name=f"kick {kick.ref}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return self._refusals.get(place, "")

    async def _kick(self, place: Place, kick: Kick) -> None:
        cluster, ref = place
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                written = await self._kicker.kick(cluster, kick)
        except Refused as exc:
            log.warning("kick_refused", cluster=cluster, object=str(ref), reason=exc.message)
            self._refusals[place] = f"It was not told of the push and looks in its own time: {exc.message}"
            self._changed.set()
        except Conflict:
            # The newer object may be here already, or its news come yet: look at once, but never twice at the same.
            self._outdated[place] = kick.seen
            self._tried.discard(place)
            self._changed.set()
        except (DagError, TimeoutError) as exc:
            self._tried.discard(place)
            log.warning("kick_missed", cluster=cluster, object=str(ref), reason=str(exc) or type(exc).__name__)
        except Exception:
            log.exception("kick_failed", cluster=cluster, object=str(ref))
        else:
            if written:
                log.info("reconciler_kicked", cluster=cluster, object=str(ref), value=kick.value)
