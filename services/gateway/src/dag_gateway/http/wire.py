"""What a stream says, as Server-Sent Events (WHATWG HTML, section 9.2)."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from dag_common.domain.deployment import Deployment
from dag_gateway.http.schemas import CommitEvent, StatusEvent, TargetEvent
from dag_gateway.queries.targets import target_views
from dag_gateway.queries.views import TargetView


def block(event: str, data: msgspec.Struct | None, version: int, *, retry_ms: int | None = None) -> bytes:
    """One event. `id` is the version in the deployment's stream; no data is the empty object."""
    text = b"{}" if data is None else msgspec.json.encode(data)
    retry = b"" if retry_ms is None else b"retry: %d\n" % retry_ms
    return b"event: %s\ndata: %s\nid: %d\n%s\n" % (event.encode(), text, version, retry)


def retry_after(milliseconds: int) -> bytes:
    """Tells the client how long to wait before it connects again; dispatches nothing."""
    return b"retry: %d\n\n" % milliseconds


def status(state: Deployment, *, retry_ms: int | None = None) -> bytes:
    """The status as of the state's version."""
    return block("status", StatusEvent(status=state.status, message=state.message), state.version, retry_ms=retry_ms)


def heartbeat(version: int, *, retry_ms: int | None = None) -> bytes:
    """A sign of life that repeats the id sent last."""
    return block("heartbeat", None, version, retry_ms=retry_ms)


def step(before: Deployment, after: Deployment) -> bytes:
    """What one more record changed: commit and targets first, under the id of the version before, then the status.

    So a cut between them never loses the status: the client resumes from the version before and gets all again.
    """
    return b"".join([*_extras(before, after, before.version), status(after)])


def snapshot(state: Deployment) -> Iterator[bytes]:
    """The commit and the targets as they stand, for someone who has just been told the status."""
    return _extras(Deployment(id=state.id), state, state.version)


def _extras(before: Deployment, after: Deployment, version: int) -> Iterator[bytes]:
    if after.pushed is not None and before.pushed != after.pushed:
        yield block("commit", CommitEvent(sha=after.pushed.commit, url=after.pushed.commit_url), version)
    known = set(target_views(before))
    for view in target_views(after):
        if view.status != "waiting" and view not in known:
            yield block("target", _target_event(view), version)


def _target_event(view: TargetView) -> TargetEvent:
    return TargetEvent(
        cluster=view.cluster,
        kind=view.kind,
        namespace=view.namespace,
        name=view.name,
        status=view.status,
        message=view.message,
    )
