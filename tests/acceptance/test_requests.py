"""What a CI job may send twice, and what refusing leaves behind."""

from __future__ import annotations

import asyncio

from acceptance.harness.ci import Order
from acceptance.harness.scene import Build


async def test_a_request_sent_again_is_the_same_deployment_at_any_gateway_and_at_any_time(build: Build) -> None:
    scene = await build(unwatched=1)
    await scene.dag.start(gateway=2, pusher=1)
    order = scene.ci.order("env-00")
    answers = await asyncio.gather(*(scene.ci.send(order) for _ in range(8)))
    assert {answer.gateway for answer in answers} == set(scene.dag.gateways)
    assert {answer.status for answer in answers} == {200}
    journey = await scene.ci.follow(order).end()
    assert journey.status == "deployed", journey.story()
    again = await scene.ci.send(order)
    assert {answer.deployment_id for answer in (*answers, again)} == {order.deployment_id}
    evidence = await scene.auditor.check()
    assert (len(evidence.streams), len(evidence.commits)) == (1, 1)


async def test_the_same_chart_in_another_job_is_another_deployment_that_commits_nothing(build: Build) -> None:
    scene = await build(unwatched=1)
    await scene.dag.start(gateway=1, pusher=1)
    first = scene.ci.order("env-00", version="1.2.3")
    second = scene.ci.order("env-00", version="1.2.3", files=first.files)
    for order in (first, second):
        await scene.ci.submit(order)
        await scene.ci.follow(order).end()
    evidence = await scene.auditor.check()
    assert first.deployment_id != second.deployment_id
    assert [commit.deployment_id for commit in evidence.commits] == [first.deployment_id]
    pushed = evidence.fact(second.deployment_id, "chart.pushed")
    assert pushed is not None
    assert pushed["unchanged"]


async def test_a_refused_request_leaves_nothing_behind(build: Build) -> None:
    scene = await build(unwatched=1)
    await scene.dag.start(gateway=1, pusher=1)
    wrong_token, no_chart, nowhere, finished = (scene.ci.order("env-00") for _ in range(4))
    wrong_token.token = "not-the-token"
    no_chart.files = {"readme.txt": b"no chart"}
    nowhere.environment = "env-99"
    scene.outside.gitlab.finish_job(int(finished.job_id))
    expected = ((wrong_token, 401), (no_chart, 400), (nowhere, 404), (finished, 401))
    for order, status in expected:
        assert (await scene.ci.send(order)).status == status, order
    accepted = scene.ci.order("env-00")
    await scene.ci.submit(accepted)
    await scene.ci.follow(accepted).end()
    evidence = await scene.auditor.check()
    assert list(evidence.streams) == [accepted.deployment_id]
    assert (len(evidence.tables.charts), len(evidence.tables.claims)) == (1, 1)
    assert {named for copy in evidence.copies.values() for named in copy.named} == {accepted.deployment_id}


async def test_a_request_that_met_a_provider_that_is_down_is_taken_when_it_is_back(build: Build) -> None:
    scene = await build(unwatched=1)
    await scene.dag.start(gateway=1, pusher=1)
    order: Order = scene.ci.order("env-00")
    scene.outside.gitlab.faults.down()
    refused = await scene.ci.send(order)
    assert refused.status == 503
    scene.outside.gitlab.faults.clear()
    await scene.ci.submit(order)
    await scene.ci.follow(order).end()
    assert len((await scene.auditor.check()).commits) == 1
