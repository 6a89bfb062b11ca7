"""Train all three heads on one history: the whole of what a packaged model is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from chalicelib.core.errors import BadInput
from chalicelib.scoring.ties import nearest
from ops.training.evaluation import HeldOut, held_out_in_turn
from ops.training.export import TIE_DISTANCE
from ops.training.history import History
from ops.training.naming import Archetype, name_segments
from ops.training.preparation import fit_preparation
from ops.training.propensity import ChurnModel, fit_churn, fit_expected_orders, labelled
from ops.training.segmentation import CANDIDATE_KS, Stability, choose, fit_segments, stack, study
from ops.training.snapshots import Labels, Matrix, Snapshot, snapshot_moments, take_snapshots

HORIZON_DAYS = 91  # 13 weeks
SEED = 1997
BOOTSTRAPS = 20


@dataclass(frozen=True, slots=True)
class Recipe:
    """What training is free to choose.

    Attributes:
        currency: ISO 4217 code; orders in others count, without a value.
        horizon_days: how far churn and expected orders look ahead.
        seed: of restarts, bootstraps and folds.
        ks: numbers of segments to study; a single one decides.
        bootstraps: how often each is resampled.
        churn_model: ``boosted`` cannot be written as data and needs the joblib engine.
    """

    currency: str
    horizon_days: int = HORIZON_DAYS
    seed: int = SEED
    ks: tuple[int, ...] = CANDIDATE_KS
    bootstraps: int = BOOTSTRAPS
    churn_model: ChurnModel = "logistic"


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """Fitted pipelines and all that their description is made from.

    Attributes:
        pipelines: ``segment``, ``churn`` and ``expected_orders``, each from the raw features.
        names: the segments' archetypes by index.
        studied: how each k fared; ``chosen`` is one of them.
        snapshots: what was learned from; the last one is the data's end.
        held_out: figures on time that the fitted model had not seen.
    """

    history: History
    recipe: Recipe
    pipelines: Mapping[str, Pipeline]
    names: tuple[Archetype, ...]
    studied: tuple[Stability, ...]
    chosen: Stability
    snapshots: tuple[Snapshot, ...]
    held_out: tuple[HeldOut, ...]


@dataclass(frozen=True, slots=True)
class Predictions:
    """What the pipelines say of some rows."""

    segments: Labels
    churn: Matrix
    expected_orders: Matrix


def train(history: History, recipe: Recipe) -> TrainedModel:
    """Train on one thread, so that sums are formed in the same order at every run.

    Raises BadInput when the history is too short, or holds nothing in the currency.
    """
    with threadpool_limits(limits=1):
        snapshots = take_snapshots(
            history,
            snapshot_moments(history, horizon_days=recipe.horizon_days),
            horizon_days=recipe.horizon_days,
            currency=recipe.currency,
        )
        rows = stack(snapshots)
        _check_rows(rows.features, rows.rows_by_customer, recipe)
        studied = study(rows, ks=recipe.ks, bootstraps=recipe.bootstraps, seed=recipe.seed)
        chosen = choose(studied)
        preparation = fit_preparation(rows.features)
        segment = fit_segments(preparation, rows.features, k=chosen.k, seed=recipe.seed)
        features, orders = labelled(snapshots)
        churn = fit_churn(preparation, features, orders, model=recipe.churn_model, seed=recipe.seed)
        return TrainedModel(
            history=history,
            recipe=recipe,
            pipelines={
                "segment": segment,
                "churn": churn,
                "expected_orders": fit_expected_orders(preparation, features, orders),
            },
            names=name_segments(segment.named_steps["model"].cluster_centers_),
            studied=studied,
            chosen=chosen,
            snapshots=snapshots,
            held_out=held_out_in_turn(snapshots, recipe.churn_model, seed=recipe.seed),
        )


def predict(pipelines: Mapping[str, Any], features: Matrix) -> Predictions:
    """Score rows as the engines do, the rule on ties included."""
    distances = pipelines["segment"].transform(features).tolist()
    return Predictions(
        segments=np.array([nearest(row, tie_distance=TIE_DISTANCE) for row in distances]),
        churn=pipelines["churn"].predict_proba(features)[:, 1],
        expected_orders=pipelines["expected_orders"].predict(features),
    )


def _check_rows(features: Matrix, customers: tuple[Labels, ...], recipe: Recipe) -> None:
    fewest = 20 * max(recipe.ks)
    if len(customers) < fewest:
        raise BadInput.of("orders", f"come from {len(customers)} customers; {fewest} are needed")
    if np.isnan(features[:, 2]).all():
        raise BadInput.of("currency", f"no order was paid in {recipe.currency}")
