"""All engines over all rows, and which bounds are broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from chalicelib.scoring.document import ModelDocument
from chalicelib.scoring.portable import PortableScorer
from chalicelib.scoring.sql import score_select
from ops.agreement.differences import PYTHON_BOUND, SQL_BOUND, Answers, difference, largest
from ops.agreement.engines import (
    ask_pipelines,
    ask_python,
    nulls_of,
    parquet,
    pipelines_of,
    read_answers,
    read_features,
    write_orders,
    write_rows,
)
from ops.agreement.rows import described, difficult_rows, moments_of, tied_rows
from ops.agreement.spark import SparkJob, run_on_spark
from ops.export_sql import exported_features, exported_scores, read_model
from ops.training.history import History
from ops.training.snapshots import Matrix
from ops.warehouse import Dialect

Say = Callable[[str], None]
SCORES = "scores"


@dataclass(frozen=True, slots=True)
class Described:
    """The customers of a history at a moment, as Python describes them; one row each."""

    history: str
    as_of: int
    customers: tuple[str, ...]
    features: Matrix

    @property
    def name(self) -> str:
        """Tells it from the others."""
        return f"{self.history}_{self.as_of}"


def measure(
    artefact: Path,
    workdir: Path,
    histories: Mapping[str, History],
    *,
    rows: int,
    seed: int,
    spark: bool,
    say: Say,
) -> dict[str, Any]:
    """Ask every engine about real and difficult rows, and compare.

    Args:
        artefact: a packaged model.
        workdir: a directory for the files that the engines read and write.
        histories: whose customers are described and scored, by a name that a view may have.
        rows: how many difficult rows are made.
        seed: of all chance in them.
        spark: whether Spark is asked, too.
        say: is told what is going on.

    Returns the figures; ``failed`` names every comparison whose bound is broken.
    """
    document, sha256 = read_model(artefact)
    say(f"describing the customers of {', '.join(histories)}")
    known = [one for name, it in histories.items() for one in _described(name, it, document)]
    difficult = difficult_rows(document, rows, seed=seed)
    asked = np.concatenate([*(one.features for one in known), difficult])
    nulls = nulls_of(asked)

    say(f"{len(asked):,} rows: Python")
    python = ask_python(PortableScorer(document, sha256=sha256), asked, nulls)
    say("scikit-learn")
    answers = {"sklearn": ask_pipelines(pipelines_of(artefact, document), asked)}
    features: dict[str, float] = {}
    with duckdb.connect() as connection:
        files = {name: workdir / f"{name}.parquet" for name in ("customers", *histories)}
        write_rows(connection, asked, nulls, files["customers"])
        for name, history in histories.items():
            write_orders(connection, history, files[name])
        engines: tuple[Dialect, ...] = ("duckdb", "spark") if spark else ("duckdb",)
        for engine in engines:
            say(engine)
            results = _selected(engine, document, known, files, workdir)
            answers[engine] = read_answers(connection, results[SCORES], document.segment_names)
            features[engine] = _features_apart(connection, known, results)
        # The same in the words that only DuckDB knows, as files are scored.
        quick = score_select(
            document, source=parquet(files["customers"]), keep=("id",), only_duckdb=True
        )
        answers["files"] = read_answers(connection, quick, document.segment_names)
    counts = {
        "rows": len(asked),
        "tied_rows": tied_rows(document, asked),
        "described_rows": sum(len(one.customers) for one in known),
    }
    return counts | verdict(python, answers, features)


def verdict(
    python: Answers, answers: Mapping[str, Answers], features: Mapping[str, float]
) -> dict[str, Any]:
    """How far each engine is from Python; ``failed`` names those that are too far."""
    found: dict[str, Any] = {}
    failed = []
    for engine, given in answers.items():
        bound = PYTHON_BOUND if engine == "sklearn" else SQL_BOUND
        apart = difference(given, python)
        found[engine] = asdict(apart) | {"bound": bound}
        if not apart.within(bound):
            failed.append(engine)
    for engine, value in features.items():
        found[f"{engine}_features"] = {"largest": value, "bound": SQL_BOUND}
        if not value <= SQL_BOUND:
            failed.append(f"{engine}_features")
    return found | {"failed": failed}


def _described(name: str, history: History, document: ModelDocument) -> Iterator[Described]:
    moments = moments_of(history)
    for moment, customers, features in described(history, moments, currency=document.currency):
        yield Described(name, moment, customers, features)


def _selected(
    engine: Dialect,
    document: ModelDocument,
    known: Sequence[Described],
    files: Mapping[str, Path],
    workdir: Path,
) -> dict[str, str]:
    """What to ask DuckDB for the scores, and for the features of each that is described."""
    duck = engine == "duckdb"
    sources = {name: parquet(file) if duck else name for name, file in files.items()}
    selects = {
        one.name: exported_features(document, engine, sources[one.history], one.as_of)
        for one in known
    }
    selects[SCORES] = exported_scores(document, engine, sources["customers"], ("id",))
    if duck:
        return selects
    written = run_on_spark(SparkJob(files, selects), workdir)
    return {name: f"SELECT * FROM {parquet(path)}" for name, path in written.items()}  # noqa: S608


def _features_apart(
    connection: duckdb.DuckDBPyConnection, known: Sequence[Described], results: Mapping[str, str]
) -> float:
    """The largest difference from Python's features; infinite where other customers came out."""
    return max(
        largest(features, one.features) if customers == one.customers else float("inf")
        for one in known
        for customers, features in [read_features(connection, results[one.name])]
    )
