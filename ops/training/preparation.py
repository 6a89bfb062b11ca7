"""Raw features to standardised ones, in stock scikit-learn parts: clip, impute, log, scale.

Every fitted number is rounded to ten significant digits *in the pipeline*, before anything is
fitted on top of it: so the exported document equals the pipeline exactly, and the last bits in
which machines differ do not reach it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from chalicelib.core.features import FEATURE_NAMES
from ops.training.snapshots import Matrix

SIGNIFICANT_DIGITS = 10
# One row in a hundred at each end: outliers (free orders, resellers) otherwise get clusters of
# their own, and a score far outside the training data would be extrapolation.
_TAIL = 0.01
# After training time goes on: customers order more often than any had, and fall silent for longer.
# Their scores must keep moving, so these reach to twice the largest value seen instead.
_GROWING = ("recency_days", "frequency", "tenure_days")
# A customer with one order has no gap yet, which is a fact and not a hole in the data: zero
# says so, and on held-out customers it ranks better than the median does.
_ABSENT_AS_ZERO = ("mean_gap_days",)


def rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same numbers with ten significant digits."""
    flat = [float(f"{value:.{SIGNIFICANT_DIGITS}g}") for value in np.asarray(values).ravel()]
    return np.array(flat, dtype=np.float64).reshape(np.shape(values))


def fit_preparation(features: Matrix) -> Pipeline:
    """Fit on raw rows, NaN where missing; the result transforms raw rows."""
    lower, upper = _bounds(features)
    clip = FunctionTransformer(np.clip, kw_args={"a_min": lower, "a_max": upper})
    typical = [i for i, name in enumerate(FEATURE_NAMES) if name not in _ABSENT_AS_ZERO]
    absent = [i for i, name in enumerate(FEATURE_NAMES) if name in _ABSENT_AS_ZERO]
    # Both groups keep their columns' order: the absent ones stand last among the features.
    impute = ColumnTransformer(
        [
            ("typical", SimpleImputer(strategy="median", keep_empty_features=True), typical),
            (
                "absent",
                SimpleImputer(strategy="constant", fill_value=0.0, keep_empty_features=True),
                absent,
            ),
        ]
    )
    clipped = clip.fit_transform(features)
    impute.fit(clipped)
    for _, imputer, _ in impute.transformers_:
        imputer.statistics_ = rounded(imputer.statistics_)
    log = FunctionTransformer(np.log1p)
    logs = log.fit_transform(impute.transform(clipped))
    scale = StandardScaler().fit(logs)
    scale.mean_, scale.scale_ = rounded(scale.mean_), rounded(scale.scale_)
    scale.var_ = scale.scale_**2
    return Pipeline([("clip", clip), ("impute", impute), ("log", log), ("scale", scale)])


def with_head(preparation: Pipeline, head: Any) -> Pipeline:
    """A pipeline from raw rows to a fitted model's answer."""
    return Pipeline([*preparation.steps, ("model", head)])


def _bounds(features: Matrix) -> tuple[Matrix, Matrix]:
    lower, upper = np.zeros(features.shape[1]), np.zeros(features.shape[1])
    for column in range(features.shape[1]):
        present = features[:, column][~np.isnan(features[:, column])]
        if present.size:
            lower[column], upper[column] = np.quantile(present, [_TAIL, 1 - _TAIL])
    for name in _GROWING:
        column = FEATURE_NAMES.index(name)
        upper[column] = 2 * np.nanmax(features[:, column])
    # Zero stands for "absent", so it must lie within the bounds.
    for name in _ABSENT_AS_ZERO:
        lower[FEATURE_NAMES.index(name)] = 0.0
    return rounded(lower), rounded(upper)
