"""A features file to scored Parquet, beside pandas with scikit-learn, in CPU seconds and memory.

Every variant is a process of its own with one thread, unless its name says otherwise, from its
start to its end: imports, reading, scoring and writing. Of several rounds the cheapest counts. The
peers live in ``.bench``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

ROOT = Path(__file__).resolve().parent.parent
PEER_PYTHON = ROOT / ".bench" / "bin" / "python"
PIPELINE = ROOT / "model_artifacts" / "cdnow-1.0.0" / "model.joblib"
FOLDER = ROOT / "build" / "bench"
FORMATS = ("csv", "parquet", "jsonl")
# pandas takes 3 GB a million rows of JSON Lines, so that file is a quarter of the others.
JSONL_SHARE = 4
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ARROW_NUM_THREADS"), "1"
)
_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
# Fourteen columns: the customer, what the model sees, and what a warehouse has besides.
_PEOPLE = """
    SELECT 'c-' || lpad(i::VARCHAR, 9, '0') AS customer_id,
      CASE WHEN random() < 0.03 THEN NULL ELSE round(random() * 600, 4) END AS recency_days,
      floor(1 + 20 * random() * random()) AS frequency,
      round(100 + 20000 * random() * random(), 2) AS monetary_minor,
      round(random() * 900, 4) AS tenure_days,
      CASE WHEN random() < 0.4 THEN NULL ELSE round(random() * 200, 4) END AS mean_gap_days,
      ['US', 'DE', 'FR', 'GB', 'PL', 'NL'][1 + floor(random() * 6)::INT] AS country,
      ['example.com', 'example.org', 'mail.example.net'][1 + floor(random() * 3)::INT]
        AS email_domain,
      round(random(), 6) AS open_rate,
      round(random() * 100, 3) AS basket_share,
      round(random() * 1000, 2) AS visits_weight,
      round(random(), 6) AS returns_rate,
      floor(random() * 50)::INT AS sessions,
      DATE '2024-01-01' + floor(random() * 600)::INT AS last_seen
    FROM range({rows}) AS people(i)
"""


class BenchUnavailable(Exception):
    """A variant did not run: its environment or the pipeline is missing, or it failed."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one variant took.

    Attributes:
        variant: ``segue``, ``pandas whole``, … and the format.
        rows: how many rows it read.
        cpu_seconds: user and system, of the whole process.
        peak_mb: the largest resident set.
    """

    variant: str
    rows: int
    cpu_seconds: float
    peak_mb: float


@dataclass(frozen=True, slots=True)
class BatchFigures:
    """What the benchmark found; ratios are CPU seconds of the peer by ours, for the same file.

    Attributes:
        csv_ratio, parquet_ratio, jsonl_ratio: beside the cheaper of pandas whole and in chunks, as
            one would first write it.
        csv_ratio_whole, parquet_ratio_whole: beside pandas that holds the whole file.
        csv_ratio_threads, parquet_ratio_threads: the same with as many threads as they like; None
            in short.
        csv_ratio_six, parquet_ratio_six: the same where pandas is told which six columns to read;
            None in short.
        csv_share_of_parse_only: our speed by that of pyarrow's parser, which does nothing else.
        csv_share_of_copying, parquet_share_of_copying: our speed by that of DuckDB where it reads
            and writes and there is no model.
        csv_rows_per_cpu_second: ours.
        peak_mb: our largest resident set, by number of rows such as ``1m``.
        costs: every variant.
    """

    csv_ratio: float
    parquet_ratio: float
    jsonl_ratio: float
    csv_ratio_whole: float
    parquet_ratio_whole: float
    csv_ratio_threads: float | None
    parquet_ratio_threads: float | None
    csv_ratio_six: float | None
    parquet_ratio_six: float | None
    csv_share_of_parse_only: float
    csv_share_of_copying: float
    parquet_share_of_copying: float
    csv_rows_per_cpu_second: float
    peak_mb: Mapping[str, float]
    costs: Sequence[Cost]


def measure(*, short: bool) -> BatchFigures:
    """Measure every variant; ``short`` takes half of the rows once, and each peer one way.

    Raises BenchUnavailable when the peers cannot run.
    """
    for needed, target in ((PEER_PYTHON, "make .bench"), (PIPELINE, "python -m ops train")):
        if not needed.exists():
            raise BenchUnavailable(f"{needed} is missing: {target}")
    # Not in this process: a child's largest resident set is never below that of who forks it.
    compiling = [sys.executable, "-m", "compileall", "-q", "chalicelib", "ops", "benchmarks"]
    subprocess.run(compiling, cwd=ROOT, check=True)  # noqa: S603  (ours)
    FOLDER.mkdir(parents=True, exist_ok=True)
    rows = 1_000_000 if short else 2_000_000
    best: dict[str, Cost] = {}
    for _ in range(1 if short else 3):
        for variant, command, file_rows in _variants(rows, every_way=not short):
            cost = _run(variant, command, file_rows)
            if variant not in best or cost.cpu_seconds < best[variant].cpu_seconds:
                best[variant] = cost
    sizes = (1_000_000,) if short else (1_000_000, 4_000_000, 10_000_000)
    peaks = {f"{size // 1_000_000}m": _peak_mb(size) for size in sizes}
    return _figures(best, peaks, short=short)


def _figures(best: Mapping[str, Cost], peaks: Mapping[str, float], *, short: bool) -> BatchFigures:
    def beside(peer: str, file_format: str) -> float:
        return best[f"{peer} {file_format}"].cpu_seconds / best[f"segue {file_format}"].cpu_seconds

    def ratio(file_format: str, suffix: str = "") -> float:
        return min(beside(f"pandas-{how}{suffix}", file_format) for how in ("whole", "chunked"))

    def in_long(figure: Callable[[], float]) -> float | None:
        return None if short else figure()

    ours = best["segue csv"]
    return BatchFigures(
        csv_ratio=ratio("csv"),
        parquet_ratio=ratio("parquet"),
        jsonl_ratio=ratio("jsonl"),
        csv_ratio_whole=beside("pandas-whole", "csv"),
        parquet_ratio_whole=beside("pandas-whole", "parquet"),
        csv_ratio_threads=in_long(lambda: beside("pandas-whole-all-threads", "csv")),
        parquet_ratio_threads=in_long(lambda: beside("pandas-whole-all-threads", "parquet")),
        csv_ratio_six=in_long(lambda: ratio("csv", "-of-six")),
        parquet_ratio_six=in_long(lambda: ratio("parquet", "-of-six")),
        csv_share_of_parse_only=beside("pyarrow-parse", "csv"),
        csv_share_of_copying=beside("copied", "csv"),
        parquet_share_of_copying=beside("copied", "parquet"),
        csv_rows_per_cpu_second=ours.rows / ours.cpu_seconds,
        peak_mb=peaks,
        costs=tuple(best.values()),
    )


def _variants(rows: int, *, every_way: bool) -> Iterator[tuple[str, Sequence[str], int]]:
    for file_format in FORMATS:
        file_rows = rows // JSONL_SHARE if file_format == "jsonl" else rows
        source = people(file_rows, file_format)
        yield f"segue {file_format}", _ours(source), file_rows
        peers = ["pandas-whole", "pandas-chunked"]
        if file_format != "jsonl":
            yield f"copied {file_format}", _copied(source), file_rows
        if every_way and file_format != "jsonl":
            peers += ["pandas-whole-of-six", "pandas-chunked-of-six", "pandas-whole-all-threads"]
        if file_format == "csv":
            peers.append("pyarrow-parse")
        for peer in peers:
            yield f"{peer} {file_format}", _peer(peer, source), file_rows


def people(rows: int, file_format: str) -> Path:
    """A generated file, the same every time; made where it is not there yet."""
    path = FOLDER / f"people-{rows}.{file_format}"
    if path.exists():
        return path
    options = {"csv": "HEADER", "jsonl": "FORMAT json", "parquet": "FORMAT parquet"}[file_format]
    unfinished = path.with_suffix(".unfinished")
    with duckdb.connect(config={"threads": 1, "preserve_insertion_order": False}) as connection:
        connection.execute("SELECT setseed(0.7)")
        connection.execute(f"COPY ({_PEOPLE.format(rows=rows)}) TO '{unfinished}' ({options})")
    unfinished.rename(path)
    return path


def _ours(source: Path) -> Sequence[str]:
    target = str(FOLDER / "ours.parquet")
    return [sys.executable, "-m", "ops", "score", str(source), "--out", target]


def _copied(source: Path) -> Sequence[str]:
    target = str(FOLDER / "copied.parquet")
    return [sys.executable, "-m", "benchmarks.batch_limit", str(source), target]


def _peer(variant: str, source: Path) -> Sequence[str]:
    target = str(FOLDER / "peer.parquet")
    return [str(PEER_PYTHON), "-m", "benchmarks.batch_peer", variant, str(source), target]


def _peak_mb(rows: int) -> float:
    source = people(rows, "csv")
    try:
        return _run(f"segue {rows}", _ours(source), rows).peak_mb
    finally:
        source.unlink()  # ten million rows are a gigabyte


def _run(variant: str, command: Sequence[str], rows: int) -> Cost:
    """Run one process, and check that it read every row."""
    # Whoever scores a file has compiled Segue once, as the peers' libraries have been.
    environment = {name: value for name, value in os.environ.items() if name != _NO_BYTECODE}
    if "all-threads" not in variant:
        environment |= _ONE_THREAD
    child = subprocess.Popen(  # noqa: S603  (ours)
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    if child.stdout is None:
        raise BenchUnavailable(f"{variant}: no output")
    with child.stdout:
        said = child.stdout.read().decode().strip().splitlines()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode or not said or _rows(said[-1]) != rows:
        raise BenchUnavailable(f"{variant}: ended with {child.returncode}, said {said[-1:]}")
    return Cost(variant, rows, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def _rows(line: str) -> int:
    said = json.loads(line)
    return int(said if isinstance(said, int) else said["scored"])
