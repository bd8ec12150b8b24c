"""What /openapi.json says is so: Schemathesis asks a gateway everything it can think of, and compares."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from examples import PUSHED, fresh_id, requested
from gateway_world import OPERATOR, World, world_on

from dag_common.contracts.events import DeploymentId, DeploymentSucceeded, PushStarted, ValidationStarted
from dag_common.store.database import Database

# The known deployment has ended, so that its stream ends too.
CONFIG = """
continue-on-failure = true

[dictionaries]
known = {{ values = ["{known}"] }}

[parameters]
"path.id" = {{ dictionary = "known", probability = 0.6 }}

[auth.openapi.operator]
bearer = "{operator}"

[auth.openapi.auditor]
bearer = "{operator}"

[generation]
deterministic = true
max-examples = 8
no-shrink = true
"""

UNTRUE = "positive_data_acceptance"
"""What fits the description may be refused: no schema says that bytes are a chart, or that a text can be printed."""


async def test_the_api_is_what_its_description_says(database: Database, tmp_path: Path) -> None:
    async with world_on(database, tmp_path) as world:
        config = tmp_path / "schemathesis.toml"
        config.write_text(CONFIG.format(known=await _ended(world), operator=OPERATOR))
        checks = ("--checks=all", f"--exclude-checks={UNTRUE}")
        description = f"{world.client.base_url}/openapi.json"
        code, said = await _schemathesis("--config-file", str(config), "run", *checks, description, cwd=tmp_path)
    assert code == 0, said
    assert "Selected: 7/7" in said
    assert "Tested: 7" in said


async def _ended(world: World) -> DeploymentId:
    known = fresh_id()
    steps = (ValidationStarted(), PushStarted(attempt=1, base=""), PUSHED, DeploymentSucceeded(message="It runs"))
    await world.append(known, requested(), *steps)
    return known


async def _schemathesis(*arguments: str, cwd: Path) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=cwd,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()
