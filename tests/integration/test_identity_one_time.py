from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import httpx
from identity_world import Ci, ci_of

from dag_common.store.database import Database


def _refused(answer: httpx.Response) -> bool:
    return answer.status_code == 401 and "counts once and was used for another request" in answer.json()["detail"]


async def test_a_used_token_deploys_nothing_else_but_its_own_request_again(database: Database, tmp_path: Path) -> None:
    async with ci_of("GitHub", database, tmp_path) as ci:
        token = ci.token()
        first = await ci.deploy(token)
        assert _refused(await ci.deploy(token, version="1.2.4"))
        assert _refused(await ci.deploy(token, version="1.2.4", key="a-new-key"))
        again = await ci.deploy(token)
        assert (again.status_code, again.json()) == (200, first.json())
        assert len(await ci.world.log()) == 1
        assert (await ci.deploy(ci.token(), version="1.2.4")).status_code == 200


async def test_a_new_token_of_the_same_request_is_used_up_by_it(database: Database, tmp_path: Path) -> None:
    async with ci_of("GitHub", database, tmp_path) as ci:
        first, fresh = await ci.deploy(ci.token()), ci.token()
        assert (await ci.deploy(fresh)).json() == first.json()
        assert _refused(await ci.deploy(fresh, version="1.2.4"))


async def test_of_many_requests_with_one_token_one_is_recorded(database: Database, tmp_path: Path) -> None:
    async with ci_of("GitHub", database, tmp_path) as ci:
        token = ci.token()
        answers = await asyncio.gather(*(ci.deploy(token, version=f"1.2.{number}") for number in range(6)))
        assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401, 401]
        assert len(await ci.world.log()) == 1


async def test_a_token_used_at_one_gateway_is_used_at_all(database: Database, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        gateways: list[Ci] = []
        for name in ("one", "other"):
            (tmp_path / name).mkdir()
            world = ci_of("GitHub", database, tmp_path / name, beside=gateways[0] if gateways else None)
            gateways.append(await stack.enter_async_context(world))
        token = gateways[0].token()
        first = await gateways[0].deploy(token)
        assert _refused(await gateways[1].deploy(token, version="1.2.4"))
        assert (await gateways[1].deploy(token)).json() == first.json()


async def test_a_refused_request_leaves_its_token_unused(database: Database, tmp_path: Path) -> None:
    async with ci_of("GitHub", database, tmp_path) as ci:
        assert (await ci.deploy(ci.token(), key="taken")).status_code == 200
        token = ci.token()
        for status, changes in ((404, {"environment": "staging"}), (422, {"key": "taken"})):
            answer = await ci.deploy(token, **{"version": "1.2.4", **changes})
            assert answer.status_code == status, answer.text
        assert (await ci.deploy(token, version="1.2.5")).status_code == 200


async def test_a_crash_before_the_commit_leaves_the_token_unused(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    async with ci_of("GitHub", database, tmp_path) as ci:
        token, rival = ci.token(), await asyncpg.connect(database_url)
        async with rival.transaction():
            await rival.execute("SELECT * FROM dag.log_head FOR UPDATE")
            asked = asyncio.create_task(ci.deploy(token))
            await _end_whoever_waits(rival, asked)
            assert (await asked).status_code == 503
        await rival.close()
        assert (await ci.deploy(token, version="1.2.4")).status_code == 200
        assert len(await ci.world.log()) == 1


async def _end_whoever_waits(rival: asyncpg.Connection[asyncpg.Record], asked: asyncio.Task[httpx.Response]) -> None:
    async with asyncio.timeout(60):
        while not await rival.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ):
            assert not asked.done(), asked.result().text
            await asyncio.sleep(0.01)


async def test_reading_planning_and_cancelling_take_a_token_that_was_used_and_use_none_up(
    database: Database, tmp_path: Path
) -> None:
    async with ci_of("GitHub", database, tmp_path) as ci:
        token = ci.token()
        await ci.world.git.commit(
            "iac", {"apps/web/Chart.yaml": b"name: web\nversion: 1.0.0\n", "apps/web/values.yaml": b"a: 1\n"}
        )
        job = {"repoUrl": ci.app.repo_url, "jobId": ci.job_id, "jobToken": token}
        assert (await ci.world.client.post("/api/get/values", json=job)).json() == {"a": 1}
        planned = await ci.deploy(token, version="1.2.4", dryRun="true")
        assert (planned.status_code, planned.json()["dryRun"]) == (200, True)
        deployed = await ci.deploy(token)
        assert deployed.status_code == 200
        assert (await ci.deploy(token, version="1.2.4", dryRun="true")).status_code == 200
        assert (await ci.world.client.post("/api/get/chart", json=job)).status_code == 200
        cancelled = await ci.world.client.post(f"/api/deployments/{deployed.json()['deploymentId']}/cancel", json=job)
        assert cancelled.status_code == 200
