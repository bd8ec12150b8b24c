"""Whether two reconcilers' words name one place in git, whoever wrote them."""

from __future__ import annotations

import posixpath


def address(url: str) -> str:
    """A repository's URL as it is compared: host and path, without scheme, userinfo, port, `.git` and trailing slashes.

    `ssh://git@host/x.git`, `git@host:x` and `https://host/x` are one place to git hosts.
    """
    rest = url.strip().partition("://")[2] or url.strip().replace(":", "/", 1)
    host, _, path = rest.partition("/")
    name = host.rpartition("@")[2].partition(":")[0].lower()
    return f"{name}/{path.strip('/').removesuffix('.git')}"


def same_address(one: str, other: str) -> bool:
    """Whether two URLs name one repository, as far as URLs can tell."""
    return address(one) == address(other)


def same_path(one: str, other: str) -> bool:
    """Whether two paths name one directory of the repository."""
    return _normal(one) == _normal(other)


def above(outer: str, inner: str) -> bool:
    """Whether the directory `inner` lies somewhere below `outer`, and is not the same."""
    at = _normal(outer)
    return not same_path(outer, inner) and (at == "." or _normal(inner).startswith(f"{at}/"))


def _normal(path: str) -> str:
    return posixpath.normpath(path.strip("/") or ".")
