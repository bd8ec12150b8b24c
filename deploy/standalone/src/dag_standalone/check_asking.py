"""Questions to one cluster: several at a time, none twice, and none where the cluster kept silent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeVar

from dag_common.errors import Unavailable
from dag_monitor.cluster.client import ClusterClient
from dag_monitor.cluster.resources import REVIEWS, Object, Query, Resource
from dag_monitor.cluster.rights import Right

T = TypeVar("T")

AT_ONCE: Final = 16
"""Enough that a registry of fifty environments takes seconds, few enough for any API server."""


async def together(questions: Iterable[Awaitable[T]]) -> list[T]:
    """All answers. Raises the first error there was, once nobody is waited for any more."""
    answers = await asyncio.gather(*questions, return_exceptions=True)
    return [_answer(one) for one in answers]


def _answer(given: T | BaseException) -> T:
    if isinstance(given, BaseException):
        raise given
    return given


class Asking:
    """Each question has so many seconds, the wait for its turn not counted.

    Once a question about a resource is not answered, no other about it is asked: so a cluster that falls silent is
    waited for once, however many questions there are. Raises what `ClusterClient` raises, `Unavailable` for silence.
    """

    def __init__(self, client: ClusterClient, seconds: float) -> None:
        self.cluster = client.name
        self._client = client
        self._seconds = seconds
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._unanswered: dict[Resource, Unavailable] = {}
        self._answers: dict[tuple[Query, int], asyncio.Task[Sequence[Object]]] = {}

    async def sample(self, query: Query, limit: int) -> Sequence[Object]:
        """At most so many of what the query means; who asks the same again is told the same."""
        return await self._once((query, limit), lambda: self._client.sample(query, limit))

    async def all(self, query: Query) -> Sequence[Object]:
        """Everything the query means; who asks the same again is told the same."""

        async def listed() -> Sequence[Object]:
            return (await self._client.list(query)).items

        return await self._once((query, 0), listed)

    async def may(self, right: Right) -> bool:
        """Whether the cluster grants a right, by its own word."""
        return await self._ask(REVIEWS, lambda: self._client.may(right))

    async def _once(
        self, key: tuple[Query, int], question: Callable[[], Awaitable[Sequence[Object]]]
    ) -> Sequence[Object]:
        if key not in self._answers:
            self._answers[key] = asyncio.ensure_future(self._ask(key[0].resource, question))
        return await self._answers[key]

    async def _ask(self, resource: Resource, question: Callable[[], Awaitable[T]]) -> T:
        async with self._turns:
            if resource in self._unanswered:
                raise self._unanswered[resource]
            try:
                async with asyncio.timeout(self._seconds):
                    return await question()
            except TimeoutError:
                self._unanswered[resource] = Unavailable(f"no answer within {self._seconds:g} s")
            except Unavailable as exc:
                self._unanswered[resource] = exc
            raise self._unanswered[resource]
