"""The default engine: one customer in a few microseconds, pure Python, nothing unpickled.

Equal to the scikit-learn pipeline it was exported from: the same clipping, imputation, log1p and
standardisation, then nearest centroid, logistic function and exponential.
"""

from __future__ import annotations

from math import exp, inf, log1p, sqrt

from chalicelib.core.features import Features
from chalicelib.core.scores import Scores
from chalicelib.scoring.document import (
    FeatureSpec,
    ModelDocument,
    PortableParameters,
    read_document,
    run_self_test,
)
from chalicelib.scoring.rejections import NotPortable

# exp overflows a float above this; the closed schema does not bound coefficients.
_LARGEST_EXPONENT = 700.0


class PortableScorer:
    """Scores from a verified document.

    Input policy: None and NaN are missing and get the document's imputation; everything else,
    infinities too, is clipped to the document's bounds.
    """

    def __init__(self, document: ModelDocument, *, sha256: str) -> None:
        """Precompute what does not depend on the customer; raises NotPortable."""
        parameters = document.parameters
        if not isinstance(parameters, PortableParameters):
            raise NotPortable(
                f"{document.id} serves only with SEGUE_SCORER=joblib: {parameters.reasons[0]}"
            )
        self.name = document.id
        self.hash = f"sha256:{sha256}"
        self.currency = document.currency
        self.segments = document.segment_names
        self._columns = tuple(
            _Column(feature, mean, scale).constants
            for feature, mean, scale in zip(
                document.features, parameters.mean, parameters.scale, strict=True
            )
        )
        self._centroids = tuple(zip(self.segments, parameters.centroids, strict=True))
        self._tie_distance = parameters.tie_distance
        self._churn = (parameters.churn.intercept, *parameters.churn.coefficients)
        orders = parameters.expected_orders
        self._expected_orders = (orders.intercept, *orders.coefficients)

    @classmethod
    def from_document(cls, data: bytes, *, expected_sha256: str) -> PortableScorer:
        """Verify ``model.json`` from hash to self-test; raises ArtifactRejected by its cause."""
        document = read_document(data, expected_sha256=expected_sha256)
        scorer = cls(document, sha256=expected_sha256)
        run_self_test(document, scorer)
        return scorer

    def score(self, features: Features) -> Scores:
        """Score one customer."""
        # Unrolled over the five features: a loop inside the loop over centroids doubles the cost.
        z0, z1, z2, z3, z4 = self._standardised(features)
        nearest = inf
        for _, (c0, c1, c2, c3, c4) in self._centroids:
            squared = (z0 - c0) ** 2 + (z1 - c1) ** 2 + (z2 - c2) ** 2 + (z3 - c3) ** 2 + (z4 - c4) ** 2
            ...
        raise NotImplementedError
