"""What /openapi.json says is so: Schemathesis asks a gateway everything it can think of, and compares."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import gateway_world
import msgspec
from examples import PUSHED, fresh_id, requested
from gateway_world import OPERATOR, World, world_on

from dag_common.contracts.events import DeploymentId, DeploymentSucceeded, Event, PushStarted, ValidationStarted
from dag_common.store.database import Database

HOOKS: Final = Path(__file__).parents[1] / "description_hooks.py"

# What is known is mostly sent, so that questions come past the first refusal. Only a deployment that has ended has a
# stream that ends too. No schema says which texts can be printed or which bytes are a chart, so what fits the
# description of a body may be refused; everything else that fits must be taken.
CONFIG: Final = """
hooks = {hooks}
continue-on-failure = true

[dictionaries]
ended = {{ values = [{ended}] }}
deployments = {{ values = [{ended}, {waiting}] }}
repositories = {{ values = [{repository}] }}
jobs = {{ values = [{job}] }}
tokens = {{ values = [{token}, {token}, {token}, "glcbt-nobodys"] }}
environments = {{ values = ["production", "", "blue", "nowhere"] }}
versions = {{ values = ["1.2.3", "c0ffee"] }}
keys = {{ values = ["of-the-job"] }}

[parameters]
"path.id" = {{ dictionary = "ended", probability = 0.6 }}
"header.Idempotency-Key" = {{ dictionary = "keys", probability = 0.3 }}
"body.repoUrl" = {{ dictionary = "repositories", probability = 0.9 }}
"body.jobId" = {{ dictionary = "jobs", probability = 0.9 }}
"body.jobToken" = {{ dictionary = "tokens", probability = 0.9 }}
"body.environment" = {{ dictionary = "environments", probability = 0.8 }}
"body.version" = {{ dictionary = "versions", probability = 0.7 }}

[auth.openapi.operator]
bearer = {operator}

[auth.openapi.auditor]
bearer = {operator}

[generation]
deterministic = true
max-examples = 30
no-shrink = true

[[operations]]
include-method = "POST"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-path = "/api/deployments/{{id}}/cancel"
parameters = {{ "path.id" = {{ dictionary = "deployments", probability = 0.9 }} }}
checks.positive_data_acceptance.enabled = false
"""

REACHED: Final = {
    "POST /api/deploy": {200, 400, 401, 404, 422},
    "POST /api/deploy (dry run)": {200},
    "POST /api/get/chart": {200, 400, 401, 404},
    "POST /api/get/values": {200, 400, 401, 404},
    "GET /api/deployments/{id}/events": {200, 404},
    "GET /api/deployments/{id}": {200, 404},
    "GET /api/deployments": {200, 400, 401},
    "POST /api/deployments/{id}/cancel": {200, 400, 401, 404, 409},
}
"""Answers that must have been seen. The others (202 and 408, which are waited for, 403, 413, 5xx) have other tests."""


async def test_the_api_is_what_its_description_says(database: Database, tmp_path: Path) -> None:
    async with world_on(database, tmp_path) as world:
        (tmp_path / "schemathesis.toml").write_text(await _config(world))
        (tmp_path / "chart.tgz").write_bytes(gateway_world.chart())
        description = f"{world.client.base_url}/openapi.json"
        code, said = await _schemathesis("--config-file", "schemathesis.toml", "run", description, cwd=tmp_path)
    assert code == 0, said
    assert "Tested: 7" in said
    seen = _seen(tmp_path / "answers.txt")
    assert [(operation, status) for operation in REACHED for status in REACHED[operation] - seen[operation]] == []


async def _config(world: World) -> str:
    files = {"apps/shop/Chart.yaml": b"name: shop\nversion: 1.0.0\n", "apps/shop/values.yaml": b"replicas: 1\n"}
    await world.git.commit("iac", files)
    job = world.fields(world.job())
    values = {
        "hooks": str(HOOKS),
        "ended": await _deployment(
            world, ValidationStarted(), PushStarted(attempt=1, base=""), PUSHED, DeploymentSucceeded(message="It runs")
        ),
        "waiting": await _deployment(world),
        "repository": job["repoUrl"],
        "job": job["jobId"],
        "token": job["jobToken"],
        "operator": OPERATOR,
    }
    return CONFIG.format(**{name: msgspec.json.encode(value).decode() for name, value in values.items()})


async def _deployment(world: World, *steps: Event) -> DeploymentId:
    known = fresh_id()
    await world.append(known, requested(app="shop", environment="production"), *steps)
    return known


def _seen(answers: Path) -> Mapping[str, set[int]]:
    seen: dict[str, set[int]] = defaultdict(set)
    for line in answers.read_text(encoding="utf-8").splitlines():
        operation, _, status = line.rpartition(" ")
        seen[operation].add(int(status))
    return seen


async def _schemathesis(*arguments: str, cwd: Path) -> tuple[int | None, str]:
    told = {"DESCRIPTION_CHART": str(cwd / "chart.tgz"), "DESCRIPTION_ANSWERS": str(cwd / "answers.txt")}
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=cwd,
        env={**os.environ, **told},
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()
