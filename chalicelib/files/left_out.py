"""Records of a features file that were not scored although they could be read, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from chalicelib.files.csv_faults import NotAsItLooked
from chalicelib.files.database import stream
from chalicelib.files.feature_source import FeatureSource
from chalicelib.files.feature_sql import COLUMNS, CONSENT
from chalicelib.files.ids_sql import id_problem
from chalicelib.files.layout import Layout
from chalicelib.files.rejects import LONGEST_VALUE, Reject, RejectSpool

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NO_CONSENT = "no_consent_to_profiling"


def left_out(
    connection: DuckDBPyConnection,
    source: FeatureSource,
    layout: Layout,
    faults: Sequence[Reject],
    rejects: RejectSpool,
    *,
    missing: int,
) -> Counter[str]:
    """Refuse what is wrong and count what may not be scored, in a second look over the file.

    Args:
        connection: has read the file once.
        source: the file.
        layout: its columns.
        faults: lines that left no row.
        rejects: is told of each record that is not taken.
        missing: how many records have to be found.

    Raises NotAsItLooked when others are found, for a file that was read as it lies.
    """
    unscored: Counter[str] = Counter()
    found = 0
    for record, fault, said, problem, customer_id in _rows(connection, source, faults):
        found += 1
        if source.faultless and (fault is not None or problem is not None):
            raise NotAsItLooked
        if fault == "":
            blank = not (said or "").strip()
            if blank and not source.numbered:
                raise NotAsItLooked  # a line of blanks is no record
            rejects.add(Reject(record, "", said or "", "is not a JSON object"))
        elif fault is not None:
            rejects.add(Reject(record, fault, said or "", layout.wants(fault)))
        elif problem is not None:
            rejects.add(Reject(record, "customer_id", customer_id or "", problem))
        else:
            unscored[NO_CONSENT] += 1
    if found != missing:
        _make_good(connection, source, rejects, found=found, missing=missing)
    return unscored


def _rows(
    connection: DuckDBPyConnection, source: FeatureSource, faults: Sequence[Reject]
) -> Iterator[tuple[Any, ...]]:
    """Record number, fault, what was said, what is wrong with the id, and the id."""
    problem = id_problem("customer_id", ascii_only=source.ascii_only)
    numbered = source.relation
    if not source.numbered:
        numbered = f"SELECT row_number() OVER () AS record, * FROM ({numbered})"  # noqa: S608
    # Every column is asked for: a value that nobody asks for is not typed, and its line not left
    # out, so that the rows would be others than those of the first look.
    rows = stream(
        connection,
        f"SELECT record, fault, said, problem, left(customer_id, {LONGEST_VALUE}),"  # noqa: S608
        f" {', '.join(COLUMNS)} FROM (SELECT *, {problem} AS problem"
        f" FROM ({numbered}))"
        f" WHERE fault IS NOT NULL OR problem IS NOT NULL OR {CONSENT} IS FALSE",
    )
    told = (row[:5] for row in rows)
    return told if source.numbered else _renumbered(told, [each.record for each in faults])


def _renumbered(rows: Iterable[tuple[Any, ...]], gone: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    """Rows with the number of their record in place of their own, given the records without."""
    before = 0
    for nth, *told in rows:
        while before < len(gone) and gone[before] <= nth + before:
            before += 1
        yield nth + before, *told


def _make_good(
    connection: DuckDBPyConnection,
    source: FeatureSource,
    rejects: RejectSpool,
    *,
    found: int,
    missing: int,
) -> None:
    """Refuse what neither came out as a row nor was refused, should DuckDB ever do that."""
    if not source.numbered:
        raise NotAsItLooked
    known = {reject.record for reject in rejects}
    query = (
        "SELECT number FROM range(1, $last + 1) AS every(number)"  # noqa: S608
        f" ANTI JOIN ({source.relation}) AS read ON number = read.record ORDER BY number"
    )
    for (number,) in stream(connection, query, {"last": source.records}):
        if number not in known:
            rejects.add(Reject(number, "", "", "cannot be told from those around it"))
