"""Postgres ends all connections of DAG, as a failover or an administrator does, at every moment of a deployment."""

from __future__ import annotations

from acceptance.harness import moments
from acceptance.harness.interventions import cut_connections
from acceptance.harness.scene import Build


async def test_connections_to_postgres_cut_at_any_moment_lose_nothing(build: Build) -> None:
    scene = await build()
    await scene.dag.start(gateway=1, pusher=1, monitor=1)
    for moment in moments.ALL:
        order = scene.ci.order("env-00")
        async with moment(scene, order):
            reader = scene.ci.follow(order) if order.deployment_id else None
            if reader is not None:
                await reader.until("pending")
            assert await cut_connections(scene.database_url) > 0
        journey = await (reader or scene.ci.follow(order)).end()
        assert journey.status == "deployed", f"{moment.__name__}\n{journey.story()}"
    assert len((await scene.auditor.check()).commits) == len(moments.ALL)
