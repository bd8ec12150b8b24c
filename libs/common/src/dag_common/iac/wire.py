"""One conversation with a git server over libgit2: look at its refs, fetch one, push one. Everything here blocks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import pygit2
from pygit2.remotes import Remote

from dag_common.errors import Conflict, DagError, Unavailable
from dag_common.iac import library
from dag_common.iac.access import AccessSource, public_url
from dag_common.iac.callbacks import CHECK, Callbacks
from dag_common.iac.damage import Damaged

_STALE = ("non-fastforwardable reference", "contains commits that are not present locally")
_PUSHING: Final = 1
"""GIT_DIRECTION_PUSH (libgit2, include/git2/net.h)."""

_AUTOMATIC_PROXY: Final = True
"""Take the proxy from the environment, as git does."""

_LOCAL = frozenset({4, 5, 6, 7, 9, 11, 14, 15})
"""Errors of our own disk: reference, zlib, repository, config, odb, object, tree, indexer (include/git2/errors.h)."""


class LostTouch(Unavailable):
    """The connection was lost after a push was sent: look whether it arrived before sending it again."""


class _Garbled(LostTouch):
    """The server's words for people broke off the conversation: pygit2 decodes them strictly. Have it without them."""


@dataclass(frozen=True, slots=True)
class Heads:
    """What the server has: branch name to commit id, and the branch its HEAD names (empty: none)."""

    branches: dict[str, str]
    default: str


@dataclass(frozen=True, slots=True)
class PushReport:
    """What the server said of our ref: `refusal` is its reason (None: accepted), `words` what it told people.

    `confirmed` is false if it said nothing of our ref.
    """

    confirmed: bool
    refusal: str | None
    words: str


class Wire:
    """Talks to the repository at `url` with the access that `source` gives at the moment."""

    def __init__(self, url: str, source: AccessSource) -> None:
        library.prepare()
        self.url = public_url(url)
        self._source = source

    def heads(self, remote: Remote) -> Heads:
        """The server's branches; leaves `remote` connected for a fetch. Raises `Unavailable`."""
        with self._answering() as callbacks:
            remote.connect(callbacks=callbacks, proxy=_AUTOMATIC_PROXY)
            found = remote.list_heads(connect=False)
        names = {head.name or "": head for head in found}
        branches = {
            name.removeprefix("refs/heads/"): str(head.oid)
            for name, head in names.items()
            if name.startswith("refs/heads/")
        }
        symbolic = names["HEAD"].symref_target if "HEAD" in names else None
        return Heads(branches, (symbolic or "").removeprefix("refs/heads/"))

    def knock(self, remote: Remote) -> None:
        """Begin a push and go before anything is sent: the server lets these credentials push here, or says why not.

        What it says of single branches it says to real pushes only. Raises `Unavailable`.
        """
        with self._answering() as callbacks:
            remote.connect(callbacks=callbacks, direction=_PUSHING, proxy=_AUTOMATIC_PROXY)
            remote.list_heads(connect=False)

    def fetch(self, remote: Remote, branch: str, ref: str) -> None:
        """Bring a branch's whole history and let the local `ref` point at it. Raises `Unavailable` or `Damaged`."""
        with self._answering() as callbacks:
            remote.fetch([f"+refs/heads/{branch}:{ref}"], callbacks=callbacks, proxy=_AUTOMATIC_PROXY)

    def push(self, repository: pygit2.Repository, ref: str, branch: str, *, expected: str) -> PushReport:
        """Move the server's branch from the commit `expected` (empty: it does not exist) to our `ref`.

        Raises `Conflict` if the branch is elsewhere, `LostTouch` if nobody knows whether the push arrived, and
        `Unavailable` if it certainly did not.
        """
        try:
            return self._push(self.remote(repository), f"{ref}:refs/heads/{branch}", expected, deaf=False)
        except _Garbled:
            return self._push(self.remote(repository), f"{ref}:refs/heads/{branch}", expected, deaf=True)

    def _push(self, remote: Remote, refspec: str, expected: str, *, deaf: bool) -> PushReport:
        ref = refspec.partition(":")[2]
        with self._answering(expected, deaf=deaf) as callbacks:
            remote.push([refspec], callbacks=callbacks, proxy=_AUTOMATIC_PROXY)
        return PushReport(ref in callbacks.answers, callbacks.answers.get(ref), callbacks.words)

    def remote(self, repository: pygit2.Repository) -> Remote:
        """A nameless remote for this URL: nothing of it is written to the repository's configuration."""
        return repository.remotes.create_anonymous(self.url)

    @contextmanager
    def _answering(self, expected: str = "", *, deaf: bool = False) -> Iterator[Callbacks]:
        """Callbacks for one conversation; libgit2's errors come out as ours, told without secrets."""
        callbacks = Callbacks(self.url, self._source, expected)
        if deaf:
            callbacks.turn_deaf()
        try:
            yield callbacks
        except DagError:
            raise
        except UnicodeDecodeError as exc:
            raise _Garbled(f"the git server at {self.url} sent words that are not UTF-8") from exc
        except (pygit2.GitError, OSError, ValueError) as exc:
            raise self._translated(callbacks, exc) from exc

    def _translated(self, callbacks: Callbacks, exc: Exception) -> DagError:
        text = callbacks.redacted(str(exc))
        if any(stale in text for stale in _STALE):
            return Conflict(f"the branch of {self.url} moved on")
        if getattr(exc, "error_class", None) in _LOCAL:
            return Damaged(f"the local copy of {self.url} cannot be used: {text}")
        return self._lost(callbacks, _explained(exc, text))

    def _lost(self, callbacks: Callbacks, why: str) -> Unavailable:
        kind = LostTouch if callbacks.sent else Unavailable
        return kind(f"the git server at {self.url} cannot be used: {why}")


def _explained(exc: Exception, text: str) -> str:
    """libgit2's words, with what to do about the common ones."""
    if isinstance(exc, pygit2.CertificateError) or "hostkey" in text:
        return f"its certificate or host key is not trusted ({text}); check the CA or known_hosts in the registry"
    if isinstance(exc, pygit2.AuthError) or "status code: 401" in text or "status code: 403" in text:
        return f"it refused DAG's credentials ({text}); {CHECK}"
    if "status code: 404" in text:
        return f"it knows no such repository, or hides it from these credentials ({text}); {CHECK}"
    return text
