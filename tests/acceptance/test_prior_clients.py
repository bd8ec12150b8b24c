"""Clients that were written for an earlier server of this API complete what they always did, unchanged."""

from __future__ import annotations

import asyncio
import io
import json
import re
import sys
import tarfile
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from acceptance.harness.charts import NAME, chart_files, pack
from acceptance.harness.landscape import PROJECT
from acceptance.harness.outside import pushes
from acceptance.harness.scene import Build, Scene
from acceptance.prior_client import EventSource, PriorClient, to_the_end

HEAR_NOTHING_SECONDS = 60


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        yield http


def prior(scene: Scene, http: httpx.AsyncClient, content_type: str = "") -> PriorClient:
    return PriorClient(http, scene.dag.gateways[0], job_fields(scene) | {"environment": "env-00"}, content_type)


def job_fields(scene: Scene) -> dict[str, str]:
    job = scene.outside.gitlab.create_job(project=PROJECT, ref="main")
    return {"repoUrl": scene.outside.gitlab.project_url(PROJECT), "jobId": str(job.id), "jobToken": job.token}


async def test_a_client_of_the_earlier_server_deploys_and_reads_back(build: Build, http: httpx.AsyncClient) -> None:
    scene = await build()
    await scene.dag.start(gateway=1, pusher=1, monitor=1)
    for number, content_type in enumerate(("", "application/octet-stream", "text/plain")):
        client, files = prior(scene, http, content_type), chart_files(f"number {number}")
        statuses = await to_the_end(client.source(await client.deploy(f"1.0.{number}", pack(files))))
        assert statuses[-1]["status"] == "deployed", statuses
        assert (await client.ask("values")).json() == {"note": f"number {number}", "replicaCount": 2}
        with tarfile.open(fileobj=io.BytesIO((await client.ask("chart")).content), mode="r:gz") as archive:
            assert set(archive.getnames()) >= {f"{NAME}/{path}" for path in files}


async def test_its_event_source_comes_back_through_a_gateway_that_was_killed(
    build: Build, http: httpx.AsyncClient
) -> None:
    scene = await build()
    await scene.dag.start(gateway=1, pusher=1, monitor=1)
    client, held = prior(scene, http), scene.outside.gates.git.hold(pushes)
    source = client.source(await client.deploy("2.0.0", pack(chart_files("held"))))
    pushing = asyncio.Event()
    reading = asyncio.create_task(to_the_end(source, lambda status: pushing.set() if status == "pushing" else None))
    await asyncio.wait_for(pushing.wait(), 30)
    await scene.dag.one("gateway").kill()
    held.open()
    await scene.dag.one("gateway").restart()
    statuses = await asyncio.wait_for(reading, HEAR_NOTHING_SECONDS)
    assert statuses[-1]["status"] == "deployed", statuses
    assert source.opened_after[0] == ""
    assert source.opened_after[-1] != ""


async def test_a_stream_with_nothing_to_tell_is_not_taken_for_lost(build: Build, http: httpx.AsyncClient) -> None:
    scene = await build(unwatched=1)
    await scene.dag.start(gateway=1)
    client = prior(scene, http)
    source = client.source(await client.deploy("3.0.0", pack(chart_files("nobody pushes"))))
    heard = await asyncio.wait_for(_until_second_heartbeat(source), HEAR_NOTHING_SECONDS)
    assert heard.count("status") == 1
    assert source.opened_after == [""]


async def _until_second_heartbeat(source: EventSource) -> list[str]:
    """Between the first and the second nothing else is told, and it is less than the silence of a lost stream."""
    heard: list[str] = []
    async with aclosing(source.messages()) as messages:  # type: ignore[type-var]
        async for message in messages:
            heard.append(message.type)
            if heard.count("heartbeat") == 2:
                break
    return heard


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


async def run(command: str, *arguments: str, environ: Mapping[str, str]) -> Ran:
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name(command)),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(environ),
    )
    out, err = await asyncio.wait_for(process.communicate(), 90)
    return Ran(process.returncode or 0, out.decode(), err.decode())


def detected(scene: Scene) -> tuple[list[str], dict[str, str]]:
    """What a GitLab job knows of itself, and what it has to add."""
    job = job_fields(scene)
    return (
        ["--server", scene.dag.gateways[0], "--environment", "env-00"],
        {"GITLAB_CI": "true", "CI_PROJECT_URL": job["repoUrl"], "CI_JOB_ID": job["jobId"]}
        | {"CI_JOB_TOKEN": job["jobToken"]},
    )


def in_variables(scene: Scene) -> tuple[list[str], dict[str, str]]:
    """Everything in DAG_* variables, which come before what could be detected."""
    job = job_fields(scene)
    return (
        [],
        {"DAG_SERVER_URL": scene.dag.gateways[0], "DAG_REPO_URL": job["repoUrl"], "DAG_JOB_ID": job["jobId"]}
        | {"DAG_JOB_TOKEN": job["jobToken"], "DAG_ENVIRONMENT": "env-00", "DAG_TIMEOUT": "60"}
        | {"GITLAB_CI": "true", "CI_PROJECT_URL": "https://other", "CI_JOB_ID": "1", "CI_JOB_TOKEN": "other"},
    )


def in_flags(scene: Scene) -> tuple[list[str], dict[str, str]]:
    """Everything in flags, which come before variables."""
    job = job_fields(scene)
    where = ["--server", scene.dag.gateways[0], "--environment", "env-00", "--timeout", "60"]
    return (
        [*where, "--repo", job["repoUrl"], "--job-id", job["jobId"], "--job-token", job["jobToken"]],
        {"DAG_SERVER_URL": "http://127.0.0.1:9", "DAG_REPO_URL": "https://other", "DAG_JOB_ID": "1"},
    )


async def test_the_classic_commands_deploy_and_read_back_however_they_are_told(
    build: Build, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    scene = await build()
    await scene.dag.start(gateway=1, pusher=1, monitor=1)
    chart = chart_folder(tmp_path)
    for number, told in enumerate((detected, in_variables, in_flags)):
        with subtests.test(told.__name__):
            flags, environ = told(scene)
            version = ["--deploy-version", f"4.0.{number}"]
            ran = await run("dag-deploy", str(chart), *version, *flags, environ=environ)
            assert ran.code == 0, ran
            written = tmp_path / f"{number}.tgz"
            assert (await run("dag-get-chart", str(written), *flags, environ=environ)).code == 0
            packed = await run("dag-deploy", str(written), *version, *flags, environ=environ)
            assert packed.code == 0, packed
            values = await run("dag-get-values", *flags, environ=environ)
            assert (values.code, json.loads(values.out)) == (0, {"note": "classic", "replicaCount": 2})


async def test_the_classic_commands_apply_values_in_the_order_they_always_had(build: Build, tmp_path: Path) -> None:
    scene = await build()
    await scene.dag.start(gateway=1, pusher=1, monitor=1)
    chart, (flags, environ) = chart_folder(tmp_path), detected(scene)
    before = (chart / "values.yaml").read_bytes()
    (tmp_path / "more.yaml").write_text("image: {tag: file, pull: [a]}\nlist: [1]\nreplicaCount: 3\n")
    (tmp_path / "motd").write_text("from a file")
    overrides = ["--set-file", f"motd={tmp_path / 'motd'}", "--set-json", "image.pull=[true]", "--set", "image.tag=1"]
    overrides += ["--values-file", str(tmp_path / "more.yaml"), "--set", "image.pull=x", "--set", "motd=y"]
    ran = await run("dag-deploy", str(chart), "--deploy-version", "5.0.0", *overrides, *flags, environ=environ)
    assert ran.code == 0, ran
    assert json.loads((await run("dag-get-values", *flags, environ=environ)).out) == {
        "note": "classic",
        "replicaCount": 3,
        "image": {"tag": "1", "pull": [True]},
        "list": [1],
        "motd": "from a file",
    }
    assert (chart / "values.yaml").read_bytes() == before


async def test_the_classic_commands_exit_with_1_for_whatever_went_wrong(build: Build, tmp_path: Path) -> None:
    scene = await build()
    await scene.dag.start(gateway=1, pusher=1, monitor=1)
    chart, (flags, environ) = chart_folder(tmp_path), detected(scene)
    broken = ["--set", "sandbox.outcome=fail", "--set", "sandbox.reason=no such image"]
    failed = await run("dag-deploy", str(chart), "--deploy-version", "6.0.0", *broken, *flags, environ=environ)
    assert (failed.code, "no such image" in failed.err) == (1, True), failed
    wrong = environ | {"CI_JOB_TOKEN": "wrong"}
    for command in (["dag-deploy", str(chart), "--deploy-version", "1"], ["dag-get-values"], ["dag-get-chart", "x"]):
        refused = await run(*command, *flags, environ=wrong)
        assert refused.code == 1
        assert re.search(r"^(Deploy|Get values|Get chart) failed \(401\): \{", refused.err), refused


def chart_folder(tmp_path: Path) -> Path:
    for name, content in chart_files("classic").items():
        path = tmp_path / NAME / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / NAME
