"""Deployment ids in paths."""

from __future__ import annotations

import re
from typing import Final

from starlette.requests import Request

from dag_common.contracts.events import DeploymentId
from dag_common.errors import NotFound

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def deployment_id_of(request: Request) -> DeploymentId:
    """The id in the path; an id that is no UUID is simply not found."""
    text = request.path_params["id"].lower()
    if not _UUID.fullmatch(text):
        raise NotFound("There is no such deployment: its id is not a UUID.")
    return DeploymentId(text)
