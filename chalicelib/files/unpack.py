"""A dropped object as plain UTF-8 text: decompressed within a bound, and decoded.

A file that cannot be read as a whole is refused as a whole, before any row of it counts.
"""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from chalicelib.core.errors import BadInput

_CHUNK_BYTES = 1 << 20
_BYTE_ORDER_MARK = "\ufeff"


class FileRefused(BadInput):
    """The file as a whole cannot be used; the drop ends REJECTED with this as the reason.

    The text never quotes what the file holds: it reaches logs and the API.
    """


class FileTooLarge(FileRefused):
    """The file holds more than is read in one piece; in parts it may be read."""


def unpack(source: Path, target: Path, *, compressed: bool, encoding: str, most_bytes: int) -> None:
    """Write ``source`` as plain UTF-8 to ``target``; never more than a chunk is in memory.

    Args:
        source: the object's bytes.
        target: where the text goes.
        compressed: whether it is gzip.
        encoding: a codec name; a byte-order mark is dropped.
        most_bytes: the largest text that is taken, against gzip bombs.

    Raises:
        FileRefused: empty, truncated, or not in this encoding.
        FileTooLarge: longer than ``most_bytes``.
    """
    with source.open("rb") as packed, target.open("w", encoding="utf-8", newline="") as plain:
        for text in texts(packed, compressed=compressed, encoding=encoding, most_bytes=most_bytes):
            plain.write(text)


def texts(
    packed: BinaryIO, *, compressed: bool, encoding: str, most_bytes: int, part: bool = False
) -> Iterator[str]:
    """What a file says, a piece at a time; arguments and errors as those of ``unpack``.

    With ``part`` it is a part of a file, which may be blank and begins with no byte-order mark.
    """
    try:
        decoder = codecs.getincrementaldecoder(encoding)(errors="strict")
    except LookupError:
        raise FileRefused.of("encoding", f"{encoding} is no encoding that we know") from None
    opened = gzip.GzipFile(fileobj=packed, mode="rb") if compressed else packed
    try:
        yield from _decoded(opened, decoder, most_bytes=most_bytes, part=part)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise FileRefused.of("file", "is a damaged or truncated gzip; drop it again") from None
    except UnicodeError as error:
        found = (
            f": byte 0x{error.object[error.start]:02x} cannot be decoded"
            if isinstance(error, UnicodeDecodeError)
            else ""
        )
        raise FileRefused.of("file", f"is not {encoding}{found}") from None


def _decoded(
    packed: BinaryIO | gzip.GzipFile,
    decoder: codecs.IncrementalDecoder,
    *,
    most_bytes: int,
    part: bool,
) -> Iterator[str]:
    taken, begun, blank = 0, part, not part
    while True:
        data = packed.read(_CHUNK_BYTES)
        taken += len(data)
        if taken > most_bytes:
            raise FileTooLarge.of("file", f"is larger than {most_bytes} bytes when unpacked")
        text = decoder.decode(data, final=not data)
        if text and not begun:
            begun, text = True, text.removeprefix(_BYTE_ORDER_MARK)
        if "\0" in text:
            raise FileRefused.of("file", "holds NUL characters; it is no text in this encoding")
        blank = blank and not text.strip()
        yield text
        if not data:
            break
    if blank:
        raise FileRefused.of("file", "is empty")
