"""What a git server's answer to a push means for the deployments in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_RACED: Final = (
    "non-fast-forward",
    "fetch first",
    "failed to update ref",
    "failed to lock",
    "cannot lock ref",
    "incorrect old value",
    "reference already exists",
    "stale info",
)
"""Reasons for which somebody else's push is to blame (git, builtin/receive-pack.c and refs.c)."""

_TRANSIENT: Final = ("internal api unreachable", "internal api error", "failed to contact")
"""Words with which GitLab's hook says that GitLab itself is in trouble (gitlab-shell, internal/gitlabnet)."""

_CONTROL: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x09\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Pushed:
    """Every commit of the batch is in the branch."""


@dataclass(frozen=True, slots=True)
class Raced:
    """Nothing arrived, and trying again helps: look, build on the new tip, push."""

    message: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The server refuses for good; `message` quotes its own words. A batch is then tried one at a time."""

    message: str


Outcome = Pushed | Raced | Rejected


def judge(refusal: str | None, words: str) -> Outcome:
    """The outcome for a confirmed answer: `refusal` is the server's reason (None: accepted), `words` what it said."""
    if refusal is None:
        return Pushed()
    told = spoken(words)
    told_or_reason = f"{refusal}: {told}" if told else refusal
    if any(reason in refusal.lower() for reason in _RACED) or any(word in told.lower() for word in _TRANSIENT):
        return Raced(told_or_reason)
    return Rejected(told_or_reason)


def spoken(words: str) -> str:
    """A server's side-band words as one readable line each: no terminal codes, no empty or repeated `remote:` lines."""
    lines = (_CONTROL.sub("", line).strip() for line in words.replace("\r", "\n").split("\n"))
    return "\n".join(line for line in lines if line)
