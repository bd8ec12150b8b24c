"""What an acceptance test may ask for: a scene, and the logs of its processes when it fails."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Generator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from acceptance.harness.landscape import Landscape
from acceptance.harness.scene import Build, Ground, Scene, scene
from acceptance.harness.service import LAST_WORDS

SCENES = pytest.StashKey[list[Path]]()


@pytest.fixture
async def build(
    request: pytest.FixtureRequest, tmp_path: Path, database_url: str, amqp_url: str, amqp_namespace: str
) -> AsyncIterator[Build]:
    """`await build(environments=2, repositories=1)`: a scene of the test's own; see `Landscape.of`.

    `variables` are added to every process's environment; `database` is one that is not the migrated one.
    """
    async with AsyncExitStack() as stack:

        async def begin(
            *,
            environments: int = 1,
            repositories: int = 1,
            unwatched: int = 0,
            variables: Mapping[str, str] | None = None,
            database: str = "",
        ) -> Scene:
            ground = Ground(
                directory=tmp_path,
                database_url=database or database_url,
                amqp_url=amqp_url,
                amqp_namespace=amqp_namespace,
            )
            request.node.stash[SCENES] = [tmp_path / "dag"]
            landscape = Landscape.of(environments=environments, repositories=repositories, unwatched=unwatched)
            return await stack.enter_async_context(scene(ground, landscape, variables))

        yield begin


@pytest.fixture
def full_scale() -> bool:
    """Whether the long form was asked for: DAG_ACCEPTANCE_SCALE=full."""
    return os.environ.get("DAG_ACCEPTANCE_SCALE") == "full"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows the end of every process's log."""
    report = yield
    if report.failed:
        for directory in item.stash.get(SCENES, []):
            for log in sorted(directory.glob("*.log")):
                report.sections.append((log.name, log.read_text(errors="replace")[-LAST_WORDS:]))
    return report
