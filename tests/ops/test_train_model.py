from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler

from chalicelib.core.errors import BadInput
from chalicelib.core.features import FEATURE_NAMES
from chalicelib.core.instants import DAY_SECONDS
from ops.training.card import render_card
from ops.training.document import build_document
from ops.training.export import NotExportable, export, export_opaque
from ops.training.history import History, cdnow_history
from ops.training.model import Recipe, predict, train
from ops.training.naming import ARCHETYPES, name_segments
from ops.training.preparation import rounded
from ops.training.segmentation import Rows, Stability, choose, study
from tests.trained import generated_rows, trained

SILENT = {"at_risk", "cannot_lose", "hibernating", "lost"}
FRESH = {"champions", "loyal", "promising", "new"}


class TestTraining:
    """What training gives, and what it refuses."""

    def test_the_segments_are_the_fields_and_large_enough(self) -> None:
        """CDNOW has champions, new, at risk, hibernating and lost, none below one in twenty."""
        names = {archetype.name for archetype in trained().names}

        assert names == {"champions", "new", "at_risk", "hibernating", "lost"}
        assert trained().chosen.smallest_share >= 0.05

    def test_churn_is_calibrated_on_what_it_was_fitted_on(self) -> None:
        """The mean probability is the share that did not come back, within half a percent."""
        rows = [s for s in trained().snapshots if s.orders_after is not None]
        churn = predict(trained().pipelines, np.vstack([s.features for s in rows])).churn
        stayed_away = np.concatenate([s.orders_after == 0 for s in rows])

        assert churn.mean() == pytest.approx(stayed_away.mean(), abs=0.005)

    def test_no_score_leaves_its_range(self) -> None:
        """Whatever comes in, churn is a probability and the expected orders are finite."""
        scores = predict(trained().pipelines, generated_rows(2_000, seed=3))

        assert ((scores.churn > 0) & (scores.churn < 1)).all()
        assert np.isfinite(scores.expected_orders).all()
        assert (scores.expected_orders > 0).all()

    def test_held_out_time_comes_after_that_of_fitting(self) -> None:
        """Each quarter but the first is tested once, better than by recency alone."""
        held_out = trained().held_out

        assert [h.as_of for h in held_out] == [s.as_of for s in trained().snapshots[1:-1]]
        assert all(h.auc > h.recency_auc > 0.7 for h in held_out)
        assert all(h.brier < h.base_brier for h in held_out)

    @pytest.mark.parametrize(
        ("history", "recipe", "problem"),
        [
            (lambda h: h, Recipe("EUR", ks=(5,), bootstraps=1), "EUR"),
            (
                lambda h: History("few", tuple(o for o in h.orders if o.customer_id < "00500")),
                Recipe("USD", ks=(5,), bootstraps=1),
                "customers",
            ),
        ],
        ids=["another currency", "few customers"],
    )
    def test_what_cannot_be_learned_from_is_refused(
        self, history: object, recipe: Recipe, problem: str
    ) -> None:
        """No order in the currency, or a handful of customers: the message says which."""
        assert callable(history)
        with pytest.raises(BadInput, match=problem):
            train(history(cdnow_history()), recipe)

    def test_rounding_keeps_ten_digits(self) -> None:
        """Numbers of all magnitudes keep ten significant digits, and their shape."""
        values = np.array([[1 / 3, 2e10 / 3], [-1e-5 / 3, 0.0]])

        assert rounded(values).tolist() == [[0.3333333333, 6666666667.0], [-3.333333333e-06, 0.0]]

    def test_no_last_bit_of_a_machine_is_pickled(self) -> None:
        """What k-means sums up is rounded as well, so that the manifest's hashes stay."""
        kmeans = trained().pipelines["segment"].named_steps["model"]

        assert kmeans.inertia_ == float(rounded(np.asarray(kmeans.inertia_)))

    def test_a_short_history_says_that_nothing_was_tested(self) -> None:
        """Two horizons train a model; there is no later one to test it on, and the card says so."""
        history = cdnow_history()
        last = history.starts_at + 200 * DAY_SECONDS
        short = History("short", tuple(o for o in history.orders if o.at < last))

        model = train(short, Recipe("USD", ks=(3,), bootstraps=1))

        document = build_document(model, name="short", release="1.0.0", engine="portable")
        assert model.held_out == ()
        assert "too short to test" in render_card(model, document)


class TestStudy:
    """How each number of segments fares."""

    def test_more_segments_than_kinds_of_customers_are_not_eligible(self) -> None:
        """Three kinds of rows fill three segments: a fourth is empty, without a warning."""
        kinds = np.array([[9.0, 1, 900, 9, 0], [90.0, 2, 900, 99, 9], [400.0, 9, 900, 500, 50]])
        rows = Rows(np.repeat(kinds, 20, axis=0), tuple(np.arange(60).reshape(60, 1)))

        (four,) = study(rows, ks=(4,), bootstraps=1, seed=1)

        assert four.smallest_share == 0.0
        assert not four.eligible


def stability(k: int, ari: float, silhouette: float, smallest: float = 0.1) -> Stability:
    """A row of the table from which k is chosen."""
    return Stability(k, ari, ari, 1.0 if ari >= 0.9 else 0.5, silhouette, smallest)


class TestChoiceOfK:
    """Stability first, then silhouette, then fineness."""

    @pytest.mark.parametrize(
        ("studied", "k"),
        [
            ((stability(4, 0.95, 0.34), stability(5, 0.95, 0.33), stability(6, 0.95, 0.2)), 5),
            ((stability(4, 0.95, 0.34), stability(5, 0.89, 0.50)), 4),
            ((stability(4, 0.95, 0.34), stability(5, 0.99, 0.34, smallest=0.04)), 4),
            ((stability(3, 0.99, 0.60), stability(4, 0.91, 0.30)), 4),
            ((stability(3, 0.99, 0.60), stability(4, 0.70, 0.3), stability(5, 0.80, 0.3)), 5),
        ],
        ids=[
            "the finest of those alike",
            "unstable",
            "a segment too small",
            "too coarse",
            "none eligible: the most stable",
        ],
    )
    def test_rule(self, studied: Sequence[Stability], k: int) -> None:
        """The table's best eligible row is chosen."""
        assert choose(studied).k == k


CENTROIDS = st.integers(2, len(ARCHETYPES)).flatmap(
    lambda k: st.lists(
        st.tuples(*[st.floats(-2.5, 2.5)] * len(FEATURE_NAMES)), min_size=k, max_size=k
    )
)


class TestNames:
    """A policy acts on names, so they must fit."""

    @given(CENTROIDS)
    def test_names_are_unique(self, centroids: list[tuple[float, ...]]) -> None:
        """Any number of segments, wherever they lie, gets as many names."""
        named = name_segments(np.array(centroids))

        assert len({archetype.name for archetype in named}) == len(centroids)

    @given(CENTROIDS)
    def test_names_do_not_depend_on_the_order_of_the_segments(
        self, centroids: list[tuple[float, ...]]
    ) -> None:
        """A segment keeps its name when the others are numbered anew (ties aside)."""
        forward = name_segments(np.array(centroids))
        backward = name_segments(np.array(centroids[::-1]))
        places = [tuple(c[:4]) for c in centroids]

        if len(set(places)) == len(places):
            assert {a.name for a in forward} == {a.name for a in backward}

    @given(st.lists(st.tuples(*[st.floats(-2.5, 2.5)] * 5), min_size=2, max_size=4))
    def test_the_silent_are_not_greeted_as_regulars(
        self, centroids: list[tuple[float, ...]]
    ) -> None:
        """Segments that have just bought get no name of the silent, and the other way round."""
        for centroid, archetype in zip(centroids, name_segments(np.array(centroids)), strict=True):
            if centroid[0] < -0.3:
                assert archetype.name not in SILENT
            if centroid[0] > 0.0:
                assert archetype.name not in FRESH

    def test_more_segments_than_names_are_refused(self) -> None:
        """Eleven segments would need an eleventh name."""
        with pytest.raises(BadInput, match="at most 10"):
            name_segments(np.zeros((11, 5)))


class TestExport:
    """Only what the portable engine computes is written as data."""

    def test_a_known_pipeline_is_exported_whole(self) -> None:
        """Every number of the document is one of the pipeline's, none is computed anew."""
        parameters = export(trained().pipelines)

        steps = trained().pipelines["segment"].named_steps
        assert np.array_equal(parameters.centroids, steps["model"].cluster_centers_)
        assert np.array_equal(parameters.scale, steps["scale"].scale_)

    @pytest.mark.parametrize(
        ("head", "step", "part", "reason"),
        [
            ("churn", "model", HistGradientBoostingClassifier(), "HistGradientBoosting"),
            ("expected_orders", "scale", MinMaxScaler(), "MinMaxScaler"),
            ("segment", "log", FunctionTransformer(np.sqrt), "another function"),
            ("segment", "cap", FunctionTransformer(np.clip), "clip the standardised"),
        ],
    )
    def test_an_unknown_part_is_named(
        self, head: str, step: str, part: object, reason: str
    ) -> None:
        """The message names the head, the part and the engine that can serve it."""
        pipelines = dict(trained().pipelines)
        steps = [(n, part if n == step else p) for n, p in pipelines[head].steps]
        pipelines[head] = Pipeline(steps)

        with pytest.raises(NotExportable) as refused:
            export(pipelines)

        assert reason in str(refused.value)
        assert any(named.startswith(f"{head}:") for named in refused.value.reasons)
        assert "SEGUE_SCORER=joblib" in str(refused.value)
        assert export_opaque(pipelines).reasons == refused.value.reasons

    def test_a_bare_model_is_named(self) -> None:
        """Something that is not a pipeline is told so, too."""
        pipelines = dict(trained().pipelines) | {"churn": HistGradientBoostingClassifier()}

        with pytest.raises(NotExportable, match="not a Pipeline"):
            export(pipelines)

    def test_a_portable_model_is_not_hidden_in_a_pickle(self) -> None:
        """The joblib engine is for what cannot be data, not for what can."""
        with pytest.raises(BadInput, match="can be portable"):
            export_opaque(trained().pipelines)
