"""Rows that lie typed in DuckDB, whatever they were read from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.files.database import literal, stream, translated

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class TypedRows(ABC):
    """A table ``rows`` of records: their numbers, and their values in columns c0, c1, ….

    Attributes:
        fields: the names of the columns.
        spoilt: of rejected records that still say who they are, the identity and the record.
    """

    fields: Sequence[str]
    spoilt: dict[str, int]
    _connection: DuckDBPyConnection

    @abstractmethod
    def contested(self, identity: str, owner: str) -> frozenset[str]:
        """Values of ``identity`` that stand with more than one value of ``owner``."""

    def ordered_by(self, *fields: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """Record number and values, ordered by these fields and then as in the file."""
        order = ", ".join([*(self.column(field) for field in fields), "record"])
        query = f"SELECT * FROM rows ORDER BY {order}"  # noqa: S608  (names are ours)
        with translated():
            for record, *values in stream(self._connection, query):
                yield record, dict(zip(self.fields, values, strict=True))

    def column(self, field: str) -> str:
        """DuckDB's name for a field: names in a file may differ by case alone, or hold anything."""
        return f"c{self.fields.index(field)}"

    def copy_to(self, path: Path, select: str) -> None:
        """Write what a query finds as Parquet."""
        with translated():
            self._connection.execute(
                f"COPY ({select}) TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd)"
            )

    def query(self, select: str) -> Iterator[tuple[Any, ...]]:
        """What a query finds, a few rows at a time; names are the caller's care."""
        with translated():
            yield from stream(self._connection, select)

    def execute(self, statement: str, parameters: Any = None) -> None:
        """Prepare tables for a later query; names are the caller's care."""
        with translated():
            self._connection.execute(statement, parameters)
