"""`dag deploy` as a process, while the gateway it listens to goes away."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from acceptance.harness.charts import chart_files, pack
from acceptance.harness.landscape import PROJECT
from acceptance.harness.outside import pushes
from acceptance.harness.scene import Build


async def test_dag_deploy_follows_its_deployment_through_a_gateway_that_was_killed(
    build: Build, tmp_path: Path
) -> None:
    scene = await build()
    await scene.dag.start(gateway=1, pusher=1, monitor=1)
    chart = tmp_path / "shop.tgz"
    chart.write_bytes(pack(chart_files("held")))
    job = scene.outside.gitlab.create_job(project=PROJECT, ref="main")
    held = scene.outside.gates.git.hold(pushes)
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("dag")),
        *("deploy", str(chart), "--server", scene.dag.gateways[0], "--environment", "env-00"),
        *("--repo", scene.outside.gitlab.project_url(PROJECT), "--job-id", str(job.id), "--deploy-version", "1.0.0"),
        env={"DAG_JOB_TOKEN": job.token},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        while b"  pushing " not in await process.stdout.readline():
            pass
    await scene.dag.one("gateway").kill()
    held.open()
    await scene.dag.one("gateway").restart()
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, (out, err)
    assert b"Connecting again." in out
    said = [line.split(b"  ")[1].strip() for line in out.splitlines()]
    assert not {b"accepted", b"pending", b"validating"} & set(said), "what was told before is not told again"
    assert said.count(b"deployed") == 1
