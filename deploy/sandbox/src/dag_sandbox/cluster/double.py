"""The cluster in memory, as controllers in the same process see it."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Iterable

from dag_common.errors import Conflict, Invalid, NotFound
from dag_common.runtime import ids
from dag_sandbox.cluster import objects
from dag_sandbox.cluster.access import AccessRules
from dag_sandbox.cluster.faults import Faults
from dag_sandbox.cluster.history import Change, ChangeType, History
from dag_sandbox.cluster.logs import PodLogs
from dag_sandbox.cluster.moments import timestamp
from dag_sandbox.cluster.resources import CATALOGUE, Object, Resource
from dag_sandbox.cluster.selectors import Selection

_EVERYTHING = Selection()
_FIRST_REVISION = 1000
# kubernetes/apiserver pkg/storage/cacher/cacher.go: defaultBookmarkFrequency.
_BOOKMARK_SECONDS = 60.0
Key = tuple[str, str]


class AlreadyExists(Conflict):
    """The name is taken: read what is there, or choose another name."""


class ClusterDouble:
    """One cluster: objects with resource versions, generations and uids, and the history that watches need.

    Every write is atomic (nothing awaits), one event loop uses it, objects that go in or come out are copies.
    `faults` breaks what HTTP clients see, `access` limits what they may; controllers in the process do as they like.
    Namespaces need not exist before objects are put in them.
    """

    def __init__(
        self, name: str = "sandbox", *, resources: Iterable[Resource] = CATALOGUE, history: int = 10_000
    ) -> None:
        self.name = name
        self.resources = set(resources)
        self.token = f"sandbox-{ids.new_event_id()}"
        self.faults = Faults()
        self.access = AccessRules()
        self.logs = PodLogs()
        self.bookmark_seconds = _BOOKMARK_SECONDS
        self.history = History(first=_FIRST_REVISION, size=history)
        self._stored: dict[Resource, dict[Key, Object]] = {}

    def create(self, resource: Resource, obj: Object) -> Object:
        """Store a new object. Raises `AlreadyExists`, `Invalid`; `NotFound` for a kind that is not installed.

        As in Kubernetes the status of a kind with a status subresource is dropped: patch it afterwards.
        """
        created = objects.admitted(resource, _named(obj), uid=ids.new_event_id(), now=timestamp())
        key = _key(created)
        if key in self._collection(resource):
            raise AlreadyExists(f'{resource.qualified} "{key[1]}" already exists')
        return self._commit("ADDED", resource, None, created)

    def replace(self, resource: Resource, obj: Object) -> Object:
        """Write the whole object. Raises `Conflict` when it carries a resource version that is not the newest."""
        before = self._existing(resource, _key(obj))
        self._guard(resource, before, obj)
        return self._update(resource, before, objects.replaced(resource, before, obj))

    def put(self, resource: Resource, obj: Object) -> Object:
        """Create the object, or replace what is there."""
        if _key(obj) in self._collection(resource):
            return self.replace(resource, obj)
        return self.create(resource, obj)

    def merge_patch(self, resource: Resource, namespace: str, name: str, patch: Object) -> Object:
        """Apply a JSON merge patch (RFC 7396) to all but the status. Raises `NotFound`, `Conflict`, `Invalid`."""
        before = self._existing(resource, (namespace, name))
        self._guard(resource, before, patch)
        wanted = self._same_identity(before, objects.merge(before, patch))
        return self._update(resource, before, objects.replaced(resource, before, wanted))

    def merge_patch_status(self, resource: Resource, namespace: str, name: str, patch: Object) -> Object:
        """Apply a merge patch, written `{"status": {...}}`, to the status only. Raises `NotFound`, `Conflict`."""
        if not resource.status_subresource:
            raise NotFound(f"{resource.qualified} has no status subresource")
        before = self._existing(resource, (namespace, name))
        self._guard(resource, before, patch)
        return self._update(resource, before, objects.with_status(before, objects.merge(before, patch)))

    def delete(self, resource: Resource, namespace: str, name: str) -> Object:
        """Delete, or mark as being deleted while finalizers remain. Raises `NotFound`."""
        before = self._existing(resource, (namespace, name))
        if not before["metadata"].get("finalizers"):
            return self._commit("DELETED", resource, before, before)
        if "deletionTimestamp" in before["metadata"]:
            return copy.deepcopy(before)
        return self._commit("MODIFIED", resource, before, objects.dying(resource, before, now=timestamp()))

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """A copy of the object. Raises `NotFound`."""
        return copy.deepcopy(self._existing(resource, (namespace, name)))

    def list(self, resource: Resource, selection: Selection = _EVERYTHING) -> list[Object]:
        """Copies of all selected objects, ordered by namespace and name."""
        matches = selection.predicate()
        return [copy.deepcopy(obj) for _, obj in sorted(self._collection(resource).items()) if matches(obj)]

    async def subscribe(
        self, *resources: Resource, selection: Selection = _EVERYTHING, since: int | None = None
    ) -> AsyncIterator[Change]:
        """Every change from now on (or since a revision) of these resources (none named: all).

        "Now" is when the first change is asked for; to miss nothing, take `history.head`, list, and pass it as
        `since`. Raises `Refused` (`Expired`) when the reader has fallen out of the history: list again.
        """
        matches = selection.predicate()
        wake = asyncio.Event()
        unfollow = self.history.follow(wake.set)
        revision = self.history.head if since is None else since
        try:
            while True:
                wake.clear()
                for change in self.history.after(revision):
                    revision = change.revision
                    if (not resources or change.resource in resources) and matches(change.object):
                        yield copy.deepcopy(change)
                await wake.wait()
        finally:
            unfollow()

    def stored(self, resource: Resource, *, at: int) -> dict[Key, Object]:
        """The collection as it was at a revision; shared objects, for reading only. Raises as `History.after`."""
        state = dict(self._collection(resource))
        for change in reversed(self.history.after(at)):
            if change.resource != resource:
                continue
            if change.before is None:
                state.pop(change.key, None)
            else:
                state[change.key] = change.before
        return state

    def rotate_token(self) -> str:
        """Issue a new bearer token; the old one is answered with 401 from now on, open watches stay open."""
        self.token = f"sandbox-{ids.new_event_id()}"
        return self.token

    def _collection(self, resource: Resource) -> dict[Key, Object]:
        if resource not in self.resources:
            raise NotFound("the server could not find the requested resource")
        return self._stored.setdefault(resource, {})

    def _existing(self, resource: Resource, key: Key) -> Object:
        try:
            return self._collection(resource)[key]
        except KeyError:
            raise NotFound(f'{resource.qualified} "{key[1]}" not found') from None

    def _guard(self, resource: Resource, before: Object, wanted: Object) -> None:
        claimed = (wanted.get("metadata") or {}).get("resourceVersion")
        if claimed and claimed != before["metadata"]["resourceVersion"]:
            raise Conflict(
                f'Operation cannot be fulfilled on {resource.qualified} "{before["metadata"]["name"]}": the object has '
                "been modified; please apply your changes to the latest version and try again"
            )

    def _same_identity(self, before: Object, wanted: Object) -> Object:
        if not isinstance(wanted.get("metadata"), dict) or _key(wanted) != _key(before):
            raise Invalid(f"{before['kind']} {_key(before)[1]!r}: a patch must not change name or namespace")
        return wanted

    def _update(self, resource: Resource, before: Object, after: Object) -> Object:
        if objects.same(before, after):
            return copy.deepcopy(before)
        if "deletionTimestamp" in after["metadata"] and not after["metadata"].get("finalizers"):
            return self._commit("DELETED", resource, before, after)
        return self._commit("MODIFIED", resource, before, after)

    def _commit(self, type_: ChangeType, resource: Resource, before: Object | None, after: Object) -> Object:
        revision = self.history.head + 1
        after = after | {"metadata": after["metadata"] | {"resourceVersion": str(revision)}}
        change = Change(revision, type_, resource, before, after)
        if type_ == "DELETED":
            del self._collection(resource)[change.key]
        else:
            self._collection(resource)[change.key] = after
        self.history.append(change)
        return copy.deepcopy(after)


def _key(obj: Object) -> Key:
    metadata = obj.get("metadata") or {}
    return metadata.get("namespace", ""), metadata.get("name", "")


def _named(obj: Object) -> Object:
    metadata = obj.get("metadata")
    if isinstance(metadata, dict) and metadata.get("generateName") and not metadata.get("name"):
        return obj | {"metadata": metadata | {"name": metadata["generateName"] + ids.new_event_id()[-5:]}}
    return obj
