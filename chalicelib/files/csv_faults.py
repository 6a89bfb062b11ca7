"""What DuckDB could not type of a CSV that it read as it lies."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from chalicelib.files.feature_source import FeatureSource
from chalicelib.files.feature_sql import COLUMNS
from chalicelib.files.layout import Layout
from chalicelib.files.numbering import wrong_width
from chalicelib.files.rejects import Reject

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# DuckDB keeps each in memory; a text with more of them is cut.
MOST_FAULTS = 10_000
_WIDTH_FAULTS = ("TOO MANY COLUMNS", "MISSING COLUMNS")


class NotAsItLooked(Exception):
    """Reading the text as it lies would not give what cutting it gives."""


def csv_faults(
    connection: DuckDBPyConnection, source: FeatureSource, layout: Layout
) -> list[Reject]:
    """The lines that left no row, by record number.

    Raises NotAsItLooked where they are too many to be kept, or cutting would say something else of
    a line: that it is none, or that it cannot be told where its values end.
    """
    expected = source.records - _rows(connection, source.relation)
    if not expected:
        return []
    if expected > MOST_FAULTS:
        raise NotAsItLooked
    _rows(connection, source.telling)
    found = connection.execute(
        "SELECT line, error_type, column_idx, csv_line FROM reject_errors"
        # A record of a wrong width is that first; of several wrong values the first counts.
        " ORDER BY line, error_type = 'CAST', column_idx"
    ).fetchall()
    rejects: dict[int, Reject] = {}
    for line, fault, place, text in found:
        record = line - 1  # the header is a line, too
        if record not in rejects:
            rejects[record] = _reject(record, fault, place, text.strip("\r\n"), source, layout)
    if len(rejects) != expected:
        raise NotAsItLooked
    return list(rejects.values())


def _rows(connection: DuckDBPyConnection, relation: str) -> int:
    """How many rows there are. Every column is asked for: what nobody asks for is not typed."""
    counted = ", ".join(f"count({name})" for name in COLUMNS)
    # Fetched to its end: only then does DuckDB write down what it refused.
    [[rows, *_]] = connection.execute(
        f"SELECT count(*), {counted} FROM ({relation})"  # noqa: S608
    ).fetchall()
    return int(rows)


def _reject(
    record: int, fault: str, place: int | None, text: str, source: FeatureSource, layout: Layout
) -> Reject:
    if not text.strip() or fault not in ("CAST", *_WIDTH_FAULTS):
        raise NotAsItLooked
    cells = _cells(text, layout)
    problem = wrong_width(len(cells), len(source.fields))
    if problem is not None:
        return Reject(record, "", text, problem)
    if place is None or fault != "CAST":
        raise NotAsItLooked
    field = source.fields[place - 1]  # DuckDB counts from 1
    return Reject(record, field, cells[place - 1], layout.wants(field))


def _cells(text: str, layout: Layout) -> list[str]:
    """The values of a line as it was written."""
    try:
        return next(csv.reader([text], delimiter=layout.delimiter), [])
    except csv.Error:
        raise NotAsItLooked from None
