"""What a commit says: for people and their tooling above, for DAG itself in the trailers below."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from dag_common.contracts.events import DeploymentRequested

_LINE_BREAKS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_LONGEST: Final = 1_000
_TRAILER: Final = re.compile(r"([A-Za-z][A-Za-z0-9-]*): (.*)")


@dataclass(frozen=True, slots=True)
class Trailers:
    """What ties a commit to the log: the deployment, its chart (sha256) and the log up to `position` (its hash)."""

    deployment_id: str
    chart_digest: str
    position: int
    log_head: str


def commit_message(requested: DeploymentRequested, trailers: Trailers) -> str:
    """The message of a deployment's commit. No value can add a line or a trailer, whatever CI sent."""
    name = requested.repo_url.rstrip("/").removesuffix(".git").rpartition("/")[2]
    lines = (
        f"[{one_line(name)}] deploy {one_line(requested.version)}",
        "",
        f"Repo: {one_line(requested.repo_url)}",
        f"Branch: {one_line(requested.branch)}",
        f"Environment: {one_line(requested.environment)}",
        f"Commit: {one_line(requested.commit)}",
        f"Job: {one_line(requested.job.url)}",
        f"IaC Target: {one_line(requested.iac.path)}",
        "",
        f"Deployment-Id: {one_line(trailers.deployment_id)}",
        f"Chart-Digest: {one_line(trailers.chart_digest)}",
        f"Log-Position: {trailers.position}",
        f"Log-Head: {one_line(trailers.log_head)}",
    )
    return "\n".join(lines) + "\n"


def fence_message(deployment_ids: Iterable[str]) -> str:
    """The message of a commit that changes no file: once it is there, no push built on what was there can arrive."""
    lines = (
        "Close the branch to a push that may still be on its way",
        "",
        "DAG lost sight of a push and goes on without it. This commit changes no file; with",
        "it in place, the lost push can no longer arrive.",
        "",
        *(f"Settled-Deployment: {one_line(each)}" for each in deployment_ids),
    )
    return "\n".join(lines) + "\n"


def read_trailers(message: str) -> Trailers | None:
    """The trailers of a commit DAG made; None for anybody else's. Only the last paragraph counts, as in git."""
    paragraph = re.split(r"\n[ \t]*\n", message.strip())[-1]
    found = {match[1]: match[2] for match in map(_TRAILER.fullmatch, paragraph.splitlines()) if match}
    position = found.get("Log-Position", "")
    if not found.get("Deployment-Id") or not (position.isascii() and position.isdecimal()):
        return None
    return Trailers(found["Deployment-Id"], found.get("Chart-Digest", ""), int(position), found.get("Log-Head", ""))


def one_line(value: str) -> str:
    """A value that cannot break out of its line: control characters and line separators become a space."""
    plain = value.encode("utf-8", "replace").decode("utf-8")
    return _LINE_BREAKS.sub(" ", plain).strip()[:_LONGEST]
