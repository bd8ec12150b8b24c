"""A gzip stream unpacked forward, a piece at a time, so that no upload decides how much memory it takes."""

from __future__ import annotations

import zlib

from dag_common.charts.limits import KIB, Limits, in_words
from dag_common.errors import Invalid

_PIECE = 64 * KIB
_GZIP = 31  # zlib's wbits for "gzip wrapper, largest window"
_MAGIC = b"\x1f\x8b"


class Gunzip:
    """The unpacked bytes of exactly one gzip member; anything beside it is `Invalid`.

    Further members and trailing bytes are refused because readers differ on them: one program would see
    another chart than the next (RFC 1952 allows both, Helm reads on, others stop).
    """

    def __init__(self, content: bytes, limits: Limits) -> None:
        if not content.startswith(_MAGIC):
            raise Invalid("The chart is not a gzip archive. Send the .tgz that `helm package` or `tar -czf` writes.")
        self._packed = memoryview(content)
        self._inflate = zlib.decompressobj(wbits=_GZIP)
        self._ready = bytearray()
        self._unpacked = 0
        self._limits = limits
        self._allowed = min(limits.unpacked, max(limits.ratio_from, limits.ratio * len(content)))

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer only at the end of the stream."""
        while len(self._ready) < size and (piece := self._piece()):
            self._ready += piece
        taken = bytes(self._ready[:size])
        del self._ready[:size]
        return taken

    def _piece(self) -> bytes:
        while not self._inflate.eof:
            packed = self._inflate.unconsumed_tail or self._next_packed()
            piece = self._unpack(packed)
            if piece:
                return self._counted(piece)
            if not packed and not self._inflate.eof:
                raise Invalid("The chart archive is cut short: its gzip stream does not end. Pack and send it again.")
        if self._inflate.unused_data or self._packed:
            raise Invalid("The chart archive has data after its end. Send one gzip stream with nothing appended.")
        return b""

    def _next_packed(self) -> memoryview:
        taken, self._packed = self._packed[:_PIECE], self._packed[_PIECE:]
        return taken

    def _unpack(self, packed: bytes | memoryview) -> bytes:
        try:
            return self._inflate.decompress(packed, _PIECE)
        except zlib.error as exc:
            raise Invalid(f"The chart archive is damaged and cannot be unpacked ({exc}). Pack it again.") from exc

    def _counted(self, piece: bytes) -> bytes:
        self._unpacked += len(piece)
        if self._unpacked > self._limits.unpacked:
            raise Invalid(
                f"The chart unpacks to more than {in_words(self._limits.unpacked)}, the limit Helm has too. "
                "Take out what the chart does not need."
            )
        if self._unpacked > self._allowed:
            raise Invalid(
                f"The chart unpacks to more than {self._limits.ratio} times its packed size, which no chart of text "
                "does. Take out the file that is mostly padding."
            )
        return piece
