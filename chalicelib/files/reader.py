"""Rows of a file, typed by DuckDB; what it cannot type is a reject with its number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from chalicelib.files.census import Census, filled, refuse_unsaid
from chalicelib.files.csv_rows import fields_of, load_csv
from chalicelib.files.database import connect, stream, translated
from chalicelib.files.json_rows import load_jsonl
from chalicelib.files.layout import ColumnType, FileFormat, Layout
from chalicelib.files.numbering import number_records
from chalicelib.files.parquet_file import parquet_records, parquet_translated
from chalicelib.files.parquet_rows import load_parquet
from chalicelib.files.rejects import Reject, RejectSpool
from chalicelib.files.typed_rows import TypedRows
from chalicelib.files.unpack import FileRefused

__all__ = ["ColumnType", "FileFormat", "Layout", "Reject", "Rows"]


class Rows(TypedRows):
    """A file in DuckDB: its rejects, and its rows in the order of a column.

    Attributes:
        fields: the names of the columns.
        count: how many records there are, good and bad.
        census: what the rows say of whether the file as a whole can be used.
        moments: of a Parquet file, the fields whose values are moments, not texts that spell one.
        spoilt: of rejected records that still say who they are, the identity and the record.
    """

    def __init__(
        self,
        path: Path,
        layout: Layout,
        *,
        workdir: Path,
        memory_mb: int,
        part_width: int | None = None,
    ) -> None:
        """Load the file; raises FileRefused when header or structure make it useless.

        With ``part_width`` it is a part of a file whose first good record has so many columns.
        What a part cannot know of the whole is then not judged: its ``census`` tells it.
        """
        self.spoilt: dict[str, int] = {}
        self.moments: frozenset[str] = frozenset()
        self._layout = layout
        self._spool = RejectSpool(workdir / "unread")
        self._connection = connect(workdir, memory_mb=memory_mb, also=[path])
        with ExitStack() as unless_loaded:
            unless_loaded.callback(self.close)
            if layout.format == "parquet":
                self._load_parquet(path)
            else:
                self._load_text(path, workdir / "numbered", part_width)
            with translated():
                self.census = self._census()
            if part_width is None:
                refuse_unsaid(self.census, layout)
            unless_loaded.pop_all()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
        self._spool.close()

    @property
    def rejects(self) -> Iterator[Reject]:
        """What could not be cut out or typed: the first fault of each record, by number."""
        return iter(self._spool)

    def contested(self, identity: str, owner: str) -> frozenset[str]:
        """Values of ``identity`` that stand with more than one value of ``owner``."""
        if identity not in self.fields:
            return frozenset()
        named, by = self.column(identity), self.column(owner)
        query = (
            f"SELECT {named} FROM rows WHERE {named} IS NOT NULL"  # noqa: S608  (names are ours)
            f" GROUP BY {named} HAVING count(DISTINCT {by}) > 1"
        )
        with translated():
            return frozenset(value for (value,) in stream(self._connection, query))

    def _census(self) -> Census:
        rows, values = filled(self._connection, self.fields, self._layout)
        return Census(tuple(self.fields), self.count, rows, values)

    def _load_text(self, path: Path, numbered_path: Path, part_width: int | None) -> None:
        layout = self._layout
        numbered = number_records(
            path,
            numbered_path,
            style=layout.style,
            delimiter=layout.separator,
            header=layout.header and layout.format == "csv",
            refuse=self._spool.add,
            width=part_width or 0,
            uneven=self._refuse_uneven if layout.format == "csv" else None,
        )
        if not numbered.records and part_width is None:
            raise FileRefused.of("file", "holds no records")
        self.count = numbered.records
        with translated():
            if layout.format == "csv":
                self.fields = load_csv(
                    self._connection,
                    numbered_path,
                    numbered=numbered,
                    layout=layout,
                    refuse=self._refuse,
                )
            else:
                self.fields = load_jsonl(
                    self._connection, numbered_path, layout=layout, refuse=self._refuse
                )
            self._refuse_missing(numbered.refused)
        numbered_path.unlink()

    def _load_parquet(self, path: Path) -> None:
        with parquet_translated():
            self.count = parquet_records(self._connection, path)
            if not self.count:
                raise FileRefused.of("file", "holds no records")
            self.fields, self.moments = load_parquet(
                self._connection, path, layout=self._layout, refuse=self._refuse
            )
            self._refuse_missing(0)

    def _refuse(self, reject: Reject, said: Mapping[str, Any]) -> None:
        self._spool.add(reject)
        identity = said.get(self._layout.identity or "")
        if isinstance(identity, str) and identity:
            self.spoilt.setdefault(identity, reject.record)

    def _refuse_uneven(
        self, reject: Reject, header: Sequence[str] | None, cells: Sequence[str]
    ) -> None:
        fields = fields_of(header, len(cells), self._layout)
        self._refuse(reject, dict(zip(fields, cells, strict=False)))

    def _refuse_missing(self, uncut_records: int) -> None:
        """Refuse what neither came out as a row nor was refused, should DuckDB ever do that."""
        (done,) = self._connection.execute(
            "SELECT (SELECT count(*) FROM rows) + (SELECT count(*) FROM refused)"
        ).fetchone() or (0,)
        if done + uncut_records == self.count:
            return
        uncut = {reject.record for reject in self._spool}
        query = (
            "SELECT number FROM range(1, $last + 1) AS every(number)"
            " ANTI JOIN rows ON number = rows.record ANTI JOIN refused ON number = refused.record"
            " ORDER BY number"
        )
        for (number,) in stream(self._connection, query, {"last": self.count}):
            if number not in uncut:
                self._spool.add(Reject(number, "", "", "cannot be told from those around it"))
