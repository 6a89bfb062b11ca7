"""Rows of a divided file brought together by customer, whatever part of it they stand in.

Each part writes its rows as one file of Parquet blobs, one for each partition, in the order of the
partitions: it is stored by one PUT, and a partition is fetched by one ranged GET from each part.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from chalicelib.files.database import connect, literal
from chalicelib.files.layout import Layout
from chalicelib.files.typed_rows import TypedRows

_HASH_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Blob:
    """What one part wrote for one partition, fetched onto a local path.

    Attributes:
        path: the bytes, and nothing else.
        offset: how many records all parts before it have; its own are numbered from 1.
        fields: the columns of its part, from its census.
    """

    path: Path
    offset: int
    fields: tuple[str, ...] = ()


Ranges = tuple[tuple[int, int], ...]
"""Of each partition, the first byte of its blob and the one behind its last; equal when empty."""


def partition_of(value: str, partitions: int) -> int:
    """Which partition a value belongs to, counted from 0: the same in any language and version."""
    return int(sha256(value.encode()).hexdigest()[:_HASH_DIGITS], 16) % partitions


def partition_sql(text: str, partitions: int) -> str:
    """The same for DuckDB, of an expression that is a text."""
    return f"CAST(('0x' || substr(sha256({text}), 1, {_HASH_DIGITS})) AS UBIGINT) % {partitions}"


def shuffle(rows: TypedRows, by: str, *, partitions: int, target: Path, workdir: Path) -> Ranges:
    """Write rows partitioned by a column; those without a value go by their record number.

    Args:
        rows: of one part.
        by: the field by which they are brought together.
        partitions: how many there are, the same for all parts of a file.
        target: gets the blobs.
        workdir: the folder of ``rows``.
    """
    key = "CAST(record AS VARCHAR)"
    if by in rows.fields:
        key = f"coalesce({rows.column(by)}, {key})"
    return write_partitions(
        rows,
        "SELECT * FROM rows",
        key=key,
        partitions=partitions,
        target=target,
        workdir=workdir,
    )


def write_partitions(
    rows: TypedRows, select: str, *, key: str, partitions: int, target: Path, workdir: Path
) -> Ranges:
    """Write what a query finds, partitioned by the hash of a text; no column is ``partition``."""
    rows.execute(
        f"CREATE TABLE shuffled AS SELECT *, {partition_sql(key, partitions)} AS partition"  # noqa: S608
        f" FROM ({select}) ORDER BY partition"
    )
    filled = {partition for (partition,) in rows.query("SELECT DISTINCT partition FROM shuffled")}
    blob = workdir / "blob"
    ranges = []
    with target.open("wb") as blobs:
        for partition in range(partitions):
            start = blobs.tell()
            if partition in filled:
                rows.copy_to(
                    blob,
                    f"SELECT * EXCLUDE (partition) FROM shuffled WHERE partition = {partition}",  # noqa: S608
                )
                with blob.open("rb") as written:
                    shutil.copyfileobj(written, blobs)
                blob.unlink()
            ranges.append((start, blobs.tell()))
    rows.execute("DROP TABLE shuffled")
    return tuple(ranges)


class ShuffledRows(TypedRows):
    """The rows of one partition, from all parts, as if they were a file of their own.

    They have the record numbers and columns of the whole file. What was rejected before does not
    come again.
    """

    def __init__(
        self,
        blobs: Sequence[Blob],
        *,
        fields: Sequence[str],
        layout: Layout,
        verdicts: Sequence[Path],
        workdir: Path,
        memory_mb: int,
    ) -> None:
        """Load the blobs, one by one; each is deleted when it is in.

        Args:
            blobs: of every part that has rows of this partition.
            fields: of the whole file, from its joined census.
            layout: how the file is written; its ``identity`` is what verdicts are about.
            verdicts: what ``settle_claims`` wrote, all of it.
            workdir: a folder of its own, in which the blobs and verdicts lie.
            memory_mb: what DuckDB may hold before it spills to disk.
        """
        self.fields = list(fields)
        self.spoilt = {}
        self._identity = layout.identity
        self._connection = connect(workdir, memory_mb=memory_mb)
        types = [layout.sql_type(field) for field in self.fields]
        columns = "".join(f", c{at} {sql_type}" for at, sql_type in enumerate(types))
        try:
            self.execute(f"CREATE TABLE rows (record BIGINT{columns})")
            for blob in blobs:
                self._load(blob)
            self._judge(verdicts)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the rows."""
        self._connection.close()

    def contested(self, identity: str, owner: str) -> frozenset[str]:
        """As ``Rows.contested``, over the whole file, of what stands in this partition."""
        if identity != self._identity or identity not in self.fields:
            return frozenset()
        return frozenset(
            value for (value,) in self.query("SELECT identity FROM verdicts WHERE contested")
        )

    def _load(self, blob: Blob) -> None:
        same = list(blob.fields) == self.fields
        places = [
            index if same else blob.fields.index(field) if field in blob.fields else None
            for index, field in enumerate(self.fields)
        ]
        values = "".join(", NULL" if place is None else f", c{place}" for place in places)
        self.execute(
            f"INSERT INTO rows SELECT record + {blob.offset}{values}"  # noqa: S608
            f" FROM read_parquet({literal(str(blob.path))})"
        )
        blob.path.unlink()

    def _judge(self, verdicts: Sequence[Path]) -> None:
        identity = self._identity
        self.execute("CREATE TABLE verdicts (identity VARCHAR, contested BOOLEAN, spoilt BIGINT)")
        if identity is None or identity not in self.fields or not verdicts:
            return
        paths = ", ".join(literal(str(path)) for path in verdicts)
        self.execute(
            f"INSERT INTO verdicts SELECT * FROM read_parquet([{paths}]) AS verdict"  # noqa: S608
            f" SEMI JOIN rows ON verdict.identity = rows.{self.column(identity)}"
        )
        self.spoilt = dict(
            self.query("SELECT identity, spoilt FROM verdicts WHERE spoilt IS NOT NULL")
        )
