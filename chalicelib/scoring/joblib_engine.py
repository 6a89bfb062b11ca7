"""The other engine: the scikit-learn pipeline itself, for models that cannot be written as data.

Unpickling runs code, so nothing is unpickled before the file's sha256 and the versions of the
libraries were checked; scikit-learn, numpy and joblib are imported only then. It costs seconds of
cold start, about 200 MB and a thousand times the CPU of the portable engine per decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from typing import Any

from chalicelib.core.canonical import sha256_hex
from chalicelib.core.features import Features
from chalicelib.core.scores import Scores
from chalicelib.scoring.document import ModelDocument, run_self_test
from chalicelib.scoring.rejections import HashMismatch, LibraryMismatch, SchemaViolated
from chalicelib.scoring.ties import nearest

# The pickled value: one fitted pipeline for each of these, all from the raw feature matrix.
HEADS = ("segment", "churn", "expected_orders")


class JoblibScorer:
    """Scores with fitted pipelines.

    ``segment`` gives distances to the centroids by ``transform`` when it can, so that the rule on
    ties holds, else an index by ``predict``; ``churn`` gives ``predict_proba``, of which column 1
    is churn; ``expected_orders`` gives ``predict``.
    """

    def __init__(
        self, pipelines: Mapping[str, Any], document: ModelDocument, *, sha256: str
    ) -> None:
        """Serve pipelines that are already in memory; raises SchemaViolated when one is absent."""
        absent = [head for head in HEADS if head not in pipelines]
        if absent:
            raise SchemaViolated(f"model.joblib: has no pipeline {absent[0]}")
        import numpy  # noqa: PLC0415 - the API path must not load it unless this engine is chosen
        from threadpoolctl import threadpool_limits  # noqa: PLC0415 - scikit-learn depends on it

        # For one row a second thread only costs: on a busy machine it was seen to cost seconds.
        threadpool_limits(limits=1)
        self._array = numpy.array
        self._pipelines = pipelines
        self._tie_distance = document.parameters.tie_distance
        self.name = document.id
        self.hash = f"sha256:{sha256}"
        self.currency = document.currency
        self.segments = document.segment_names

    @classmethod
    def from_bytes(
        cls, pickled: bytes, document: ModelDocument, *, expected_sha256: str
    ) -> JoblibScorer:
        """Check, then unpickle, then run the self-test.

        Raises:
            HashMismatch, LibraryMismatch: nothing was unpickled.
            SchemaViolated, SelfTestFailed: what was unpickled is not this document's model.
        """
        if sha256_hex(pickled) != expected_sha256:
            raise HashMismatch("model.joblib is not the file that the manifest was written for")
        check_libraries(document.libraries)
        import joblib  # noqa: PLC0415 - as above

        scorer = cls(joblib.load(BytesIO(pickled)), document, sha256=expected_sha256)
        run_self_test(document, scorer)
        return scorer

    def score(self, features: Features) -> Scores:
        """Score one customer."""
        row = self._array([features.as_tuple()], dtype=float)  # None becomes NaN
        segment = self._pipelines["segment"]
        if hasattr(segment, "transform"):
            distances = segment.transform(row)[0].tolist()
            index = nearest(distances, tie_distance=self._tie_distance)
        else:
            index = int(segment.predict(row)[0])
        return Scores(
            self.segments[index],
            float(self._pipelines["churn"].predict_proba(row)[0, 1]),
            float(self._pipelines["expected_orders"].predict(row)[0]),
            self.name,
        )


def check_libraries(expected: Mapping[str, str]) -> None:
    """Compare installed versions with those of training; raises LibraryMismatch."""
    for library, wanted in sorted(expected.items()):
        installed = _installed(library)
        if installed != wanted:
            raise LibraryMismatch(
                f"{library} {installed or 'is not installed'}, the model was trained with {wanted}:"
                " install that version (requirements-joblib.txt) or train again"
            )


def _installed(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None
