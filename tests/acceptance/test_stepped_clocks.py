"""Somebody sets the clocks of DAG's hosts: what is decided from time, is decided from the database's."""

from __future__ import annotations

import pytest
from acceptance.harness import moments
from acceptance.harness.scene import Build
from acceptance.harness.service import STEPPABLE_CLOCK

HOUR = 3600


@pytest.mark.parametrize("step", [HOUR, -HOUR])
@pytest.mark.parametrize("moment", [moments.pushing, moments.monitoring])
async def test_a_clock_that_is_stepped_an_hour_changes_no_outcome(
    moment: moments.Moment, step: int, build: Build
) -> None:
    scene = await build(variables={STEPPABLE_CLOCK: "yes"})
    await scene.dag.start(gateway=1, pusher=1, monitor=1)
    order = scene.ci.order("env-00")
    async with moment(scene, order):
        for service in scene.dag.all:
            service.step_clock(step)
    journey = await scene.ci.follow(order).end()
    assert journey.status == "deployed", journey.story()
    assert len((await scene.auditor.check()).commits) == 1
