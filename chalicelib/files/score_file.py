"""A features file scored in one pass: rows in, scores out, never more than a piece in memory.

A text whose lines are its records is read as it lies (``survey``); any other is cut and numbered
first. Both ways give the same scores and the same rejects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.core.errors import Broken
from chalicelib.core.features import FEATURE_NAMES
from chalicelib.core.scores import Scorer
from chalicelib.files.csv_faults import NotAsItLooked, csv_faults
from chalicelib.files.database import connect, fetched, literal, stream, translated
from chalicelib.files.feature_source import (
    FeatureSource,
    check_fields_of,
    cut_source,
    parquet_source,
    plain_sources,
)
from chalicelib.files.feature_sql import CONSENT
from chalicelib.files.ids_sql import is_id
from chalicelib.files.layout import Layout
from chalicelib.files.left_out import NO_CONSENT, left_out
from chalicelib.files.parquet_file import parquet_translated
from chalicelib.files.rejects import RejectSpool
from chalicelib.files.row_by_row import scores_select, write_scores
from chalicelib.files.unpack import FileRefused

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["NO_CONSENT", "ScoredFile", "score_file", "score_file_row_by_row"]

# Customers that may be scored, under the name by which the model's select finds them.
_CUSTOMERS = "customers_to_score"
_ROW_GROUP_ROWS = 30_720  # DuckDB holds one while it writes; larger ones compress no better here
# DuckDB would look for more equal values before it finds that ids and scores have none. The
# segments are an ENUM, which is its own dictionary.
_DICTIONARY_VALUES = 1_000

# The select of the scores, once the view of customers stands.
_Scores = Callable[["DuckDBPyConnection"], str]


@dataclass(frozen=True, slots=True)
class ScoredFile:
    """What became of the records of a features file.

    Attributes:
        records: how many there are, as the file itself says.
        scored: rows of the results.
        unscored: valid records that were not scored, by reason.
        segments: the scored ones by segment.
    """

    records: int
    scored: int
    unscored: Counter[str] = field(default_factory=Counter)
    segments: Counter[str] = field(default_factory=Counter)


def score_file(
    source: Path,
    layout: Layout,
    *,
    query: Callable[[str], str],
    target: Path,
    rejects: RejectSpool,
    workdir: Path,
    memory_mb: int,
) -> ScoredFile:
    """Score a features file by a select, into a Parquet file.

    Args:
        source: plain UTF-8 text as ``unpack`` leaves it, or Parquet.
        layout: its format and columns.
        query: gives, for the name of a relation with ``customer_id`` and the features, the select
            whose columns are ``customer_id``, ``segment``, ``churn`` and ``expected_orders``.
        target: where the scores go; a file that is there is replaced.
        rejects: is told of each record that is not taken.
        workdir: a directory for what does not fit into memory.
        memory_mb: what DuckDB may hold before it spills.

    Raises:
        FileRefused: header, columns or structure make the file useless.
    """
    job = _Job(source, layout, target, rejects, workdir, memory_mb)
    return job.run(lambda _: query(_CUSTOMERS))


def score_file_row_by_row(
    source: Path,
    layout: Layout,
    *,
    scorer: Scorer,
    target: Path,
    rejects: RejectSpool,
    workdir: Path,
    memory_mb: int,
) -> ScoredFile:
    """The same by a scorer that no select can say, many times slower; scores may be NULL."""
    spool = workdir / "scores.csv"

    def scores(connection: DuckDBPyConnection) -> str:
        columns = ", ".join(("customer_id", *FEATURE_NAMES))
        # On the connection itself: what DuckDB refuses it tells the connection that has read it.
        query = f"SELECT {columns} FROM {_CUSTOMERS}"  # noqa: S608
        rows = fetched(connection.execute(query))
        write_scores(rows, scorer, spool)
        return scores_select(spool)

    return _Job(source, layout, target, rejects, workdir, memory_mb).run(scores)


@contextmanager
def as_it_lies(*, faultless: bool) -> Iterator[None]:
    """Let a text be read in another way where DuckDB needs too much memory for it as it lies.

    Where only a file without any fault can be read so, whatever is wrong with it says the same.
    """
    import duckdb  # noqa: PLC0415  (0.2 s, and only for files)

    try:
        with translated():
            yield
    except FileRefused:
        if faultless:
            raise NotAsItLooked from None
        raise
    except Broken as broken:
        if isinstance(broken.__context__, duckdb.OutOfMemoryException):
            raise NotAsItLooked from None
        raise


@dataclass(frozen=True, slots=True)
class _Job:
    source: Path
    layout: Layout
    target: Path
    rejects: RejectSpool
    workdir: Path
    memory_mb: int

    def run(self, scores: _Scores) -> ScoredFile:
        mark = self.rejects.mark()
        with connect(
            self.workdir, memory_mb=self.memory_mb, also=(self.source, self.target), ordered=False
        ) as connection:
            if self.layout.format == "parquet":
                with parquet_translated():
                    whole = parquet_source(connection, self.source, self.layout)
                    return self._read(connection, whole, scores)
            for plain in plain_sources(self.source, self.layout):
                try:
                    return self._read(connection, plain, scores)
                except NotAsItLooked:
                    self.rejects.back_to(mark)
            cut = cut_source(self.source, self.layout, workdir=self.workdir, rejects=self.rejects)
            return self._read(connection, cut, scores)

    def _read(
        self, connection: DuckDBPyConnection, source: FeatureSource, scores: _Scores
    ) -> ScoredFile:
        fit = f"fault IS NULL AND {is_id('customer_id', ascii_only=source.ascii_only)}"
        with translated() if source.numbered else as_it_lies(faultless=source.faultless):
            check_fields_of(connection, source, self.layout)
            connection.execute(
                f"CREATE OR REPLACE VIEW {_CUSTOMERS} AS SELECT * FROM ({source.relation})"  # noqa: S608
                f" WHERE {fit} AND {CONSENT} IS NOT FALSE"
            )
            connection.execute(
                f"COPY ({scores(connection)}) TO {literal(str(self.target))}"
                f" (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROW_GROUP_ROWS},"
                f" DICTIONARY_SIZE_LIMIT {_DICTIONARY_VALUES})"
            )
            segments = self._segments(connection)
            missing = source.records - source.refused - segments.total()
            unscored = self._missing(connection, source, missing) if missing else Counter[str]()
        return ScoredFile(source.records, segments.total(), unscored, segments)

    def _missing(
        self, connection: DuckDBPyConnection, source: FeatureSource, missing: int
    ) -> Counter[str]:
        """Say of every record that is not among the scores why it is not."""
        faults = csv_faults(connection, source, self.layout) if source.telling else []
        for reject in faults:
            self.rejects.add(reject)
        others = missing - len(faults)
        if not others:
            return Counter()
        return left_out(connection, source, self.layout, faults, self.rejects, missing=others)

    def _segments(self, connection: DuckDBPyConnection) -> Counter[str]:
        """The rows of the results by segment, counted in the file that was written."""
        return Counter(
            dict(
                stream(
                    connection,
                    f"SELECT segment, count(*) FROM read_parquet({literal(str(self.target))})"  # noqa: S608
                    " GROUP BY segment",
                )
            )
        )
