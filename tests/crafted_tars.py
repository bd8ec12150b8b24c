"""Tars and .tgz built member by member or byte by byte, for tests of what reads them."""

from __future__ import annotations

import gzip
import io
import tarfile

CHART_YAML = b"apiVersion: v2\nname: podinfo\nversion: 1.2.3\n"


def entry(
    name: str, content: bytes = b"x", kind: bytes = tarfile.REGTYPE, **fields: object
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.size = len(content) if kind in tarfile.REGULAR_TYPES else 0
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def tar_of(*entries: tuple[tarfile.TarInfo, bytes], dialect: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=dialect) as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def tgz(*entries: tuple[tarfile.TarInfo, bytes], dialect: int = tarfile.PAX_FORMAT) -> bytes:
    return gzip.compress(tar_of(*entries, dialect=dialect), mtime=0)


def chart_with(*more: tuple[tarfile.TarInfo, bytes], dialect: int = tarfile.PAX_FORMAT) -> bytes:
    return tgz(entry("podinfo/Chart.yaml", CHART_YAML), *more, dialect=dialect)


def header(
    name: bytes, kind: bytes = b"0", size: bytes = b"00000000000", magic: bytes = b"ustar\x0000", **raw: bytes
) -> bytes:
    block = bytearray(512)
    block[0 : len(name)] = name
    block[124 : 124 + len(size)] = size
    block[156:157] = kind
    block[257:265] = magic
    if "prefix" in raw:
        block[345 : 345 + len(raw["prefix"])] = raw["prefix"]
    if "padding" in raw:
        block[500 : 500 + len(raw["padding"])] = raw["padding"]
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\x00 " % sum(block)
    return bytes(block)


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def crafted(*blocks: bytes, end: bytes = bytes(1024)) -> bytes:
    return gzip.compress(
        header(b"podinfo/Chart.yaml", size=b"%011o" % len(CHART_YAML)) + padded(CHART_YAML) + b"".join(blocks) + end,
        mtime=0,
    )


def pax(*records: tuple[bytes, bytes], kind: bytes = b"x") -> bytes:
    body = b""
    for key, value in records:
        line = len(key) + len(value) + 3
        length = next(n for n in range(line, line + 9) if n == line + len(str(n)))
        body += b"%d %s=%s\n" % (length, key, value)
    return header(b"pax", kind, b"%011o" % len(body)) + padded(body)
