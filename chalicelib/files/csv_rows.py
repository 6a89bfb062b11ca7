"""CSV into typed columns: read as texts, then cast value by value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.files.database import literal, stream
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
    fields = fields_of(numbered.header, numbered.width, layout)
    check_fields(fields, layout)
    casts = ", ".join(f"{_cast(at, field, layout)} AS c{at}" for at, field in enumerate(fields))
    faults = "".join(
        f" WHEN t{at} IS NOT NULL AND c{at} IS NULL THEN {at}"
        for at, field in enumerate(fields)
        if layout.sql_type(field) != "VARCHAR"
    )
    said = " ".join(f"WHEN {at} THEN t{at}" for at in range(len(fields)))
    owner = f"t{fields.index(layout.identity)}" if layout.identity in fields else "NULL"
    # Read as texts and then cast: of what its reader cannot type DuckDB keeps more than a kilobyte
    # a line in memory, whatever its limit, and a file may hold nothing else.
    texts = ", ".join(f"'t{at}': 'VARCHAR'" for at in range(len(fields)))
    connection.execute(
        f"CREATE TABLE judged AS SELECT record, {_listed(len(fields))}, fault,"  # noqa: S608
        f" CASE fault {said} END AS said, CASE WHEN fault IS NOT NULL THEN {owner} END AS owner"
        f" FROM (SELECT *, CASE{faults or ' WHEN false THEN 0'} END AS fault"
        f" FROM (SELECT *, {casts} FROM read_csv($path, auto_detect=false, header=false,"
        " delim=$delim, quote=$quote, escape=$quote, new_line='\\n', parallel=false,"
        f" ignore_errors=true, max_line_size={LONGEST_LINE_BYTES}, buffer_size={BUFFER_BYTES},"
        f" columns={{'record': 'BIGINT', {texts}}})))",
        {
            "path": str(path),
            "delim": layout.separator,
            "quote": '"' if layout.style == "quoted" else "",
        },
    )
    part_judged(connection, len(fields))
    for record, at, value, identity in stream(
        connection, "SELECT record, fault, said, owner FROM refused ORDER BY record"
    ):
        told = {} if layout.identity is None else {layout.identity: identity}
        refuse(Reject(record, fields[at], value, layout.wants(fields[at])), told)
    return fields


def part_judged(connection: DuckDBPyConnection, width: int) -> None:
    """Show what fits of the table ``judged`` as ``rows``, and the rest as ``refused``."""
    connection.execute(
        f"CREATE VIEW rows AS SELECT record, {_listed(width)} FROM judged WHERE fault IS NULL;"  # noqa: S608
        " CREATE VIEW refused AS SELECT record, fault, said, owner FROM judged"
        " WHERE fault IS NOT NULL"
    )


def fields_of(header: Sequence[str] | None, width: int, layout: Layout) -> list[str]:
    """Our names of the columns; without a header they are known by position."""
    found: Sequence[str | int] = range(1, width + 1) if header is None else header
    return [layout.field_of(name) for name in found]


def _listed(width: int) -> str:
    return ", ".join(f"c{at}" for at in range(width))


def _cast(at: int, field: str, layout: Layout) -> str:
    """A text as its type, NULL where it does not fit; of two decimal separators one is wrong."""
    sql_type = layout.sql_type(field)
    if sql_type == "VARCHAR":
        return f"t{at}"
    if layout.decimal == "." or not sql_type.startswith("DECIMAL"):
        return f"TRY_CAST(t{at} AS {sql_type})"
    return (
        f"CASE WHEN NOT contains(t{at}, '.')"
        f" THEN TRY_CAST(replace(t{at}, {literal(layout.decimal)}, '.') AS {sql_type}) END"
    )


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
