"""Big texts cut into ranges: whatever stands in them, the parts say what the whole says."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.files import numbering
from chalicelib.files.byte_lines import read_record
from chalicelib.files.cutting import Cut, cut
from chalicelib.files.layout import Layout
from chalicelib.files.numbering import Snippet, records_in
from chalicelib.files.unpack import FileRefused

MARK = "\ufeff"
# What has made trouble: quotes, half and whole line ends, blanks, long words, a word of two bytes.
PARTICLES = st.sampled_from(
    [
        '"',
        '""',
        ",",
        "\n",
        "\r",
        "\r\n",
        " ",
        "a",
        "é",
        "w" * 9,
        "é" * 30,
        "w" * 99,
        '"\n\n\n\n"',
        '","',
        '"x"',
        '"x\ny"',
        "1,2\n",
        "\x1f",
    ]
)
NASTY = st.lists(PARTICLES, max_size=60).map("".join)


def layout(style: str, *, header: bool) -> Layout:
    """Of a file whose columns do not matter here."""
    return Layout(
        format="jsonl" if style == "lines" else "csv",
        columns={},
        names={},
        required=[],
        delimiter="whitespace" if style == "aligned" else ",",
        header=header,
    )


def records_of(data: bytes, how: Layout, encoding: str = "utf-8") -> list[Snippet]:
    """The records of bytes that are a text of their own, as numbering cuts them."""
    text = io.TextIOWrapper(io.BytesIO(data), encoding=encoding, newline="")
    return list(records_in(text, how.style, how.separator))


def chunked(data: bytes, length: int) -> Iterator[bytes]:
    """Bytes as a stream brings them."""
    return (data[at : at + length] for at in range(0, len(data), length))


def check_ranges(found: Cut, begin: int, end: int) -> None:
    """Every byte is in exactly one range, and no range is empty."""
    edges = [begin, *(piece.end for piece in found.pieces)]
    assert [piece.start for piece in found.pieces] == edges[:-1]
    assert all(piece.start < piece.end for piece in found.pieces)
    assert edges[-1] == end
    assert [piece.number for piece in found.pieces] == list(range(1, len(edges)))


@contextmanager
def short_limits() -> Iterator[None]:
    """Records of forty characters and quoted values of three lines are the most."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numbering, "LONGEST_RECORD", 40)
        patch.setattr(numbering, "MOST_QUOTED_LINES", 3)
        yield


@given(
    text=NASTY,
    style=st.sampled_from(["quoted", "aligned", "lines"]),
    header=st.booleans(),
    marked=st.booleans(),
    encoding=st.sampled_from(["utf-8", "latin-1"]),
    target_bytes=st.integers(1, 60),
    chunk_bytes=st.integers(1, 70),
)
@example('1\n"\n\n\n\n\n"\nx"\n1\n', "quoted", False, False, "utf-8", 10, 70)  # too many lines
def test_the_ranges_hold_the_records_of_the_whole(
    text: str,
    style: str,
    header: bool,
    marked: bool,
    encoding: str,
    target_bytes: int,
    chunk_bytes: int,
) -> None:
    """Whatever the text and however it arrives: the same records, and refused for the same reason.

    A range is no longer than it should be and one record more.
    """
    how = layout(style, header=header)
    mark = MARK.encode() if marked and encoding == "utf-8" else b""
    plain = text.encode(encoding)
    with short_limits():
        whole = records_of(plain, how, encoding)
        head = whole.pop(0) if header and style != "lines" and whole else None
        chunks = chunked(mark + plain, chunk_bytes)
        if not whole or (head is not None and head.problem is not None):
            with pytest.raises(FileRefused):
                cut(chunks, layout=how, encoding=encoding, target_bytes=target_bytes)
            return

        found = cut(chunks, layout=how, encoding=encoding, target_bytes=target_bytes)

        ranges = [(mark + plain)[piece.start : piece.end] for piece in found.pieces]
        parts = [records_of(each, how, encoding) for each in ranges]
        first = found.pieces[0].start
        assert records_of(found.head.header, how, encoding) == ([] if head is None else [head])
        assert records_of(plain[: first - len(mark)], how, encoding) == (
            [] if head is None else [head]
        )
        assert [record for part in parts for record in part] == whole
        check_ranges(found, first, len(mark + plain))
        assert all(last_record(each, how, encoding) < target_bytes for each in ranges)


def last_record(data: bytes, how: Layout, encoding: str) -> int:
    """Where the last record or blank line of a range begins."""
    at = last = 0
    while 0 <= at < len(data):
        last = at
        _, at = read_record(
            data, at, style=how.style, delimiter=how.separator, encoding=encoding, final=True
        )
    return last
