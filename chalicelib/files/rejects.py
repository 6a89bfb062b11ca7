"""Records that were not taken, kept on disk until the file is done: there may be millions."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from chalicelib.core.errors import BadInput

# Enough to recognise a value by; a record that lost its quotes may be a megabyte.
LONGEST_VALUE = 500
MOST_IN_MEMORY = 50_000
_FETCH_ROWS = 2_000
# DuckDB reads the rejects back, and knows one line end and no NUL.
_TAMED = str.maketrans({"\r": "\n", "\0": "\u2400"})


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that was not taken: which, where, what stood there, and why not."""

    record: int
    column: str
    value: str
    reason: str


def reject_of(record: int, error: BadInput, row: Mapping[str, Any]) -> Reject:
    """The first field that is wrong with a record, and what stood there."""
    first = error.errors[0]
    value = row.get(first.field)
    return Reject(record, first.field, shown(value), first.problem)


def shown(value: object) -> str:
    """A value as a person wrote it, or nearly so."""
    match value:
        case None:
            return ""
        case Decimal():  # DuckDB fills up with zeros
            return format(value.normalize(), "f")
        case _:
            return str(value)


class RejectSpool:
    """Rejects on their way to ``rejects.csv``; each record is refused once.

    Attributes:
        count: how many records were refused.
    """

    def __init__(self, path: Path) -> None:
        """Begin an empty spool at a path that nobody else uses."""
        self.count = 0
        self._path = path
        self._file = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n", quoting=csv.QUOTE_ALL)

    def add(self, reject: Reject) -> None:
        """Keep one."""
        value = reject.value[:LONGEST_VALUE].replace("\r\n", "\n").translate(_TAMED)
        self._writer.writerow((reject.record, reject.column, value, reject.reason))
        self.count += 1

    def refuse(self, record: int, error: BadInput, row: Mapping[str, Any]) -> None:
        """Keep a record with the first field that is wrong with it."""
        self.add(reject_of(record, error, row))

    def mark(self) -> tuple[int, int]:
        """Where the spool stands, for ``back_to``."""
        self._file.flush()
        return self.count, self._file.tell()

    def back_to(self, mark: tuple[int, int]) -> None:
        """Forget what was kept since."""
        self._file.flush()
        self.count, end = mark
        self._file.seek(end)
        self._file.truncate()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def __iter__(self) -> Iterator[Reject]:
        """Everything kept so far, by record number; sorted on disk where it is much."""
        self._file.flush()
        if self.count > MOST_IN_MEMORY:
            yield from self._sorted_on_disk()
            return
        with self._path.open(encoding="utf-8", newline="") as kept:
            found = [Reject(int(record), *told) for record, *told in csv.reader(kept)]
        yield from sorted(found, key=lambda reject: reject.record)

    def _sorted_on_disk(self) -> Iterator[Reject]:
        import duckdb  # noqa: PLC0415  (0.2 s, and only for files)

        with duckdb.connect(
            config={"threads": 1, "memory_limit": "128MB", "temp_directory": f"{self._path}.sort"}
        ) as connection:
            found = connection.execute(
                "SELECT * FROM read_csv($path, auto_detect=false, header=false, delim=',',"
                " quote='\"', escape='\"', new_line='\\n', allow_quoted_nulls=false,"
                " parallel=false, buffer_size=8388608, columns={'record': 'BIGINT',"
                " 'field': 'VARCHAR', 'value': 'VARCHAR', 'reason': 'VARCHAR'}) ORDER BY record",
                {"path": str(self._path)},
            )
            while chunk := found.fetchmany(_FETCH_ROWS):
                for record, *told in chunk:
                    yield Reject(record, *told)
