"""One range of a divided file, read as the file itself would be."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from chalicelib.files.cutting import Head
from chalicelib.files.layout import Layout
from chalicelib.files.reader import Rows
from chalicelib.files.streamed import StreamedFile
from chalicelib.files.unpack import texts

_CHUNK_BYTES = 1 << 20


def open_part(
    source: Path, head: Head, *, layout: Layout, most_bytes: int, workdir: Path, memory_mb: int
) -> Rows:
    """Read one range of a text; its records are numbered from 1, and a blank one has none.

    Its ``census`` goes into that of the file (``census.joined``); until then nobody knows whether
    the file is refused for what all its parts lack.

    Args:
        source: the range's bytes; deleted as soon as they are read.
        head: what ``cut`` or ``recut`` found out.
        layout: how the file is written.
        most_bytes: the longest range that is taken.
        workdir: a folder of its own.
        memory_mb: what DuckDB may hold before it spills to disk.

    Raises:
        FileRefused: the whole file is to be refused.
    """
    plain = workdir / "plain"
    write_plain(source, head, plain, most_bytes=most_bytes)
    rows = Rows(plain, layout, workdir=workdir, memory_mb=memory_mb, part_width=head.width)
    plain.unlink()
    return rows


def write_plain(source: Path, head: Head, target: Path, *, most_bytes: int) -> None:
    """Write one range of a text as a text of its own, header and all; ``source`` is deleted.

    Raises FileRefused when it is not in its encoding, or longer than ``most_bytes``.
    """
    with (
        io.BufferedReader(StreamedFile(_with_header(source, head)), _CHUNK_BYTES) as packed,
        target.open("w", encoding="utf-8", newline="") as file,
    ):
        for text in texts(
            packed, compressed=False, encoding=head.encoding, most_bytes=most_bytes, part=True
        ):
            file.write(text)
    source.unlink()


def _with_header(source: Path, head: Head) -> Iterator[bytes]:
    with source.open("rb") as file:
        yield from chain([head.header], iter(lambda: file.read(_CHUNK_BYTES), b""))
