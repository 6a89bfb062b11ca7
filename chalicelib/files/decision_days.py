"""One day of the decision log in DuckDB: who was exposed for the first time, and what came by.

What is known from before are three small files. ``marks`` has a number for everybody who was
counted, made from the pseudonym and from what they were counted for, with the day; ``pending`` has
the exposures whose reward window is still open, by decision and without any name of a person; and
``followed`` has in the same way the decisions whose scores wait for the end of the model's horizon.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from chalicelib.core.calibration import open_week, weeks_of
from chalicelib.core.features import FEATURE_NAMES
from chalicelib.core.log_line import COLUMNS
from chalicelib.core.measurement import ACTION, EXPERIMENT, PROGRAMME
from chalicelib.files.database import connect, literal, stream

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TREATED, CONTROL = "treated", "control"
# Whoever was counted longer ago is counted anew; as long as decision records stay.
MARKS_KEPT_DAYS = 400
_AT_ONCE = 500
Row = TypeVar("Row")
_IN_ORDER = "decided_at, decision_id, counted_for"
# What goes from night to night, and in which order its rows are written.
STATE_FILES: Mapping[str, str] = {
    "marks.parquet": "mark",
    "pending.parquet": _IN_ORDER,
    "followed.parquet": "day, decision_id",
}

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
# Whoever is followed already is not taken up again before their horizon has passed, nor anybody
# outside of their week. Of the others those of the lowest marks are: a sample by chance, which does
# not look at anything of them.
_STARTING = """
CREATE TABLE starting AS
SELECT mark, told.decision_id, told.decided_at FROM (
  SELECT md5_number_lower('followed|' || subject) AS mark,
         min({'decided_at': decided_at, 'decision_id': decision_id}) AS told
  FROM lines WHERE NOT fallback AND model = $model GROUP BY subject
)
WHERE mark % $weeks::UBIGINT = $week::UBIGINT
  AND mark NOT IN (SELECT mark FROM marks WHERE day >= $since) ORDER BY mark LIMIT $most
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


class Waiting(NamedTuple):
    """A decision whose scores are to be held against what followed.

    Attributes:
        decision_id: the decision.
        day: on which it was made, counted from 1970-01-01.
        due: the day with which the horizon ends.
    """

    decision_id: str
    day: int
    due: int


class CameBy(NamedTuple):
    """Counts over the day's decisions."""

    decisions: int
    customers: int
    unknown: int
    fallback: int
    unknown_customers: int
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
            "count(DISTINCT decision_id) FILTER (fallback), "
            "count(DISTINCT subject) FILTER (NOT known), max(last_seen_at) FROM lines"
        ).fetchone()
        return CameBy(*(row or (0, 0, 0, 0, 0, None)))

    def follow(self, day: int, *, model: str, horizon_days: int, most: int) -> int:
        """Take up customers whose week it is, whom this model scored, and who are not followed yet.

        Returns how many.
        ``day`` counts from 1970-01-01; at most ``most`` are taken.
        """
        run = self._connection.execute
        given = {
            "model": model,
            "weeks": weeks_of(horizon_days),
            "week": open_week(day, horizon_days=horizon_days),
            "since": day - horizon_days,
            "most": most,
        }
        run(_STARTING, given)
        run("DELETE FROM marks WHERE mark IN (SELECT mark FROM starting)")
        run("INSERT INTO marks SELECT mark, ? FROM starting", [day])
        run(
            "INSERT INTO followed SELECT decision_id, ?, ? FROM starting", [day, day + horizon_days]
        )
        row = run("SELECT count(*) FROM starting").fetchone()
        return 0 if row is None else int(row[0])

    def settled(self, day: int) -> Iterator[list[Waiting]]:
        """Followed decisions whose horizon has ended with this day, some at a time."""
        query = "SELECT * FROM followed WHERE due <= ? ORDER BY day, decision_id"
        yield from _some(stream(self._connection, query, [day]), Waiting)

    def scored(self, model: str) -> Iterator[tuple[str, float, Sequence[float | None]]]:
        """Segment, churn and features of every customer whom this model scored."""
        query = _LATEST.format(features=", ".join(FEATURE_NAMES))
        for segment, churn, *features in stream(self._connection, query, [model]):
            yield segment, churn, features

    def closed(self, before: int) -> Iterator[list[Pending]]:
        """Pending exposures from before a moment, oldest first, some at a time."""
        query = f"SELECT * FROM pending WHERE decided_at < ? ORDER BY {_IN_ORDER}"  # noqa: S608
        yield from _some(stream(self._connection, query, [before]), Pending)

    def save(self, folder: Path, *, from_moment: int, from_day: int) -> Sequence[Path]:
        """Write what the next day has to know; closed exposures and horizons are forgotten.

        Args:
            folder: where the files are put, named as in ``STATE_FILES``.
            from_moment: exposures before it are closed.
            from_day: horizons that ended before it are settled.
        """
        run = self._connection.execute
        run("DELETE FROM pending WHERE decided_at < ?", [from_moment])
        run("DELETE FROM followed WHERE due < ?", [from_day])
        paths = []
        for name, order in STATE_FILES.items():
            path = folder / name
            paths.append(path)
            table, target = path.stem, literal(str(path))
            run(f"COPY (FROM {table} ORDER BY {order}) TO {target} (FORMAT parquet)")
        return paths


@contextmanager
def open_day(
    workdir: Path,
    *,
    logs: Sequence[Path],
    known: Mapping[str, Path],
    memory_mb: int,
) -> Iterator[Day]:
    """Read a day's log and what was known before it; all of these lie within ``workdir``.

    ``known`` are the files of ``STATE_FILES`` that there are, by name.
    """
    with closing(connect(workdir, memory_mb=memory_mb)) as connection:
        run: Any = connection.execute
        run(f"CREATE TABLE lines ({_declared(_KEPT)})")
        run("CREATE TABLE marks (mark UBIGINT, day INTEGER)")
        exposure = (
            "counted_for VARCHAR, grp VARCHAR, decision_id VARCHAR, decided_at BIGINT, "
            "expected_orders DOUBLE"
        )
        run(f"CREATE TABLE pending ({exposure})")
        run("CREATE TABLE followed (decision_id VARCHAR, day INTEGER, due INTEGER)")
        run(f"CREATE TABLE seen ({exposure}, mark UBIGINT)")
        for name, path in known.items():
            table = Path(name).stem
            run(f"INSERT INTO {table} SELECT * FROM read_parquet({literal(str(path))})")  # noqa: S608
        for start in range(0, len(logs), _FILES_AT_ONCE):
            run(f"CREATE TABLE chunk AS {_lines(logs[start : start + _FILES_AT_ONCE])}")
            run(f"INSERT INTO lines SELECT {', '.join(_KEPT)} FROM chunk")  # noqa: S608
            run(_SEEN)
            run("DROP TABLE chunk")
        yield Day(connection)


def _some(rows: Iterable[Sequence[Any]], made: Callable[..., Row]) -> Iterator[list[Row]]:
    """Rows as what they are, ``_AT_ONCE`` at a time."""
    found: list[Row] = []
    for row in rows:
        found.append(made(*row))
        if len(found) == _AT_ONCE:
            yield found
            found = []
    if found:
        yield found


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
