"""Small charts, packed here and not by the code under test."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping

NAME = "shop"


def chart_files(note: str) -> dict[str, bytes]:
    """A small chart's files; charts with different notes differ."""
    return {
        "Chart.yaml": (
            f"# {note}\napiVersion: v2\nname: {NAME}\ndescription: A small chart\n"
            'type: application\nversion: 0.1.0\nappVersion: "0"\n'
        ).encode(),
        "values.yaml": f"note: {note}\nreplicaCount: 2\n".encode(),
        "templates/deployment.yaml": b"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: shop\n",
        "templates/deep/er/notes.txt": b"\x00\xffnot text, and kept as it is\n",
    }


def pack(files: Mapping[str, bytes]) -> bytes:
    """The files as a chart archive; equal files give equal bytes."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as archive:
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(f"{NAME}/{path}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
