"""What goes back over HTTP: objects, lists and `Status` failures in the shapes of kube-apiserver."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from starlette.responses import Response

from dag_common.errors import Conflict, DagError, Invalid, NotFound, Refused, Unavailable
from dag_sandbox.cluster.double import AlreadyExists
from dag_sandbox.cluster.history import EXPIRED
from dag_sandbox.cluster.paths import Target
from dag_sandbox.cluster.resources import Object, Resource

# kubernetes/apimachinery pkg/apis/meta/v1/types.go: StatusReason.
REASONS: Final = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    410: EXPIRED,
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
_CODES: Final[tuple[tuple[type[DagError], int], ...]] = (
    (NotFound, 404),
    (Conflict, 409),
    (Invalid, 422),
    (Unavailable, 504),
)


def encoded(document: Any) -> bytes:
    """One line of JSON; characters outside ASCII go out raw, U+2028 too, because clients must cope with them."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def json_response(document: Any, status: int = 200, *, retry_after: float = 0) -> Response:
    """A JSON answer; `retry_after` seconds become a header."""
    headers = {"Retry-After": f"{retry_after:g}"} if retry_after else None
    return Response(encoded(document), status, headers, "application/json")


def failure(code: int, message: str, *, reason: str = "") -> Object:
    """A failed `Status`."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason or REASONS.get(code, "Unknown"),
        "code": code,
    }


def forbidden(verb: str, target: Target) -> str:
    """What a service account is told that lacks a right (kubernetes/apiserver, handlers/responsewriters/errors.go)."""
    resource = target.resource
    what = f'{resource.qualified} "{target.name}"' if target.name else resource.qualified
    place = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
    asked = f'cannot {verb} resource "{target.right}" in API group "{resource.group}" {place}'
    return f'{what} is forbidden: User "system:serviceaccount:dag:dag" {asked}'


def rejection(error: DagError, *, reading: bool) -> Response:
    """The answer for an error of the double; a bad selector is a bad request, a bad object an invalid one."""
    code, reason = _classified(error, reading=reading)
    retry_after = error.retry_after if isinstance(error, Unavailable) else 0
    return json_response(failure(code, error.message, reason=reason), code, retry_after=retry_after)


def presented(obj: Object, *, partial: bool) -> Object:
    """The object as asked for: whole, or its metadata only (`PartialObjectMetadata`)."""
    if not partial:
        return obj
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def listed(resource: Resource, items: Iterable[Object], *, partial: bool, metadata: Object) -> Object:
    """A list document. As in kube-apiserver, items of a list of whole objects do not repeat kind and apiVersion.

    Custom resources keep both, because their items are served as they are stored.
    """
    shown = [presented(obj, partial=partial) for obj in items]
    if partial:
        return {
            "kind": "PartialObjectMetadataList",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata,
            "items": shown,
        }
    if "." not in resource.group:
        shown = [{key: value for key, value in obj.items() if key not in {"kind", "apiVersion"}} for obj in shown]
    return {"kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": metadata, "items": shown}


def _classified(error: DagError, *, reading: bool) -> tuple[int, str]:
    if isinstance(error, AlreadyExists):
        return 409, "AlreadyExists"
    if isinstance(error, Refused):
        return (410 if error.reason == EXPIRED else 403), error.reason
    if isinstance(error, Invalid) and reading:
        return 400, ""
    return next((code for kind, code in _CODES if isinstance(error, kind)), 500), ""
