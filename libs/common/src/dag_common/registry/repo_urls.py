"""One spelling for a repository's URL, so that what CI sends finds what the operator wrote."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from dag_common.errors import Invalid

_LONGEST = 2048
_SCP_LIKE = re.compile(r"(?:[^@/:\s]+@)?([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):(?!//)/*(.+)")
_SSH = frozenset({"ssh", "git+ssh", "ssh+git"})
_DEFAULT_PORTS = {"http": 80, "https": 443}


def normalise(repo_url: str) -> str:
    """The spelling under which repository URLs are compared.

    Trailing slashes and `.git`, host case, the default port and userinfo do not count. The ssh forms
    (`git@host:group/project.git`, `ssh://git@host:2222/group/project`) equal the https one: the ssh port says
    nothing about the web address. The path keeps its case. Normalising twice changes nothing.

    A path with `@` is refused, for what stands before it would mostly be a user and a token, as in a URL that lost its
    scheme (`gitlab-ci-token:TOKEN@host/group/project.git`). Raises `Invalid`, without quoting the text (it may hold a
    token), if it is not a repository's URL.
    """
    text = repo_url.strip()
    if len(text) > _LONGEST or not text.isprintable() or " " in text:
        raise Invalid("the repository URL is not a URL")
    scp = _SCP_LIKE.fullmatch(text) if "://" not in text else None
    return _join("https", scp[1], scp[2]) if scp else _from_url(text)


def _from_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        raise Invalid("the repository URL is not a URL") from exc
    scheme = "https" if parts.scheme in _SSH else parts.scheme
    if scheme not in _DEFAULT_PORTS or not host or parts.query or parts.fragment:
        raise Invalid("the repository URL is not an http, https or ssh URL of a repository")
    shown = f"[{host}]" if ":" in host else host
    if port is not None and parts.scheme not in _SSH and port != _DEFAULT_PORTS[scheme]:
        shown = f"{shown}:{port}"
    return _join(scheme, shown, parts.path)


def _join(scheme: str, host: str, path: str) -> str:
    cleaned = path.strip("/")
    while cleaned.endswith(".git"):
        cleaned = cleaned.removesuffix(".git").rstrip("/")
    if "@" in unquote(cleaned):
        raise Invalid("the repository URL has an @ in its path: send it from its scheme on, as in https://host/path")
    if not cleaned:
        raise Invalid("the repository URL names no repository")
    return f"{scheme}://{host.lower()}/{cleaned}"
