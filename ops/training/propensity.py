"""Churn and expected orders over the horizon: generalised linear models on prepared features.

Trained on every snapshot whose horizon is complete, so that customers of all ages are in it; the
label always comes after the features. Linear models beat boosting on these data sets, and serve
in a microsecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, PoissonRegressor
from sklearn.pipeline import Pipeline

from chalicelib.core.errors import BadInput
from ops.training.preparation import rounded, with_head
from ops.training.snapshots import Labels, Matrix, Snapshot

ChurnModel = Literal["logistic", "boosted"]
# Weak ridge penalties: five features and thousands of rows need next to none.
_LOGISTIC_C = 1.0
_POISSON_ALPHA = 1e-3


def labelled(snapshots: Sequence[Snapshot]) -> tuple[Matrix, Labels]:
    """Features and orders within the horizon, of the snapshots whose horizon is complete."""
    complete = [(s.features, s.orders_after) for s in snapshots if s.orders_after is not None]
    return (
        np.vstack([features for features, _ in complete]),
        np.concatenate([orders for _, orders in complete]),
    )


def fit_churn(
    preparation: Pipeline, features: Matrix, orders: Labels, *, model: ChurnModel, seed: int
) -> Pipeline:
    """P(no order within the horizon) is column 1 of ``predict_proba``.

    Raises BadInput when everybody, or nobody, ordered again.
    """
    churned = (orders == 0).astype(np.int64)
    if churned.min() == churned.max():
        raise BadInput.of(
            "orders", "hold no customer who returned within a horizon, or none who did not"
        )
    if model == "boosted":
        return with_head(preparation, _fit_boosted(preparation.transform(features), churned, seed))
    # Newton's method: lbfgs stops somewhere near the optimum, and where depends on the machine.
    head = LogisticRegression(C=_LOGISTIC_C, solver="newton-cholesky", tol=1e-12, max_iter=200)
    return with_head(preparation, _rounded(head.fit(preparation.transform(features), churned)))


def fit_expected_orders(preparation: Pipeline, features: Matrix, orders: Labels) -> Pipeline:
    """Expected number of orders within the horizon, by ``predict``."""
    head = PoissonRegressor(alpha=_POISSON_ALPHA, solver="newton-cholesky", tol=1e-12, max_iter=200)
    return with_head(preparation, _rounded(head.fit(preparation.transform(features), orders)))


def _fit_boosted(prepared: Matrix, churned: Labels, seed: int) -> Any:
    return HistGradientBoostingClassifier(
        max_depth=3, learning_rate=0.05, max_iter=150, random_state=seed
    ).fit(prepared, churned)


def _rounded(head: Any) -> Any:
    head.coef_ = rounded(head.coef_)
    intercept = rounded(np.asarray(head.intercept_))
    head.intercept_ = intercept if intercept.ndim else float(intercept)
    return head
