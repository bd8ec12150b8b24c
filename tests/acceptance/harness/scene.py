"""A scene: an outside world, a DAG in it, its CI and its auditor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from acceptance.harness.auditor import Auditor
from acceptance.harness.ci import CI
from acceptance.harness.installation import Installation
from acceptance.harness.landscape import Landscape
from acceptance.harness.log_reader import LogReader
from acceptance.harness.outside import Outside, outside_world
from servers.warden import Warden

from dag_common.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a scene is built on. A fault suite puts the addresses of its own proxies here."""

    directory: Path
    database_url: str
    amqp_url: str
    amqp_namespace: str

    def environment(self, registry: Path) -> dict[str, str]:
        """What every service process is told."""
        return {
            "DAG_DATABASE_URL": self.database_url,
            "DAG_AMQP_URL": self.amqp_url,
            "DAG_AMQP_NAMESPACE": self.amqp_namespace,
            "DAG_REGISTRY": str(registry),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything a test touches."""

    outside: Outside
    dag: Installation
    ci: CI
    log: LogReader
    auditor: Auditor
    database_url: str


Build = Callable[..., Awaitable[Scene]]
"""Makes a scene: see the fixture `build`."""


@asynccontextmanager
async def scene(
    ground: Ground, landscape: Landscape, variables: Mapping[str, str] | None = None
) -> AsyncIterator[Scene]:
    """A scene without any service running yet; whatever a test starts in it is gone after the block."""
    async with AsyncExitStack() as stack:
        database = await Database.connect(ground.database_url, max_size=3)
        stack.push_async_callback(database.close)
        outside = await stack.enter_async_context(outside_world(ground.directory / "outside", landscape))
        warden = stack.enter_context(Warden())
        told = ground.environment(outside.registry) | dict(variables or {})
        dag = Installation(ground.directory / "dag", told, warden)
        stack.push_async_callback(dag.close)
        ci = CI(outside.gitlab, lambda: dag.gateways)
        stack.push_async_callback(ci.close)
        yield Scene(
            outside=outside,
            dag=dag,
            ci=ci,
            log=LogReader(database),
            auditor=Auditor(outside, database, dag.directory, lambda: ci.orders),
            database_url=ground.database_url,
        )
