"""The default engine: one customer in a few microseconds, pure Python, nothing unpickled.

Equal to the scikit-learn pipeline it was exported from: the same clipping, imputation, log1p and
standardisation, then the nearest centroid, the logistic function and the exponential.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import dist, exp, inf, log1p

from chalicelib.core.features import Features
from chalicelib.core.scores import Scores
from chalicelib.scoring.document import ModelDocument, read_document, run_self_test
from chalicelib.scoring.fused import fuse
from chalicelib.scoring.ties import nearest


class PortableScorer:
    """Scores from a verified document.

    Input policy: None and NaN are missing and get the document's imputation; everything else,
    infinities too, is clipped to the document's bounds.
    """

    def __init__(self, document: ModelDocument, *, sha256: str) -> None:
        """Precompute all that does not depend on the customer.

        Raises:
            NotPortable: the document was packaged for the joblib engine.
            SchemaViolated: some input within the bounds would overflow a score.
        """
        fused = fuse(document)
        self.document = document
        self.name = document.id
        self.hash = f"sha256:{sha256}"
        self.currency = document.currency
        self.segments = document.segment_names
        self._parameters = fused.parameters
        self._columns = tuple(
            (column.lower, column.upper, column.log_lower, column.log_upper, column.log_imputed)
            for column in fused.columns
        )
        self._churn = fused.churn
        self._expected_orders = fused.expected_orders
        self._centroids = tuple(
            (name, *weights) for name, weights in zip(self.segments, fused.centroids, strict=True)
        )
        self._caps = fused.caps
        self._slack = fused.slack

    @classmethod
    def from_document(cls, data: bytes, *, expected_sha256: str) -> PortableScorer:
        """Verify ``model.json`` from hash to self-test; raises ArtifactRejected by its cause."""
        document = read_document(data, expected_sha256=expected_sha256)
        scorer = cls(document, sha256=expected_sha256)
        run_self_test(document, scorer)
        return scorer

    def score(self, features: Features) -> Scores:
        """Score one customer."""
        # Unrolled over the five features and free of calls where it can be: this is the hot path.
        logs = self._logs(features)
        x0, x1, x2, x3, x4 = logs
        segment = self._segment(logs)
        k, w0, w1, w2, w3, w4 = self._churn
        churn = 1.0 / (1.0 + exp(-(k + w0 * x0 + w1 * x1 + w2 * x2 + w3 * x3 + w4 * x4)))
        k, w0, w1, w2, w3, w4 = self._expected_orders
        expected_orders = exp(k + w0 * x0 + w1 * x1 + w2 * x2 + w3 * x3 + w4 * x4)
        return Scores(segment, churn, expected_orders, self.name)

    def _segment(self, logs: Sequence[float]) -> str:
        """The nearest centroid's name."""
        (l0, h0), (l1, h1), (l2, h2), (l3, h3), (l4, h4) = self._caps
        x0, x1, x2, x3, x4 = logs
        x0 = l0 if x0 < l0 else h0 if x0 > h0 else x0
        x1 = l1 if x1 < l1 else h1 if x1 > h1 else x1
        x2 = l2 if x2 < l2 else h2 if x2 > h2 else x2
        x3 = l3 if x3 < l3 else h3 if x3 > h3 else x3
        x4 = l4 if x4 < l4 else h4 if x4 > h4 else x4
        segment, near, slack, tied = "", inf, self._slack, False
        for name, k, w0, w1, w2, w3, w4 in self._centroids:
            distance = k + w0 * x0 + w1 * x1 + w2 * x2 + w3 * x3 + w4 * x4
            if distance < near:
                tied = near - distance <= slack
                segment, near = name, distance
            elif distance <= near + slack:
                tied = True
        return self._nearest((x0, x1, x2, x3, x4)) if tied else segment

    def _logs(self, features: Features) -> list[float]:
        """Clip, impute and take logarithms."""
        logs: list[float] = []
        append = logs.append
        values = (
            features.recency_days,
            features.frequency,
            features.monetary_minor,
            features.tenure_days,
            features.mean_gap_days,
        )
        for value, (lower, upper, log_lower, log_upper, log_imputed) in zip(
            values, self._columns, strict=True
        ):
            if value is None:
                append(log_imputed)
            elif lower < value < upper:
                append(log1p(value))
            elif value <= lower:
                append(log_lower)
            elif value >= upper:
                append(log_upper)
            else:  # NaN is in no order with anything
                append(log_imputed)
        return logs

    def _nearest(self, logs: Sequence[float]) -> str:
        """Decide a possible tie on the distances themselves."""
        parameters = self._parameters
        z = [
            (value - mean) / scale
            for value, mean, scale in zip(logs, parameters.mean, parameters.scale, strict=True)
        ]
        distances = [dist(z, centroid) for centroid in parameters.centroids]
        return self.segments[nearest(distances, tie_distance=parameters.tie_distance)]
