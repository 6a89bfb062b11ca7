"""``parity`` fails where engines differ: in a segment, in a score, in who came out at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chalicelib.scoring.rejections import HashMismatch
from ops.agreement.differences import Answers, difference, largest
from ops.agreement.engines import pipelines_of
from ops.agreement.measure import measure, verdict
from ops.agreement.spark import SparkJob, SparkUnavailable, run_on_spark
from ops.datasets import read_complete_journey
from ops.training.history import at_most, cdnow_history
from tests.trained import artefact, copy_of_artefact, document, trained

PYTHON = Answers(np.array([0, 1]), np.array([0.25, 0.5]), np.array([0.1, 100.0]))


def test_measures_every_engine(tmp_path: Path) -> None:
    """A small run of the whole: nobody differs, and ties were among what was asked."""
    few = {"cdnow": at_most(cdnow_history("sample"), 200)}

    found = measure(artefact(), tmp_path, few, rows=600, seed=1, spark=False, say=lambda _: None)

    assert found["failed"] == []
    assert found["tied_rows"] > 30
    assert found["rows"] == found["described_rows"] + 600
    assert found["sklearn"]["segments"] == found["duckdb"]["segments"] == 0
    assert found["duckdb_features"]["largest"] == 0.0


@pytest.mark.parametrize(
    ("engine", "given"),
    [
        ("sklearn", replace(PYTHON, segments=np.array([0, 0]))),
        ("sklearn", replace(PYTHON, churn=np.array([0.25, 0.5 + 2e-12]))),
        ("duckdb", replace(PYTHON, churn=np.array([0.25, 0.5 + 2e-9]))),
        ("duckdb", replace(PYTHON, expected_orders=np.array([0.1, 100.0 + 2e-7]))),
        ("duckdb", replace(PYTHON, expected_orders=np.array([0.1, np.nan]))),
    ],
)
def test_names_the_engine_that_differs(engine: str, given: Answers) -> None:
    """One row is enough; a missing score is no small difference."""
    assert verdict(PYTHON, {engine: given}, {})["failed"] == [engine]
    assert verdict(PYTHON, {engine: PYTHON}, {})["failed"] == []


@pytest.mark.parametrize("value", [2e-9, float("inf"), float("nan")])
def test_names_the_engine_whose_features_differ(value: float) -> None:
    """Features have the bound of SQL."""
    assert verdict(PYTHON, {}, {"duckdb": value})["failed"] == ["duckdb_features"]


def test_an_answer_too_few_is_an_error() -> None:
    """Engines are compared row by row, or not at all."""
    with pytest.raises(ValueError, match="answers"):
        difference(replace(PYTHON, churn=np.array([0.25])), PYTHON)


def test_what_only_one_side_misses_is_infinitely_far() -> None:
    """A value where none should be, or none where one should be."""
    known, missing = np.array([1.0]), np.array([np.nan])

    assert largest(known, missing) == largest(missing, known) == float("inf")
    assert largest(missing, missing) == 0.0


class TestPipelines:
    """Where scikit-learn's side comes from."""

    def test_is_trained_again_where_the_file_is_missing(self, tmp_path: Path) -> None:
        """A fresh checkout has no model.joblib; training gives the document's parameters."""
        directory = copy_of_artefact(tmp_path)
        (directory / "model.joblib").unlink()

        pipelines = pipelines_of(directory, document())

        expected = trained().pipelines["churn"].named_steps["model"].coef_
        assert (pipelines["churn"].named_steps["model"].coef_ == expected).all()

    def test_is_refused_where_training_gives_another_model(self, tmp_path: Path) -> None:
        """A document of other numbers is not compared with this model's pipelines."""
        directory = copy_of_artefact(tmp_path)
        (directory / "model.joblib").unlink()
        parameters = document().parameters.model_copy(update={"segment_cap": 2.0})

        with pytest.raises(HashMismatch, match="another model"):
            pipelines_of(directory, document().model_copy(update={"parameters": parameters}))

    def test_is_not_unpickled_where_the_file_is_another(self, tmp_path: Path) -> None:
        """Unpickling runs code, so the hash comes first."""
        directory = copy_of_artefact(tmp_path)
        (directory / "model.joblib").write_bytes(b"not the pickle that the manifest lists")

        with pytest.raises(HashMismatch, match=r"model\.joblib"):
            pipelines_of(directory, document())


def test_reads_the_even_half_of_complete_journey() -> None:
    """One order a basket, oldest first; the odd households stay unread."""
    baskets = read_complete_journey()

    assert len(baskets) == 78_536
    assert len({basket.household_id for basket in baskets}) == 1_238
    assert all(int(basket.household_id) % 2 == 0 for basket in baskets)
    assert [basket.paid_at for basket in baskets] == sorted(basket.paid_at for basket in baskets)


def test_says_how_to_get_spark(tmp_path: Path) -> None:
    """Without its environment Spark is one command away."""
    with pytest.raises(SparkUnavailable, match=r"make \.spark"):
        run_on_spark(SparkJob({}, {}), tmp_path, environment=tmp_path / "none")
