"""A features file made ready to be read: as it lies, or cut into numbered records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.core.errors import BadInput
from chalicelib.files.csv_rows import check_fields
from chalicelib.files.feature_sql import (
    has_field,
    numbered_csv,
    numbered_lines,
    parsed_lines,
    plain_lines,
    typed_csv,
    typed_json,
    typed_parquet,
)
from chalicelib.files.layout import Layout
from chalicelib.files.numbering import header_of, number_records
from chalicelib.files.parquet_file import parquet_columns, parquet_records
from chalicelib.files.rejects import RejectSpool
from chalicelib.files.survey import survey
from chalicelib.files.unpack import FileRefused

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class FeatureSource:
    """A file that is ready to be read.

    Attributes:
        relation: a select of ``feature_sql``.
        records: how many there are, good and bad, as nobody but the file itself says.
        numbered: whether the relation has the column ``record``; else its rows are the records in
            order, those aside that leave no row.
        refused: how many records could not be cut out, and are in the spool already.
        telling: of a CSV that is read as it lies, the select that tells of lines without a row.
        fields: of such a CSV, its columns in order.
        ascii_only: whether no id can hold anything beyond ASCII.
        lines: of JSON Lines, what stands behind FROM for them.
        faultless: whether this way of reading serves only a file without any fault.
    """

    relation: str
    records: int
    numbered: bool = True
    refused: int = 0
    telling: str = ""
    fields: Sequence[str] = ()
    ascii_only: bool = False
    lines: str = ""
    faultless: bool = False

    def __post_init__(self) -> None:
        """Refuse a file in which nothing is; raises FileRefused."""
        if self.records <= 0:
            raise FileRefused.of("file", "holds no records")


def plain_sources(path: Path, layout: Layout) -> Iterator[FeatureSource]:
    """The text as it lies, the fastest way to read it first; none when it has to be cut.

    Raises FileRefused, for its header too.
    """
    plain = survey(path, quoted=layout.style == "quoted")
    if plain is None:
        return
    if layout.format == "jsonl":
        lines = plain_lines(path, layout, plain)
        if not plain.says_true:
            relation = typed_json(path, layout)
            yield FeatureSource(relation, plain.lines, numbered=False, lines=lines, faultless=True)
        relation = parsed_lines(lines, layout, numbered=False)
        yield FeatureSource(relation, plain.lines, numbered=False, lines=lines)
        return
    fields = _fields(header_of(path, delimiter=layout.delimiter), layout)
    yield FeatureSource(
        typed_csv(path, layout, fields, plain),
        telling=typed_csv(path, layout, fields, plain, telling=True),
        records=plain.lines - 1,
        numbered=False,
        fields=fields,
        ascii_only=plain.ascii_only,
    )


def cut_source(path: Path, layout: Layout, *, workdir: Path, rejects: RejectSpool) -> FeatureSource:
    """Any text, cut into records with their numbers before them; raises FileRefused."""
    numbered_path = workdir / "numbered"
    numbered = number_records(
        path,
        numbered_path,
        style=layout.style,
        delimiter=layout.separator,
        header=layout.format == "csv",
        refuse=rejects.add,
        uneven=lambda reject, *_: rejects.add(reject),
    )
    if layout.format == "jsonl":
        lines = numbered_lines(numbered_path, layout)
        relation = parsed_lines(lines, layout, numbered=True)
        return FeatureSource(relation, numbered.records, refused=numbered.refused, lines=lines)
    relation = numbered_csv(numbered_path, layout, _fields(numbered.header, layout))
    return FeatureSource(relation, numbered.records, refused=numbered.refused)


def parquet_source(connection: DuckDBPyConnection, path: Path, layout: Layout) -> FeatureSource:
    """A Parquet file; raises FileRefused for a column that is missing or cannot mean ours."""
    columns = {column.field: column for column in parquet_columns(connection, path, layout)}
    return FeatureSource(typed_parquet(path, layout, columns), parquet_records(connection, path))


def check_fields_of(connection: DuckDBPyConnection, source: FeatureSource, layout: Layout) -> None:
    """Refuse JSON Lines of which no object has a field that is needed; raises FileRefused.

    What no object has is to JSON Lines what a missing column is to CSV. Null is a value, and one
    object with a field is enough: the search ends there.
    """
    for [name] in layout.required if source.lines else ():
        found = connection.execute(has_field(source.lines, name)).fetchone()
        if found != (True,):
            raise unsaid_error(name)


def unsaid_error(name: str) -> BadInput:
    """That no object has a field that is needed."""
    return FileRefused.of("file", f"has no field {name}")


def _fields(header: Sequence[str] | None, layout: Layout) -> list[str]:
    fields = [layout.field_of(name) for name in header or ()]
    check_fields(fields, layout)
    return fields
