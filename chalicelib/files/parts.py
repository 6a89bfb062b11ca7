"""One range of a divided file, read as the file itself would be."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from chalicelib.files import numbering
from chalicelib.files.cutting import Head
from chalicelib.files.layout import Layout
from chalicelib.files.reader import Rows
from chalicelib.files.streamed import StreamedFile
from chalicelib.files.unpack import texts

_CHUNK_BYTES = 1 << 20


def read_part(
    chunks: Iterable[bytes],
    head: Head,
    *,
    layout: Layout,
    most_bytes: int,
    workdir: Path,
    memory_mb: int,
) -> Rows:
    """Read one range of a text; its records are numbered from 1, and a blank one has none.

    Its ``census`` goes into that of the file (``census.joined``); until then nobody knows whether
    the file is refused for what all its parts lack. Of a line without end only the beginning goes
    to disk.

    Args:
        chunks: the range's bytes.
        head: what ``cut`` or ``recut`` found out.
        layout: how the file is written.
        most_bytes: the longest range that is taken, header included.
        workdir: a folder of its own.
        memory_mb: what DuckDB may hold before it spills to disk.

    Raises:
        FileRefused: the whole file is to be refused.
    """
    plain = plain_part(chunks, head, most_bytes=most_bytes, workdir=workdir)
    rows = Rows(plain, layout, workdir=workdir, memory_mb=memory_mb, part_width=head.width)
    plain.unlink()
    return rows


def plain_part(chunks: Iterable[bytes], head: Head, *, most_bytes: int, workdir: Path) -> Path:
    """One range on disk as a text of its own, header and all.

    Arguments and errors as those of ``read_part``.
    """
    plain = workdir / "plain"
    packed = io.BufferedReader(StreamedFile(chain([head.header], chunks)), _CHUNK_BYTES)
    with plain.open("w", encoding="utf-8", newline="") as file:
        for text in _trimmed(
            texts(
                packed, compressed=False, encoding=head.encoding, most_bytes=most_bytes, part=True
            )
        ):
            file.write(text)
    return plain


def _trimmed(found: Iterable[str]) -> Iterator[str]:
    """A text without most of what makes a line too long for a record, and so no less too long."""
    passed = 0  # characters of the line at hand
    for text in found:
        last = max(text.rfind("\n"), text.rfind("\r"))
        if last >= 0 or passed <= numbering.LONGEST_RECORD:
            yield text
        passed = passed + len(text) if last < 0 else len(text) - last - 1
