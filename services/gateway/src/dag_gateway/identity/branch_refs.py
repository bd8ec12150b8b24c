"""The branch, project and kind of reference that tokens tell, checked the same way for every issuer."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from dag_common.errors import Invalid, Unproven
from dag_common.registry.repo_urls import normalise
from dag_gateway.domain.jobs import JobClaim
from dag_gateway.identity.id_tokens import Claims, shown, text

_HEADS = "refs/heads/"

PROTECTED: Final = {"true": True, "false": False}
"""What issuers say of a branch's protection; anything else says nothing."""

_LIKE_AN_ID: Final = re.compile(
    r"(?!gl[a-z]+-)(?:[0-9]{1,20}|[A-Za-z0-9-]{1,16}|\{?[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}?)"
)
"""Numbers, short names and UUIDs may be quoted; anything else sent as a job's id may be a token in the wrong field."""


def required(claims: Claims, name: str) -> str:
    """A claim that the proof rests on. Raises `Unproven` if the token does not have it."""
    told = text(claims, name)
    if not told:
        raise Unproven(f"The token does not say {name}, which the proof rests on")
    return told


def branch_of(ref: str) -> str:
    """The short name of a full reference. Raises `Unproven` if it is no branch's."""
    branch = ref.removeprefix(_HEADS)
    if not ref.startswith(_HEADS) or not branch:
        raise Unproven(f"The token is of a job on {shown(ref)}; only a job on a branch may ask")
    return branch


def check_job_id(told: str, claim: JobClaim, name: str) -> None:
    """Raises `Unproven` if the token is another job's than the request says."""
    if told != claim.job_id:
        sent = shown(claim.job_id) if _LIKE_AN_ID.fullmatch(claim.job_id) else "something else"
        raise Unproven(f"The token belongs to {name} {shown(told)}, and {sent} was sent as jobId: send that {name}")


def check_pin(told: str, claim: JobClaim, path: str) -> None:
    """Raises `Unproven` if the repository is pinned by id and the token is of another."""
    if told != claim.project_id:
        raise Unproven(
            f"The token is of project {shown(told)} ({shown(path)}), and {normalise(claim.repo_url)} is configured as "
            f"project {claim.project_id}"
        )


def check_path(path: str, claim: JobClaim, base_path: str = "") -> None:
    """Raises `Unproven` if a repository's path, compared without case, is not the app's.

    `base_path` is the sub-path the provider lives under: an https address has it, an ssh address does not.
    """
    claimed = urlsplit(normalise(claim.repo_url)).path.strip("/").casefold()
    # Never both spellings: a group called like the sub-path would own other groups' paths.
    if base_path and claim.repo_url.strip().startswith(("http://", "https://")):
        claimed = claimed.removeprefix(f"{base_path.casefold()}/")
    if path.casefold() != claimed:
        raise Unproven(f"The token is of {shown(path)}, not of {normalise(claim.repo_url)}")


def is_same_repository(told: str, claim: JobClaim) -> bool:
    """Whether a token's word for a repository, a URL or a path, is the app's repository. Case counts."""
    app = normalise(claim.repo_url)
    if ":" not in told:
        return told.strip("/") == urlsplit(app).path.strip("/")
    try:
        return normalise(told) == app
    except Invalid:
        return False
