"""CSV into typed columns; DuckDB's own table of rejects says which cell did not fit."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.files.database import stream
from chalicelib.files.layout import BUFFER_BYTES, LONGEST_LINE_BYTES, MOST_COLUMNS, Layout
from chalicelib.files.numbering import Numbered
from chalicelib.files.rejects import Reject
from chalicelib.files.unpack import FileRefused

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Refuse = Callable[[Reject, Mapping[str, Any]], None]


def load_csv(
    connection: DuckDBPyConnection,
    path: Path,
    *,
    numbered: Numbered,
    layout: Layout,
    refuse: Refuse,
) -> list[str]:
    """Fill the tables ``rows`` and ``refused`` from numbered records; returns the fields.

    ``refuse`` is told of each record that does not fit, and of what else it says. Raises
    FileRefused when the columns are not those that the layout needs.
    """
    positions = range(1, numbered.width + 1)
    found: Sequence[str | int] = positions if numbered.header is None else numbered.header
    fields = [layout.field_of(name) for name in found]
    check_fields(fields, layout)
    columns = ", ".join(
        f"'c{index}': '{layout.sql_type(field)}'" for index, field in enumerate(fields)
    )
    connection.execute(
        "CREATE TABLE rows AS SELECT * FROM read_csv($path, auto_detect=false, header=false,"  # noqa: S608
        " delim=$delim, quote=$quote, escape=$quote, new_line='\\n', parallel=false,"
        " decimal_separator=$decimal, store_rejects=true, rejects_limit=0,"
        f" max_line_size={LONGEST_LINE_BYTES}, buffer_size={BUFFER_BYTES},"
        f" columns={{'record': 'BIGINT', {columns}}})",
        {
            "path": str(path),
            "delim": layout.separator,
            "quote": '"' if layout.style == "quoted" else "",
            "decimal": layout.decimal,
        },
    )
    # The text of a rejected record begins with its number; of several faults the first counts.
    connection.execute(
        "CREATE TABLE refused AS"
        " SELECT TRY_CAST(regexp_extract(csv_line, '^\\s*([0-9]+)', 1) AS BIGINT) AS record,"
        " arg_min(error_type, coalesce(column_idx, 0)) AS fault, min(column_idx) AS place,"
        " any_value(csv_line) AS line"
        " FROM reject_errors GROUP BY record HAVING record IS NOT NULL"
    )
    for record, fault, place, line in stream(
        connection, "SELECT record, fault, place, line FROM refused ORDER BY record"
    ):
        _, _, text = line.strip("\r\n").partition(layout.separator)
        cells = cells_of(text, layout)
        at = -1 if place is None else place - 2  # DuckDB counts from 1, and the number comes first
        reject = name_fault(record, fault, at, text, cells=cells, fields=fields, layout=layout)
        refuse(reject, dict(zip(fields, cells, strict=False)))
    return fields


def check_fields(fields: Sequence[str], layout: Layout) -> None:
    """Refuse a file whose columns are not those that the layout needs; raises FileRefused."""
    if len(fields) > MOST_COLUMNS:
        raise FileRefused.of("header", f"has more than {MOST_COLUMNS} columns")
    for alternatives in layout.required:
        if not any(field in fields for field in alternatives):
            raise FileRefused.of("header", f"lacks the column {' or '.join(alternatives)}")
    # Columns without a name say nothing in a legacy export, whose mapping names what counts.
    for at, field in enumerate(fields, 1):
        if not field:
            raise FileRefused.of("header", f"leaves column {at} without a name")
        if field in fields[: at - 1] and (not layout.names or field in layout.columns):
            raise FileRefused.of("header", f"names column {at} like another one")


def name_fault(
    record: int,
    fault: str,
    at: int,
    text: str,
    *,
    cells: Sequence[str],
    fields: Sequence[str],
    layout: Layout,
) -> Reject:
    """Name the column and the value that DuckDB could not take; ``at`` counts columns from 0."""
    field = fields[at] if 0 <= at < len(fields) else ""
    match fault:
        case "CAST" if field and at < len(cells):
            return Reject(record, field, cells[at], layout.wants(field))
        case "TOO MANY COLUMNS":
            return Reject(record, "", text, f"has more than {len(fields)} columns")
        case "MISSING COLUMNS":
            return Reject(record, "", text, f"has fewer than {len(fields)} columns")
        case other:
            return Reject(record, field, text, f"cannot be read: {other.lower()}")


def cells_of(text: str, layout: Layout, *, blanks_aside: bool = True) -> list[str]:
    """The values of a record as it was written, but for blanks before a value if these go aside."""
    if layout.style == "aligned":
        return text.split("\t")
    try:
        reader = csv.reader([text], delimiter=layout.delimiter, skipinitialspace=blanks_aside)
        return next(reader, [text])
    except csv.Error:
        return [text]
