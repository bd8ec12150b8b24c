"""The payload of a Helm release secret, decoded within bounds (helm/helm pkg/storage/driver/util.go, decodeRelease)."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import Any, Final

_MOST_ENCODED: Final = 3 << 20  # a secret holds 1 MiB, and base64 is a third longer
_MOST_DECODED: Final = 32 << 20
_GZIP: Final = b"\x1f\x8b\x08"
_GZIP_WINDOW: Final = 31


def release_of(encoded: str) -> Any:
    """The release in `data.release`: base64 of base64 of gzipped JSON, or of JSON alone as Helm once wrote it.

    None for what is none, or is larger than 3 MiB encoded or 32 MiB decoded; a few milliseconds for common releases.
    """
    if len(encoded) > _MOST_ENCODED:
        return None
    try:
        inner = base64.b64decode(encoded, validate=True)
        return json.loads(_unzipped(base64.b64decode(inner, validate=True)))
    except (binascii.Error, ValueError, zlib.error, RecursionError):
        return None


def _unzipped(raw: bytes) -> bytes:
    if not raw.startswith(_GZIP):
        return raw
    stream = zlib.decompressobj(wbits=_GZIP_WINDOW)
    content = stream.decompress(raw, _MOST_DECODED)
    return content if stream.eof else b""
