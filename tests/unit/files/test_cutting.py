"""Big texts cut into ranges: whatever stands in them, the parts say what the whole says."""

from __future__ import annotations

import gzip
import io
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.files import numbering
from chalicelib.files.byte_lines import read_record
from chalicelib.files.cutting import Cut, Head, cut, cut_by_offsets, recut
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


@pytest.mark.parametrize(
    ("compressed", "encoding", "by_offsets"),
    [
        (False, "utf-8", True),
        (False, "UTF8", True),
        (False, "latin-1", True),
        (False, "iso-8859-15", True),
        (False, "cp1252", True),
        (False, "utf-16", False),  # a line end is two bytes
        (False, "utf-8-sig", False),
        (False, "shift_jis", False),  # the second byte of a character may be a delimiter's
        (True, "utf-8", False),
    ],
)
def test_what_can_be_cut_as_it_lies(compressed: bool, encoding: str, by_offsets: bool) -> None:
    """Where the bytes of ASCII mean ASCII, and nothing is packed."""
    assert cut_by_offsets(compressed=compressed, encoding=encoding) is by_offsets


def test_an_encoding_that_nobody_knows_is_refused() -> None:
    """As when the file is read in one piece."""
    with pytest.raises(FileRefused, match="no encoding that we know"):
        cut_by_offsets(compressed=False, encoding="utf-99")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "file: is empty"),
        (MARK, "file: is empty"),
        (" \r\n\n", "file: is empty"),
        ("a,b", "file: holds no records"),
        ("a,b\n \n", "file: holds no records"),
        ('a,"b\n1,2\n', "header: cannot be read: has a quote that is not closed"),
        ("a" * (numbering.LONGEST_RECORD + 1) + "\n1\n", "header: cannot be read: is longer than"),
        ("a" * 9 * numbering.LONGEST_RECORD + "\n1\n", "header: cannot be read: is longer than"),
    ],
    ids=["nothing", "a mark", "blank", "a header", "blank records", "open", "long", "very long"],
)
def test_a_file_without_records_or_header_is_refused(text: str, reason: str) -> None:
    """For the reason for which reading it in one piece refuses it."""
    how = layout("quoted", header=True)

    with pytest.raises(FileRefused, match=reason):
        cut(chunked(text.encode(), 1 << 20), layout=how, encoding="utf-8", target_bytes=100)


def test_the_first_good_record_says_how_many_columns_there_are() -> None:
    """Without a header no later part could know; broken records and blank lines say nothing."""
    text = b'\n"broken\n\n1,2,"3\n4"\n5,6\n'

    found = cut([text], layout=layout("quoted", header=False), encoding="utf-8", target_bytes=1)

    assert found.head == Head(b"", 3, "utf-8")
    assert len(found.pieces) == 5


def test_a_delimiter_of_two_bytes_is_found() -> None:
    """Where no pattern fits, every line with a quote is read on its own."""
    how = replace(layout("quoted", header=False), delimiter="\xa6")
    text = '1\xa6"a\nb"\n2\xa6"c"\n3\xa6d\n'.encode()

    found = cut([text], layout=how, encoding="utf-8", target_bytes=1)

    assert [text[each.start : each.end].decode() for each in found.pieces] == [
        '1\xa6"a\nb"\n',
        '2\xa6"c"\n',
        "3\xa6d\n",
    ]
    assert found.head.width == 2


@pytest.mark.parametrize("line", [b"x" * (32 << 20), b'"' + b"x" * (32 << 20) + b'"'])
def test_a_line_without_end_is_passed_over_in_little_memory(line: bytes) -> None:
    """It is one record of one range, and what is kept of it is bounded."""
    text = b"a,b\n1,2\n" + line + b"\n3,4\n"
    how = layout("quoted", header=True)
    tracemalloc.start()
    try:
        found = cut(chunked(text, 1 << 20), layout=how, encoding="utf-8", target_bytes=5)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert [each.end - each.start for each in found.pieces] == [4 + len(line) + 1, 4]
    assert peak_bytes < 24 << 20


@dataclass
class Sinks:
    """Where ranges are written: the bytes of each, and what became of it."""

    written: dict[int, bytearray] = field(default_factory=dict)
    ended: dict[int, str] = field(default_factory=dict)

    def open(self, number: int) -> Sink:
        """A range begins only after the one before has ended."""
        assert list(self.ended) == list(self.written) == list(range(1, number))
        self.written[number] = bytearray()
        return Sink(self, number)


@dataclass
class Sink:
    """One range."""

    all: Sinks
    number: int

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.all.written[self.number] += data

    def close(self) -> None:
        """Note that it is whole."""
        self.all.ended[self.number] = "closed"

    def abort(self) -> None:
        """Note that it is not."""
        self.all.ended[self.number] = "aborted"


@given(
    text=NASTY.filter(str.strip),
    style=st.sampled_from(["quoted", "lines"]),
    encoding=st.sampled_from(["utf-8", "utf-16", "utf-32-be"]),
    target_bytes=st.integers(1, 60),
    chunk_bytes=st.integers(1, 70),
)
def test_a_file_that_cannot_be_cut_is_written_anew(
    text: str, style: str, encoding: str, target_bytes: int, chunk_bytes: int
) -> None:
    """Unpacked and decoded it has the ranges that the plain text has, and they are written so."""
    how = layout(style, header=False)
    packed = gzip.compress(text[:9].encode(encoding)) + gzip.compress(
        text[9:].encode(encoding).removeprefix(b"\xff\xfe")
    )
    plain, sinks = text.encode(), Sinks()
    with short_limits():
        wanted = cut([plain], layout=how, encoding="utf-8", target_bytes=target_bytes)

        found = recut(
            chunked(packed, chunk_bytes),
            layout=how,
            compressed=True,
            encoding=encoding,
            target_bytes=target_bytes,
            most_bytes=1 << 20,
            open_piece=sinks.open,
        )

    assert found == wanted
    assert [bytes(each) for each in sinks.written.values()] == [
        plain[each.start : each.end] for each in found.pieces
    ]
    assert set(sinks.ended.values()) == {"closed"}


PLAIN = "id\n" + "1\n" * 500_000


@pytest.mark.parametrize(
    ("packed", "encoding", "reason"),
    [
        (gzip.compress(PLAIN.encode())[:-9], "utf-8", "damaged or truncated gzip"),
        (b"\x1f\x8b no gzip", "utf-8", "damaged or truncated gzip"),
        (gzip.compress(PLAIN.encode() * 4), "utf-8", "is larger than 3000000 bytes when unpacked"),
        (gzip.compress(PLAIN.encode() + b"\xff"), "utf-8", "is not utf-8: byte 0xff"),
        (gzip.compress(PLAIN.encode() + b"\0"), "utf-8", "holds NUL characters"),
        (gzip.compress(PLAIN.encode()), "utf-99", "no encoding that we know"),
        (gzip.compress(b""), "utf-8", "file: is empty"),
    ],
    ids=["truncated", "no gzip", "a bomb", "no text", "NUL", "no encoding", "empty"],
)
def test_a_file_that_cannot_be_read_is_refused_on_the_way(
    packed: bytes, encoding: str, reason: str
) -> None:
    """Whatever range is being written then is given up, so that nobody takes it for whole."""
    sinks = Sinks()

    with pytest.raises(FileRefused, match=reason):
        recut(
            chunked(packed, 1000),
            layout=layout("quoted", header=True),
            compressed=True,
            encoding=encoding,
            target_bytes=700_000,
            most_bytes=3_000_000,
            open_piece=sinks.open,
        )

    assert len(sinks.ended) == len(sinks.written)
    assert [*sinks.ended.values()][-1:] in ([], ["aborted"])
