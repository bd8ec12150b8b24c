"""The window of past changes that watches resume from and old pages are read from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from dag_common.errors import Refused, Unavailable
from dag_sandbox.cluster.resources import Object, Resource

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]
EXPIRED: Final = "Expired"


@dataclass(frozen=True, slots=True)
class Change:
    """One committed write: what was there (None: nothing) and what is there now (None: nothing).

    `revision` is the resource version this write got. `object` is the state to tell watchers of: the new
    one, or for a deletion the last one. Objects in a change are shared: read them, never write them.
    """

    revision: int
    type: ChangeType
    resource: Resource
    before: Object | None
    object: Object

    @property
    def key(self) -> tuple[str, str]:
        """Namespace (empty for cluster-wide kinds) and name."""
        metadata = self.object["metadata"]
        return metadata.get("namespace", ""), metadata["name"]


class History:
    """The last `size` changes, in order, revisions without gaps; whoever asks for more gets an expiry."""

    def __init__(self, *, first: int, size: int) -> None:
        self._size = size
        self._changes: list[Change] = []
        self._floor = first
        self._wakers: set[Callable[[], None]] = set()

    @property
    def head(self) -> int:
        """The revision of the newest change."""
        return self._floor + len(self._changes)

    @property
    def oldest(self) -> int:
        """The oldest revision one can still resume from."""
        return max(self._floor, self.head - self._size)

    def append(self, change: Change) -> None:
        """Keep a change and wake everybody who follows."""
        self._changes.append(change)
        if len(self._changes) > 2 * self._size:
            self._drop(len(self._changes) - self._size)
        for wake in tuple(self._wakers):
            wake()

    def after(self, revision: int) -> list[Change]:
        """The changes since `revision`.

        Raises `Refused` with reason `Expired` when the window no longer holds them (HTTP 410), `Unavailable`
        for a revision that is still to come (HTTP 504; kubernetes/apiserver pkg/storage/errors.go).
        """
        if revision < self.oldest:
            raise Refused(EXPIRED, f"too old resource version: {revision} ({self.oldest})")
        if revision > self.head:
            raise Unavailable(f"Too large resource version: {revision}, current: {self.head}", retry_after=1.0)
        return self._changes[revision - self._floor :]

    def forget(self) -> None:
        """Drop the whole window, as a compaction does."""
        self._drop(len(self._changes))

    def follow(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` after every change until the returned function is called."""
        self._wakers.add(wake)
        return lambda: self._wakers.discard(wake)

    def _drop(self, count: int) -> None:
        del self._changes[:count]
        self._floor += count
