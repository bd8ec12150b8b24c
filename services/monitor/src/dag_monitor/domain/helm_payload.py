"""The payload of a Helm release secret, decoded within bounds (helm/helm pkg/storage/driver/util.go, decodeRelease)."""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Any, Final

import msgspec

from dag_common.errors import Invalid
from dag_monitor.domain.helm_manifest import workloads_in

_MOST_ENCODED: Final = 3 << 20  # a secret holds 1 MiB, and base64 is a third longer
_MOST_DECODED: Final = 32 << 20
_LONGEST_DESCRIPTION: Final = 4096
_GZIP: Final = b"\x1f\x8b\x08"
_GZIP_WINDOW: Final = 31


class _Info(msgspec.Struct):
    status: str
    description: str = ""
    last_deployed: str = ""
    rollback_revision: int = 0


class _Metadata(msgspec.Struct):
    name: str
    version: str


class _Chart(msgspec.Struct):
    metadata: _Metadata


class _Payload(msgspec.Struct):
    """The parts that are read; templates, values and files are skipped without being kept."""

    name: str
    version: int
    info: _Info
    chart: _Chart
    manifest: str = ""


def release_of(encoded: str) -> dict[str, Any]:
    """What counts of the release in `data.release`: base64 of base64 of gzipped JSON, or of JSON alone as it once was.

    `name`, `version`, `info`, `chart` as Helm has them, and the `workloads` its manifest names, as plain data.
    Raises `Invalid` for what is none, or is larger than 3 MiB encoded or 32 MiB decoded. Takes milliseconds, and
    hundreds of them at the bounds: nothing for an event loop.
    """
    if len(encoded) > _MOST_ENCODED:
        raise Invalid("the release's payload is larger than 3 MiB")
    try:
        inner = base64.b64decode(encoded, validate=True)
        payload = msgspec.json.decode(_unzipped(base64.b64decode(inner, validate=True)), type=_Payload)
    except (binascii.Error, ValueError, zlib.error, RecursionError, msgspec.MsgspecError):
        # Without the cause: its text may quote values of the release, which may be secret.
        raise Invalid("the secret holds no Helm release") from None
    payload.info.description = payload.info.description[:_LONGEST_DESCRIPTION]
    counted: dict[str, Any] = msgspec.to_builtins(payload)
    del counted["manifest"]
    return counted | {"workloads": workloads_in(payload.manifest)}


def _unzipped(raw: bytes) -> bytes:
    if not raw.startswith(_GZIP):
        return raw
    stream = zlib.decompressobj(wbits=_GZIP_WINDOW)
    content = stream.decompress(raw, _MOST_DECODED)
    if stream.unconsumed_tail:
        raise Invalid("the release's payload is larger than 32 MiB")
    return content if stream.eof else b""
