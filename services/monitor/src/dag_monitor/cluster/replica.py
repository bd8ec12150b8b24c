"""Our copy of a part of a collection, and which keys a list or an event changed in it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from dag_monitor.cluster.resources import Key, Object, key_of


class Replica(Mapping[Key, Object]):
    """Objects by key, as the server last told them. Objects are shared: read them, never write them."""

    def __init__(self) -> None:
        self._objects: dict[Key, Object] = {}

    def __getitem__(self, key: Key) -> Object:
        return self._objects[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._objects)

    def __len__(self) -> int:
        return len(self._objects)

    def replace(self, items: Iterable[Object]) -> set[Key]:
        """Take over a fresh list; the keys that are new, different or gone since."""
        fresh = {key_of(obj): obj for obj in items}
        changed = {key for key, obj in fresh.items() if _version(obj) != _version(self._objects.get(key))}
        gone = self._objects.keys() - fresh.keys()
        self._objects = fresh
        return changed | gone

    def apply(self, type_: str, obj: Object) -> set[Key]:
        """Take over one watch event; the key that changed, if one did."""
        key = key_of(obj)
        if type_ == "DELETED":
            return {key} if self._objects.pop(key, None) is not None else set()
        known = self._objects.get(key)
        self._objects[key] = obj
        return {key} if _version(known) != _version(obj) else set()


def _version(obj: Object | None) -> tuple[object, object] | None:
    if obj is None:
        return None
    metadata = obj["metadata"]
    return metadata.get("uid"), metadata.get("resourceVersion")
