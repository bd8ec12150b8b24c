"""The JSON body of a job's question."""

from __future__ import annotations

from typing import Final

import msgspec
from starlette.requests import Request

from dag_common.errors import Invalid
from dag_gateway.admission import Asked
from dag_gateway.http import fields
from dag_gateway.http.bodies import content_type, small_body

REQUIRED: Final = ("repoUrl", "jobId", "jobToken")
KNOWN: Final = (*REQUIRED, "environment")
_EXPECTED: Final = 'a JSON object such as {"repoUrl": "...", "jobId": "...", "jobToken": "..."}'
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


async def read_job_request(request: Request) -> Asked:
    """Read and check the body; raises `Invalid` (every missing field at once) or `TooLarge`."""
    if content_type(request) != "application/json":
        raise Invalid(f"The body's Content-Type is {content_type(request) or 'missing'}; expected application/json")
    values = _values(_decoded(await small_body(request)))
    present = {name: value for name, value in values.items() if value is not None and not _is_blank(value)}
    fields.require(REQUIRED, present)
    texts = fields.checked({name: _text(name, value) for name, value in present.items()})
    return Asked(
        repo_url=texts["repoUrl"],
        job_id=texts["jobId"],
        job_token=texts["jobToken"],
        environment=texts.get("environment", ""),
    )


def _decoded(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        return _OBJECT.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise Invalid(f"The body is not readable as JSON: expected {_EXPECTED}") from exc


def _values(raw: dict[str, msgspec.Raw]) -> dict[str, object]:
    try:
        return {name: msgspec.json.decode(raw[name]) for name in KNOWN if name in raw}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise Invalid(f"The body is not readable as JSON: expected {_EXPECTED}") from exc


def _is_blank(value: object) -> bool:
    return isinstance(value, str) and fields.is_blank(value)


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise Invalid(f"{name} is not a JSON string; write it in double quotes")
    return value
