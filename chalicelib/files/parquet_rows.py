"""Parquet into typed columns: what is typed is cast, what is text is read as in a CSV."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.files.csv_rows import part_judged
from chalicelib.files.database import literal, stream
from chalicelib.files.layout import Layout
from chalicelib.files.parquet_file import ParquetColumn, parquet_columns
from chalicelib.files.rejects import LONGEST_VALUE, Reject

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Refuse = Callable[[Reject, Mapping[str, Any]], None]


def load_parquet(
    connection: DuckDBPyConnection, path: Path, *, layout: Layout, refuse: Refuse
) -> tuple[list[str], frozenset[str]]:
    """Fill the tables ``rows`` and ``refused``; returns the fields, and which hold moments.

    ``refuse`` is told of each record with a value that does not fit, and of whose it is. Raises
    FileRefused when a column is missing or of a type that cannot mean what it must.
    """
    columns = parquet_columns(connection, path, layout)
    casts = ", ".join(f"{typed(column, layout)} AS c{at}" for at, column in enumerate(columns))
    faults = "".join(
        f" WHEN {_said(column)} IS NOT NULL AND c{at} IS NULL THEN {at}"
        for at, column in enumerate(columns)
        if layout.sql_type(column.field) != "VARCHAR"
    )
    said = " ".join(
        f"WHEN {at} THEN left({column.quoted}::VARCHAR, {LONGEST_VALUE})"
        for at, column in enumerate(columns)
    )
    owner = next((c.quoted for c in columns if c.field == layout.identity), "NULL")
    judged = (
        f"SELECT *, CASE{faults or ' WHEN false THEN 0'} END AS fault"  # noqa: S608
        f" FROM (SELECT file_row_number + 1 AS record, *, {casts}"
        f" FROM read_parquet({literal(str(path))}, file_row_number=true))"
    )
    taken = ", ".join(f"c{at}" for at in range(len(columns)))
    connection.execute(
        f"CREATE TABLE judged AS SELECT record, {taken}, fault, CASE fault {said} END AS said,"  # noqa: S608
        f" CASE WHEN fault IS NOT NULL THEN {owner}::VARCHAR END AS owner FROM ({judged})"
    )
    part_judged(connection, len(columns))
    for record, fault, value, identity in stream(
        connection, "SELECT record, fault, said, owner FROM refused ORDER BY record"
    ):
        field = columns[fault].field
        told = {} if layout.identity is None else {layout.identity: identity}
        refuse(Reject(record, field, value, layout.wants(field)), told)
    moments = frozenset(column.field for column in columns if column.is_moment)
    return [column.field for column in columns], moments


def typed(column: ParquetColumn, layout: Layout) -> str:
    """A column as our type; NULL where a value does not fit."""
    name, wanted = column.quoted, layout.sql_type(column.field)
    if column.is_moment and layout.columns.get(column.field) == "moment":
        # To the microsecond, which is as far as a text that we read goes.
        moment = (
            name if column.kind in ("DATE", "TIMESTAMP WITH TIME ZONE") else f"{name}::TIMESTAMP"
        )
        return f"CAST({moment} AS VARCHAR)"
    if layout.columns.get(column.field) == "spelt" and column.kind not in ("VARCHAR", "ENUM"):
        wanted = "DECIMAL(24,8)"  # a number needs nobody to spell it
    if wanted == "VARCHAR":
        return f"CAST({name} AS VARCHAR)"
    if wanted == "DOUBLE" and column.kind != "VARCHAR":
        return f"TRY_CAST({name} AS DOUBLE)"
    # By way of its shortest text a float is what it was written as: 29.33 has no further digits.
    return f"TRY_CAST({_said(column)} AS {wanted})"


def _said(column: ParquetColumn) -> str:
    """A value as text; an empty one says nothing."""
    return f"nullif(CAST({column.quoted} AS VARCHAR), '')"
