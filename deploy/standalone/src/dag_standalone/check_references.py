"""Whether what an entry of the registry refers to can be read: secrets, certificates, kubeconfigs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from dag_common.errors import DagError
from dag_common.registry.references import FilePath, Secret
from dag_standalone.check_findings import Finding

_REMEDY = "put it there for the user that DAG runs as, or correct the reference"


def unreadable(subject: str, entry: msgspec.Struct) -> list[Finding]:
    """A row for each reference that cannot be read; none is fine. Blocks."""
    rows = []
    for where, reference in _references(entry):
        trouble = _trouble(reference)
        if trouble:
            rows.append(Finding(subject, where, trouble, _REMEDY))
    return rows


def _references(value: Any, where: str = "") -> Iterator[tuple[str, Secret | Path]]:
    """Every reference in an entry, with its place there as it is written: `credentials.https.password`."""
    if isinstance(value, Secret):
        yield where, value
    elif isinstance(value, FilePath):
        yield where.removesuffix(".file"), value.path
    elif isinstance(value, msgspec.Struct):
        for field in msgspec.structs.fields(value):
            yield from _references(getattr(value, field.name), f"{where}.{field.encode_name}".removeprefix("."))


def _trouble(reference: Secret | Path) -> str:
    try:
        if isinstance(reference, Secret):
            reference.read()
        else:
            reference.read_bytes()
    except DagError as exc:
        return exc.message
    except OSError as exc:
        return f"the file {reference} cannot be read: {exc.strerror}"
    return ""
