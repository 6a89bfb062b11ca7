"""A big Parquet file in ranges of row groups, of which only the bytes asked for are fetched.

A worker has the footer and its own row groups at their places in a file that is empty elsewhere.
DuckDB reads no other row group where the row number alone rules it out; should it ever try, it
meets zeros, which are no page, and the part fails instead of lying.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from chalicelib.files.database import connect, literal, translated
from chalicelib.files.parquet_file import parquet_translated
from chalicelib.files.unpack import FileRefused

Fetch = Callable[[int, int], Iterable[bytes]]
"""Gives the bytes of the file from one place up to, but not including, another."""

_MAGIC = b"PAR1"
_ENDING_BYTES = 8  # the length of the footer, and the magic
_LARGEST_FOOTER_BYTES = 64 << 20
# Where in a file the values of a column of a row group begin.
_START = (
    "CASE WHEN dictionary_page_offset > 0 THEN least(dictionary_page_offset, data_page_offset)"
    " ELSE data_page_offset END"
)


@dataclass(frozen=True, slots=True)
class RowRange:
    """Consecutive row groups.

    Attributes:
        number: counted from 1.
        first: its first row, counted from 0; the number of a record in the file is this and its
            place in the range, counted from 1.
        rows: how many it has.
        start: the first byte of its row groups.
        end: the byte behind their last.
    """

    number: int
    first: int
    rows: int
    start: int
    end: int


def fetch_footer(path: Path, *, size: int, fetch: Fetch) -> None:
    """Lay a file of the original's size with nothing but its footer; raises FileRefused."""
    ending = b"".join(fetch(max(0, size - _ENDING_BYTES), size))
    footer_bytes = int.from_bytes(ending[:4], "little") + _ENDING_BYTES
    if len(ending) < _ENDING_BYTES or ending[4:] != _MAGIC or footer_bytes + len(_MAGIC) > size:
        raise FileRefused.of("file", "is no Parquet, damaged or encrypted")
    if footer_bytes > _LARGEST_FOOTER_BYTES:
        raise FileRefused.of("file", f"has a footer of more than {_LARGEST_FOOTER_BYTES} bytes")
    with path.open("wb") as file:
        file.truncate(size)
        file.write(_MAGIC)
        _lay(file, size - footer_bytes, size, fetch)


def plan_row_groups(
    path: Path, *, target_bytes: int, workdir: Path, memory_mb: int
) -> tuple[RowRange, ...]:
    """Bring row groups together until they are about so long.

    Args:
        path: the file, or what ``fetch_footer`` laid.
        target_bytes: a range that has reached so many bytes takes no further row group.
        workdir: a folder of its own, in which the file lies.
        memory_mb: what DuckDB may hold.

    Raises:
        FileRefused: no Parquet, without rows, or its footer contradicts itself.
    """
    size = path.stat().st_size
    ranges: list[RowRange] = []
    first = 0
    for rows, start, end in _row_groups(path, workdir, memory_mb):
        if not rows:
            continue
        if not 0 < start < end <= size or rows < 0:
            raise FileRefused.of("file", "has a footer that contradicts itself")
        last = ranges[-1] if ranges else None
        if last is not None and last.end - last.start < target_bytes and start >= last.end:
            ranges[-1] = RowRange(last.number, last.first, last.rows + rows, last.start, end)
        else:
            ranges.append(RowRange(len(ranges) + 1, first, rows, start, end))
        first += rows
    if not ranges:
        raise FileRefused.of("file", "holds no records")
    return tuple(ranges)


def check_rows(
    path: Path, part: RowRange, *, most_bytes: int, workdir: Path, memory_mb: int
) -> None:
    """Refuse a range that says itself that it comes to too much, before any of it is read.

    Args:
        path: what ``fetch_footer`` laid.
        part: the range.
        most_bytes: the largest size of all its values, uncompressed, and the largest number of
            them: a few bytes can stand for a billion.
        workdir: a folder of its own.
        memory_mb: what DuckDB may hold.

    Raises:
        FileRefused: it is larger, or the footer cannot be read.
    """
    with connect(workdir, memory_mb=memory_mb, also=[path]) as connection, parquet_translated():
        unpacked, values = connection.execute(
            "SELECT coalesce(sum(greatest(total_uncompressed_size, 0)), 0),"  # noqa: S608
            " coalesce(sum(greatest(num_values, row_group_num_rows)), 0)"
            f" FROM parquet_metadata({literal(str(path))})"
            f" WHERE {_START} >= {part.start} AND {_START} < {part.end}"
        ).fetchone() or (0, 0)
    for found, unit in ((unpacked, "bytes"), (values, "values")):
        if found > most_bytes:
            raise FileRefused.of(
                "file",
                f"holds more than {most_bytes} {unit} in a part; write it with smaller row groups",
            )


def fetch_rows(path: Path, part: RowRange, *, fetch: Fetch) -> None:
    """Fill in the row groups of a range, where ``fetch_footer`` laid the file."""
    with path.open("r+b") as file:
        _lay(file, part.start, part.end, fetch)


def copy_rows(path: Path, part: RowRange, target: Path, *, workdir: Path, memory_mb: int) -> None:
    """Write the rows of a range as a Parquet file of their own, in their order.

    Raises FileRefused when they cannot be read, or are not as many as the footer says.
    """
    with connect(workdir, memory_mb=memory_mb) as connection, translated():
        (rows,) = connection.execute(
            "COPY (SELECT * EXCLUDE (file_row_number)"  # noqa: S608
            f" FROM read_parquet({literal(str(path))}, file_row_number=true)"
            f" WHERE file_row_number BETWEEN {part.first} AND {part.first + part.rows - 1})"
            f" TO {literal(str(target))} (FORMAT parquet, COMPRESSION zstd)"
        ).fetchone() or (0,)
    if rows != part.rows:
        raise FileRefused.of("file", "has a footer that contradicts itself")


def _row_groups(path: Path, workdir: Path, memory_mb: int) -> Sequence[tuple[int, int, int]]:
    """Of each row group how many rows it has, and between which bytes it lies."""
    with connect(workdir, memory_mb=memory_mb) as connection, parquet_translated():
        return connection.execute(
            "WITH chunks AS (SELECT row_group_id, row_group_num_rows,"  # noqa: S608
            " total_compressed_size,"
            f" {_START} AS start"
            f" FROM parquet_metadata({literal(str(path))}))"
            " SELECT any_value(row_group_num_rows), min(start), max(start + total_compressed_size)"
            " FROM chunks GROUP BY row_group_id ORDER BY row_group_id"
        ).fetchall()


def _lay(file: IO[bytes], start: int, end: int, fetch: Fetch) -> None:
    file.seek(start)
    for chunk in fetch(start, end):
        file.write(chunk)
    if file.tell() != end:
        raise FileRefused.of("file", "is shorter than it was")
