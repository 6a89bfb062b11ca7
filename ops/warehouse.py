"""Our selects in the dialects of warehouses, written by sqlglot."""

from __future__ import annotations

from typing import Final, Literal

import sqlglot

Dialect = Literal["duckdb", "spark", "athena"]
DIALECTS: Final[tuple[Dialect, ...]] = ("duckdb", "spark", "athena")


def in_dialect(select: str, dialect: Dialect) -> str:
    """Translate a select that is written for DuckDB; for DuckDB it stays as it is.

    Raises sqlglot.errors.SqlglotError where the select cannot be read, or cannot be said.
    """
    if dialect == "duckdb":
        return select
    (translated,) = sqlglot.transpile(
        select,
        read="duckdb",
        write=dialect,
        pretty=True,
        unsupported_level=sqlglot.ErrorLevel.RAISE,
    )
    return translated
