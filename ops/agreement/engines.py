"""Python, scikit-learn and DuckDB, each asked about the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
from numpy.typing import NDArray

from chalicelib.core.canonical import sha256_hex
from chalicelib.core.features import FEATURE_NAMES, Features
from chalicelib.core.scores import Scorer
from chalicelib.files.database import literal
from chalicelib.scoring.document import ModelDocument
from chalicelib.scoring.joblib_engine import check_libraries
from chalicelib.scoring.manifest import PIPELINE_FILE, listed_sha256, read_bytes, read_manifest
from chalicelib.scoring.rejections import HashMismatch
from ops.agreement.differences import Answers
from ops.training.document import build_document
from ops.training.history import History, at_most, cdnow_history
from ops.training.model import Recipe, predict, train
from ops.training.snapshots import Matrix

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Marks = NDArray[np.bool_]

_AT_ONCE = 50_000


def pipelines_of(artefact: Path, document: ModelDocument) -> Mapping[str, Any]:
    """The fitted scikit-learn pipelines that a document was exported from.

    They are unpickled from ``model.joblib`` after its hash and libraries were checked. Where the
    file is missing, as in a fresh checkout, CDNOW's sample is trained on again, and what comes out
    must have the document's very parameters.

    Raises:
        HashMismatch: the file is not the manifest's, or training gives another model.
        LibraryMismatch: nothing was unpickled.
    """
    if (artefact / PIPELINE_FILE).exists():
        pickled = read_bytes(artefact / PIPELINE_FILE)
        if sha256_hex(pickled) != listed_sha256(read_manifest(artefact), PIPELINE_FILE):
            raise HashMismatch("model.joblib is not the file that the manifest was written for")
        check_libraries(document.libraries)
        unpickled: Mapping[str, Any] = joblib.load(BytesIO(pickled))
        return unpickled
    recipe = Recipe(document.currency, ks=(len(document.segments),), bootstraps=2)
    model = train(at_most(cdnow_history("sample")), recipe)
    trained = build_document(model, name=document.name, release=document.version, engine="portable")
    if trained.parameters != document.parameters:
        raise HashMismatch(
            f"{document.id} has no model.joblib, and training on CDNOW gives another model:"
            " train it where you compare it (python -m ops train)"
        )
    return model.pipelines


def ask_python(scorer: Scorer, rows: Matrix, nulls: Marks) -> Answers:
    """Score one customer after the other; missing values are None where ``nulls`` says so."""
    index = {name: position for position, name in enumerate(scorer.segments)}
    segments, churn, orders = [], [], []
    for start in range(0, len(rows), _AT_ONCE):
        part = rows[start : start + _AT_ONCE].astype(object)
        part[nulls[start : start + _AT_ONCE]] = None
        for row in part.tolist():
            scores = scorer.score(Features(*row))
            segments.append(index[scores.segment])
            churn.append(scores.churn)
            orders.append(scores.expected_orders)
    return Answers(np.array(segments), np.array(churn, dtype=float), np.array(orders, dtype=float))


def ask_pipelines(pipelines: Mapping[str, Any], rows: Matrix) -> Answers:
    """Score with scikit-learn, as the joblib engine does: distances, then the rule on ties."""
    parts = [
        predict(pipelines, rows[start : start + _AT_ONCE])
        for start in range(0, len(rows), _AT_ONCE)
    ]
    return Answers(
        np.concatenate([part.segments for part in parts]),
        np.concatenate([part.churn for part in parts]),
        np.concatenate([part.expected_orders for part in parts]),
    )


def nulls_of(rows: Matrix) -> Marks:
    """Which missing values to call NULL rather than NaN: every second one."""
    missing = np.isnan(rows)
    nulls: Marks = missing & (np.cumsum(missing, axis=0) % 2 == 0)
    return nulls


def write_rows(connection: DuckDBPyConnection, rows: Matrix, nulls: Marks, target: Path) -> None:
    """Write rows as Parquet: ``id`` from 0 on and a column for each feature, NULL and NaN apart."""
    columns: dict[str, Any] = {"id": np.arange(len(rows))}
    read = ["id"]
    for position, name in enumerate(FEATURE_NAMES):
        columns[name] = np.ascontiguousarray(rows[:, position])
        columns[f"{name}_null"] = np.ascontiguousarray(nulls[:, position])
        # Whatever DuckDB takes NumPy's NaN for, the two kinds of missing are told apart here.
        value = f"coalesce({name}, 'NaN'::DOUBLE)"
        read.append(f"CASE WHEN NOT {name}_null THEN {value} END AS {name}")
    _write(connection, columns, f"SELECT {', '.join(read)} FROM given", target)  # noqa: S608


def write_orders(connection: DuckDBPyConnection, history: History, target: Path) -> None:
    """Write a history as Parquet: one row an order."""
    orders = history.orders
    columns = {
        "customer_id": np.array([order.customer_id for order in orders], dtype=object),
        "at": np.array([order.at for order in orders], dtype=np.int64),
        "amount_minor": np.array([order.amount_minor for order in orders], dtype=np.int64),
        "currency": np.array([order.currency for order in orders], dtype=object),
    }
    _write(connection, columns, "SELECT * FROM given", target)


def read_answers(connection: DuckDBPyConnection, select: str, names: Sequence[str]) -> Answers:
    """Run a select with the columns id, segment, churn and expected_orders; rows by id."""
    columns = (
        "segment::VARCHAR AS segment",
        *(_or_nan(name) for name in ("churn", "expected_orders")),
    )
    query = f"SELECT {', '.join(columns)} FROM ({select}\n) ORDER BY id"  # noqa: S608
    given = connection.execute(query).fetchnumpy()
    index = {name: position for position, name in enumerate(names)}
    return Answers(
        np.array([index[name] for name in given["segment"]]),
        given["churn"],
        given["expected_orders"],
    )


def read_features(connection: DuckDBPyConnection, select: str) -> tuple[tuple[str, ...], Matrix]:
    """Run a select with customer_id and the features; customers by id, NaN where NULL."""
    columns = ("customer_id", *map(_or_nan, FEATURE_NAMES))
    query = f"SELECT {', '.join(columns)} FROM ({select}\n) ORDER BY customer_id"  # noqa: S608
    given = connection.execute(query).fetchnumpy()
    return tuple(given["customer_id"]), np.stack([given[name] for name in FEATURE_NAMES], axis=1)


def parquet(path: Path) -> str:
    """A Parquet file, or a directory of them, as a relation of DuckDB."""
    files = path / "*.parquet" if path.is_dir() else path
    return f"read_parquet({literal(str(files))})"


def _write(
    connection: DuckDBPyConnection, columns: Mapping[str, Any], select: str, target: Path
) -> None:
    connection.register("given", columns)
    connection.execute(f"COPY ({select}) TO {literal(str(target))} (FORMAT parquet)")
    connection.unregister("given")


def _or_nan(name: str) -> str:
    return f"coalesce({name}, 'NaN'::DOUBLE) AS {name}"
