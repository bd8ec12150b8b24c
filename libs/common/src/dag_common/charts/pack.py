"""A chart's files as the .tgz that Helm installs and DAG takes back; equal files give equal bytes."""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Mapping

from dag_common.errors import Invalid

_GZIP = 31
_LEVEL = 6


def pack(name: str, files: Mapping[str, bytes]) -> bytes:
    """A gzipped tar with the one top directory `name`: sorted, every file 0644, no times, no owners.

    Equal bytes for equal input with the same zlib. `Invalid` if `name` or a path leaves that directory.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8") as archive:
        for path, content in sorted(files.items()):
            member = tarfile.TarInfo(_inside(name, path))
            member.size = len(content)
            member.mode = 0o644
            archive.addfile(member, io.BytesIO(content))
    return _gzipped(packed.getbuffer())


def _inside(name: str, path: str) -> str:
    if "/" in name or any(part in ("", ".", "..") for part in (name, *path.split("/"))):
        raise Invalid(f"The file {path!r} of the chart {name!r} cannot be packed: its path leaves the chart.")
    return f"{name}/{path}"


def _gzipped(content: memoryview) -> bytes:
    """Written by zlib itself, whose gzip header carries neither a time nor a name."""
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    return deflate.compress(content) + deflate.flush()
