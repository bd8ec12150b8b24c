"""The bodies and stream data of the API; /openapi.json is generated from these and from the queries' views."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from dag_common.domain.statuses import Status
from dag_gateway.queries.views import DeploymentUuid

MAX_REPO_URL: Final = 2048
MAX_TOKEN: Final = 16 * 1024
MAX_NAME: Final = 256

RepoUrl = Annotated[str, Meta(min_length=1, max_length=MAX_REPO_URL, description="Git repository URL")]
JobId = Annotated[str, Meta(min_length=1, max_length=MAX_NAME, description="CI job ID")]
JobToken = Annotated[str, Meta(min_length=1, max_length=MAX_TOKEN, description="CI job authentication token")]
Environment = Annotated[str, Meta(max_length=MAX_NAME, description="Selects among several environments of one branch")]
Version = Annotated[
    str, Meta(min_length=1, max_length=MAX_NAME, description="Deployment version, e.g. commit SHA or semver tag")
]


DryRun = Annotated[
    Literal["true", "1", "yes", "false", "0", "no", ""],
    Meta(description="Check everything and answer with what would change; nothing is recorded or pushed"),
]


class Body(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A JSON body with camelCase names; unknown fields of a request are ignored."""


class Problem(Body, frozen=True, omit_defaults=True):
    """What went wrong (RFC 9457). `detail` is for the person who reads the CI log, `missing` names fields."""

    title: str
    status: int
    detail: str
    missing: tuple[str, ...] = ()


class Accepted(Body, frozen=True):
    """The deployment is recorded; its events tell the rest."""

    deployment_id: DeploymentUuid


class JobRequest(Body, frozen=True):
    """Who asks: the repository, and the CI job with its token."""

    repo_url: RepoUrl
    job_id: JobId
    job_token: JobToken
    environment: Environment = ""


class Cancellation(Body, frozen=True):
    """How the deployment stands after somebody wanted it ended; failed: it was cancelled."""

    deployment_id: DeploymentUuid
    status: Status
    message: str


class DeployForm(Body, frozen=True):
    """The multipart form of a deployment. `chart` is a file: a Helm chart tarball (.tgz)."""

    repo_url: RepoUrl
    job_id: JobId
    job_token: JobToken
    version: Version
    chart: Annotated[str, Meta(extra_json_schema={"format": "binary"}, description="Helm chart tarball (.tgz)")]
    environment: Environment = ""
    dry_run: DryRun = "false"


class StatusEvent(Body, frozen=True):
    """The data of a `status` event."""

    status: Status
    message: str


class CommitEvent(Body, frozen=True):
    """The data of a `commit` event: the commit that holds the chart."""

    sha: str
    url: str


class TargetEvent(Body, frozen=True):
    """The data of a `target` event: how one rollout target stands."""

    cluster: str
    kind: str
    namespace: str
    name: str
    status: str
    message: str
