from __future__ import annotations

import json
from typing import Any

import pytest
from gateway_app import Behind, app_over, client_of
from starlette.routing import Route

from dag_common.runtime.health import Health
from dag_gateway.http.jobs import REQUIRED
from dag_gateway.http.problems import STATUSES

PAGES = {route.path for route in Health({}).routes()} | {"/openapi.json"}


@pytest.fixture
async def document() -> dict[str, Any]:
    async with client_of(app_over(Behind())) as client:
        described: dict[str, Any] = (await client.get("/openapi.json")).json()
    return described


async def test_every_route_is_described_and_nothing_else(document: dict[str, Any]) -> None:
    routes = {route.path for route in app_over(Behind()).routes if isinstance(route, Route)}
    assert set(document["paths"]) == routes - PAGES


async def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in document["components"]["schemas"]


async def test_every_documented_status_is_in_the_one_table(document: dict[str, Any]) -> None:
    for methods in document["paths"].values():
        for operation in methods.values():
            assert set(map(int, operation["responses"])) - {200, 202} <= set(STATUSES.values())


async def test_the_form_requires_what_the_reference_requires(document: dict[str, Any]) -> None:
    form = document["components"]["schemas"]["DeployForm"]
    assert set(form["required"]) == set(REQUIRED)
    assert form["properties"]["chart"]["format"] == "binary"


async def test_who_may_cancel_is_an_operator_or_whoever_sends_a_jobs_proof(document: dict[str, Any]) -> None:
    cancel = document["paths"]["/api/deployments/{id}/cancel"]["post"]
    assert cancel["security"] == [{"operator": []}, {}]
    assert cancel["requestBody"]["required"] is False
    assert {"200", "202", "403", "409"} <= set(cancel["responses"])
    assert document["paths"]["/api/deployments"]["get"]["security"] == [{"operator": []}, {"auditor": []}]
