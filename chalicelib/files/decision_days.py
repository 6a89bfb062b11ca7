"""One day of the decision log in DuckDB: who was exposed for the first time, and what came by.

What is known from before are two small files. ``marks`` has a number for everybody who was counted,
made from the pseudonym and from what they were counted for, with the day; ``pending`` has the
exposures whose reward window is still open, by decision and without any name of a person.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.core.features import FEATURE_NAMES
from chalicelib.core.log_line import COLUMNS
from chalicelib.core.measurement import PROGRAMME
from chalicelib.files.database import connect, literal, stream

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TREATED, CONTROL = "treated", "control"
ACTION, EXPERIMENT = "action:", "experiment:"
# Whoever was counted longer ago is counted anew; as long as decision records stay.
MARKS_KEPT_DAYS = 400
_AT_ONCE = 500
_IN_ORDER = "decided_at, decision_id, counted_for"

# So many files are taken apart at a time: what they hold besides is not kept.
_FILES_AT_ONCE = 100
_READ = (
    "decision_id",
    "subject",
    "decided_at",
    "segment",
    "model",
    "churn",
    "expected_orders",
    "fallback",
    "known",
    "last_seen_at",
    *FEATURE_NAMES,
    "holdout",
    "measured_action",
    "kept",
    "arms",
    "exposures",
)
_KEPT = (*_READ[: _READ.index("holdout")], "holdout")
# A line of a batch that the stream repeated may be there twice, and changes none of this.
_SEEN = f"""
INSERT INTO seen
SELECT counted_for, grp, decision_id, decided_at, coalesce(expected_orders, 0.0),
       md5_number_lower(counted_for || '|' || subject) AS mark
FROM (
  SELECT {literal(ACTION)} || measured_action AS counted_for,
         CASE WHEN kept THEN {literal(CONTROL)} ELSE {literal(TREATED)} END AS grp, *
  FROM chunk WHERE measured_action IS NOT NULL
  UNION ALL BY NAME
  SELECT {literal(PROGRAMME)} AS counted_for,
         CASE WHEN holdout THEN {literal(CONTROL)} ELSE {literal(TREATED)} END AS grp, *
  FROM chunk WHERE measured_action IS NOT NULL
  UNION ALL BY NAME
  SELECT {literal(EXPERIMENT)} || experiment AS counted_for, arms[experiment] AS grp,
         * EXCLUDE experiment
  FROM (SELECT *, unnest(exposures) AS experiment FROM chunk)
)
WHERE md5_number_lower(counted_for || '|' || subject) NOT IN (SELECT mark FROM marks)
"""  # noqa: S608  (constants of this module)
_FIRST = """
CREATE TABLE first AS
SELECT mark, told.counted_for, told.grp, told.decision_id, told.decided_at, told.expected_orders
FROM (
  SELECT mark, min({
    'decided_at': decided_at, 'decision_id': decision_id, 'counted_for': counted_for, 'grp': grp,
    'expected_orders': expected_orders
  }) AS told
  FROM seen GROUP BY mark
)
"""
_PENDING = """
INSERT INTO pending
SELECT counted_for, grp, decision_id, decided_at, expected_orders FROM first
"""
# Whoever decided twice counts once, as they were last.
_LATEST = """
SELECT segment, churn, {features} FROM lines
WHERE NOT fallback AND model = ?
QUALIFY row_number() OVER (PARTITION BY subject ORDER BY decided_at DESC, decision_id DESC) = 1
"""


class Pending(NamedTuple):
    """An exposure whose outcome is to be looked up.

    Attributes:
        counted_for: ``action:ID``, ``experiment:ID`` or ``programme``.
        group: ``treated`` or ``control``, of an experiment the arm.
        decision_id: the decision that exposed them.
        at: when.
        expected_orders: what the model expected then; 0 where it did not serve.
    """

    counted_for: str
    group: str
    decision_id: str
    at: int
    expected_orders: float


class CameBy(NamedTuple):
    """Counts over the day's decisions."""

    decisions: int
    customers: int
    unknown: int
    fallback: int
    newest_at: int | None


class Day:
    """One day of the log, and what was known before it."""

    def __init__(self, connection: DuckDBPyConnection) -> None:
        """Take a database in which ``lines``, ``marks`` and ``pending`` stand."""
        self._connection = connection

    def expose(self, day: int) -> dict[str, dict[str, int]]:
        """Add those who were exposed for the first time to ``marks`` and ``pending``.

        Returns how many, by what they are counted for and by group. ``day`` counts from 1970-01-01.
        """
        run = self._connection.execute
        run(_FIRST)
        run(_PENDING)
        run("INSERT INTO marks SELECT mark, ? FROM first", [day])
        run("DELETE FROM marks WHERE day < ?", [day - MARKS_KEPT_DAYS])
        found: dict[str, dict[str, int]] = {}
        query = "SELECT counted_for, grp, count(*) FROM first GROUP BY ALL ORDER BY ALL"
        for counted_for, group, count in run(query).fetchall():
            found.setdefault(counted_for, {})[group] = count
        return found

    def came_by(self) -> CameBy:
        """Who was decided for, each decision once."""
        row = self._connection.execute(
            "SELECT count(DISTINCT decision_id), count(DISTINCT subject), "
            "count(DISTINCT decision_id) FILTER (NOT known), "
            "count(DISTINCT decision_id) FILTER (fallback), max(last_seen_at) FROM lines"
        ).fetchone()
        return CameBy(*(row or (0, 0, 0, 0, None)))

    def scored(self, model: str) -> Iterator[tuple[str, float, Sequence[float | None]]]:
        """Segment, churn and features of every customer whom this model scored."""
        query = _LATEST.format(features=", ".join(FEATURE_NAMES))
        for segment, churn, *features in stream(self._connection, query, [model]):
            yield segment, churn, features

    def closed(self, before: int) -> Iterator[list[Pending]]:
        """Pending exposures from before a moment, oldest first, some at a time."""
        rows: list[Pending] = []
        query = f"SELECT * FROM pending WHERE decided_at < ? ORDER BY {_IN_ORDER}"  # noqa: S608
        for row in stream(self._connection, query, [before]):
            rows.append(Pending(*row))
            if len(rows) == _AT_ONCE:
                yield rows
                rows = []
        if rows:
            yield rows

    def save(self, marks: Path, pending: Path, *, from_moment: int) -> None:
        """Write what the next day has to know; closed exposures are forgotten."""
        run = self._connection.execute
        run("DELETE FROM pending WHERE decided_at < ?", [from_moment])
        for table, order, path in (
            ("marks", "mark", marks),
            ("pending", _IN_ORDER, pending),
        ):
            target = literal(str(path))
            run(f"COPY (FROM {table} ORDER BY {order}) TO {target} (FORMAT parquet)")


@contextmanager
def open_day(
    workdir: Path,
    *,
    logs: Sequence[Path],
    marks: Path | None,
    pending: Path | None,
    memory_mb: int,
) -> Iterator[Day]:
    """Read a day's log and what was known before it; all of these lie within ``workdir``."""
    with closing(connect(workdir, memory_mb=memory_mb)) as connection:
        run: Any = connection.execute
        run(f"CREATE TABLE lines ({_declared(_KEPT)})")
        run("CREATE TABLE marks (mark UBIGINT, day INTEGER)")
        exposure = (
            "counted_for VARCHAR, grp VARCHAR, decision_id VARCHAR, decided_at BIGINT, "
            "expected_orders DOUBLE"
        )
        run(f"CREATE TABLE pending ({exposure})")
        run(f"CREATE TABLE seen ({exposure}, mark UBIGINT)")
        for table, path in (("marks", marks), ("pending", pending)):
            if path is not None:
                run(f"INSERT INTO {table} SELECT * FROM read_parquet({literal(str(path))})")  # noqa: S608
        for start in range(0, len(logs), _FILES_AT_ONCE):
            run(f"CREATE TABLE chunk AS {_lines(logs[start : start + _FILES_AT_ONCE])}")
            run(f"INSERT INTO lines SELECT {', '.join(_KEPT)} FROM chunk")  # noqa: S608
            run(_SEEN)
            run("DROP TABLE chunk")
        yield Day(connection)


def _declared(names: Sequence[str]) -> str:
    return ", ".join(f"{name} {COLUMNS[name]}" for name in names)


def _lines(logs: Sequence[Path]) -> str:
    """The columns that are read of these files."""
    columns = ", ".join(f"{literal(name)}: {literal(COLUMNS[name])}" for name in _READ)
    files = ", ".join(literal(str(path)) for path in logs)
    return (
        f"SELECT * FROM read_json([{files}], "  # noqa: S608
        f"format='newline_delimited', columns={{{columns}}})"
    )
