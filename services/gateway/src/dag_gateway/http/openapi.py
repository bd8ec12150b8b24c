"""GET /openapi.json: OpenAPI 3.1, made from the schemas the code itself reads and writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dag_common.domain.statuses import Status
from dag_gateway.http.deployments import MAX_LIMIT
from dag_gateway.http.problems import MEDIA_TYPE
from dag_gateway.http.schemas import (
    Accepted,
    Cancellation,
    CommitEvent,
    DeployForm,
    JobRequest,
    Problem,
    StatusEvent,
    TargetEvent,
)
from dag_gateway.queries.views import DeploymentPage, DeploymentView, PlanView

_SCHEMAS: Final = (
    Accepted,
    Cancellation,
    CommitEvent,
    DeployForm,
    DeploymentPage,
    DeploymentView,
    JobRequest,
    PlanView,
    Problem,
    StatusEvent,
    TargetEvent,
)
_JSON: Final = "application/json"
_WHY: Final[Mapping[int, str]] = {
    400: "Missing required fields, or something in the request is wrong; `detail` says what was expected",
    401: "Job token verification failed, or the bearer token is missing or unknown",
    403: "The bearer token is an auditor's, and auditors only read",
    404: "No app for the repository, no environment for the branch, or nothing there",
    408: "The body did not arrive in time, or too slowly; send it again",
    409: "A cancel comes too late; `detail` says where the deployment stands",
    413: "The body is over the limit that `detail` names",
    422: "The Idempotency-Key was sent with another request before",
    500: "A fault of the server; its log tells more under X-Request-Id",
    503: "A CI provider, git host or store cannot be asked now; come again after Retry-After seconds",
}
_ID: Final = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing a client can do. `later` answers with 202; who may: a bearer of `tokens`, or who sends the body."""

    method: str
    path: str
    summary: str
    success: Mapping[str, Any]
    errors: Sequence[int]
    body: Mapping[str, Any] | None = None
    later: Mapping[str, Any] | None = None
    parameters: Sequence[Mapping[str, Any]] = ()
    tokens: Sequence[str] = ()


async def openapi(_request: Request) -> Response:
    """The description, as JSON."""
    return Response(_document(), media_type=_JSON)


@cache
def _document() -> bytes:
    _, components = msgspec.json.schema_components(_SCHEMAS, ref_template="#/components/schemas/{name}")
    paths: dict[str, dict[str, Any]] = {}
    for operation in _operations():
        paths.setdefault(operation.path, {})[operation.method] = _described(operation)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "DAG", "version": "1", "summary": "Deploy applications via GitOps"},
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": {name: {"type": "http", "scheme": "bearer"} for name in ("operator", "auditor")},
            },
        }
    )


def _operations() -> tuple[Operation, ...]:
    job = _content(_JSON, JobRequest)
    return (
        Operation(
            "post",
            "/api/deploy",
            "Submit a new deployment; the same request again answers with the same deployment",
            _answer("The deployment is recorded; or, for a dry run, what it would change", _accepted_or_plan()),
            (400, 401, 404, 408, 413, 422, 500, 503),
            body=_content("multipart/form-data", DeployForm),
            parameters=(_header("Idempotency-Key", {"type": "string", "pattern": "^[!-~]{1,255}$"}),),
        ),
        Operation(
            "post",
            "/api/get/chart",
            "The currently deployed chart, as a gzipped tarball",
            _answer("A .tgz archive", {"application/gzip": {"schema": {"type": "string", "format": "binary"}}}),
            (400, 401, 404, 408, 413, 500, 503),
            body=job,
        ),
        Operation(
            "post",
            "/api/get/values",
            "The currently deployed values.yaml, as JSON",
            _answer("The values", {_JSON: {"schema": {}}}),
            (400, 401, 404, 408, 413, 500, 503),
            body=job,
        ),
        Operation(
            "get",
            "/api/deployments/{id}/events",
            "The status of a deployment as it changes, until it ends",
            _answer("Server-Sent Events; a heartbeat's data is {}", {"text/event-stream": {"schema": _event()}}),
            (404, 500, 503),
            parameters=(_ID, _header("Last-Event-ID", {"type": "string"})),
        ),
        Operation(
            "get",
            "/api/deployments/{id}",
            "Everything known about one deployment",
            _answer("The deployment", _content(_JSON, DeploymentView)),
            (404, 500, 503),
            parameters=(_ID,),
        ),
        Operation(
            "get",
            "/api/deployments",
            "Deployments, newest first",
            _answer("One page", _content(_JSON, DeploymentPage)),
            (400, 401, 500, 503),
            parameters=_list_parameters(),
            tokens=("operator", "auditor"),
        ),
        Operation(
            "post",
            "/api/deployments/{id}/cancel",
            "End a deployment that has not been pushed; asked by an operator, or by a job that could deploy the same",
            _answer("It is cancelled, now or before", _content(_JSON, Cancellation)),
            (400, 401, 403, 404, 408, 409, 413, 500, 503),
            body=job,
            later=_answer(
                "Recorded while a push is under way: it takes effect unless the push turns out to have arrived",
                _content(_JSON, Cancellation),
            ),
            parameters=(_ID,),
            tokens=("operator",),
        ),
    )


def _event() -> dict[str, Any]:
    """One event, which is what a schema of a stream describes before OpenAPI 3.2."""
    data = [_reference(each) for each in (StatusEvent, CommitEvent, TargetEvent)]
    properties = {
        "event": {"enum": ["status", "commit", "target", "heartbeat"]},
        "data": {"type": "string", "contentMediaType": _JSON, "contentSchema": {"anyOf": [*data, {"const": {}}]}},
        "id": {"type": "string", "pattern": "^[0-9]+$"},
        "retry": {"type": "integer"},
    }
    return {"type": "object", "properties": properties, "required": ["event", "data", "id"]}


def _accepted_or_plan() -> dict[str, Any]:
    return {_JSON: {"schema": {"oneOf": [_reference(Accepted), _reference(PlanView)]}}}


def _list_parameters() -> tuple[dict[str, Any], ...]:
    text = {"type": "string", "maxLength": 256, "pattern": "^[ -~]*$"}
    schemas = {
        "app": text,
        "environment": text,
        "status": {"type": "string", "enum": list(Status)},
        "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT},
        "cursor": {"type": "string", "pattern": "^[0-9]{0,18}$"},
    }
    return tuple({"name": name, "in": "query", "schema": schema} for name, schema in schemas.items())


def _described(operation: Operation) -> dict[str, Any]:
    later = {} if operation.later is None else {"202": operation.later}
    errors = {str(status): _error(status) for status in operation.errors}
    described: dict[str, Any] = {
        "summary": operation.summary,
        "parameters": list(operation.parameters),
        "responses": {"200": operation.success, **later, **errors},
    }
    if operation.body is not None:
        described["requestBody"] = {"required": not operation.tokens, "content": operation.body}
    if operation.tokens:
        schemes: list[dict[str, list[str]]] = [{name: []} for name in operation.tokens]
        described["security"] = schemes if operation.body is None else [*schemes, {}]
    return described


def _error(status: int) -> dict[str, Any]:
    answer = _answer(_WHY[status], _content(MEDIA_TYPE, Problem))
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        answer["headers"] = {"Retry-After": {"schema": {"type": "integer", "minimum": 1}}}
    return answer


def _answer(description: str, content: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": content}


def _content(media_type: str, schema: type[msgspec.Struct]) -> dict[str, Any]:
    return {media_type: {"schema": _reference(schema)}}


def _reference(schema: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{schema.__name__}"}


def _header(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "header", "schema": schema}
