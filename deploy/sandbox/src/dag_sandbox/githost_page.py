"""What the git host shows a browser of one commit: its message and the files it changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from ipaddress import ip_address
from pathlib import Path

import pygit2
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

_PATH = re.compile(r"/(?P<name>[A-Za-z0-9][\w./-]*)/commit/(?P<commit>[0-9a-f]{40})")
_PAGE = """<!doctype html><meta charset="utf-8"><title>{title}</title>
<h1>{title}</h1><p>Commit <code>{commit}</code> of {name}, by {author}</p>
<pre>{message}</pre><h2>Files changed</h2><pre>{files}</pre>
"""


def is_page(request: Request) -> bool:
    """Whether somebody on this machine asks for a commit's page; nobody else is shown one without credentials."""
    return request.method == "GET" and bool(_PATH.fullmatch(request.url.path)) and _from_loopback(request)


def commit_page(root: Path, path: str) -> Response:
    """The page at `/<repository>/commit/<id>`, 404 if there is none. Blocks."""
    asked = _PATH.fullmatch(path)
    name, commit = (asked["name"], asked["commit"]) if asked else ("", "")
    directory = root / f"{name}.git"
    if not name or ".." in name or not (directory / "HEAD").exists():
        return PlainTextResponse("no such repository\n", 404)
    repository = pygit2.Repository(str(directory))
    found = repository.get(commit)
    if not isinstance(found, pygit2.Commit):
        return PlainTextResponse("no such commit\n", 404)
    return HTMLResponse(_page(repository, name, found))


def _page(repository: pygit2.Repository, name: str, commit: pygit2.Commit) -> str:
    told = {
        "title": commit.message.partition("\n")[0],
        "commit": str(commit.id),
        "name": name,
        "author": commit.author.name,
        "message": commit.message.strip(),
        "files": "\n".join(_changed(repository, commit)),
    }
    return _PAGE.format(**{key: escape(text) for key, text in told.items()})


def _changed(repository: pygit2.Repository, commit: pygit2.Commit) -> Iterator[str]:
    """One line a file, `A`dded, `M`odified or `D`eleted; the first commit adds all it has."""
    diff = repository.diff(commit.parents[0], commit) if commit.parents else commit.tree.diff_to_tree(swap=True)
    for delta in diff.deltas:
        yield f"{delta.status_char()} {delta.new_file.path or delta.old_file.path}"


def _from_loopback(request: Request) -> bool:
    return request.client is not None and ip_address(request.client.host).is_loopback
