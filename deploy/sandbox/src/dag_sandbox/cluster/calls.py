"""One API call, read: what it asks for, of which cluster."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from dag_common.errors import Invalid
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.paths import Target
from dag_sandbox.cluster.resources import Object
from dag_sandbox.cluster.selectors import Selection

_VERBS: Final = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class Call:
    """A request whose path has been understood."""

    cluster: ClusterDouble
    request: Request
    target: Target

    def verb(self) -> str:
        """The verb access rules speak of: get, list, watch, create, update, patch or delete. Raises `Invalid`."""
        method = self.request.method
        if method == "GET":
            return "get" if self.target.name else "watch" if self.flag("watch") else "list"
        if bool(self.target.name) is (method == "POST"):
            raise Invalid(f"{method} is not possible on {self.request.url.path}")
        if "dryRun" in self.request.query_params:
            raise Invalid("the sandbox has no dry runs")
        return _VERBS[method]

    def selection(self) -> Selection:
        """The namespace of the path and the selectors of the query."""
        query = self.request.query_params
        return Selection(self.target.namespace, query.get("labelSelector", ""), query.get("fieldSelector", ""))

    def partial(self) -> bool:
        """Whether only metadata is wanted."""
        return "as=PartialObjectMetadata" in self.request.headers.get("accept", "").replace(" ", "")

    def flag(self, name: str) -> bool:
        """A boolean query parameter."""
        return self.request.query_params.get(name, "") in {"1", "true"}

    def number(self, name: str) -> int:
        """A whole query parameter, 0 if it is not there. Raises `Invalid`."""
        text = self.request.query_params.get(name) or "0"
        if not text.isdecimal():
            raise Invalid(f"{name} must be a number, not {text!r}")
        return int(text)

    async def document(self) -> Object:
        """The body. Raises `Invalid` unless it is a JSON object."""
        try:
            document = json.loads(await self.request.body())
        except ValueError as exc:
            raise Invalid(f"the body is not JSON: {exc}") from exc
        if not isinstance(document, dict):
            raise Invalid("the body must be a JSON object")
        return document

    async def object(self) -> Object:
        """The sent object, placed where the path says. Raises `Invalid` when the two disagree."""
        obj = await self.document()
        metadata = obj.setdefault("metadata", {})
        if not isinstance(metadata, dict):
            raise Invalid("metadata must be an object")
        for field, value in (("namespace", self.target.namespace), ("name", self.target.name)):
            if value and metadata.setdefault(field, value) != value:
                raise Invalid(f"the {field} of the provided object does not match the {field} sent on the request")
        return obj
