"""How payloads of older schemas are lifted to today's, one step at a time, on reading.

`UPCASTS[(type, schema)]` turns that schema's payload into the next one's. Empty as long as every type
is at schema 1; the golden files in the contract tests hold every (type, schema) ever stored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

Payload = dict[str, Any]

UPCASTS: Final[dict[tuple[str, int], Callable[[Payload], Payload]]] = {}


def upcast(
    type_name: str,
    schema: int,
    payload: Payload,
    steps: dict[tuple[str, int], Callable[[Payload], Payload]] | None = None,
) -> tuple[int, Payload]:
    """Lift a payload as far as the steps reach; returns the schema it arrived at."""
    known = UPCASTS if steps is None else steps
    while (step := known.get((type_name, schema))) is not None:
        payload, schema = step(payload), schema + 1
    return schema, payload
