"""Parquet files for tests, written by DuckDB out of a select."""

from __future__ import annotations

import tempfile
from pathlib import Path

import duckdb


def parquet(select: str, *, options: str = "COMPRESSION zstd") -> bytes:
    """What a select gives, as the bytes of a Parquet file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.parquet"
        with duckdb.connect() as connection:
            connection.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet, {options})")
        return path.read_bytes()


def rows_of(data: bytes) -> list[tuple[object, ...]]:
    """The rows of a Parquet file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.parquet"
        path.write_bytes(data)
        with duckdb.connect() as connection:
            return connection.read_parquet(str(path)).fetchall()
