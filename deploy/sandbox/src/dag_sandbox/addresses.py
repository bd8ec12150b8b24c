"""Where everything in a sandbox is, and what it takes to be a CI job there."""

from __future__ import annotations

from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

import httpx
import msgspec

from dag_common.errors import Unavailable

Answer = TypeVar("Answer")

PROJECT = "acme/hello"
IAC = "iac"
GIT_USER = "dag"
GIT_PASSWORD = "sandbox"  # noqa: S105 - the key of a toy; it opens nothing else


class Addresses(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The sandbox's parts, as the services reach them."""

    front: str
    git: str
    gitlab: str
    cluster: str

    @property
    def repo_url(self) -> str:
        """The project whose jobs may deploy; what CI sends as `repoUrl`."""
        return f"{self.gitlab}/{PROJECT}"

    @property
    def iac_url(self) -> str:
        """The repository that DAG commits to and the cluster follows."""
        return f"{self.git}/{IAC}.git"

    @property
    def iac_url_to_clone(self) -> str:
        """The same with the sandbox's credentials in it, for `git clone`."""
        return self.iac_url.replace("://", f"://{GIT_USER}:{GIT_PASSWORD}@", 1)

    def seen_through(self, front: str) -> Addresses:
        """The addresses for somebody who reached the front door under another host name; ports stay."""
        host = urlsplit(front).hostname or ""
        return Addresses(**{name: _on(host, getattr(self, name)) for name in self.__struct_fields__})


class JobTicket(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a CI job knows of itself."""

    job_id: str
    token: str
    sha: str


async def ask_addresses(front: str) -> Addresses:
    """The addresses that a running sandbox tells of itself. Raises `Unavailable`."""
    return await _ask("GET", front, Addresses)


async def mint_job(gitlab: str, *, ref: str = "main") -> JobTicket:
    """Start a CI job of the project at the sandbox's GitLab. Raises `Unavailable`."""
    return await _ask("POST", f"{gitlab}/_jobs", JobTicket, {"project": PROJECT, "ref": ref})


async def _ask(method: str, url: str, kind: type[Answer], body: object = None) -> Answer:
    try:
        async with httpx.AsyncClient(timeout=10) as http:
            answer = await http.request(method, url, json=body)
            answer.raise_for_status()
            return msgspec.json.decode(answer.content, type=kind)
    except (httpx.HTTPError, msgspec.MsgspecError) as error:
        raise Unavailable(f"There is no sandbox at {url} ({error})") from error


def _on(host: str, url: str) -> str:
    parts = urlsplit(url)
    netloc = f"{host}:{parts.port}" if parts.port else host
    return urlunsplit(parts._replace(netloc=netloc))
