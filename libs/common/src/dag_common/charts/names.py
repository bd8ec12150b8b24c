"""Which names a chart's files may have: those that mean the same file on every system, and nothing to git.

The git rules are git's own (git/git, `path.c` `is_ntfs_dotgit`, `utf8.c` `is_hfs_dotgit`), because the chart becomes
a directory of a git repository that people check out on Linux, macOS and Windows.
"""

from __future__ import annotations

import re
import unicodedata

from dag_common.charts.limits import Limits
from dag_common.errors import Invalid

_DRIVE = re.compile(r"[A-Za-z]:")
_GIT = re.compile(r"\.git|git~\d+")
_GIT_FILES = re.compile(r"\.gitmodules|\.gitattributes|git(?:mod|att)~\d+|gi7(?:eba|d29)~\d+")
_UNSEEN = {"Cc": "control", "Cf": "invisible", "Cs": "surrogate", "Zl": "line separator", "Zp": "line separator"}
_DROPPINGS = (".DS_Store", "__MACOSX")
_SHOWN = 120


def components(path: str, limits: Limits) -> tuple[str, ...]:
    """The checked parts of a relative path, which uses `/`; `Invalid` names the path, the reason and the way out."""
    shown = in_quotes(path)
    if len(path.encode()) > limits.path:
        raise Invalid(f"The path {shown} is longer than {limits.path} bytes. Shorten it.")
    parts = tuple(path.split("/"))
    if len(parts) > limits.depth:
        raise Invalid(f"The path {shown} is more than {limits.depth} directories deep. Flatten it.")
    for part in parts:
        if problem := wrong_with(part, limits):
            raise Invalid(f"The archive's member {shown} {problem}")
    return parts


def wrong_with(part: str, limits: Limits) -> str:
    """What speaks against one name, as the end of a sentence; empty if nothing does."""
    return _wrong_as_path(part, limits) or _wrong_with_characters(part) or _wrong_for_git(part)


def _wrong_as_path(part: str, limits: Limits) -> str:
    if part == "":
        return "has an absolute path or an empty name in its path. Pack one directory: `tar -czf chart.tgz mychart`."
    if part in (".", ".."):
        return f"has {part!r} in its path. Pack one directory by its name: `tar -czf chart.tgz mychart`."
    if _DRIVE.match(part):
        return "looks like a path with a drive letter. Rename it."
    if len(part.encode()) > limits.component:
        return f"has a name longer than {limits.component} bytes. Shorten it."
    return ""


def _wrong_with_characters(part: str) -> str:
    if "\\" in part:
        return "has a backslash in its name, which is a separator on Windows. Rename it."
    for character in part:
        if unseen := _UNSEEN.get(unicodedata.category(character)):
            return f"has the {unseen} character U+{ord(character):04X} in its name. Rename it."
    return ""


def _wrong_for_git(part: str) -> str:
    seen_by_git = part.partition(":")[0].rstrip(" .").casefold()
    if _GIT.fullmatch(seen_by_git):
        return "is, or looks to git like, a `.git` directory. Leave it out of the chart."
    if _GIT_FILES.fullmatch(seen_by_git):
        return "would change how git treats the IaC repository. Leave it out of the chart."
    return ""


def folded(part: str) -> str:
    """The name as the most forgiving file system compares it: two names that fold alike are one file there."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", part).casefold())


def is_dropping(parts: tuple[str, ...]) -> bool:
    """Whether macOS put this into the archive: resource forks, Finder settings."""
    return any(part in _DROPPINGS or part.startswith("._") for part in parts)


def in_quotes(name: bytes | str) -> str:
    """A name from outside made fit for a message: quoted, escaped, and not longer than a line."""
    text = name.decode(errors="backslashreplace") if isinstance(name, bytes) else name
    shortened = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    return repr(shortened)
