from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dag_common.errors import Unreadable
from dag_monitor.cluster import lines


async def chunked(chunks: Sequence[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@given(st.lists(st.text().map(lambda text: text.replace("\n", " ").encode())), st.lists(st.integers(0, 400)))
async def test_lines_come_out_as_they_went_in_however_they_are_cut(texts: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(text + b"\n" for text in texts)
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    chunks = [stream[start:end] for start, end in itertools.pairwise(places)]
    assert [line async for line in lines.split(chunked(chunks))] == [text for text in texts if text]


async def test_only_a_line_feed_ends_a_line() -> None:
    line = '{"message":"a\u2028b\u0085c\x0cd\re"}'.encode()
    assert [found async for found in lines.split(chunked([line + b"\n"]))] == [line]


async def test_an_unfinished_last_line_is_not_a_line() -> None:
    assert [found async for found in lines.split(chunked([b"one\ntw"]))] == [b"one"]


async def test_an_endless_line_is_given_up_before_it_fills_the_memory() -> None:
    with pytest.raises(Unreadable, match="longer than 10 bytes"):
        [found async for found in lines.split(chunked([b"x" * 6] * 1000), longest=10)]
