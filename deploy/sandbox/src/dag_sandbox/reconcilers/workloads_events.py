"""Events (core/v1) as recorders write them: the same words again count, and are no new object."""

from __future__ import annotations

import hashlib
from typing import Final

from dag_common.errors import NotFound
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.moments import timestamp
from dag_sandbox.cluster.resources import EVENTS, Object

WARNING: Final = "Warning"


def tell(double: ClusterDouble, about: Object, reason: str, message: str, *, source: str) -> None:
    """Record a warning about an object."""
    metadata, now = about["metadata"], timestamp()
    digest = hashlib.sha256(f"{metadata['uid']} {reason} {message}".encode()).hexdigest()[:16]
    namespace, name = metadata["namespace"], f"{metadata['name']}.{digest}"
    try:
        count = double.get(EVENTS, namespace, name)["count"]
    except NotFound:
        double.create(EVENTS, _event(about, (namespace, name), reason, message, source))
    else:
        double.merge_patch(EVENTS, namespace, name, {"count": count + 1, "lastTimestamp": now})


def _event(about: Object, key: tuple[str, str], reason: str, message: str, source: str) -> Object:
    metadata, now = about["metadata"], timestamp()
    involved = {field: metadata[field] for field in ("name", "namespace", "uid", "resourceVersion")}
    return {
        "metadata": {"namespace": key[0], "name": key[1]},
        "involvedObject": involved | {"apiVersion": about["apiVersion"], "kind": about["kind"]},
        "type": WARNING,
        "reason": reason,
        "message": message,
        "source": {"component": source},
        "reportingComponent": source,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
