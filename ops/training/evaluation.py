"""How good the propensities are on time, and on customers, that the fitted model had not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold

from chalicelib.core.features import FEATURE_NAMES
from chalicelib.core.instants import Instant
from ops.training.preparation import fit_preparation
from ops.training.propensity import ChurnModel, fit_churn, fit_expected_orders, labelled
from ops.training.snapshots import Matrix, Snapshot

_RECENCY = FEATURE_NAMES.index("recency_days")


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Figures on one snapshot that was not trained on; AUC and Brier are of "buys again".

    Attributes:
        as_of: moment of the features; the labels come after it.
        customers: number of rows.
        bought: share of them who bought again.
        auc: area under the ROC curve.
        recency_auc: the same for ranking by recency alone.
        brier: mean squared error of the probability.
        base_brier: the same for predicting the share itself, known only afterwards.
        orders_error: mean absolute error of the expected orders.
        predicted: the probabilities of buying again.
        actual: 1 where the customer bought.
    """

    as_of: Instant
    customers: int
    bought: float
    auc: float
    recency_auc: float
    brier: float
    base_brier: float
    orders_error: float
    predicted: Matrix
    actual: Matrix


def held_out_in_turn(
    snapshots: Sequence[Snapshot], churn_model: ChurnModel, *, seed: int
) -> tuple[HeldOut, ...]:
    """Test on each snapshot a model fitted only on horizons that had ended by then."""
    results = []
    for index, test in enumerate(snapshots):
        # Snapshots lie a horizon apart, so every earlier one's horizon has ended at this one.
        if index == 0 or test.orders_after is None or not _both_outcomes(test):
            continue
        known = [s for s in snapshots[:index] if _both_outcomes(s)]
        if known:
            results.append(fit_and_test(known, test, churn_model, seed=seed))
    return tuple(results)


def fit_and_test(
    known: Sequence[Snapshot], test: Snapshot, churn_model: ChurnModel = "logistic", *, seed: int
) -> HeldOut:
    """Fit on the known snapshots, features' preparation included, and test on another."""
    if test.orders_after is None:
        raise ValueError("the data ends before the horizon of the test snapshot does")
    features, orders = labelled(known)
    preparation = fit_preparation(features)
    churn = fit_churn(preparation, features, orders, model=churn_model, seed=seed)
    expected = fit_expected_orders(preparation, features, orders).predict(test.features)
    predicted = churn.predict_proba(test.features)[:, 0]
    actual = (test.orders_after > 0).astype(np.float64)
    return HeldOut(
        as_of=test.as_of,
        customers=len(actual),
        bought=float(actual.mean()),
        auc=float(roc_auc_score(actual, predicted)),
        recency_auc=recency_auc(test),
        brier=float(brier_score_loss(actual, predicted)),
        base_brier=float(actual.mean() * (1 - actual.mean())),
        orders_error=float(np.abs(expected - test.orders_after).mean()),
        predicted=predicted,
        actual=actual,
    )


def recency_auc(snapshot: Snapshot) -> float:
    """AUC of "buys again" when customers are ranked by recency alone."""
    if snapshot.orders_after is None:
        raise ValueError("the data ends before the horizon of the snapshot does")
    return float(roc_auc_score(snapshot.orders_after > 0, -snapshot.features[:, _RECENCY]))


def cross_validate(snapshot: Snapshot, *, folds: int, seed: int) -> float:
    """AUC over customers held out fold by fold at one snapshot."""
    if snapshot.orders_after is None:
        raise ValueError("the data ends before the horizon of the snapshot does")
    bought = snapshot.orders_after > 0
    predicted = np.empty(len(bought))
    for fit, test in StratifiedKFold(folds, shuffle=True, random_state=seed).split(
        snapshot.features, bought
    ):
        features, orders = snapshot.features[fit], snapshot.orders_after[fit]
        churn = fit_churn(fit_preparation(features), features, orders, model="logistic", seed=seed)
        predicted[test] = churn.predict_proba(snapshot.features[test])[:, 0]
    return float(roc_auc_score(bought, predicted))


def _both_outcomes(snapshot: Snapshot) -> bool:
    orders = snapshot.orders_after
    return orders is not None and bool((orders > 0).any()) and bool((orders == 0).any())
