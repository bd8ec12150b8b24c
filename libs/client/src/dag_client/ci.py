"""What a CI job says about itself in its environment variables.

GitLab: docs.gitlab.com `ci/variables/predefined_variables`. GitHub: docs.github.com
`actions/reference/workflows-and-actions/variables`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

TO_LET_GITHUB_ASK = """to let it ask for one, add to the workflow's job:
permissions:
  id-token: write"""


@dataclass(frozen=True, slots=True)
class Job:
    """What was detected; an empty field was not. `system` is `gitlab`, `github` or empty.

    `asks_at` and `asks_with` are the address and the right to ask for ID tokens, `advice` is for who lacks them.
    """

    system: str = ""
    repo: str = ""
    id: str = ""
    token: str = field(default="", repr=False)
    version: str = ""
    asks_at: str = ""
    asks_with: str = field(default="", repr=False)
    advice: str = ""


def detect(environ: Mapping[str, str]) -> Job:
    """The CI job this process runs in; an empty one outside of CI."""
    if environ.get("GITLAB_CI"):
        return _gitlab(environ)
    if environ.get("GITHUB_ACTIONS"):
        return _github(environ)
    return Job()


def with_id_token(job: Job, environ: Mapping[str, str]) -> Job:
    """The job as it proves itself best: on GitLab by DAG_ID_TOKEN if its `id_tokens` has it, on GitHub by asking.

    GitHub's own tokens do not say which run they belong to, so none of them is a proof.
    """
    if job.system == "gitlab":
        return replace(job, token=environ.get("DAG_ID_TOKEN") or job.token)
    if job.system == "github":
        return replace(job, token="", **_asking(environ))
    return job


def _asking(environ: Mapping[str, str]) -> dict[str, str]:
    address, right = (environ.get(f"ACTIONS_ID_TOKEN_REQUEST_{part}", "") for part in ("URL", "TOKEN"))
    if address and right:
        return {"asks_at": address, "asks_with": right}
    return {"advice": f"A GitHub job proves itself by an ID token; {TO_LET_GITHUB_ASK}"}


def _gitlab(environ: Mapping[str, str]) -> Job:
    return Job(
        system="gitlab",
        repo=environ.get("CI_PROJECT_URL", ""),
        id=environ.get("CI_JOB_ID", ""),
        token=environ.get("CI_JOB_TOKEN", ""),
        version=environ.get("CI_COMMIT_TAG") or environ.get("CI_COMMIT_SHA", ""),
    )


def _github(environ: Mapping[str, str]) -> Job:
    repository = environ.get("GITHUB_REPOSITORY", "")
    server = environ.get("GITHUB_SERVER_URL", "").rstrip("/")
    tag = environ.get("GITHUB_REF_NAME", "") if environ.get("GITHUB_REF_TYPE") == "tag" else ""
    return Job(
        system="github",
        repo=f"{server}/{repository}" if server and repository else "",
        id=environ.get("GITHUB_RUN_ID", ""),
        token=environ.get("GITHUB_TOKEN") or environ.get("ACTIONS_RUNTIME_TOKEN", ""),
        version=tag or environ.get("GITHUB_SHA", ""),
    )
