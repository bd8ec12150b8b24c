"""Branch patterns: an exact name, or a glob the way CI systems write them."""

from __future__ import annotations

import re
from functools import lru_cache

_WILD = frozenset("*?[")
"""No branch name holds one of these (git's check-ref-format refuses them), so a pattern with one is a glob."""

_TOKENS = re.compile(r"\*\*|\*|\?|\[[!^]?(?:(?!--)[A-Za-z0-9._-])+\]|.", re.DOTALL)


def is_glob(pattern: str) -> bool:
    """Whether the pattern may fit more than one branch."""
    return not _WILD.isdisjoint(pattern)


def fits(pattern: str, branch: str) -> bool:
    """Whether the branch is meant: the whole name counts, case included.

    `*` is any run of characters within one path segment and `?` one of them, `**` crosses `/`, `[a-z]` and
    `[!a-z]` are one character of a set: `release/*` fits `release/1.2`, not `release/1.2/fix`.
    """
    if not is_glob(pattern):
        return pattern == branch
    return _compiled(pattern).fullmatch(branch) is not None


def check_pattern(pattern: str) -> None:
    """Raises ValueError if no branch could ever fit."""
    if not pattern or pattern != pattern.strip() or not pattern.isprintable():
        raise ValueError("expected a branch name or a glob such as release/*")
    if pattern.startswith("refs/"):
        raise ValueError("expected the branch's short name, without refs/heads/")
    if is_glob(pattern) and "[" in _TOKENS.findall(pattern):
        raise ValueError("expected a branch name or a glob such as release/*; its set in [ ] is not one")
    try:
        _compiled(pattern)
    except re.error as exc:
        raise ValueError("expected a branch name or a glob such as release/*; its set in [ ] is not one") from exc


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile("".join(_expression(token) for token in _TOKENS.findall(pattern)), re.DOTALL)


def _expression(token: str) -> str:
    known = {"**": ".*", "*": "[^/]*", "?": "[^/]"}.get(token)
    if known is not None:
        return known
    if len(token) > 1:
        inner = token[1:-1]
        return f"[^/{inner[1:]}]" if inner[0] in "!^" else f"[{inner}]"
    return re.escape(token)
