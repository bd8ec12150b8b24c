"""The ready-made CI files, run as their systems run them, against running services."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from acceptance.harness.charts import NAME, chart_files
from acceptance.harness.landscape import PROJECT
from acceptance.harness.scene import Build, Scene
from ci_templates import CI, GITHUB, GITLAB, github_spec, github_step, gitlab_environ, gitlab_job, gitlab_spec
from github_actions import RIGHT, minting, run_of, token_endpoint

from dag_sandbox.gitlab_jobs import Job
from dag_sandbox.oidc_issuer import IssuerDouble

PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
ODD_SETTINGS = ["a.b=1 2", "c=$(d) 'e' \"f\"\n"]
DOCS = CI.parents[1] / "docs/ci.md"


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


@pytest.fixture
def chart(tmp_path: Path) -> str:
    for name, content in chart_files("from CI").items():
        path = tmp_path / NAME / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "more.yaml").write_text("replicaCount: 3\n")
    return str(tmp_path / NAME)


async def run(command: list[str], environ: Mapping[str, str], cwd: Path) -> Ran:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": PATH, **environ},
        cwd=cwd,
    )
    out, err = await asyncio.wait_for(process.communicate(), 90)
    return Ran(process.returncode or 0, out.decode(), err.decode())


async def gitlab(scene: Scene, cwd: Path, **inputs: Any) -> tuple[Ran, Job]:
    """The template's job, as a runner with the docker executor runs it: in sh, with `set -eo pipefail` where it can."""
    server, double = scene.dag.gateways[0], scene.outside.gitlab
    told = gitlab_job(server=server, environment="env-00", **inputs)["dag-deploy"]
    job = double.create_job(project=PROJECT, ref="main")
    given = {
        "CI": "true",
        "GITLAB_CI": "true",
        "CI_PROJECT_URL": double.project_url(PROJECT),
        "CI_JOB_ID": str(job.id),
        "CI_JOB_TOKEN": job.token,
        "CI_COMMIT_SHA": job.sha,
        **{name: double.id_token(job.id, token["aud"]) for name, token in told["id_tokens"].items()},
    }
    ran = await run(["sh", "-ec", "\n".join(told["script"])], gitlab_environ(told["variables"], given), cwd)
    assert not [value for name, value in given.items() if "TOKEN" in name and value in ran.out + ran.err]
    return ran, job


async def values(scene: Scene, environ: Mapping[str, str], cwd: Path) -> object:
    read = await run(["dag", "get-values", "--server", scene.dag.gateways[0]], environ, cwd)
    assert read.code == 0, read
    return json.loads(read.out)


async def test_gitlabs_template_deploys_by_job_token(build: Build, tmp_path: Path, chart: str) -> None:
    scene = await build()
    await scene.dag.start(gateway=1, pusher=1, monitor=1)
    ran, job = await gitlab(scene, tmp_path, chart=chart, values_file="more.yaml", set=ODD_SETTINGS)
    assert ran.code == 0, ran
    assert scene.outside.gitlab.questions == 1
    assert job.sha in ran.out
    as_job = {"DAG_JOB_ID": str(job.id), "DAG_JOB_TOKEN": job.token, "DAG_ENVIRONMENT": "env-00"} | {
        "DAG_REPO_URL": scene.outside.gitlab.project_url(PROJECT)
    }
    assert await values(scene, as_job, tmp_path) == {
        "note": "from CI",
        "replicaCount": 3,
        "a": {"b": "1 2"},
        "c": "$(d) 'e' \"f\"\n",
    }


async def test_gitlabs_template_deploys_by_id_token(build: Build, tmp_path: Path, chart: str) -> None:
    scene = await build()
    registry = scene.outside.registry / "dag.yaml"
    await scene.dag.start(gateway=1, pusher=1, monitor=1)
    refused, _ = await gitlab(scene, tmp_path, chart=chart, proof="id-token")
    assert (refused.code, "audience" in refused.err) == (3, True), refused
    told = yaml.safe_load(registry.read_text())
    told["providers"]["gitlab"]["audience"] = scene.dag.gateways[0]
    registry.write_text(yaml.safe_dump(told))
    await scene.dag.one("gateway").terminate()
    await scene.dag.one("gateway").restart()
    ran, _ = await gitlab(scene, tmp_path, chart=chart, proof="id-token", version="7.0.0")
    assert ran.code == 0, ran
    assert scene.outside.gitlab.questions == 0


async def test_gitlabs_template_ends_as_the_deployment_ends(build: Build, tmp_path: Path, chart: str) -> None:
    scene = await build()
    await scene.dag.start(gateway=1, pusher=1, monitor=1)
    ran, _ = await gitlab(scene, tmp_path, chart=chart, set=["sandbox.outcome=fail", "sandbox.reason=no such image"])
    assert (ran.code, "no such image" in ran.err) == (1, True), ran


@pytest.fixture
async def issuer() -> AsyncIterator[IssuerDouble]:
    async with IssuerDouble(path="/_services/token") as issuer:
        yield issuer


def register_github(scene: Scene, server: str, audience: str) -> None:
    """A GitHub server beside the GitLab, with one project that deploys to a place of its own."""
    place = {"name": "production", "branch": "main", "iac": {"repository": "iac-0", "path": "github/shop"}}
    app = {"name": "hub", "repoUrl": f"{server}/acme/shop", "provider": "github"}
    told = {
        "providers": {"github": {"kind": "github", "url": server, "audience": audience}},
        "apps": [app | {"environments": [place | {"targets": [{"kind": "none"}]}]}],
    }
    (scene.outside.registry / "github.yaml").write_text(yaml.safe_dump(told))


async def test_githubs_action_deploys_by_a_token_it_asks_for(
    build: Build, tmp_path: Path, chart: str, issuer: IssuerDouble
) -> None:
    scene = await build()
    server, gateway = issuer.url.removesuffix("/_services/token"), scene.dag.add("gateway")
    register_github(scene, server, gateway.url)
    await gateway.start()
    await scene.dag.start(pusher=1, monitor=1)
    await gateway.ready()
    step = github_step(server=gateway.url, chart=chart, values_file="more.yaml", set="a.b=1 2\nc=$(d)")
    summary = tmp_path / "summary.md"
    environ = {**run_of(server), **step["env"], "GITHUB_ACTION_PATH": str(GITHUB.parent)}
    async with token_endpoint(minting(issuer)) as (endpoint, asking):
        environ |= asking | {"GITHUB_STEP_SUMMARY": str(summary)}
        ran = await run(["bash", "-e", "-o", "pipefail", "-c", step["run"]], environ, tmp_path)
        assert ran.code == 0, ran
        read = await values(scene, environ, tmp_path)
        assert not [token for token in (*endpoint.given, RIGHT, "ghs_planted") if token in ran.out + ran.err]
    assert read == {"note": "from CI", "replicaCount": 3, "a": {"b": "1 2"}, "c": "$(d)"}
    assert "::group::" in ran.out
    assert "✅" in summary.read_text()


async def test_githubs_action_names_the_lines_that_a_workflow_lacks(tmp_path: Path, chart: str) -> None:
    step = github_step(server="http://127.0.0.1:9", chart=chart)
    environ = {**run_of("https://github.com"), **step["env"], "GITHUB_ACTION_PATH": str(GITHUB.parent)}
    ran = await run(["bash", "-e", "-o", "pipefail", "-c", step["run"]], environ, tmp_path)
    assert ran.code == 2
    assert "permissions:\n  id-token: write" in ran.err


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_gitlabs_script_is_one_for_every_shell(shell: str) -> None:
    for job in gitlab_job(server="https://dag").values():
        subprocess.run([shell, "-n"], input="\n".join(job["script"]), text=True, check=True)


def test_githubs_script_is_bash() -> None:
    subprocess.run(["bash", "-n", str(GITHUB.parent / "deploy.sh")], check=True)


@pytest.mark.parametrize(
    ("file", "spec", "heading"), [(GITLAB, gitlab_spec(), "GitLab"), (GITHUB, github_spec(), "GitHub Actions")]
)
def test_every_input_is_used_and_documented(file: Path, spec: dict[str, object], heading: str) -> None:
    assert set(re.findall(r"inputs\.([a-z-]+) [\]}]", file.read_text())) == set(spec)
    rows = re.findall(r"^\| (`.*?) \|", chapter(heading), flags=re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`([a-z-]+)`", row)} == set(spec)


def chapter(heading: str) -> str:
    """One provider's part of the page: the other's table tells nothing of it."""
    return DOCS.read_text().split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
