"""What every engine must do; what each must refuse is in the two files beside this one."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import astuple
from itertools import pairwise
from math import inf, nan
from typing import Any

import numpy as np
import pytest

from chalicelib.core.features import FEATURE_NAMES, Features
from chalicelib.core.scores import Scorer
from chalicelib.scoring.joblib_engine import JoblibScorer
from chalicelib.scoring.load import ENGINES, load_scorer
from chalicelib.scoring.portable import PortableScorer
from ops.training.model import predict
from ops.training.segmentation import stack
from ops.training.snapshots import Matrix
from tests.trained import artefact, document, generated_rows, trained

TYPICAL = Features(30.0, 3.0, 2700.0, 150.0, 65.0)
# scikit-learn takes milliseconds for one row, so the joblib engine proves itself on fewer.
ROWS = {"portable": None, "joblib": 60}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine in turn."""
    name: str = request.param
    return name


@pytest.fixture
def scorer(engine: str) -> Scorer:
    """The engine, loaded from the packaged model."""
    return load_scorer(engine, artefact())


class TestEveryEngine:
    """The contract of ``Scorer``."""

    def test_names_a_segment_and_propensities_of_the_model(self, scorer: Scorer) -> None:
        """An answer names one of the model's segments, a probability, a count and the model."""
        scores = scorer.score(TYPICAL)

        assert scores.segment in scorer.segments
        assert scores.churn is not None
        assert 0 < scores.churn < 1
        assert scores.expected_orders is not None
        assert scores.expected_orders > 0
        assert (scores.model, scores.fallback) == (scorer.name, False)

    def test_says_what_it_is(self, scorer: Scorer) -> None:
        """Name, currency, segments and the hash of what decides are those of the artefact."""
        assert (scorer.name, scorer.currency) == ("cdnow-1.0.0", "USD")
        assert scorer.segments == tuple(a.name for a in trained().names)
        assert scorer.hash.startswith("sha256:")

    def test_equals_the_pipeline_on_all_of_cdnow(self, scorer: Scorer, engine: str) -> None:
        """Every customer at every snapshot: same segment, |Δp| at most 1e-12."""
        rows = stack(trained().snapshots).features
        step = len(rows) // (ROWS[engine] or len(rows))

        others, churn, orders = differences(scorer, rows[::step])

        assert others == 0
        assert churn <= 1e-12
        assert orders <= 1e-12

    def test_equals_the_pipeline_on_generated_rows(self, scorer: Scorer, engine: str) -> None:
        """Missing, infinite, negative and enormous values: same segment, |Δp| at most 1e-12."""
        rows = generated_rows(ROWS[engine] or 10_000, seed=20_260)

        others, churn, orders = differences(scorer, rows)

        assert others == 0
        assert churn <= 1e-12
        assert orders <= 1e-12

    @pytest.mark.parametrize("position", range(len(FEATURE_NAMES)), ids=FEATURE_NAMES)
    def test_takes_none_and_nan_alike_as_missing(self, scorer: Scorer, position: int) -> None:
        """None and NaN both get the document's imputation."""
        values = list(astuple(TYPICAL))
        imputed = document().features[position].impute

        answers = [
            scorer.score(Features(*(*values[:position], value, *values[position + 1 :])))
            for value in (None, nan, imputed)
        ]

        assert answers[0] == answers[1] == answers[2]

    @pytest.mark.parametrize("position", range(len(FEATURE_NAMES)), ids=FEATURE_NAMES)
    def test_clips_infinities_and_outliers(self, scorer: Scorer, position: int) -> None:
        """Whatever lies beyond a bound scores as the bound does."""
        values = list(astuple(TYPICAL))
        spec = document().features[position]

        def score(value: float) -> Any:
            return scorer.score(Features(*(*values[:position], value, *values[position + 1 :])))

        assert score(inf) == score(1e308) == score(spec.upper)
        assert score(-inf) == score(-1e308) == score(spec.lower)

    def test_silence_makes_a_customer_leave(self, scorer: Scorer) -> None:
        """As nothing happens, churn never falls, and even a regular of many orders leaves."""
        months = [
            scorer.score(Features(1.0 + silent, 40.0, 3000.0, 500.0 + silent, 12.8))
            for silent in range(0, 361, 30)
        ]

        churn = [scores.churn for scores in months if scores.churn is not None]
        assert all(earlier < later for earlier, later in pairwise(churn))
        assert (months[0].segment, months[-1].segment) == ("champions", "at_risk")

    def test_gives_the_lowest_index_on_a_tie(self, engine: str) -> None:
        """Of centroids whose distances differ by less than 1e-9, the first one wins."""
        tied = with_centroids(engine, lambda c: np.array([c[1], c[0], c[0] + 1e-11, *c[3:]]))
        apart = with_centroids(engine, lambda c: np.array([c[1], c[0] + 1e-6, c[0], *c[3:]]))
        champion = Features(26.0, 5.0, 3155.0, 300.0, 52.0)

        assert tied.score(champion).segment == tied.segments[1]
        assert apart.score(at_centroid(0)).segment == apart.segments[2]

    def test_does_not_depend_on_what_it_scored_before(self, scorer: Scorer) -> None:
        """The same customer gets the same answer, whoever came in between."""
        first = scorer.score(TYPICAL)

        scorer.score(Features(400.0, 1.0, 900.0, 400.0, None))

        assert scorer.score(TYPICAL) == first


def differences(scorer: Scorer, rows: Matrix) -> tuple[int, float, float]:
    """Against the pipelines: other segments, largest |Δp|, largest relative Δ of the orders."""
    expected = predict(trained().pipelines, rows)
    given = [scorer.score(Features(*row)) for row in rows.tolist()]
    churn = np.array([scores.churn for scores in given])
    orders = np.array([scores.expected_orders for scores in given])
    names = [scorer.segments[index] for index in expected.segments]
    return (
        sum(scores.segment != name for scores, name in zip(given, names, strict=True)),
        float(np.abs(churn - expected.churn).max()),
        float((np.abs(orders - expected.expected_orders) / expected.expected_orders).max()),
    )


def at_centroid(index: int) -> Features:
    """Features that lie on a centroid of the packaged model."""
    parameters = document().parameters
    assert parameters.kind == "portable"
    logs = np.array(parameters.centroids[index]) * parameters.scale + parameters.mean
    return Features(*(float(value) for value in np.expm1(logs)))


def with_centroids(engine: str, change: Callable[[Matrix], Matrix]) -> Scorer:
    """The engine with other centroids, its self-test left out."""
    pipelines = dict(trained().pipelines)
    segment = pipelines["segment"]
    centroids = change(segment.named_steps["model"].cluster_centers_)
    if engine == "joblib":
        pipelines["segment"] = deepcopy(segment)
        pipelines["segment"].named_steps["model"].cluster_centers_ = centroids
        return JoblibScorer(pipelines, document(), sha256="0" * 64)
    parameters = document().parameters.model_copy(
        update={"centroids": tuple(tuple(map(float, row)) for row in centroids)}
    )
    return PortableScorer(document().model_copy(update={"parameters": parameters}), sha256="0" * 64)
