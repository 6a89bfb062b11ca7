"""A Parquet file: whether it is one, how much is in it, and what its columns can mean.

All of it is asked of the footer, before a value is read: a few bytes can stand for a billion rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.files.csv_rows import check_fields
from chalicelib.files.database import connect, literal
from chalicelib.files.layout import MOST_COLUMNS, ColumnType, Layout
from chalicelib.files.unpack import FileRefused, FileTooLarge

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_MAGIC, _ENCRYPTED = b"PAR1", b"PARE"
# Magic, footer length and magic; what stands between them is the footer.
_LEAST_BYTES = 12
# Of 500 columns in a thousand row groups; it is read into memory as a whole.
_MOST_FOOTER_BYTES = 64 << 20

_WHOLE = frozenset({
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT",
    "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
})  # fmt: skip
_NUMBERS = _WHOLE | {"DECIMAL", "FLOAT", "DOUBLE", "VARCHAR", "ENUM"}
_MOMENTS = frozenset({
    "DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE",
})  # fmt: skip
_CAN_MEAN: Mapping[ColumnType, frozenset[str]] = {
    # A fraction is no id: 17.0 was 17 before somebody lost its type.
    "text": _WHOLE | {"VARCHAR", "ENUM", "UUID"},
    "moment": _MOMENTS | {"VARCHAR"},
    "flag": frozenset({"BOOLEAN", "VARCHAR"}),
    "amount": _NUMBERS,
    "spelt": _NUMBERS,
    "whole": _NUMBERS,
    "number": _NUMBERS,
}
_TEXTS = frozenset({"VARCHAR", "ENUM"})
_SCALARS = _NUMBERS | _MOMENTS | {"BOOLEAN", "UUID", "TIME"}


@dataclass(frozen=True, slots=True)
class ParquetColumn:
    """One column.

    Attributes:
        field: our name for it.
        name: DuckDB's name for it; names in a file may differ by case alone.
        kind: its type in DuckDB without what stands in parentheses.
    """

    field: str
    name: str
    kind: str

    @property
    def quoted(self) -> str:
        """The column as SQL writes it."""
        return '"' + self.name.replace('"', '""') + '"'

    @property
    def is_moment(self) -> bool:
        """Whether its values are dates or moments, not texts that spell one."""
        return self.kind in _MOMENTS


def check_parquet(
    path: Path, layout: Layout, *, unfold: bool, workdir: Path, most_bytes: int, memory_mb: int
) -> None:
    """Refuse what is no whole Parquet file, or unfolds to more than is taken.

    Raises FileRefused, and FileTooLarge where it is only too much at once.

    Args:
        path: the object's bytes.
        layout: which columns it must have.
        unfold: whether its values are to be written down row by row, so that a text which stands
            there once for a million rows counts a million times.
        workdir: a directory for the database that looks into it.
        most_bytes: the largest size of all values, uncompressed; and since a text has a byte at
            least for each value, the largest number of values.
        memory_mb: what the database may hold.
    """
    _check_ends(path)
    workdir.mkdir()
    # As a literal: to bind a value, DuckDB loads pandas where that is installed.
    named = literal(str(path))
    with connect(workdir, memory_mb=memory_mb, also=[path]) as connection, parquet_translated():
        unpacked, rows, width = connection.execute(
            "SELECT coalesce(sum(greatest(total_uncompressed_size, 0)), 0),"  # noqa: S608
            f" (SELECT coalesce(max(num_rows), 0) FROM parquet_file_metadata({named})),"
            f" count(DISTINCT column_id) FROM parquet_metadata({named})"
        ).fetchone() or (0, 0, 0)
        if unpacked > most_bytes:
            raise FileTooLarge.of("file", f"is larger than {most_bytes} bytes when unpacked")
        if rows * max(1, width) > most_bytes:
            raise FileTooLarge.of("file", f"holds more than {most_bytes} values")
        columns = parquet_columns(connection, path, layout)
        if unfold and _text_bytes(connection, path, columns) > most_bytes:
            raise FileTooLarge.of("file", f"is larger than {most_bytes} bytes when unpacked")


def _text_bytes(
    connection: DuckDBPyConnection, path: Path, columns: Sequence[ParquetColumn]
) -> int:
    lengths = [
        f"coalesce(sum(strlen(CAST({column.quoted} AS VARCHAR))), 0)"
        for column in columns
        if column.kind in _TEXTS or column.kind not in _SCALARS
    ]
    query = f"SELECT {' + '.join(lengths) or 0} FROM read_parquet({literal(str(path))})"  # noqa: S608
    [told] = connection.execute(query).fetchone() or (0,)
    return int(told)


def _check_ends(path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        begins = file.read(4)
        file.seek(max(0, size - 8))
        ends = file.read(8)
    if not size:
        raise FileRefused.of("file", "is empty")
    if _ENCRYPTED in (begins, ends[4:]):
        raise FileRefused.of("file", "is an encrypted Parquet file")
    if begins != _MAGIC:
        raise FileRefused.of("file", "is no Parquet file, whatever its name says")
    footer_bytes = int.from_bytes(ends[:4], "little")
    if ends[4:] != _MAGIC or size < _LEAST_BYTES or footer_bytes > size - _LEAST_BYTES:
        raise FileRefused.of("file", "is a truncated Parquet file; drop it again")
    if footer_bytes > _MOST_FOOTER_BYTES:
        raise FileRefused.of("file", "has too many columns or row groups")


@contextmanager
def parquet_translated() -> Iterator[None]:
    """Let nothing but our own errors out of the block; what Parquet did is the file's fault."""
    import duckdb  # noqa: PLC0415  (0.2 s, and only for files)

    try:
        yield
    except duckdb.OutOfMemoryException:
        raise FileRefused.of(
            "file", "needs more memory than there is; write it with smaller row groups"
        ) from None
    except duckdb.Error as error:
        # Its text quotes the file; the class says enough.
        raise FileRefused.of(
            "file", f"is a damaged Parquet file ({type(error).__name__}); drop it again"
        ) from None


def parquet_records(connection: DuckDBPyConnection, path: Path) -> int:
    """How many rows the footer says there are."""
    [count] = connection.execute(
        f"SELECT sum(num_rows) FROM parquet_file_metadata({literal(str(path))})"  # noqa: S608
    ).fetchone() or (0,)
    return int(count or 0)


def parquet_columns(
    connection: DuckDBPyConnection, path: Path, layout: Layout
) -> Sequence[ParquetColumn]:
    """The columns of a file, in order; raises FileRefused, naming one that cannot mean ours."""
    named = connection.execute(
        # Names as they stand there; DuckDB changes those that differ by case alone.
        f"SELECT name, num_children FROM parquet_schema({literal(str(path))})"  # noqa: S608
    ).fetchall()
    described = connection.execute(
        f"DESCRIBE SELECT * FROM read_parquet({literal(str(path))})"  # noqa: S608
    ).fetchall()
    if len(described) > MOST_COLUMNS:
        raise FileRefused.of("file", f"has more than {MOST_COLUMNS} columns")
    columns = [
        ParquetColumn(layout.field_of(theirs), ours, sql_type.partition("(")[0])
        for theirs, (ours, sql_type, *_) in zip(_top(named), described, strict=True)
    ]
    check_fields([column.field for column in columns], layout)
    for column in columns:
        _check_kind(column, layout)
    return columns


def _top(named: Sequence[tuple[str, int | None]]) -> Iterator[str]:
    """The names of the columns themselves, not those within them, out of a tree walked in depth."""
    left = iter(named)
    _, count = next(left)
    for _ in range(count or 0):
        name, children = next(left)
        within = children or 0
        while within:
            _, further = next(left)
            within += (further or 0) - 1
        yield name


def _check_kind(column: ParquetColumn, layout: Layout) -> None:
    known = layout.columns.get(column.field)
    if known is None:
        if layout.supplied and column.kind not in _SCALARS:
            raise FileRefused.of(
                column.field, f"is {_article(column.kind)} column, must be a single value"
            )
        return
    if column.kind not in _CAN_MEAN[known]:
        wanted = layout.wants(column.field).removeprefix("must be ")
        raise FileRefused.of(column.field, f"is {_article(column.kind)} column, must be {wanted}")


def _article(kind: str) -> str:
    name = "LIST" if kind.endswith("]") else kind
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"
