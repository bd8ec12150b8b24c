"""The files of one archive under its one top directory, kept free of names that collide anywhere."""

from __future__ import annotations

from dag_common.charts.limits import Limits
from dag_common.charts.names import components, folded, in_quotes, is_dropping
from dag_common.charts.tar import Member
from dag_common.errors import Invalid


class Tree:
    """Takes members in any order; a member that collides with an earlier one is `Invalid`.

    Names collide when some file system takes them for one: spelled the same, or alike but for letter case or
    Unicode composition. A name that is a file here and a directory there collides too.
    """

    def __init__(self, limits: Limits) -> None:
        self.files: dict[tuple[str, ...], bytes] = {}
        self.tops: dict[str, None] = {}
        self._limits = limits
        self._seen: dict[tuple[str, ...], tuple[tuple[str, ...], bool]] = {}

    def add(self, member: Member) -> None:
        """Take one member; what macOS left behind is dropped after its name was checked."""
        parts = components(member.name.removesuffix("/") if member.directory else member.name, self._limits)
        if is_dropping(parts):
            return
        folds = tuple(folded(part) for part in parts)
        for depth in range(1, len(parts)):
            self._see(parts[:depth], folds[:depth], directory=True)
        if not member.directory and parts in self.files:
            raise Invalid(f"The file {in_quotes(member.name)} is in the archive twice. Pack it again.")
        self._see(parts, folds, directory=member.directory)
        self.tops[parts[0]] = None
        if not member.directory:
            self.files[parts] = member.content

    def _see(self, parts: tuple[str, ...], folds: tuple[str, ...], *, directory: bool) -> None:
        known, was_directory = self._seen.setdefault(folds, (parts, directory))
        if known != parts:
            raise Invalid(
                f"The archive has both {_path(known)} and {_path(parts)}: they differ only in letter case or in "
                "how accents are encoded, and are one file on macOS and Windows. Rename one."
            )
        if was_directory != directory:
            raise Invalid(f"The archive has {_path(parts)} both as a file and as a directory. Pack it again.")


def _path(parts: tuple[str, ...]) -> str:
    return in_quotes("/".join(parts))
