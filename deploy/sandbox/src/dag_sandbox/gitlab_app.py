"""The HTTP side of the GitLab double: GitLab's own addresses below its sub-path, and `/_…` to steer it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from dag_common.errors import NotFound
from dag_sandbox.gitlab_faults import Fault
from dag_sandbox.gitlab_jobs import JobWish, describe
from dag_sandbox.gitlab_pages import front_page, job_page

if TYPE_CHECKING:
    from dag_sandbox.gitlab import GitLabDouble


class _Status(msgspec.Struct):
    status: str


class _Audience(msgspec.Struct):
    aud: str


def app(double: GitLabDouble) -> Starlette:
    """The double's ASGI app."""
    views = _Views(double)
    base = double.path
    return Starlette(
        routes=[
            Route(f"{base}/api/v4/job", views.job),
            Route(f"{base}/.well-known/openid-configuration", views.discovery),
            Route(f"{base}/oauth/discovery/keys", views.keys),
            Route(f"{base}/-/jwks", views.keys),
            Route(f"{base}/", views.front_page),
            Route(f"{base}/{{project:path}}/-/jobs/{{job_id:int}}", views.job_page),
            Route("/_jobs", views.create_job, methods=["POST"]),
            Route("/_jobs/{job_id:int}/status", views.set_status, methods=["POST"]),
            Route("/_jobs/{job_id:int}/id_token", views.id_token, methods=["POST"]),
            Route("/_faults", views.set_fault, methods=["PUT"]),
            Route("/_faults", views.clear_faults, methods=["DELETE"]),
        ],
        exception_handlers={msgspec.ValidationError: _bad_body, msgspec.DecodeError: _bad_body, NotFound: _not_found},
    )


class _Views:
    def __init__(self, double: GitLabDouble) -> None:
        self._double = double

    async def job(self, request: Request) -> Response:
        """`GET /api/v4/job` (GitLab, `lib/api/ci/jobs.rb`, `lib/gitlab/auth/auth_finders.rb`)."""
        self._double.questions += 1
        if (fault := await self._double.faults.answer()) is not None:
            return fault
        token = _token(request)
        if token.startswith("glpat-"):
            return JSONResponse({"message": "404 Job Not Found"}, 404)
        job = self._double.jobs.of_token(token)
        if job is None:
            return JSONResponse({"message": "401 Unauthorized"}, 401)
        if job.user in self._double.jobs.blocked_users:
            return JSONResponse({"message": "403 Forbidden - Your account has been blocked."}, 403)
        return JSONResponse(describe(job, self._double.url))

    async def discovery(self, _request: Request) -> Response:
        return JSONResponse(self._double.issuer.discovery(f"{self._double.url}/oauth/discovery/keys"))

    async def keys(self, _request: Request) -> Response:
        if (fault := await self._double.faults.answer()) is not None:
            return fault
        return JSONResponse(self._double.issuer.jwks(), headers={"cache-control": "max-age=86400, public"})

    async def front_page(self, _request: Request) -> Response:
        return HTMLResponse(front_page(self._double.jobs.all(), self._double.url))

    async def job_page(self, request: Request) -> Response:
        job = self._double.jobs.job(request.path_params["job_id"])
        if job.project != request.path_params["project"]:
            raise NotFound(f"no job {job.id} in this project")
        return HTMLResponse(job_page(job))

    async def create_job(self, request: Request) -> Response:
        job = self._double.jobs.create(await _body(request, JobWish))
        return JSONResponse(
            {"jobId": str(job.id), "token": job.token, "projectId": job.project_id, "sha": job.sha}, 201
        )

    async def set_status(self, request: Request) -> Response:
        asked = await _body(request, _Status)
        job = self._double.jobs.set_status(request.path_params["job_id"], asked.status)
        return JSONResponse({"jobId": str(job.id), "status": job.status})

    async def id_token(self, request: Request) -> Response:
        asked = await _body(request, _Audience)
        return JSONResponse({"token": self._double.id_token(request.path_params["job_id"], asked.aud)})

    async def set_fault(self, request: Request) -> Response:
        self._double.faults.set(await _body(request, Fault))
        return Response(status_code=204)

    async def clear_faults(self, _request: Request) -> Response:
        self._double.faults.clear()
        return Response(status_code=204)


def _token(request: Request) -> str:
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    return request.headers.get("job-token") or bearer or request.query_params.get("job_token", "")


async def _body(request: Request, cls: type[Any]) -> Any:
    return msgspec.convert(msgspec.json.decode(await request.body() or b"{}"), cls)


async def _bad_body(_request: Request, exc: Exception) -> Response:
    return JSONResponse({"message": f"400 Bad Request: {exc}"}, 400)


async def _not_found(_request: Request, exc: Exception) -> Response:
    return JSONResponse({"message": f"404 {exc}"}, 404)
