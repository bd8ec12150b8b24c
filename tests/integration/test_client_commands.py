"""The commands as processes, against a gateway that says only what the API reference says."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest
from client_world import HAPPY, ID, PLAN, TOKEN, Stub, job, run

from dag_client import session
from dag_client.errors import TimedOut
from dag_client.views import JsonLines
from dag_sandbox.serving import serve


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/Chart.yaml").write_text("name: shop\nversion: 1.0.0\n")
    return tmp_path / "shop"


async def test_a_deployment_is_sent_as_the_api_says_and_followed_to_its_end(chart: Path) -> None:
    stub = Stub()
    ran = await run(stub, "dag", "deploy", str(chart))
    assert ran.code == 0, ran.err
    assert stub.forms == [
        {
            "repoUrl": "https://git.example.com/shop/web",
            "jobId": "17",
            "jobToken": TOKEN,
            "version": "a1",
            "chart": "chart.tgz",
        }
    ]
    for status, message in HAPPY:
        assert any(status in line and message in line for line in ran.out.splitlines())
    assert "section_start:" in ran.out


async def test_a_failed_deployment_ends_with_its_reason(chart: Path) -> None:
    ran = await run(Stub(connections=[[("failed", "image cannot be pulled")]]), "dag", "deploy", str(chart))
    assert ran.code == 1
    assert "image cannot be pulled" in ran.err


async def test_a_superseded_deployment_has_an_exit_code_of_its_own(chart: Path) -> None:
    stub = Stub(connections=[[("failed", "a newer one took over")]], failure="superseded")
    ran = await run(stub, "dag", "deploy", str(chart))
    assert ran.code == 5


async def test_a_cancelled_deployment_is_a_failed_one_that_names_who_cancelled(chart: Path) -> None:
    stub = Stub(connections=[[("failed", "Cancelled by an operator")]], failure="cancelled")
    ran = await run(stub, "dag", "deploy", str(chart))
    assert ran.code == 1
    assert "Cancelled by an operator" in ran.err


async def test_a_refusal_is_told_without_the_token(chart: Path) -> None:
    body = json.dumps({"title": "Unauthorized", "status": 401, "detail": f"job {TOKEN} is not running"})
    ran = await run(Stub(refusals=[(401, body)]), "dag", "deploy", str(chart))
    assert ran.code == 3
    assert "Deploy failed (401): job [token] is not running" in ran.err


async def test_a_gateway_that_is_busy_is_asked_again(chart: Path) -> None:
    stub = Stub(refusals=[(503, "later"), (502, "later"), (408, "it stalled")])
    ran = await run(stub, "dag", "deploy", str(chart))
    assert ran.code == 0
    assert len(stub.forms) == 4


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_a_stream_that_the_gateway_cannot_give_now_is_asked_for_again(chart: Path, status: int) -> None:
    ran = await run(Stub(refused_streams=[status]), "dag", "deploy", str(chart))
    assert ran.code == 0, ran.err
    assert f"answered {status}. Connecting again." in ran.out


async def test_an_accepted_deployment_that_cannot_be_followed_is_not_one_that_was_refused(chart: Path) -> None:
    ran = await run(Stub(refused_streams=[403]), "dag", "deploy", str(chart), "--json")
    assert (ran.code, json.loads(ran.out.splitlines()[-1])["exitCode"]) == (4, 4)
    assert f"Watch failed (403): no stream here The deployment goes on: dag watch {ID}" in ran.err


async def test_a_stream_that_breaks_is_resumed_where_it_broke(chart: Path) -> None:
    stub = Stub(connections=[HAPPY[:2], [], HAPPY[2:]])
    ran = await run(stub, "dag", "deploy", str(chart))
    assert ran.code == 0
    assert stub.resumed_after == ["", "2", "2"]


async def test_a_wait_that_is_over_names_the_command_that_goes_on(chart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "GRACE_SECONDS", 2.0)
    async with serve(Stub(connections=[[]] * 100).app()) as server:
        with pytest.raises(TimedOut, match=f"^No end within 2 s. The deployment goes on: dag watch {ID}$"):
            await session.watch(server, ID, 0.1, JsonLines())


async def test_programs_get_one_object_a_line(chart: Path) -> None:
    ran = await run(Stub(), "dag", "deploy", str(chart), "--json")
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert [line["type"] for line in lines] == ["accepted", *["status"] * 4, "end"]
    assert lines[-1]["status"] == "deployed"
    assert lines[-1]["deploymentId"] == ID


async def test_what_is_not_packed_is_told_beside_what_programs_read(chart: Path) -> None:
    (chart / "app.conf").write_text("x")
    ran = await run(Stub(), "dag", "deploy", str(chart), "--no-wait")
    assert (ran.code, ran.out) == (0, f"{ID}\n")
    assert "Not packed, as no part of a chart: app.conf (--include-all-files packs everything)" in ran.err
    everything = await run(Stub(), "dag", "deploy", str(chart), "--no-wait", "--include-all-files")
    assert "Not packed" not in everything.err


async def test_the_version_is_told_without_a_command() -> None:
    ran = await run(Stub(), "dag", "--version")
    assert (ran.code, ran.out) == (0, f"dag {metadata.version('dag-client')}\n")


async def test_no_wait_prints_the_id_and_opens_no_stream(chart: Path) -> None:
    stub = Stub()
    ran = await run(stub, "dag", "deploy", str(chart), "--no-wait")
    assert (ran.code, ran.out) == (0, f"{ID}\n")
    assert stub.resumed_after == []


async def test_a_dry_run_shows_what_would_change_and_follows_nothing(chart: Path) -> None:
    stub = Stub()
    ran = await run(stub, "dag", "deploy", str(chart), "--dry-run")
    assert ran.code == 0, ran.err
    assert (stub.forms[0]["dryRun"], stub.resumed_after) == ("true", [])
    assert ran.out.splitlines() == [
        "environment    production",
        "version        1.2.3-dag.7 (It ends in the position)",
        "path           iac main:apps/shop",
        "compared with  c0ffee",
        "target         c/flux/n/shop",
        "",
        "changed values.yaml",
        "--- a/v",
        "+++ b/v",
        "@@ -1 +1 @@",
        "-a: [1]",
        "+a: ?[31m",
        "added logo.png",
        "(binary)",
        "removed crds.yaml",
        "... too large to be shown in full",
        "... and 3 more files",
        "This was a dry run: nothing was deployed.",
    ]


async def test_a_plan_gives_githubs_runner_no_commands(chart: Path) -> None:
    file = {"path": "x", "change": "changed", "diff": "@@ -1 +1 @@\n ::add-mask::a\n::stop-commands::b"}
    environ = job() | {"GITHUB_ACTIONS": "1", "GITLAB_CI": "", "DAG_JOB_TOKEN": TOKEN, "DAG_JOB_ID": "1"}
    environ |= {"DAG_REPO_URL": "https://code.example.com/a/b", "GITHUB_SHA": "b2"}
    ran = await run(Stub(plan=PLAN | {"files": [file]}), "dag", "deploy", str(chart), "--dry-run", environ=environ)
    assert ran.code == 0, ran.err
    assert "add-mask" in ran.out
    assert not [line for line in ran.out.splitlines() if line.lstrip().startswith("::")]


async def test_programs_get_the_plan_as_the_gateway_told_it(chart: Path) -> None:
    ran = await run(Stub(), "dag", "deploy", str(chart), "--dry-run", "--json")
    assert (ran.code, json.loads(ran.out)) == (0, PLAN)


async def test_a_gateway_without_dry_runs_is_told_as_one(chart: Path) -> None:
    body = json.dumps({"detail": "dryRun is not offered by this version of DAG; nothing was deployed"})
    ran = await run(Stub(refusals=[(400, body)]), "dag", "deploy", str(chart), "--dry-run")
    assert ran.code == 3
    assert "dryRun is not offered by this version of DAG; nothing was deployed" in ran.err


async def test_on_github_a_failure_is_an_annotation_and_a_summary(chart: Path, tmp_path: Path) -> None:
    environ = {
        "GITHUB_ACTIONS": "1",
        "GITHUB_SERVER_URL": "https://code.example.com",
        "GITHUB_REPOSITORY": "shop/web",
        "GITHUB_RUN_ID": "9",
        "DAG_JOB_TOKEN": TOKEN,
        "GITHUB_SHA": "b2",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }
    stub = Stub(connections=[[("failed", "50% broken\n::add-path::/tmp")]])
    ran = await run(stub, "dag", "deploy", str(chart), environ=environ)
    assert ran.code == 1
    assert "::error title=Deploy b2%3A not deployed::Deployment failed: 50%25 broken%0A::add-path::/tmp" in ran.out
    assert "50% broken" in (tmp_path / "summary.md").read_text()
    assert not any(line.startswith("::") for line in ran.err.splitlines())


@pytest.mark.parametrize(("end", "code"), [("deployed", 0), ("failed", 1)])
async def test_a_summary_that_cannot_be_written_does_not_change_the_verdict(
    chart: Path, tmp_path: Path, end: str, code: int
) -> None:
    environ = {"GITHUB_ACTIONS": "1", "DAG_REPO_URL": "https://code.example.com/a/b", "DAG_JOB_ID": "1"}
    environ |= {"DAG_JOB_TOKEN": TOKEN, "GITHUB_SHA": "b2", "GITHUB_STEP_SUMMARY": str(tmp_path / "gone/summary.md")}
    ran = await run(Stub(connections=[[(end, "m")]]), "dag", "deploy", str(chart), environ=environ)
    assert ran.code == code
    assert "summary cannot be written (No such file or directory)" in ran.err
    assert "Traceback" not in ran.err


async def test_a_wrong_call_is_told_from_a_refused_one(chart: Path) -> None:
    assert (await run(Stub(), "dag", "deploy", str(chart / "gone"))).code == 2
    assert (await run(Stub(), "dag", "deploy", str(chart), "--no-such-flag")).code == 2
    ran = await run(Stub(), "dag", "deploy", str(chart), environ={"PATH": ""})
    assert ran.code == 2
    assert "DAG_JOB_TOKEN" in ran.err


async def test_an_unknown_deployment_is_not_watched_for_ever() -> None:
    ran = await run(Stub(), "dag", "watch", "nobody")
    assert ran.code == 3
    assert "Watch failed (404): no such deployment" in ran.err


async def test_one_deployment_is_described() -> None:
    ran = await run(Stub(failure="stalled"), "dag", "status", ID)
    assert ran.code == 0
    assert ran.out.startswith("failed")


async def test_the_classic_commands_do_what_they_did(chart: Path, tmp_path: Path) -> None:
    stub = Stub()
    ran = await run(stub, "dag-deploy", str(chart), "--deploy-version", "1.2.3", "--environment", "prod")
    assert ran.code == 0
    assert stub.forms[0]["version"] == "1.2.3"
    assert stub.forms[0]["environment"] == "prod"
    ran = await run(stub, "dag-get-chart", str(tmp_path / "out.tgz"))
    assert ran.code == 0
    assert (tmp_path / "out.tgz").read_bytes() == b"chart bytes"
    ran = await run(stub, "dag-get-values")
    assert json.loads(ran.out) == {"name": "schön", "replicas": 3}
    assert ran.out.startswith('{\n  "name": "schön"')
    assert stub.bodies[0] == {"repoUrl": "https://git.example.com/shop/web", "jobId": "17", "jobToken": TOKEN}


async def test_the_classic_commands_know_only_success_and_failure(chart: Path) -> None:
    refused = await run(Stub(refusals=[(400, "{bad}")]), "dag-deploy", str(chart), "--deploy-version", "1")
    assert refused.code == 1
    assert "Deploy failed (400): {bad}" in refused.err
    without_version = await run(Stub(), "dag-deploy", str(chart))
    assert without_version.code == 1
    assert "DAG_DEPLOY_VERSION" in without_version.err
    assert (await run(Stub(), "dag-deploy", "--no-such-flag")).code == 1
