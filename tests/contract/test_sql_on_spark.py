"""Spark runs the very text that ``export-sql`` writes and says what Python says (make spark).

Spark takes seconds to start, so everything is asked in one session.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from chalicelib.core.instants import format_instant
from chalicelib.scoring.document import ModelDocument
from chalicelib.scoring.portable import PortableScorer
from ops.agreement.differences import SQL_BOUND, difference, largest
from ops.agreement.engines import (
    Marks,
    ask_pipelines,
    ask_python,
    nulls_of,
    parquet,
    read_answers,
    read_features,
    write_orders,
    write_rows,
)
from ops.agreement.rows import described, difficult_rows, moments_of, tied_rows
from ops.agreement.spark import SparkJob, SparkUnavailable, run_on_spark
from ops.cli import main
from ops.export_sql import exported_scores
from ops.training.snapshots import Matrix
from tests.sql_makers import made_document, made_history
from tests.trained import artefact, document, trained

pytestmark = pytest.mark.spark

ROWS = 3_000
SEGMENTS = (1, 2, 3, 5, 8, 10)
HISTORY = made_history(200, seed=1)


@dataclass(frozen=True)
class Asked:
    """What Spark was asked, and where its answers are."""

    models: dict[str, ModelDocument]
    rows: dict[str, Matrix]
    nulls: dict[str, Marks]
    results: dict[str, Path]


def exported(directory: Path, *arguments: str) -> str:
    """The text in the file that the command writes for the trained model."""
    file = directory / "exported.sql"
    command = ["export-sql", "--dialect", "spark", "--model", str(artefact()), "--out", str(file)]
    result = CliRunner().invoke(main, [*command, *arguments])
    assert result.exit_code == 0, result.output
    return file.read_text()


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """Every select of this file, run in one session."""
    directory = tmp_path_factory.mktemp("spark")
    models = {"trained": document()}
    models |= {f"made_{k}": made_document(k, seed=k) for k in SEGMENTS}
    rows = {name: difficult_rows(model, ROWS, seed=7) for name, model in models.items()}
    nulls = {name: nulls_of(matrix) for name, matrix in rows.items()}
    tables = {name: directory / f"{name}.parquet" for name in (*models, "orders")}
    with duckdb.connect() as connection:
        write_orders(connection, HISTORY, tables["orders"])
        for name, matrix in rows.items():
            write_rows(connection, matrix, nulls[name], tables[name])
    selects = {
        name: exported_scores(model, "spark", name, ("id",)) for name, model in models.items()
    }
    selects["trained"] = exported(directory, "--source", "trained", "--keep", "id")
    selects |= {
        f"features_{moment}": exported(
            directory, "--what", "features", "--as-of", format_instant(moment)
        )
        for moment in moments_of(HISTORY)
    }
    return Asked(models, rows, nulls, run_on_spark(SparkJob(tables, selects), directory))


@pytest.mark.parametrize("name", ["trained", *(f"made_{k}" for k in SEGMENTS)])
def test_scores_as_in_python(asked: Asked, name: str) -> None:
    """The trained model, and models of one to ten segments, on NULL, NaN, ties and extremes."""
    model, rows = asked.models[name], asked.rows[name]

    with duckdb.connect() as connection:
        select = f"SELECT * FROM {parquet(asked.results[name])}"  # noqa: S608
        given = read_answers(connection, select, model.segment_names)

    python = ask_python(PortableScorer(model, sha256="0" * 64), rows, asked.nulls[name])
    assert difference(given, python).within(SQL_BOUND)
    if len(model.segments) > 1:
        assert tied_rows(model, rows) > 100


def test_scores_as_scikit_learn_does(asked: Asked) -> None:
    """The fitted pipelines themselves say the same as Spark."""
    with duckdb.connect() as connection:
        select = f"SELECT * FROM {parquet(asked.results['trained'])}"  # noqa: S608
        given = read_answers(connection, select, document().segment_names)

    fitted = ask_pipelines(trained().pipelines, asked.rows["trained"])
    assert difference(given, fitted).within(SQL_BOUND)


def test_describes_as_in_python(asked: Asked) -> None:
    """Every customer at every moment; who has not ordered yet has frequency 0."""
    for moment, customers, features in described(HISTORY, moments_of(HISTORY), currency="USD"):
        with duckdb.connect() as connection:
            select = f"SELECT * FROM {parquet(asked.results[f'features_{moment}'])}"  # noqa: S608
            names, given = read_features(connection, select)

        assert names == customers
        assert largest(given, features) <= SQL_BOUND


def test_what_spark_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    """A broken select is an error with Spark's reason, never an empty answer."""
    with pytest.raises(SparkUnavailable, match="nowhere"):
        run_on_spark(SparkJob({}, {"broken": "SELECT * FROM nowhere"}), tmp_path)
