"""A chart as the archive that is sent: the same folder gives the same bytes, so a repeated request is recognised."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from dag_client.errors import Misused
from dag_client.helmignore import Rules
from dag_client.overrides import Overrides

USUAL: Final = frozenset(
    {"Chart.yaml", "Chart.lock", "values.yaml", "values.schema.json", ".helmignore", "templates", "charts", "crds"}
)
"""What belongs to a chart at its top; anything else is packed only on demand."""
_FOR_PEOPLE: Final = ("readme", "license", "licence", "notice", "changelog", "contributing", "owners", "makefile")
"""How names begin that nobody misses in a chart."""


def read_chart(path: Path, overrides: Overrides, *, include_all: bool = False) -> bytes:
    """The .tgz of a chart folder, or the bytes of a ready .tgz; raises `Misused` if it is neither."""
    if path.is_dir():
        return pack(path, overrides, include_all=include_all)
    if not path.is_file():
        raise Misused(f"There is no chart at {path}: give a chart folder, or a .tgz that was packed before.")
    if not path.name.endswith((".tgz", ".tar.gz")):
        raise Misused(f"{path} is neither a folder nor a .tgz or .tar.gz archive.")
    if overrides or include_all:
        raise Misused(f"Values overrides and --include-all-files need a chart folder; {path} is packed already.")
    return path.read_bytes()


def left_out(folder: Path) -> list[str]:
    """What lies at a chart folder's top and is not packed, but for what is hidden, ignored or there for people."""
    if not folder.is_dir():
        return []
    rules = _rules(folder)
    names = (
        f"{entry.name}/" if entry.is_dir() else entry.name for entry in folder.iterdir() if not _belongs(entry, rules)
    )
    return sorted(names)


def _belongs(entry: Path, rules: Rules) -> bool:
    """Whether nobody needs to hear of it."""
    unnoticed = entry.name.startswith(".") or entry.name.lower().startswith(_FOR_PEOPLE)
    return entry.name in USUAL or unnoticed or rules.ignores(PurePosixPath(entry.name), directory=entry.is_dir())


def pack(folder: Path, overrides: Overrides, *, include_all: bool = False) -> bytes:
    """Pack a chart folder: sorted, fixed metadata, one top directory named after the folder."""
    folder = folder.resolve()
    if not (folder / "Chart.yaml").is_file():
        raise Misused(f"{folder} is no chart: it has no Chart.yaml.")
    contents = {name: path.read_bytes() for name, path in _files(folder, include_all=include_all)}
    if overrides:
        values = PurePosixPath("values.yaml")
        contents[values] = overrides.apply(contents.get(values, b""))
    return gzip.compress(_tar(folder.name, contents), mtime=0)


def _files(folder: Path, *, include_all: bool) -> Iterator[tuple[PurePosixPath, Path]]:
    rules = _rules(folder)
    for entry in folder.iterdir():
        if include_all or entry.name in USUAL:
            yield from _walk(entry, PurePosixPath(entry.name), rules, frozenset({folder}))


def _walk(
    path: Path, name: PurePosixPath, rules: Rules, above: frozenset[Path]
) -> Iterator[tuple[PurePosixPath, Path]]:
    """Follow links as Helm does (helm `internal/sympath/walk.go`), but never in a circle."""
    if rules.ignores(name, directory=path.is_dir()):
        return
    if path.is_file():
        yield name, path
    elif path.is_dir():
        real = path.resolve()
        if real in above:
            raise Misused(f"{path} leads back to a folder above itself.")
        for entry in path.iterdir():
            yield from _walk(entry, name / entry.name, rules, above | {real})
    else:
        raise Misused(f"{path} is neither a file nor a folder (a broken link, a socket?) and cannot be packed.")


def _rules(folder: Path) -> Rules:
    """Lines end as for Helm, whose scanner knows no line end but LF and CRLF; a byte order mark is no letter."""
    file = folder / ".helmignore"
    try:
        return Rules(file.read_bytes().decode("utf-8-sig").split("\n")) if file.is_file() else Rules()
    except UnicodeDecodeError as error:
        raise Misused(f"{file} is not UTF-8 text.") from error


def _tar(top: str, contents: dict[PurePosixPath, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(contents):
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size = len(contents[name])
            member.mode = 0o644
            archive.addfile(member, io.BytesIO(contents[name]))
    return out.getvalue()
