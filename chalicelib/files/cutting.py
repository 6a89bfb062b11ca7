"""A big text cut into ranges of bytes, each of which begins with a record.

The ranges are those between which ``numbering`` would begin afresh: numbered one by one, each
behind the header, they give the records, rejects and numbers of the whole file, once those of the
ranges before are added. What holds no quote is passed at the speed of a search for bytes; lines
with quotes are matched by a pattern, and only what that does not take is read line by line.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from chalicelib.files.cutter import Cutter, Head, Piece
from chalicelib.files.layout import Layout
from chalicelib.files.streamed import StreamedFile
from chalicelib.files.unpack import FileRefused, texts

__all__ = ["Cut", "Head", "Piece", "PieceSink", "cut", "cut_by_offsets", "recut"]

# Encodings in which the bytes of ASCII mean ASCII wherever they stand.
_READ_BYTES = 1 << 20
_BY_OFFSETS = re.compile(r"utf-8|ascii|iso8859-\d+|cp125\d|cp437|cp850|koi8-[ru]|mac-roman")


@dataclass(frozen=True, slots=True)
class Cut:
    """A text in ranges; every byte from ``head.start`` on is in exactly one of them."""

    head: Head
    pieces: tuple[Piece, ...]


class PieceSink(Protocol):
    """Where the bytes of one range are written."""

    def write(self, data: bytes, /) -> object:
        """Take some more."""
        ...

    def close(self) -> None:
        """The range is whole."""
        ...

    def abort(self) -> None:
        """The range will never be whole."""
        ...


def cut_by_offsets(*, compressed: bool, encoding: str) -> bool:
    """Whether ranges of the file as it lies can be read; if not, ``recut`` it."""
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        raise FileRefused.of("encoding", f"{encoding} is no encoding that we know") from None
    return not compressed and _BY_OFFSETS.fullmatch(name) is not None


def cut(chunks: Iterable[bytes], *, layout: Layout, encoding: str, target_bytes: int) -> Cut:
    """Find the ranges of a file that can be cut by offsets.

    A range is at most one record longer than ``target_bytes``. What the file holds is not judged:
    that it is text in this encoding is found by whoever reads the ranges.

    Args:
        chunks: the file's bytes, in order.
        layout: how it is written.
        encoding: one with which ``cut_by_offsets`` is true.
        target_bytes: how long a range should be.

    Raises:
        FileRefused: empty, without a record, or with a header that cannot be read.
    """
    cutter = Cutter(
        style=layout.style,
        delimiter=layout.delimiter,
        header=layout.header and layout.format == "csv",
        encoding=encoding,
        target_bytes=target_bytes,
    )
    pieces = [piece for chunk in chunks for piece in cutter.feed(chunk)]
    pieces += cutter.finish()
    return Cut(cutter.head, tuple(pieces))


def recut(
    chunks: Iterable[bytes],
    *,
    layout: Layout,
    compressed: bool,
    encoding: str,
    target_bytes: int,
    most_bytes: int,
    open_piece: Callable[[int], PieceSink],
) -> Cut:
    """Write the ranges of a file that cannot be cut as it lies, as plain UTF-8.

    Args:
        chunks: the file's bytes, in order.
        layout: how it is written.
        compressed: whether it is gzip.
        encoding: a codec name.
        target_bytes: how long a range should be.
        most_bytes: the largest text that is taken, against gzip bombs.
        open_piece: gives what takes the bytes of the range with this number.

    Returns:
        The ranges as they lie in the plain text; what was written of each is all of it.

    Raises:
        FileRefused: as ``cut``, and for what ``unpack`` refuses.
    """
    cutter = Cutter(
        style=layout.style,
        delimiter=layout.delimiter,
        header=layout.header and layout.format == "csv",
        encoding="utf-8",
        target_bytes=target_bytes,
        marked=False,
    )
    writer = _Writer(cutter, open_piece)
    plain = texts(
        io.BufferedReader(StreamedFile(chunks), buffer_size=_READ_BYTES),
        compressed=compressed,
        encoding=encoding,
        most_bytes=most_bytes,
    )
    try:
        for text in plain:
            data = text.encode()
            writer.hold(data)
            writer.write(cutter.feed(data))
        writer.write(cutter.finish())
    except BaseException:
        writer.abort()
        raise
    return Cut(cutter.head, tuple(writer.pieces))


class _Writer:
    """Bytes on their way to the ranges that they belong to, held until it is known which."""

    def __init__(self, cutter: Cutter, open_piece: Callable[[int], PieceSink]) -> None:
        self.pieces: list[Piece] = []
        self._cutter = cutter
        self._open_piece = open_piece
        self._held = bytearray()
        self._offset = 0  # of the first byte that is held
        self._sink: PieceSink | None = None

    def hold(self, data: bytes) -> None:
        self._held += data

    def write(self, ended: Sequence[Piece]) -> None:
        for piece in ended:
            self._pass_on(piece.start, piece.end)
            if self._sink is not None:
                self._sink.close()
                self._sink = None
            self.pieces.append(piece)
        if self._cutter.begun is not None:
            self._pass_on(self._cutter.begun, self._cutter.settled)

    def abort(self) -> None:
        if self._sink is not None:
            self._sink.abort()

    def _pass_on(self, start: int, end: int) -> None:
        """Write what of a range has not been written yet, and let go of it."""
        start = max(start, self._offset)
        if end <= start:
            return
        if self._sink is None:
            self._sink = self._open_piece(len(self.pieces) + 1)
        self._sink.write(bytes(self._held[start - self._offset : end - self._offset]))
        del self._held[: end - self._offset]
        self._offset = end
