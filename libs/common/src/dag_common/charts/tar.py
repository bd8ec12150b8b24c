"""A strict reader of tar: plain files and directories, or a refusal that names the member.

Python's `tarfile` is not used to read. It ends silently at a damaged header in the middle, which takes half a
chart, and it guesses where dialects differ (CVE-2019-20907, CVE-2025-8194, CVE-2025-13462 came from there).
What two readers could read differently is refused here. Formats: POSIX.1-2017 `pax`; GNU tar, `Standard.html`;
golang/go, `src/archive/tar/reader.go` for what Helm's own reader takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from dag_common.charts.gunzip import Gunzip
from dag_common.charts.limits import Limits, in_words
from dag_common.charts.names import in_quotes
from dag_common.errors import Invalid

_BLOCK = 512
_NOTHING = bytes(_BLOCK)
_OCTAL = re.compile(rb"[0-7]*")
_LENGTH_DIGITS = 8
_BINARY_NUMBER = 0x80
_POSIX, _GNU, _OLD = b"ustar\x0000", b"ustar  \x00", bytes(8)
_FILE, _DIRECTORY = (b"0", b"\x00"), b"5"
_CHARSETS = (b"ISO-IR 10646 2000 UTF-8", b"BINARY")  # the two that pax knows; names must be UTF-8 in both
_GLOBAL, _PAX, _LONG_NAME = b"g", b"x", b"L"
_KIND_REFUSED = {
    b"1": "is a hard link. Pack with `tar --hard-dereference`, so that the file itself is in the chart",
    b"2": "is a symbolic link. Put the file itself into the chart (`tar --dereference` does) and pack it again",
    b"3": "is a character device. A chart holds files and directories only: take it out",
    b"4": "is a block device. A chart holds files and directories only: take it out",
    b"6": "is a named pipe. A chart holds files and directories only: take it out",
    b"K": "is a link with a long target. Put the file itself into the chart and pack it again",
    b"S": "is a sparse file. Pack without `--sparse`",
}
_REPACK = "Pack it again with `helm package` or `tar --format=ustar -czf`."


@dataclass(frozen=True, slots=True)
class Member:
    """A file with its content, or a directory without any. The name is as the archive spells it."""

    name: str
    directory: bool
    content: bytes


@dataclass(frozen=True, slots=True)
class _Header:
    name: bytes
    kind: bytes
    size: int


@dataclass(frozen=True, slots=True)
class _Extension:
    """What extended headers say about the member that follows them."""

    name: bytes | None = None
    size: int | None = None
    kinds: frozenset[bytes] = frozenset()

    def over(self, header: _Header) -> _Header:
        return _Header(
            name=header.name if self.name is None else self.name,
            kind=header.kind,
            size=header.size if self.size is None else self.size,
        )


def members(stream: Gunzip, limits: Limits) -> Iterator[Member]:
    """Every member in order; `Invalid` at the first that is no plain file or directory, and for a damaged archive."""
    extension = _Extension()
    while (header := _next_header(stream)) is not None:
        if header.kind in (_GLOBAL, _PAX, _LONG_NAME):
            extension = _extended(stream, header, extension, limits)
            continue
        yield _member(stream, extension.over(header), limits)
        extension = _Extension()
    if extension.kinds:
        raise Invalid(f"The chart archive ends where a member must follow an extended header. {_REPACK}")
    _refuse_data_after_the_end(stream)


def _member(stream: Gunzip, header: _Header, limits: Limits) -> Member:
    shown = in_quotes(header.name)
    if header.kind == _DIRECTORY:
        if header.size:
            raise Invalid(f"The archive's directory {shown} claims to have content. {_REPACK}")
        return Member(_text(header.name), directory=True, content=b"")
    if header.kind not in _FILE:
        reason = _KIND_REFUSED.get(header.kind, f"has the unusual type {header.kind!r}. {_REPACK[:-1]}")
        raise Invalid(f"The archive's member {shown} {reason}.")
    if header.name.endswith(b"/"):
        raise Invalid(f"The archive's member {shown} is a file with a directory's name. {_REPACK}")
    if header.size > limits.file:
        raise Invalid(
            f"The file {shown} is larger than {in_words(limits.file)}, more than Helm and Flux take in a chart. "
            "Take it out or split it."
        )
    return Member(_text(header.name), directory=False, content=_content(stream, header))


def _next_header(stream: Gunzip) -> _Header | None:
    block = stream.read(_BLOCK)
    if len(block) < _BLOCK:
        raise Invalid("The chart archive is cut short: it has no end mark. Pack and send it again.")
    if block == _NOTHING:
        return None
    _check_sum(block)
    _check_dialect(block)
    name = _until_nul(block[0:100])
    prefix = _until_nul(block[345:500])
    return _Header(
        name=prefix + b"/" + name if prefix else name,
        kind=block[156:157],
        size=_number(block[124:136], name),
    )


def _check_sum(block: bytes) -> None:
    stored = _octal(block[148:156])
    summed = block[:148] + b" " * 8 + block[156:]
    unsigned = sum(summed)
    claimed = -1 if stored is None else int(stored[0] or b"0", 8)
    if claimed not in (unsigned, unsigned - 256 * sum(byte > 127 for byte in summed)):  # noqa: PLR2004 - old tars summed signed bytes
        raise Invalid(f"The chart archive is damaged: what should be a tar header is none. {_REPACK}")


def _check_dialect(block: bytes) -> None:
    """Refuse headers whose name field or rest means different things to different readers."""
    magic, prefix, padding = block[257:265], block[345:500], block[500:512]
    plain = magic == _POSIX or (magic in (_GNU, _OLD) and not any(prefix))
    if (not plain or any(padding)) and block[156:157] not in _KIND_REFUSED:
        shown = in_quotes(_until_nul(block[0:100]))
        raise Invalid(f"The archive's member {shown} is written in an unusual tar dialect. {_REPACK}")


def _number(field: bytes, name: bytes) -> int:
    if field[0] == _BINARY_NUMBER:  # GNU tar writes sizes that need more than eleven octal digits in base 256
        return int.from_bytes(field[1:], "big")
    digits = _octal(field)
    if digits is None:
        raise Invalid(f"The archive's member {in_quotes(name)} has no valid size. {_REPACK}")
    return int(digits[0] or b"0", 8)


def _octal(field: bytes) -> re.Match[bytes] | None:
    """Digits between spaces, ended by NULs; a NUL before them ends the number for some readers and not for others."""
    return _OCTAL.fullmatch(field.lstrip(b" ").rstrip(b" \x00"))


def _content(stream: Gunzip, header: _Header) -> bytes:
    content = stream.read(header.size)
    padding = -header.size % _BLOCK
    if len(content) < header.size or len(stream.read(padding)) < padding:
        raise Invalid(f"The chart archive is cut short inside {in_quotes(header.name)}. Pack and send it again.")
    return content


def _extended(stream: Gunzip, header: _Header, known: _Extension, limits: Limits) -> _Extension:
    if header.size > limits.extended_header:
        raise Invalid(
            f"The archive has an extended header over {in_words(limits.extended_header)}. "
            "Pack without extended attributes (`tar --no-xattrs`, on macOS with COPYFILE_DISABLE=1)."
        )
    if header.kind in known.kinds or (header.kind == _GLOBAL and known.kinds):
        raise Invalid(f"The archive has two extended headers where one can be. {_REPACK}")
    payload = _content(stream, header)
    if header.kind == _LONG_NAME:
        return _renamed(known, header.kind, payload.rstrip(b"\x00"))
    records = _records(payload)
    if header.kind == _GLOBAL:
        return _checked_global(records, known)
    named = _renamed(known, header.kind, records.get(b"path"))
    return _Extension(named.name, _size(records), named.kinds)


def _renamed(known: _Extension, kind: bytes, name: bytes | None) -> _Extension:
    if known.name is not None and name is not None:
        raise Invalid(f"The archive names one member twice, {in_quotes(known.name)} and {in_quotes(name)}. {_REPACK}")
    return _Extension(known.name if name is None else name, known.size, known.kinds | {kind})


def _checked_global(records: dict[bytes, bytes], known: _Extension) -> _Extension:
    """`git archive` notes the commit in a global header, which is harmless; names and sizes for all members are not."""
    if not records.keys().isdisjoint({b"path", b"linkpath", b"size"}):
        raise Invalid(f"The archive has a global header that names or sizes every member at once. {_REPACK}")
    return replace(known, kinds=known.kinds | {_GLOBAL})


def _size(records: dict[bytes, bytes]) -> int | None:
    size = records.get(b"size")
    if size is None:
        return None
    if not size.isdigit() or len(size) > _LENGTH_DIGITS * 2:
        raise Invalid(f"The archive has an extended header with the size {in_quotes(size)}. {_REPACK}")
    return int(size)


def _records(payload: bytes) -> dict[bytes, bytes]:
    """The `length key=value` lines of a pax header; each length counts its whole line."""
    records: dict[bytes, bytes] = {}
    at = 0
    while at < len(payload):
        space = payload.find(b" ", at, at + _LENGTH_DIGITS)
        digits = payload[at : max(space, at)]
        end = at + int(digits) if digits.isdigit() else at
        key, equals, value = payload[space + 1 : end - 1].partition(b"=")
        if end <= space or not equals or key in records or payload[end - 1 : end] != b"\n":
            raise Invalid(f"The archive has a damaged extended header. {_REPACK}")
        if key.startswith(b"GNU.sparse."):
            raise Invalid("The archive has a sparse file. Pack without `--sparse`.")
        records[key] = value
        at = end
    if records.get(b"hdrcharset", _CHARSETS[0]) not in _CHARSETS:
        raise Invalid(f"The archive has names that are not UTF-8, as its extended header says. {_REPACK}")
    return records


def _refuse_data_after_the_end(stream: Gunzip) -> None:
    while block := stream.read(_BLOCK * 128):
        if any(block):
            raise Invalid(f"The chart archive has data after its end mark, which some readers would read on. {_REPACK}")


def _until_nul(field: bytes) -> bytes:
    return field.partition(b"\x00")[0]


def _text(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError as exc:
        raise Invalid(f"The archive's member {in_quotes(name)} has a name that is not UTF-8. Rename the file.") from exc
