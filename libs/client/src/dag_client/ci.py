"""What a CI job says about itself in its environment variables.

GitLab: docs.gitlab.com `ci/variables/predefined_variables`. GitHub: docs.github.com
`actions/reference/workflows-and-actions/variables`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Job:
    """What was detected; an empty field was not. `system` is `gitlab`, `github` or empty."""

    system: str = ""
    repo: str = ""
    id: str = ""
    token: str = field(default="", repr=False)
    version: str = ""


def detect(environ: Mapping[str, str]) -> Job:
    """The CI job this process runs in; an empty one outside of CI."""
    if environ.get("GITLAB_CI"):
        return _gitlab(environ)
    if environ.get("GITHUB_ACTIONS"):
        return _github(environ)
    return Job()


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
