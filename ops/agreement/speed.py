"""How many rows the bare select scores in a second of CPU time, on one thread."""

from __future__ import annotations

import time

import duckdb

from chalicelib.scoring.document import ModelDocument
from chalicelib.scoring.sql import score_select

# Plausible customers; some lack a value, half of them the gap.
_CUSTOMERS = """
CREATE TABLE customers AS
SELECT i AS id,
  CASE WHEN random() < 0.02 THEN NULL ELSE floor(random() * 540) END AS recency_days,
  floor(exp(random() * 4)) AS frequency,
  CASE WHEN random() < 0.02 THEN NULL ELSE round(exp(6 + random() * 4)) END AS monetary_minor,
  floor(13 + random() * 540) AS tenure_days,
  CASE WHEN random() < 0.5 THEN NULL ELSE random() * 300 END AS mean_gap_days
FROM range(?) AS t(i)
"""


def rows_per_cpu_second(document: ModelDocument, *, rows: int, repetitions: int = 5) -> int:
    """The best of some repetitions over rows in memory; every output is computed, none is kept."""
    select = score_select(document, source="customers", keep=("id",))
    consumed = (
        "SELECT bit_xor(id), sum(strlen(segment)), sum(churn), sum(expected_orders)"  # noqa: S608
        f" FROM ({select})"
    )
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SELECT setseed(0.5)")
        connection.execute(_CUSTOMERS, [rows])
        best = min(_cpu_seconds(connection, consumed) for _ in range(repetitions))
    return round(rows / best)


def _cpu_seconds(connection: duckdb.DuckDBPyConnection, query: str) -> float:
    began = time.process_time()
    connection.execute(query).fetchall()
    return time.process_time() - began
