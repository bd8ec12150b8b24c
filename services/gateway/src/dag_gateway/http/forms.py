"""The multipart form of a deployment, read as it arrives: what is over a limit is refused before it is held."""

from __future__ import annotations

from typing import Final

import msgspec
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from dag_common.errors import Invalid
from dag_gateway.http.bodies import incoming, too_large
from dag_gateway.http.bounds import Hold
from dag_gateway.http.fields import is_blank
from dag_gateway.http.schemas import DeployForm

MAX_FIELD_BYTES: Final = 64 * 1024
"""All text fields together."""

MAX_OVERHEAD_BYTES: Final = 64 * 1024
"""Boundaries, part headers and parts nobody asked for."""

MAX_PARTS: Final = 64
CHART: Final = "chart"

_REQUIRED: Final = tuple(field.encode_name for field in msgspec.structs.fields(DeployForm) if field.required)
_LONGEST_SHOWN: Final = 40


class Form:
    """The parts as they are collected. `texts` by name; `chart` is None as long as there is none."""

    def __init__(self, known: frozenset[str], max_chart_bytes: int) -> None:
        self.chart: bytearray | None = None
        self.chart_is_file = False
        self.ended = False
        self._known = known
        self._spelt = {_folded(name): name for name in known}
        self._misspelt: dict[str, str] = {}
        self._max_chart_bytes = max_chart_bytes
        self._texts: dict[str, bytearray] = {}
        self._text_bytes = 0
        self._parts = 0
        self._header = bytearray()
        self._value = bytearray()
        self._disposition = b""
        self._sink: bytearray | None = None

    @property
    def texts(self) -> dict[str, str]:
        """The text fields; raises `Invalid` for one that is not UTF-8."""
        return {name: _text(name, bytes(value)) for name, value in self._texts.items()}

    def refuse_misspelt(self) -> None:
        """Raises `Invalid` for a field that is one of ours but for case, `-` and `_`: a `dry_run` must not deploy.

        While something required is missing nothing is raised, for that is told first and as a whole.
        """
        filled = {name for name, value in self.texts.items() if not is_blank(value)} | (
            {CHART} if self.chart else set()
        )
        if self._misspelt and filled.issuperset(_REQUIRED):
            told = ", ".join(f"{sent} is spelt {name}" for sent, name in self._misspelt.items())
            raise Invalid(f"Misspelt fields, and nothing was done: {told}")

    def parser(self, boundary: bytes) -> MultipartParser:
        """A parser that fills this form."""
        return MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_end": self._on_end,
            },
        )

    def _on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise Invalid(f"The form has more than {MAX_PARTS} parts")
        self._disposition = b""
        self._sink = None

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _on_headers_finished(self) -> None:
        kind, options = parse_options_header(self._disposition)
        if kind != b"form-data" or b"name" not in options:
            raise Invalid('A part of the form has no header like: Content-Disposition: form-data; name="repoUrl"')
        name = options[b"name"].decode("utf-8", "replace")
        if name not in self._known:
            self._note_misspelt(name)
            return
        if name in self._texts or (name == CHART and self.chart is not None):
            raise Invalid(f"{name} stands in the form twice; send it once")
        self._sink = bytearray()
        if name == CHART:
            self.chart, self.chart_is_file = self._sink, b"filename" in options
        else:
            self._texts[name] = self._sink

    def _note_misspelt(self, name: str) -> None:
        meant = self._spelt.get(_folded(name))
        if meant is not None:
            self._misspelt[ascii(name[:_LONGEST_SHOWN])[1:-1]] = meant

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._sink is None:
            return
        if self._sink is self.chart:
            if len(self._sink) + end - start > self._max_chart_bytes:
                raise too_large("The chart", self._max_chart_bytes)
        else:
            self._text_bytes += end - start
            if self._text_bytes > MAX_FIELD_BYTES:
                raise too_large("The form without the chart", MAX_FIELD_BYTES)
        self._sink += data[start:end]

    def _on_end(self) -> None:
        self.ended = True


class Preamble:
    """Skips what may stand before the first boundary and says nothing (RFC 2046 §5.1.1); the parser knows no such.

    `over`: a boundary came.
    """

    def __init__(self, boundary: bytes) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._seen = b"\r\n"
        self.over = False

    def after(self, chunk: bytes) -> bytes:
        """What of the next piece is for the parser, with what of the pieces before belongs to it."""
        if self.over:
            return chunk
        seen = self._seen + chunk
        begin = seen.find(self._delimiter)
        self.over = begin >= 0
        self._seen = seen[1 - len(self._delimiter) :]
        return seen[begin + 2 :] if self.over else b""


async def read_form(request: Request, known: frozenset[str], max_chart_bytes: int, hold: Hold) -> Form:
    """Read a multipart body, holding each piece as it comes; unknown fields are skipped.

    Raises `Invalid` for another content type, a broken or cut form, a field sent twice or misspelt; `TooLarge` over a
    limit; `Stalled` when it does not come, and whatever `hold` raises.
    """
    form, boundary = Form(known, max_chart_bytes), _boundary(request)
    parser, preamble = form.parser(boundary), Preamble(boundary)
    limit = max_chart_bytes + MAX_FIELD_BYTES + MAX_OVERHEAD_BYTES
    async with incoming(request, limit, too_large("The chart in the form", max_chart_bytes)) as body:
        async for chunk in body.chunks():
            hold(len(chunk))
            _feed(parser, preamble.after(chunk))
    if not preamble.over:
        raise Invalid("The multipart form is broken: the boundary of its Content-Type does not stand in it")
    if not form.ended:
        raise Invalid("The multipart form is cut: it ends before its closing boundary")
    form.refuse_misspelt()
    return form


def _folded(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _feed(parser: MultipartParser, chunk: bytes) -> None:
    try:
        parser.write(chunk)
    except FormParserError as exc:
        raise Invalid(f"The multipart form is broken: {exc}") from exc


def _boundary(request: Request) -> bytes:
    header = request.headers.get("content-type", "")
    kind, options = parse_options_header(header)
    if kind != b"multipart/form-data":
        said = kind.decode("latin-1") or "missing"
        raise Invalid(f"The body's Content-Type is {said}; expected multipart/form-data (curl: -F name=value)")
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= 70:  # noqa: PLR2004 - RFC 2046 §5.1.1
        raise Invalid("The Content-Type has no usable boundary; expected multipart/form-data; boundary=...")
    return boundary


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as exc:
        raise Invalid(f"{name} is not UTF-8 text") from exc
