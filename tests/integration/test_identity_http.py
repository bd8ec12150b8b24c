"""Every provider's jobs and every known attack over HTTP, against a gateway set up as docs/identity.md says."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import gateway_world
import pytest
from examples import fresh_id
from identity_page import snippets
from identity_world import Ci, ci_of
from joserfc import jwt
from joserfc.jwk import RSAKey
from oidc_world import Clock, encoded, forged

from dag_common.contracts.codec import decode
from dag_common.contracts.events import DeploymentFailed, DeploymentId, DeploymentRequested
from dag_common.runtime import clock
from dag_common.store import clock as log_clock
from dag_common.store import requests
from dag_common.store.database import Database
from dag_sandbox.gitlab import GitLabDouble
from dag_sandbox.oidc_issuer import IssuerDouble

PROVIDERS = tuple(snippets())


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> Clock:
    ticks = Clock()
    monkeypatch.setattr(clock, "monotonic", ticks)
    return ticks


async def _requested(ci: Ci) -> list[DeploymentRequested]:
    events = [decode(record) for record in await ci.world.log()]
    return [event for event in events if isinstance(event, DeploymentRequested)]


@pytest.mark.parametrize("heading", PROVIDERS)
async def test_a_job_deploys_by_its_token_and_is_recorded_with_its_facts(
    heading: str, database: Database, tmp_path: Path
) -> None:
    async with ci_of(heading, database, tmp_path) as ci:
        answer = await ci.deploy(ci.token())
        assert answer.status_code == 200, answer.text
        (event,) = await _requested(ci)
        assert (event.app, event.environment, event.branch) == ("web", "production", "main")
        assert (event.job.id, event.requested_by.provider) == (ci.job_id, ci.app.provider)
        assert ci.job_id in event.job.url or ci.provider.kind == "oidc"
        assert event.commit == (ci.claims.get("sha") or ci.claims.get("build_commit") or ci.claims.get("rpo_ver", ""))
        assert event.requested_by.user == ci.claims.get("user_login", ci.claims.get("actor", ""))


@pytest.mark.parametrize("heading", PROVIDERS)
async def test_jobs_deploy_while_keys_rotate(heading: str, database: Database, tmp_path: Path, ticks: Clock) -> None:
    async with ci_of(heading, database, tmp_path) as ci:
        old = [ci.token() for _ in range(3)]
        assert (await ci.deploy(old.pop(), version="1.0.0")).status_code == 200
        ci.double.issuer.rotate()
        early = await ci.deploy(ci.token(), version="1.0.1")
        assert early.status_code == 503
        assert 1 <= int(early.headers["retry-after"]) <= 60
        ticks.seconds += 60
        assert (await ci.deploy(ci.token(), version="1.0.1")).status_code == 200
        assert (await ci.deploy(old.pop(), version="1.0.2")).status_code == 200
        ci.double.issuer.rotate()
        ticks.seconds += 3600
        refused = await ci.deploy(old.pop(), version="1.0.3")
        assert refused.status_code == 401
        assert "does not publish" in refused.json()["detail"]
        assert len(await _requested(ci)) == 3


RERUNS = {"GitHub": "run_attempt", "GitHub Enterprise Server": "run_attempt", "Forgejo": "run_attempt"}
"""What tells a re-run that keeps its run's id."""


@pytest.mark.parametrize("heading", RERUNS)
async def test_a_run_that_is_run_again_deploys_again_and_each_attempt_once(
    heading: str, database: Database, tmp_path: Path
) -> None:
    async with ci_of(heading, database, tmp_path) as ci:
        ids = []
        for attempt in ("1", "2", "3"):
            answer = await ci.deploy(ci.token(**{RERUNS[heading]: attempt}), key="of-the-workflow")
            assert answer.status_code == 200, answer.text
            ids.append(DeploymentId(answer.json()["deploymentId"]))
            await ci.world.append(ids[-1], DeploymentFailed(stage="pushing", reason="x", message="x"), first=2)
            again = await ci.deploy(ci.token(**{RERUNS[heading]: attempt}), key="of-the-workflow")
            assert again.json() == answer.json()
        assert len(set(ids)) == 3
        assert [event.job.id for event in await _requested(ci)] == [ci.job_id] * 3


async def test_an_attempt_that_is_configured_must_be_told(database: Database, tmp_path: Path) -> None:
    async with ci_of("Forgejo", database, tmp_path) as ci:
        unsaid = await ci.deploy(ci.token(run_attempt=None))
        assert (unsaid.status_code, "does not say run_attempt" in unsaid.text) == (401, True)
    (tmp_path / "lenient").mkdir()
    async with ci_of("Forgejo", database, tmp_path / "lenient", without="      attempt: run_attempt\n") as ci:
        assert (await ci.deploy(ci.token(run_attempt=None))).status_code == 200


@pytest.mark.parametrize("heading", PROVIDERS)
async def test_a_first_attempt_is_the_same_request_to_gateways_that_know_no_attempts(
    heading: str, database: Database, tmp_path: Path
) -> None:
    chart = hashlib.sha256(gateway_world.chart()).hexdigest()
    async with ci_of(heading, database, tmp_path) as ci:
        parts = ("request", ci.app.url, ci.job_id, "production", "1.2.3", chart)
        known, before = hashlib.sha256("\0".join(parts).encode()).hexdigest(), fresh_id()
        async with database.transaction() as connection:
            await requests.claim(connection, known, before, known)
        assert (await ci.deploy(ci.token())).json() == {"deploymentId": before}


def _told(token: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    return told


def _public(ci: Ci) -> RSAKey:
    return RSAKey.import_key(ci.double.issuer.jwks()["keys"][0])


def _of_own_key(ci: Ci) -> str:
    own, kid = RSAKey.generate_key(2048), ci.double.issuer.jwks()["keys"][0]["kid"]
    return jwt.encode({"alg": "RS256", "kid": kid, "jwk": own.as_dict(private=False)}, _told(ci.token()), own)


def _changed(ci: Ci) -> str:
    header, _, signature = ci.token().split(".")
    return f"{header}.{encoded(json.dumps({**_told(ci.token()), 'extra': 1}).encode())}.{signature}"


def _now() -> int:
    return int(clock.now().timestamp())


ATTACKS: dict[str, tuple[Callable[[Ci], str], str]] = {
    "no signature": (lambda ci: forged(ci.token(), {"alg": "none"}), "algorithm is 'none'; only RS256 is taken"),
    "the public key as secret": (
        lambda ci: forged(ci.token(), {"alg": "HS256"}, _public(ci).as_pem(private=False)),
        "algorithm is 'HS256'; only RS256 is taken",
    ),
    "the public key as secret, not said": (
        lambda ci: forged(ci.token(), {}, _public(ci).as_pem(private=False)),
        "signature does not fit",
    ),
    "a key of one's own under a known name": (_of_own_key, "signature does not fit"),
    "a changed claim": (_changed, "signature does not fit"),
    "no key named": (lambda ci: forged(ci.token(), {"kid": None}), "does not say which key"),
    "another audience": (lambda ci: ci.token(aud="https://elsewhere.example.com"), "is meant for 'https://elsewhere"),
    "no audience": (lambda ci: ci.token(aud=None), "is meant for nobody"),
    "another issuer": (lambda ci: ci.token(iss="https://evil.example.com"), "is of the issuer 'https://evil"),
    "expired": (lambda ci: ci.token(exp=_now() - 120), "is over since"),
    "not yet valid": (lambda ci: ci.token(nbf=_now() + 300), "begins to count in"),
    "issued in the future": (lambda ci: ci.token(iat=_now() + 300), "begins to count in"),
    "without an end": (lambda ci: ci.token(exp=10**400), "exp is no instant"),
}


@pytest.mark.parametrize("heading", PROVIDERS)
async def test_no_forged_foreign_or_untimely_token_deploys(
    heading: str, database: Database, tmp_path: Path, ticks: Clock, subtests: pytest.Subtests
) -> None:
    """Each is tried with the key that signs, and again, as made before, when that key is the one before."""
    async with ci_of(heading, database, tmp_path) as ci:
        for name, (attack, words) in ATTACKS.items():
            token = attack(ci)
            for rotated in (False, True):
                with subtests.test(attack=name, rotated=rotated):
                    answer = await ci.deploy(token)
                    assert answer.status_code == 401
                    assert words in answer.json()["detail"]
                    assert token not in answer.text
                if not rotated:
                    ci.double.issuer.rotate()
                    ticks.seconds += 3600
        assert await ci.world.log() == []
        assert (await ci.deploy(ci.token())).status_code == 200


TRAPS: tuple[tuple[str, dict[str, Any], int, str], ...] = (
    ("GitLab", {"pipeline_source": "merge_request_event"}, 401, "a merge request's pipeline"),
    ("GitLab", {"pipeline_source": "merge_request_event", "project_id": "999"}, 401, "a merge request's pipeline"),
    ("GitLab", {"project_id": "999"}, 401, "runs in project '101' for project 999"),
    ("GitLab", {"job_project_id": "999"}, 401, "runs in project '999'"),
    ("GitLab", {"project_id": "999", "job_project_id": "999"}, 401, "is configured as project 101"),
    ("GitLab", {"ref_type": "tag", "ref_path": "refs/tags/main"}, 401, "a job on a 'tag'"),
    ("GitLab", {"ref_type": None}, 401, "does not say ref_type"),
    ("GitLab", {"ref_path": "refs/tags/main"}, 401, "a job on 'refs/tags/main'"),
    ("GitLab", {"ref_protected": "false"}, 401, "takes protected branches only, and main is not protected"),
    ("GitLab", {"pipeline_source": "schedule"}, 401, "began by schedule; environment production takes push, web"),
    ("GitLab", {"job_id": "1"}, 401, "belongs to CI_JOB_ID '1'"),
    ("GitLab", {"ref": "dev", "ref_path": "refs/heads/dev"}, 404, "dev"),
    ("GitHub", {"event_name": "pull_request_target"}, 401, "began by pull_request_target"),
    ("GitHub", {"event_name": "workflow_run"}, 401, "began by workflow_run"),
    ("GitHub", {"event_name": "issue_comment"}, 401, "began by issue_comment"),
    ("GitHub", {"event_name": "pull_request", "ref": "refs/pull/7/merge"}, 401, "a job on 'refs/pull/7/merge'"),
    ("GitHub", {"ref_type": "tag", "ref": "refs/tags/main"}, 401, "a run on a 'tag'"),
    ("GitHub", {"ref_type": None}, 401, "does not say ref_type"),
    ("GitHub", {"repository_id": "75"}, 401, "is of project '75' ('acme/web')"),
    ("GitHub", {"repository_id": "75", "repository": "mallory/web"}, 401, "is of project '75' ('mallory/web')"),
    ("GitHub", {"ref_protected": "false"}, 401, "main is not protected"),
    ("GitHub", {"run_id": "1"}, 401, "belongs to GITHUB_RUN_ID '1'"),
    ("GitHub", {"jti": None}, 401, "does not say jti"),
    ("GitHub", {"ref": "refs/heads/dev"}, 404, "dev"),
    ("GitHub Enterprise Server", {"environment": "staging"}, 401, "environment is 'staging', and production is requ"),
    ("GitHub Enterprise Server", {"environment": None}, 401, "and production is required"),
    ("GitHub Enterprise Server", {"event_name": "schedule"}, 401, "takes push, workflow_dispatch"),
    ("Buildkite", {"organization_id": "other"}, 401, "organization_id is 'other'"),
    ("Buildkite", {"organization_id": None}, 401, "organization_id is nothing, and "),
    ("Buildkite", {"pipeline_id": "other"}, 401, "is of project 'other' ('web')"),
    ("Buildkite", {"pipeline_id": None}, 401, "does not say pipeline_id"),
    ("Buildkite", {"build_tag": "main"}, 401, "a job on the tag 'main'"),
    ("Buildkite", {"build_branch": "mallory:main"}, 404, "mallory:main"),
    ("Forgejo", {"event_name": "pull_request_target"}, 401, "began by pull_request_target"),
    ("Forgejo", {"event_name": "pull_request", "ref": "refs/pull/7/head"}, 401, "a job on 'refs/pull/7/head'"),
    ("Forgejo", {"ref_type": "tag", "ref": "refs/tags/main"}, 401, "ref_type is 'tag', not branch"),
    ("Forgejo", {"repository_id": "75"}, 401, "is of project '75'"),
    ("Forgejo", {"ref_protected": "false"}, 401, "main is not protected"),
    ("Forgejo", {"ref_protected": None}, 401, "needs a claim that tells it (claims.protected)"),
    ("Bitbucket", {"branchName": None}, 401, "does not say branchName"),
    ("Bitbucket", {"repositoryUuid": "{other}"}, 401, "is of project '{other}'"),
    ("Bitbucket", {"workspaceUuid": "{other}"}, 401, "workspaceUuid is '{other}'"),
    ("Azure Pipelines", {"org_id": "other"}, 401, "org_id is 'other'"),
    ("Azure Pipelines", {"rpo_id": "other"}, 401, "is of project 'other'"),
    ("Azure Pipelines", {"rpo_ref": "refs/tags/main"}, 401, "a job on 'refs/tags/main'"),
    ("Azure Pipelines", {"rpo_ref": "refs/pull/7/merge"}, 401, "a job on 'refs/pull/7/merge'"),
    ("Azure Pipelines", {"jti": None}, 401, "does not say jti"),
)


@pytest.mark.parametrize("heading", PROVIDERS)
async def test_a_true_token_of_the_wrong_job_is_refused_by_the_fact_that_does_not_fit(
    heading: str, database: Database, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    async with ci_of(heading, database, tmp_path) as ci:
        for claims, status, words in [trap[1:] for trap in TRAPS if trap[0] == heading]:
            with subtests.test(claims=str(claims)):
                answer = await ci.deploy(ci.token(**claims))
                assert (answer.status_code, answer.json()["detail"].count(words)) == (status, 1), answer.text
        assert await ci.world.log() == []


@pytest.mark.parametrize("heading", ["GitLab", "GitHub", "Forgejo"])
async def test_without_a_pin_the_owner_and_the_path_must_fit(heading: str, database: Database, tmp_path: Path) -> None:
    pin = "    projectId: 101\n" if heading == "GitLab" else "    projectId: 74\n"
    name = "project_path" if heading == "GitLab" else "repository"
    async with ci_of(heading, database, tmp_path, without=pin) as ci:
        for path in ("mallory/web", "acme/other", "acme/web/web", "web"):
            answer = await ci.deploy(ci.token(**{name: path}))
            assert (answer.status_code, f"is of '{path}', not of" in answer.text) == (401, True)
        assert (await ci.deploy(ci.token())).status_code == 200


async def test_a_gitlab_job_token_proves_all_but_protection(database: Database, tmp_path: Path) -> None:
    async with ci_of("GitLab", database, tmp_path) as ci:
        assert isinstance(ci.double, GitLabDouble)
        job = ci.double.create_job(project="acme/web", ref="release/1")
        assert (await ci.deploy(job.token, jobId=str(job.id))).status_code == 200
        (event,) = await _requested(ci)
        assert (event.environment, event.branch, event.requested_by.user) == ("staging", "release/1", "alice")
        unsaid = await ci.deploy(ci.double.jobs.job(int(ci.job_id)).token)
        assert (unsaid.status_code, "send an ID token instead of a job token" in unsaid.text) == (401, True)
        ci.double.finish_job(job.id)
        over = await ci.deploy(job.token, jobId=str(job.id), version="1.2.4")
        assert (over.status_code, "the job is over" in over.text) == (401, True)


@pytest.mark.parametrize("heading", ["GitHub", "GitHub Enterprise Server"])
async def test_a_bare_github_token_is_answered_with_the_two_lines_that_are_missing(
    heading: str, database: Database, tmp_path: Path
) -> None:
    async with ci_of(heading, database, tmp_path) as ci:
        answer = await ci.deploy("ghs_16C7e42F292c6912E7710c838347Ae178B4a")
        assert answer.status_code == 401
        detail = answer.json()["detail"]
        assert "permissions:\n  id-token: write\n" in detail
        assert f"$ACTIONS_ID_TOKEN_REQUEST_URL&audience={ci.provider.audience}" in detail
        assert "ghs_" not in answer.text
        assert _questions(ci) == 0


def _questions(ci: Ci) -> int:
    assert isinstance(ci.double, IssuerDouble)
    return ci.double.questions


async def test_a_flood_of_unknown_keys_is_one_question_a_minute(
    database: Database, tmp_path: Path, ticks: Clock
) -> None:
    async with ci_of("Forgejo", database, tmp_path) as ci:
        assert (await ci.deploy(ci.token())).status_code == 200
        for minute in (1, 2):
            ticks.seconds += 60
            flood = [await ci.deploy(forged(ci.token(), {"kid": f"{minute}-{number}"})) for number in range(5)]
            assert [answer.status_code for answer in flood] == [401, 503, 503, 503, 503]
            assert (await ci.deploy(ci.token())).status_code == 200
            assert _questions(ci) == 1 + minute


async def test_an_issuer_that_is_down_stops_only_who_brings_an_unknown_key(
    database: Database, tmp_path: Path, ticks: Clock
) -> None:
    async with ci_of("Forgejo", database, tmp_path) as ci:
        ci.double.faults.down()
        cold = await ci.deploy(ci.token())
        assert (cold.status_code, int(cold.headers["retry-after"]) >= 1) == (503, True)
        ci.double.faults.clear()
        ticks.seconds += 5
        assert (await ci.deploy(ci.token())).status_code == 200
        ci.double.faults.down()
        ticks.seconds += 4000
        assert (await ci.deploy(ci.token(), version="1.2.4")).status_code == 200
        assert (await ci.deploy(forged(ci.token(), {"kid": "other"}))).status_code == 503
        assert len(await _requested(ci)) == 2
        page = (await ci.world.client.get("/metrics")).text
        assert f'dag_signing_keys_age_seconds{{issuer="{ci.provider.token_issuer}"}} 4000.0' in page


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_host_whose_clock_is_stepped_takes_what_is_valid_and_nothing_else(
    hours: int, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true, step = clock.now, timedelta()
    monkeypatch.setattr(clock, "now", lambda: true() + step)
    async with ci_of("Forgejo", database, tmp_path) as ci:
        valid, now = ci.token(), _now()
        over, early = {"iat": now - 3600, "nbf": now - 3600, "exp": now - 120}, {"iat": now + 3600, "exp": now + 7200}
        wrong = ci.token(**(over if hours < 0 else early))
        step = timedelta(hours=hours)
        assert (await ci.deploy(wrong)).status_code == 401
        assert (await ci.deploy(valid)).status_code == 200


async def test_a_monotonic_clock_that_went_wrong_is_put_right_by_the_database(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wild = Clock()
    monkeypatch.setattr(log_clock, "monotonic", wild)
    monkeypatch.setattr(log_clock, "HEAR_SECONDS", 0.05)
    async with ci_of("Forgejo", database, tmp_path) as ci:
        wild.seconds += 7200
        async with asyncio.timeout(20):
            while (await ci.deploy(ci.token())).status_code != 200:
                pass
