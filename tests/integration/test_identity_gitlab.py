from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from dag_common.errors import Unavailable, Unproven
from dag_common.registry.durations import Seconds
from dag_common.registry.providers import Provider
from dag_common.runtime import clock
from dag_gateway.domain.jobs import JobClaim, RefType
from dag_gateway.identity.gitlab import GitLabVerifier
from dag_gateway.identity.provider_client import MAX_QUESTIONS, ProviderClient
from dag_sandbox.gitlab import GitLabDouble
from dag_sandbox.gitlab_faults import Fault
from dag_sandbox.gitlab_jobs import Job
from dag_sandbox.serving import serve

SECRET = "glcbt-64_planted-secret"


@pytest.fixture
async def gitlab() -> AsyncIterator[GitLabDouble]:
    async with GitLabDouble(path="/gitlab") as double:
        yield double


@pytest.fixture
async def verifier(gitlab: GitLabDouble) -> AsyncIterator[GitLabVerifier]:
    client = _client(gitlab.url)
    yield GitLabVerifier(client, gitlab.url)
    await client.close()


def _client(url: str, seconds: int = 5) -> ProviderClient:
    return ProviderClient("gitlab", Provider(kind="gitlab", url=url, timeout=Seconds(seconds)))


def _claim(gitlab: GitLabDouble, job: Job, **changes: str) -> JobClaim:
    url = gitlab.project_url(job.project)
    claim = JobClaim(provider="gitlab", repo_url=url, project_id=None, job_id=str(job.id), token=job.token)
    return replace(claim, **changes)


async def test_a_running_job_on_a_branch_is_proven_with_all_its_facts(
    gitlab: GitLabDouble, verifier: GitLabVerifier
) -> None:
    job = gitlab.create_job(project="acme/team/shop", ref="release/1.0", user="bob", source="web")
    proven = await verifier.verify(_claim(gitlab, job))
    assert (proven.provider, proven.kind) == ("gitlab", "gitlab")
    assert (proven.project_id, proven.project_path) == (str(job.project_id), "acme/team/shop")
    assert (proven.ref, proven.ref_type, proven.commit) == ("release/1.0", RefType.BRANCH, job.sha)
    assert (proven.job_id, proven.job_url) == (str(job.id), f"{gitlab.url}/acme/team/shop/-/jobs/{job.id}")
    assert (proven.actor, proven.source, proven.protected) == ("bob", "web", None)


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"tag": True}, "runs on a tag"),
        ({"ref": "refs/merge-requests/7/head", "source": "merge_request_event"}, "runs on a merge request"),
        ({"ref": "refs/merge-requests/7/merge"}, "runs on a merge request"),
        ({"status": "canceling"}, "is canceling; only a running job"),
        ({"status": "success"}, "the job is over"),
        ({"status": "failed"}, "the job is over"),
        ({"status": "pending"}, "the job is over"),
    ],
)
async def test_a_job_that_may_not_deploy_is_unproven_and_told_why(
    gitlab: GitLabDouble, verifier: GitLabVerifier, wish: dict[str, object], words: str
) -> None:
    job = gitlab.create_job(**wish)
    with pytest.raises(Unproven, match=words):
        await verifier.verify(_claim(gitlab, job))


async def test_a_token_is_worth_nothing_once_its_job_is_over(gitlab: GitLabDouble, verifier: GitLabVerifier) -> None:
    job = gitlab.create_job()
    await verifier.verify(_claim(gitlab, job))
    gitlab.finish_job(job.id)
    with pytest.raises(Unproven, match="Send CI_JOB_TOKEN"):
        await verifier.verify(_claim(gitlab, job))


async def test_another_jobs_token_proves_nothing(gitlab: GitLabDouble, verifier: GitLabVerifier) -> None:
    mine, other = gitlab.create_job(), gitlab.create_job()
    with pytest.raises(Unproven, match=f"belongs to job {other.id}, not to the job {mine.id}"):
        await verifier.verify(_claim(gitlab, mine, token=other.token))


async def test_another_projects_job_proves_nothing(gitlab: GitLabDouble, verifier: GitLabVerifier) -> None:
    job = gitlab.create_job(project="evil/shop")
    with pytest.raises(Unproven, match="belongs to evil/shop, not to"):
        await verifier.verify(_claim(gitlab, job, repo_url=gitlab.project_url("acme/shop")))


async def test_the_projects_path_is_compared_without_case_and_in_any_spelling(
    gitlab: GitLabDouble, verifier: GitLabVerifier
) -> None:
    job = gitlab.create_job(project="Acme/Shop")
    for spelling in (f"{gitlab.project_url('acme/shop')}.git/", "git@127.0.0.1:acme/shop.git"):
        assert (await verifier.verify(_claim(gitlab, job, repo_url=spelling))).project_path == "Acme/Shop"


async def test_a_pinned_project_is_known_by_its_id_through_a_rename(
    gitlab: GitLabDouble, verifier: GitLabVerifier
) -> None:
    job = gitlab.create_job(project="acme/shop")
    claim = _claim(gitlab, job, project_id=str(job.project_id))
    gitlab.jobs.rename("acme/shop", "acme/store")
    assert (await verifier.verify(claim)).project_path == "acme/store"
    squatter = gitlab.create_job(project="acme/shop")
    with pytest.raises(Unproven, match=f"is configured as project {job.project_id}"):
        await verifier.verify(_claim(gitlab, squatter, project_id=str(job.project_id)))


async def test_a_personal_access_token_is_told_apart(gitlab: GitLabDouble, verifier: GitLabVerifier) -> None:
    job = gitlab.create_job()
    with pytest.raises(Unproven, match="some other kind of token"):
        await verifier.verify(_claim(gitlab, job, token="glpat-abcdef"))


async def test_a_blocked_user_is_unproven(gitlab: GitLabDouble, verifier: GitLabVerifier) -> None:
    job = gitlab.create_job(user="mallory")
    gitlab.jobs.blocked_users.add("mallory")
    with pytest.raises(Unproven, match="refuses the user"):
        await verifier.verify(_claim(gitlab, job))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"job_id": "17x"}, "send CI_JOB_ID, a number"),
        ({"job_id": "٣"}, "send CI_JOB_ID, a number"),
        ({"job_id": "1" * 40}, "send CI_JOB_ID, a number"),
        ({"token": "two words"}, "characters that no GitLab token has"),
        ({"token": "line\r\nX-Injected: 1"}, "characters that no GitLab token has"),
        ({"token": "x" * 9000}, "longer than any GitLab token"),
    ],
)
async def test_what_cannot_be_a_jobs_is_refused_without_asking(
    gitlab: GitLabDouble, verifier: GitLabVerifier, changes: dict[str, str], words: str
) -> None:
    with pytest.raises(Unproven, match=words):
        await verifier.verify(_claim(gitlab, gitlab.create_job(), **changes))
    assert gitlab.questions == 0


JSON, HTML, TEXT = ({"content-type": kind} for kind in ("application/json", "text/html", "text/plain"))


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(status=401, headers=JSON, body='{"message":"401 Unauthorized"}'), Unproven),
        (Fault(status=401, headers=HTML, body="<h1>no</h1>"), Unproven),
        (Fault(status=401), Unproven),
        (Fault(status=400, headers=JSON, body='{"error":"bad"}'), Unproven),
        (Fault(status=403, headers=JSON, body='{"message":"403 Forbidden"}'), Unproven),
        (Fault(status=403, headers=HTML, body="<h1>blocked by the firewall</h1>"), Unavailable),
        (Fault(status=404, headers=JSON, body='{"message":"404 Job Not Found"}'), Unproven),
        (Fault(status=404, headers=TEXT, body="default backend - 404"), Unavailable),
        (Fault(status=407), Unavailable),
        (Fault(status=429, headers={"retry-after": "7"}), Unavailable),
        (Fault(status=500, headers=JSON, body='{"message":"500 Internal Server Error"}'), Unavailable),
        (Fault(status=502, headers=HTML, body="<h1>bad gateway</h1>"), Unavailable),
        (Fault(status=503), Unavailable),
        (Fault(status=302, headers={"location": "http://127.0.0.1:1/users/sign_in"}), Unavailable),
        (Fault(status=204), Unavailable),
        (Fault(status=200, headers=HTML, body="<h1>Sign in</h1>"), Unavailable),
        (Fault(status=200, headers=JSON, body="{"), Unavailable),
        (Fault(status=200, headers=JSON, body='{"id": 1}'), Unavailable),
        (Fault(status=200, headers=JSON, body='{"id":"1","status":"running"}'), Unavailable),
        (Fault(status=200, headers=JSON, body="[" * 100_000), Unavailable),
        (Fault(status=200, headers=JSON, body=f'"{"x" * 2_000_000}"'), Unavailable),
        (Fault(status=200, headers={**JSON, "content-encoding": "gzip"}, body="not gzip"), Unavailable),
    ],
    ids=lambda value: f"{value.status}-{value.body[:12]}" if isinstance(value, Fault) else value.__name__,
)
async def test_every_answer_of_gitlab_has_one_outcome(
    gitlab: GitLabDouble, verifier: GitLabVerifier, fault: Fault, expected: type[Exception]
) -> None:
    job = gitlab.create_job()
    gitlab.faults.set(fault)
    with pytest.raises(expected) as caught:
        await verifier.verify(_claim(gitlab, job))
    assert type(caught.value) is expected
    gitlab.faults.clear()
    await verifier.verify(_claim(gitlab, job))


@pytest.mark.parametrize(
    ("header", "least", "most"), [("7", 7, 7), ("0", 1, 1), ("999999", 3600, 3600), ("soon", 5, 5)]
)
async def test_the_wait_gitlab_asks_for_is_honoured_within_reason(
    gitlab: GitLabDouble, verifier: GitLabVerifier, header: str, least: float, most: float
) -> None:
    gitlab.faults.rate_limited(header)
    with pytest.raises(Unavailable) as caught:
        await verifier.verify(_claim(gitlab, gitlab.create_job()))
    assert least <= caught.value.retry_after <= most


async def test_the_wait_may_be_a_date(gitlab: GitLabDouble, verifier: GitLabVerifier) -> None:
    gitlab.faults.rate_limited(format_datetime(clock.now() + timedelta(seconds=120), usegmt=True))
    with pytest.raises(Unavailable) as caught:
        await verifier.verify(_claim(gitlab, gitlab.create_job()))
    assert 60 < caught.value.retry_after <= 120


async def test_a_gitlab_that_is_too_slow_is_unavailable(gitlab: GitLabDouble) -> None:
    client = _client(gitlab.url, seconds=1)
    gitlab.faults.slow(3600)
    with pytest.raises(Unavailable, match="did not answer within 1 s"):
        await GitLabVerifier(client, gitlab.url).verify(_claim(gitlab, gitlab.create_job()))
    await client.close()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/gitlab", "https://127.0.0.1:{port}"])
async def test_a_gitlab_that_cannot_be_reached_is_unavailable(gitlab: GitLabDouble, url: str) -> None:
    url = url.format(port=httpx.URL(gitlab.url).port)
    client = _client(url)
    with pytest.raises(Unavailable, match="CI provider gitlab cannot be asked"):
        await GitLabVerifier(client, url).verify(_claim(gitlab, gitlab.create_job()))
    await client.close()


async def test_no_redirect_carries_the_token_elsewhere(gitlab: GitLabDouble, verifier: GitLabVerifier) -> None:
    visited: list[str] = []

    async def trap(request: object) -> Response:
        visited.append("visited")
        return Response()

    async with serve(Starlette(routes=[Route("/{path:path}", trap)])) as elsewhere:
        gitlab.faults.set(Fault(status=307, headers={"location": f"{elsewhere}/api/v4/job"}))
        with pytest.raises(Unavailable, match="redirects elsewhere"):
            await verifier.verify(_claim(gitlab, gitlab.create_job()))
    assert visited == []


@pytest.mark.parametrize("fault", [Fault(status=401), Fault(status=500), Fault(status=200, body="{"), None])
async def test_no_error_repeats_the_token(
    gitlab: GitLabDouble, caplog: pytest.LogCaptureFixture, fault: Fault | None
) -> None:
    caplog.set_level("INFO")
    url = gitlab.url if fault else "http://127.0.0.1:1"
    if fault:
        gitlab.faults.set(fault)
    client, claim = _client(url), _claim(gitlab, gitlab.create_job(), token=SECRET)
    with pytest.raises((Unproven, Unavailable)) as caught:
        await GitLabVerifier(client, url).verify(claim)
    await client.close()
    told = "".join(traceback.format_exception(caught.value)) + caplog.text + repr(claim)
    assert "planted-secret" not in told


async def test_a_flood_asks_gitlab_only_so_many_questions_at_once(gitlab: GitLabDouble) -> None:
    under_way, most = 0, 0
    open_gate = asyncio.Event()

    async def job(request: object) -> Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if under_way == MAX_QUESTIONS:
            open_gate.set()
        await open_gate.wait()
        under_way -= 1
        return Response(status_code=401)

    async with serve(Starlette(routes=[Route("/api/v4/job", job)])) as url:
        client = _client(url, seconds=30)
        verifier, claim = GitLabVerifier(client, url), _claim(gitlab, gitlab.create_job())
        results = await asyncio.gather(*(verifier.verify(claim) for _ in range(50)), return_exceptions=True)
        await client.close()
    assert all(isinstance(result, Unproven) for result in results)
    assert most == MAX_QUESTIONS
