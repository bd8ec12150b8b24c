"""References to files and secrets: the registry says where they are, their content is read when it is used.

So a rotated token needs no restart, and no secret is ever part of the registry, its digest or its repr.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec

from dag_common.errors import Unavailable

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LARGEST = 256 * 1024


class FilePath:
    """A path as written, and where it leads: a relative one counts from the registry file's directory."""

    __slots__ = ("_directory", "written")

    def __init__(self, written: str, directory: Path | None = None) -> None:
        self.written = written
        self._directory = directory or Path()

    @property
    def path(self) -> Path:
        """The path to open."""
        return self._directory / self.written

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FilePath) and self.path == other.path

    def __hash__(self) -> int:
        return hash(self.path)

    def __repr__(self) -> str:
        return f"FilePath({self.written!r})"


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file that is no secret, such as a CA bundle: `{file: PATH}`."""

    file: FilePath

    @property
    def path(self) -> Path:
        """The path to open."""
        return self.file.path


class Secret(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reference to a secret: `{env: NAME}` or `{file: PATH}`."""

    env: str | None = None
    file: FilePath | None = None

    def __post_init__(self) -> None:
        if (self.env is None) == (self.file is None):
            raise ValueError("expected exactly one of {env: NAME} and {file: PATH}")
        if self.env is not None and not _ENV_NAME.fullmatch(self.env):
            raise ValueError("expected the name of an environment variable after env")

    def __str__(self) -> str:
        return f"{{env: {self.env}}}" if self.file is None else f"{{file: {self.file.written}}}"

    def read(self) -> str:
        """The secret as it is now, without the line breaks at its end.

        Raises `Unavailable` naming the reference, never the content, if it is not there, empty, larger than
        256 KiB or not UTF-8: whoever rotates it may be in the middle of doing so.
        """
        content = self._content().rstrip("\r\n")
        if not content:
            raise Unavailable(f"the secret {self} is empty")
        return content

    def _content(self) -> str:
        if self.file is None:
            content = os.environ.get(self.env or "")
            if content is None:
                raise Unavailable(f"the secret {self} is not there: the environment variable is not set")
            return content
        try:
            with self.file.path.open("rb") as opened:
                raw = opened.read(_LARGEST + 1)
        except OSError as exc:
            raise Unavailable(f"the secret {self} cannot be read: {exc.strerror}") from exc
        if len(raw) > _LARGEST:
            raise Unavailable(f"the secret {self} is larger than {_LARGEST // 1024} KiB")
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise Unavailable(f"the secret {self} is not UTF-8 text") from None
