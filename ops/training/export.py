"""A fitted scikit-learn pipeline as plain numbers, or the names of the parts that are not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, PoissonRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from chalicelib.core.errors import BadInput
from chalicelib.core.features import FEATURE_NAMES
from chalicelib.scoring.document import Linear, OpaqueParameters, PortableParameters
from chalicelib.scoring.joblib_engine import HEADS
from ops.training.snapshots import Matrix

TIE_DISTANCE = 1e-9
_HEAD_TYPES = {
    "segment": KMeans,
    "churn": LogisticRegression,
    "expected_orders": PoissonRegressor,
}
_PREPARATION_TYPES = (FunctionTransformer, ColumnTransformer, FunctionTransformer, StandardScaler)


class NotExportable(BadInput):
    """The pipeline has parts that cannot be written as data; ``reasons`` names each."""

    def __init__(self, reasons: tuple[str, ...]) -> None:
        self.reasons = reasons
        super().__init__()

    def __str__(self) -> str:
        return (
            f"cannot be written as data: {'; '.join(self.reasons)}."
            " Package it with --engine joblib and deploy with SEGUE_SCORER=joblib."
        )


def export(pipelines: Mapping[str, Any]) -> PortableParameters:
    """All parameters of the three pipelines; raises NotExportable naming what it does not know."""
    reasons = tuple(_unknown_parts(pipelines))
    if reasons:
        raise NotExportable(reasons)
    scale = pipelines["segment"].named_steps["scale"]
    return PortableParameters(
        kind="portable",
        mean=_floats(scale.mean_),
        scale=_floats(scale.scale_),
        centroids=tuple(
            _floats(row) for row in pipelines["segment"].named_steps["model"].cluster_centers_
        ),
        segment_cap=float(pipelines["segment"].named_steps["cap"].kw_args["a_max"]),
        tie_distance=TIE_DISTANCE,
        churn=_linear(pipelines["churn"].named_steps["model"]),
        expected_orders=_linear(pipelines["expected_orders"].named_steps["model"]),
    )


def export_opaque(pipelines: Mapping[str, Any]) -> OpaqueParameters:
    """Why the portable engine cannot serve these; raises BadInput when it can."""
    reasons = tuple(_unknown_parts(pipelines))
    if not reasons:
        raise BadInput.of(
            "engine", "can be portable: every part of this pipeline can be written as data"
        )
    return OpaqueParameters(kind="opaque", tie_distance=TIE_DISTANCE, reasons=reasons)


def bounds_and_imputation(preparation: Pipeline) -> tuple[Matrix, Matrix, Matrix]:
    """Lower bounds, upper bounds and imputed values by feature, out of the fitted parts."""
    bounds = preparation.named_steps["clip"].kw_args
    imputed = np.empty(len(FEATURE_NAMES))
    for _, imputer, columns in preparation.named_steps["impute"].transformers_:
        imputed[columns] = imputer.statistics_
    return bounds["a_min"], bounds["a_max"], imputed


def _unknown_parts(pipelines: Mapping[str, Any]) -> Iterator[str]:
    first: list[Any] | None = None
    for head in HEADS:
        pipeline = pipelines[head]
        if not isinstance(pipeline, Pipeline):
            yield f"{head} is a {type(pipeline).__name__}, not a Pipeline"
            continue
        *preparation, (_, model) = pipeline.steps
        if head == "segment":
            *preparation, cap = preparation
            yield from (f"{head}: {reason}" for reason in _unknown_cap(cap))
        yield from (f"{head}: {reason}" for reason in _unknown_preparation(preparation))
        if type(model) is not _HEAD_TYPES[head]:
            yield f"{head}: {type(model).__name__} is not a {_HEAD_TYPES[head].__name__}"
        parts = [part for _, part in preparation]
        first = first or parts
        if any(ours is not theirs for ours, theirs in zip(parts, first, strict=False)):
            yield f"{head}: is prepared otherwise than {HEADS[0]}"


def _unknown_preparation(steps: list[tuple[str, Any]]) -> Iterator[str]:
    kinds = tuple(type(part) for _, part in steps)
    if kinds != _PREPARATION_TYPES:
        known = ", ".join(kind.__name__ for kind in _PREPARATION_TYPES)
        yield f"prepares by {', '.join(k.__name__ for k in kinds) or 'nothing'}; known is {known}"
        return
    (_, clip), (_, impute), (_, log), _ = steps
    if clip.func is not np.clip or log.func is not np.log1p:
        yield "clips or takes logarithms by another function than numpy's clip and log1p"
    for name, imputer, _ in impute.transformers_:
        if not isinstance(imputer, SimpleImputer):
            yield f"imputes {name} by {type(imputer).__name__}; known is SimpleImputer"
    columns = [column for _, _, group in impute.transformers_ for column in group]
    if columns != sorted(columns):
        yield "changes the order of the features"


def _unknown_cap(step: tuple[str, Any]) -> Iterator[str]:
    _, cap = step
    bounds = getattr(cap, "kw_args", None) or {}
    symmetric = bounds.get("a_max") is not None and bounds.get("a_min") == -bounds["a_max"]
    if not symmetric or cap.func is not np.clip:
        yield "does not clip the standardised features to one distance on both sides"


def _linear(model: Any) -> Linear:
    return Linear(
        intercept=float(np.ravel(model.intercept_)[0]), coefficients=_floats(np.ravel(model.coef_))
    )


def _floats(values: Any) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
