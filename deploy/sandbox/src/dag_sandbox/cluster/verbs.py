"""What each verb of the API does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from starlette.responses import PlainTextResponse, Response

from dag_common.errors import Invalid
from dag_sandbox.cluster import answers, pages
from dag_sandbox.cluster.calls import Call
from dag_sandbox.cluster.resources import Object

_MERGE_PATCH: Final = "application/merge-patch+json"


async def _get(call: Call) -> Response:
    if call.target.subresource == "log":
        return _log(call)
    obj = call.cluster.get(call.target.resource, call.target.namespace, call.target.name)
    return answers.json_response(answers.presented(obj, partial=call.partial()))


def _log(call: Call) -> Response:
    if call.flag("follow"):
        raise Invalid("the sandbox follows no logs")
    pod = call.cluster.get(call.target.resource, call.target.namespace, call.target.name)
    container, tail = call.request.query_params.get("container", ""), call.number("tailLines")
    return PlainTextResponse(call.cluster.logs.read(pod, container, previous=call.flag("previous"), tail=tail))


async def _list(call: Call) -> Response:
    token = call.request.query_params.get("continue", "")
    if token and call.request.query_params.get("resourceVersion", ""):
        raise Invalid("specifying resource version is not allowed when using continue")
    matches = call.selection().predicate()
    page = pages.read(call.cluster, call.target.resource, matches, limit=call.number("limit"), token=token)
    document = answers.listed(call.target.resource, page.items, partial=call.partial(), metadata=page.metadata)
    return answers.json_response(document)


async def _create(call: Call) -> Response:
    return answers.json_response(call.cluster.create(call.target.resource, await call.object()), 201)


async def _update(call: Call) -> Response:
    obj = await call.object()
    if call.target.subresource:
        return _status_patched(call, {"metadata": obj["metadata"], "status": obj.get("status")})
    return answers.json_response(call.cluster.replace(call.target.resource, obj))


async def _patch(call: Call) -> Response:
    sent_as = call.request.headers.get("content-type", "").partition(";")[0]
    if sent_as != _MERGE_PATCH:
        message = f"the body of the request was in an unknown format - accepted media types include: {_MERGE_PATCH}"
        return answers.json_response(answers.failure(415, message), 415)
    patch = await call.document()
    if call.target.subresource:
        return _status_patched(call, patch)
    target = call.target
    return answers.json_response(call.cluster.merge_patch(target.resource, target.namespace, target.name, patch))


async def _delete(call: Call) -> Response:
    target = call.target
    return answers.json_response(call.cluster.delete(target.resource, target.namespace, target.name))


def _status_patched(call: Call, patch: Object) -> Response:
    target = call.target
    return answers.json_response(call.cluster.merge_patch_status(target.resource, target.namespace, target.name, patch))


HANDLERS: Final[Mapping[str, Callable[[Call], Awaitable[Response]]]] = {
    "get": _get,
    "list": _list,
    "create": _create,
    "update": _update,
    "patch": _patch,
    "delete": _delete,
}
