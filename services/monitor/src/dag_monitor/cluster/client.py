"""The part of the Kubernetes API that DAG uses, over plain HTTP/1.1."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import msgspec

from dag_common.errors import Unreadable
from dag_monitor.cluster import failures, lines
from dag_monitor.cluster.access import Access, Credentials
from dag_monitor.cluster.channel import Channel
from dag_monitor.cluster.failures import Attempt, Expired
from dag_monitor.cluster.resources import PODS, REVIEWS, Object, Query, Resource
from dag_monitor.cluster.rights import Right

_PAGE: Final = 500
_LISTS_TRIED: Final = 3
_TYPES: Final = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK"}
_AT_ONCE: Final = 4
_LOG_BYTES: Final = 16 << 10
_CONNECT_SECONDS: Final = 10.0
_READ_SECONDS: Final = 60.0
_PARTIAL: Final = "application/json;as=PartialObjectMetadata{suffix};g=meta.k8s.io;v=v1"


@dataclass(frozen=True, slots=True)
class Listing:
    """A collection at one moment; `resource_version` is where a watch goes on from."""

    items: list[Object]
    resource_version: str


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One line of a watch: ADDED, MODIFIED, DELETED or BOOKMARK, and the object."""

    type: str
    object: Object


@dataclass(frozen=True, slots=True)
class WatchFrom:
    """Where a watch begins, for how long the server keeps it, how long we wait for a sign of life (seconds)."""

    resource_version: str
    timeout_seconds: int
    idle_seconds: float


class ClusterClient:
    """One cluster. Reads and writes go at most `at_once` at a time; watches are bounded by who opens them.

    Raises `Unavailable` (with `retry_after` 0 when the server named none), `NotFound`, `Refused` with reason
    `Forbidden` or `Unauthorized` (after the credentials were read again once), `Conflict`, `Invalid`,
    `Unreadable`, and `Expired` for a resource version that is no longer, or not yet, served.
    """

    def __init__(self, name: str, access: Access, *, at_once: int = _AT_ONCE) -> None:
        self.name = name
        self._access = access
        self._channel = Channel(access, kept=at_once)
        self._turns = asyncio.Semaphore(at_once)

    async def list(self, query: Query) -> Listing:
        """Everything the query means, read in pages; a page that expired starts the list anew."""
        for _ in range(_LISTS_TRIED - 1):
            with contextlib.suppress(Expired):
                return await self._list_once(query)
        return await self._list_once(query)

    async def sample(self, query: Query, limit: int) -> Sequence[Object]:
        """At most so many of what the query means, in the order of their names."""
        page = await self._page(query, limit=limit)
        return [_complete(query, item) for item in page.get("items") or []]

    @contextlib.asynccontextmanager
    async def watch(self, query: Query, start: WatchFrom) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        """Open a watch; entered when the server has accepted it.

        The iterator ends when the server closes the stream, and raises the error of an ERROR event, `Unavailable`
        when the connection breaks or stays silent, `Unreadable` for a line that is no event.
        """
        attempt = Attempt(self.name, "watch", str(query))
        # Uncompressed, because a compressor in between could hold events back.
        headers = {"Accept": _accept(query, ""), "Accept-Encoding": "identity"}
        path, parameters = query.resource.path(query.namespace), _watch_parameters(query, start)
        request = _Request("GET", path, headers, parameters, read_seconds=start.idle_seconds)
        async with (
            self._answered(attempt, request) as response,
            contextlib.aclosing(_events(attempt, response)) as events,
        ):
            yield events

    async def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """One object."""
        request = _Request("GET", resource.path(namespace, name), {"Accept": "application/json"})
        return await self._asked(Attempt(self.name, "get", f"{resource.qualified} {namespace}/{name}"), request)

    async def log(self, namespace: str, pod: str, container: str, *, previous: bool, lines: int) -> str:
        """The last lines of a container's present run, or the run before it; `Invalid` if there was none."""
        parameters = {
            "container": container,
            "previous": str(previous).lower(),
            "tailLines": str(lines),
            "limitBytes": str(_LOG_BYTES),
        }
        request = _Request("GET", f"{PODS.path(namespace, pod)}/log", {"Accept": "*/*"}, parameters)
        attempt = Attempt(self.name, "get", f"pods/log {namespace}/{pod}")
        async with self._turns, self._answered(attempt, request) as response:
            return (await response.aread()).decode(errors="replace")

    async def merge_patch(self, resource: Resource, namespace: str, name: str, patch: Object) -> Object:
        """Change one object with a JSON merge patch (RFC 7396); the new object."""
        headers = {"Accept": "application/json", "Content-Type": "application/merge-patch+json"}
        request = _Request("PATCH", resource.path(namespace, name), headers, content=msgspec.json.encode(patch))
        return await self._asked(Attempt(self.name, "patch", f"{resource.qualified} {namespace}/{name}"), request)

    async def may(self, right: Right) -> bool:
        """Whether the API server would let us, by its own word (authorization.k8s.io/v1 SelfSubjectAccessReview)."""
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        request = _Request("POST", REVIEWS.path(), headers, content=msgspec.json.encode(_review(right)))
        answer = await self._asked(Attempt(self.name, "create", REVIEWS.qualified), request)
        return (answer.get("status") or {}).get("allowed") is True

    async def aclose(self) -> None:
        """Let go of all connections; those of watches that are still open close with them."""
        await self._channel.aclose()

    async def _list_once(self, query: Query) -> Listing:
        attempt = Attempt(self.name, "list", str(query))
        items: list[Object] = []
        token = ""
        while True:
            page = await self._page(query, limit=_PAGE, token=token)
            items += [_complete(query, item) for item in page.get("items") or []]
            if not _versioned(page):
                raise Unreadable(f"{attempt}: the answer is a list without a resource version")
            metadata = page["metadata"]
            token = metadata.get("continue", "")
            if not token:
                return Listing(items, metadata["resourceVersion"])

    async def _page(self, query: Query, *, limit: int, token: str = "") -> Object:
        parameters = _selectors(query) | {"limit": str(limit)} | ({"continue": token} if token else {})
        headers = {"Accept": _accept(query, "List")}
        request = _Request("GET", query.resource.path(query.namespace), headers, parameters)
        return await self._asked(Attempt(self.name, "list", str(query)), request)

    async def _asked(self, attempt: Attempt, request: _Request) -> Object:
        async with self._turns, self._answered(attempt, request) as response:
            return _object(attempt, await response.aread())

    @contextlib.asynccontextmanager
    async def _answered(self, attempt: Attempt, request: _Request) -> AsyncIterator[httpx.Response]:
        """A successful answer, its body not read yet; after a 401 once more with the credentials read again."""
        for last_try in (False, True):
            with failures.mapped(attempt):
                async with self._channel.open() as (http, credentials):
                    sent = self._addressed(http, request, credentials)
                    async with contextlib.aclosing(await http.send(sent, stream=True)) as response:
                        if response.status_code == httpx.codes.UNAUTHORIZED and not last_try:
                            await self._channel.renew(credentials)
                            continue
                        if not response.is_success:
                            await response.aread()
                            raise failures.from_response(attempt, response)
                        yield response
                        return

    def _addressed(self, http: httpx.AsyncClient, request: _Request, credentials: Credentials) -> httpx.Request:
        shown = {"Authorization": f"Bearer {credentials.token}"} if credentials.token else {}
        server_name = self._access.tls_server_name
        return http.build_request(
            request.method,
            request.path,
            params=request.parameters,
            headers={**request.headers, **shown},
            content=request.content,
            timeout=httpx.Timeout(_CONNECT_SECONDS, read=request.read_seconds),
            extensions={"sni_hostname": server_name} if server_name else {},
        )


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    headers: Mapping[str, str]
    parameters: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    read_seconds: float = _READ_SECONDS


async def _events(attempt: Attempt, response: httpx.Response) -> AsyncGenerator[WatchEvent]:
    async for line in lines.split(response.aiter_bytes()):
        event = _object(attempt, line)
        obj = event.get("object")
        if not isinstance(obj, dict):
            raise Unreadable(f"{attempt}: an event without an object")
        if event.get("type") == "ERROR":
            code = obj.get("code")
            raise failures.classified(attempt, code if isinstance(code, int) else 500, obj)
        if event.get("type") not in _TYPES or not _versioned(obj):
            raise Unreadable(f"{attempt}: a line that is no watch event (type {event.get('type')!r})")
        yield WatchEvent(event["type"], obj)


def _versioned(obj: Object) -> bool:
    metadata = obj.get("metadata")
    return isinstance(metadata, dict) and bool(metadata.get("resourceVersion"))


def _object(attempt: Attempt, document: bytes) -> Object:
    try:
        return msgspec.json.decode(document, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise Unreadable(f"{attempt}: the answer is not a JSON object: {exc}") from exc


def _complete(query: Query, item: Object) -> Object:
    """Items of a list of built-in kinds carry no kind and version of their own; in a watch they do."""
    if query.metadata_only:
        return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"} | item
    return {"kind": query.resource.kind, "apiVersion": query.resource.api_version} | item


def _accept(query: Query, suffix: str) -> str:
    # No fallback to plain JSON: better an error than the contents of secrets nobody asked for.
    return _PARTIAL.format(suffix=suffix) if query.metadata_only else "application/json"


def _selectors(query: Query) -> dict[str, str]:
    chosen = {"labelSelector": query.label_selector, "fieldSelector": query.field_selector}
    return {name: selector for name, selector in chosen.items() if selector}


def _review(right: Right) -> Object:
    asked = {
        "verb": right.verb,
        "group": right.resource.group,
        "resource": right.resource.plural,
        "subresource": right.subresource,
        "namespace": right.namespace,
    }
    return {
        "apiVersion": REVIEWS.api_version,
        "kind": REVIEWS.kind,
        "spec": {"resourceAttributes": asked},
    }


def _watch_parameters(query: Query, start: WatchFrom) -> dict[str, str]:
    return _selectors(query) | {
        "watch": "1",
        "resourceVersion": start.resource_version,
        "allowWatchBookmarks": "true",
        "timeoutSeconds": str(start.timeout_seconds),
    }
