"""The model's arithmetic as Python and SQL both do it: linear in the logarithms of the features.

What depends on the document alone is folded into weights once. ``portable`` computes with these
numbers, ``sql`` writes them down.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log1p, sqrt
from typing import NamedTuple

from chalicelib.scoring.document import (
    FeatureSpec,
    Linear,
    ModelDocument,
    PortableParameters,
)
from chalicelib.scoring.rejections import NotPortable, SchemaViolated

# exp() of more than this leaves the floats. Checked once, so that no score has to ask.
LARGEST_EXPONENT = 700.0

Weights = tuple[float, float, float, float, float, float]


class Column(NamedTuple):
    """One feature: its bounds, its imputation, and the logarithms of all three."""

    lower: float
    upper: float
    imputed: float
    log_lower: float
    log_upper: float
    log_imputed: float


@dataclass(frozen=True, slots=True)
class Fused:
    """A document's parameters, ready to compute with.

    Attributes:
        columns: the features in the order of ``FEATURE_NAMES``.
        churn: intercept and weights of the logit over the logarithms.
        expected_orders: the same for the logarithm of the expected orders.
        caps: for each logarithm, the bounds beyond which it no longer moves a segment.
        centroids: for each segment ``|z - c|² - |z|²``, intercept and weights over the capped
            logarithms: smallest where the distance is.
        slack: how far two of these can differ while the distances themselves are tied.
        parameters: the document's own, for the distances themselves.
    """

    columns: tuple[Column, ...]
    churn: Weights
    expected_orders: Weights
    caps: tuple[tuple[float, float], ...]
    centroids: tuple[Weights, ...]
    slack: float
    parameters: PortableParameters


def fuse(document: ModelDocument) -> Fused:
    """Precompute all that does not depend on the customer.

    Raises:
        NotPortable: the document was packaged for the joblib engine.
        SchemaViolated: some input within the bounds would overflow a score.
    """
    parameters = document.parameters
    if not isinstance(parameters, PortableParameters):
        raise NotPortable(
            f"{document.id} serves only with SEGUE_SCORER=joblib: {parameters.reasons[0]}"
        )
    columns = tuple(_column(spec) for spec in document.features)
    fused = Fused(
        columns=columns,
        churn=_over_logarithms(parameters.churn, parameters),
        expected_orders=_over_logarithms(parameters.expected_orders, parameters),
        caps=tuple(
            (mean - parameters.segment_cap * scale, mean + parameters.segment_cap * scale)
            for mean, scale in zip(parameters.mean, parameters.scale, strict=True)
        ),
        centroids=tuple(
            _over_logarithms(
                # |z - c|² without |z|², which is the same for every centroid.
                Linear(
                    intercept=sum(c * c for c in centroid),
                    coefficients=tuple(-2.0 * c for c in centroid),
                ),
                parameters,
            )
            for centroid in parameters.centroids
        ),
        slack=_tie_slack(parameters),
        parameters=parameters,
    )
    for name, weights in (("churn", fused.churn), ("expected_orders", fused.expected_orders)):
        if _largest(weights, columns) > LARGEST_EXPONENT:
            raise SchemaViolated(f"model.json: parameters.{name}: overflows within the bounds")
    return fused


def _column(spec: FeatureSpec) -> Column:
    return Column(
        spec.lower,
        spec.upper,
        spec.impute,
        log1p(spec.lower),
        log1p(spec.upper),
        log1p(spec.impute),
    )


def _over_logarithms(linear: Linear, parameters: PortableParameters) -> Weights:
    """A predictor over standardised features as one over their logarithms."""
    weights = [
        coefficient / scale
        for coefficient, scale in zip(linear.coefficients, parameters.scale, strict=True)
    ]
    shift = sum(w * mean for w, mean in zip(weights, parameters.mean, strict=True))
    w0, w1, w2, w3, w4 = weights
    return (linear.intercept - shift, w0, w1, w2, w3, w4)


def _largest(weights: Weights, columns: tuple[Column, ...]) -> float:
    """An upper bound of a predictor's magnitude for any input."""
    intercept, *rest = weights
    return abs(intercept) + sum(
        abs(w) * max(abs(column.log_lower), abs(column.log_upper))
        for w, column in zip(rest, columns, strict=True)
    )


def _tie_slack(parameters: PortableParameters) -> float:
    """How far squared distances can differ, for any input, while distances are tied.

    a² - b² = (a - b)(a + b), and no distance exceeds that from the capped cube's corners.
    """
    cap = parameters.segment_cap
    farthest = max(
        sqrt(sum((cap + abs(c)) ** 2 for c in centroid)) for centroid in parameters.centroids
    )
    # Doubled: the fused form and the distances themselves round differently.
    return 2.0 * parameters.tie_distance * (2.0 * farthest + 1.0)
