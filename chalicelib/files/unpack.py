"""A dropped object as plain UTF-8 text: decompressed within a bound, decoded, blank lines gone.

A file that cannot be read as a whole is refused as a whole, by a class for each cause, before any
row of it counts.
"""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

from chalicelib.core.errors import BadInput

_CHUNK_BYTES = 1 << 20
# A line longer than this is no record of ours, and would not fit into memory twice.
LONGEST_LINE_BYTES = 4 << 20


class FileRefused(BadInput):
    """The file as a whole cannot be used; the drop ends REJECTED with this as the reason."""


def unpack(source: Path, target: Path, *, compressed: bool, encoding: str, most_bytes: int) -> None:
    """Write ``source`` as plain UTF-8 lines to ``target``.

    Args:
        source: the object's bytes.
        target: where the text goes.
        compressed: whether it is gzip.
        encoding: a codec name; a byte-order mark is dropped.
        most_bytes: the largest text that is taken, against gzip bombs.

    Raises:
        FileRefused: empty, truncated, too large, or not in this encoding.
    """
    try:
        decoder = codecs.getincrementaldecoder(encoding)(errors="strict")
    except LookupError:
        raise FileRefused.of("encoding", f"{encoding} is no encoding that we know") from None
    opened = gzip.open(source, "rb") if compressed else source.open("rb")
    try:
        with opened as packed, target.open("w", encoding="utf-8", newline="") as plain:
            _copy(packed, plain, decoder, most_bytes=most_bytes)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise FileRefused.of("file", "is a damaged or truncated gzip; drop it again") from None
    except UnicodeDecodeError as error:
        raise FileRefused.of(
            "file", f"is not {encoding}: byte 0x{error.object[error.start]:02x} cannot be decoded"
        ) from None


def _copy(
    packed: BinaryIO | gzip.GzipFile,
    plain: IO[str],
    decoder: codecs.IncrementalDecoder,
    *,
    most_bytes: int,
) -> None:
    quoted, empty = False, True
    for line in _lines(packed, decoder, most_bytes=most_bytes):
        # A blank line is no record, unless it stands inside a quoted value.
        if not quoted and not line.strip("\r\ufeff \t"):
            continue
        if "\0" in line:
            raise FileRefused.of("file", "holds NUL characters; it is no text file")
        text = line.removeprefix("\ufeff") if empty else line
        empty = False
        quoted ^= text.count('"') % 2 == 1
        plain.write((text if quoted else text.removesuffix("\r")) + "\n")
    if empty:
        raise FileRefused.of("file", "is empty")


def _lines(
    packed: BinaryIO | gzip.GzipFile, decoder: codecs.IncrementalDecoder, *, most_bytes: int
) -> Iterator[str]:
    """Lines without their line feed; never more than a chunk and a line in memory."""
    taken, rest = 0, ""
    while data := packed.read(_CHUNK_BYTES):
        taken += len(data)
        if taken > most_bytes:
            raise FileRefused.of("file", f"is larger than {most_bytes} bytes when unpacked")
        *lines, rest = (rest + decoder.decode(data)).split("\n")
        if len(rest) > LONGEST_LINE_BYTES:
            raise FileRefused.of("file", f"has a line of more than {LONGEST_LINE_BYTES} bytes")
        yield from lines
    yield rest + decoder.decode(b"", final=True)
