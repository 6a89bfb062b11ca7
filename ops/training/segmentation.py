"""Segments by k-means, with k chosen by how well the partition survives resampling.

For each k the whole pipeline is refitted on customers drawn with replacement, and its partition of
all rows is compared with the original one by the adjusted Rand index (ARI; 1 = the same, 0 = as
chance would have it).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from ops.training.preparation import fit_preparation, rounded, with_head
from ops.training.snapshots import Labels, Matrix, Snapshot

CANDIDATE_KS = (3, 4, 5, 6, 7, 8)
# Below four segments there is nothing to tell apart that recency alone would not.
FEWEST_SEGMENTS = 4
STABLE_ARI = 0.90
# A mean hides two partitions that take turns: most resamplings must agree one by one as well.
STABLE_SHARE = 0.90
# A segment that one customer in twenty does not reach is not worth an action of its own.
MIN_SEGMENT_SHARE = 0.05
# Silhouettes this close are alike; the finer partition then says more.
SILHOUETTE_TOLERANCE = 0.02
# Standard deviations beyond which more is not more different. Without it a regular of many orders
# lies so far out on frequency alone that no silence would ever move them to another segment.
CAP = 2.5
_SILHOUETTE_ROWS = 4_000
_RESTARTS = 20
_BOOTSTRAP_RESTARTS = 10


@dataclass(frozen=True, slots=True)
class Stability:
    """How one k fared.

    Attributes:
        k: number of segments.
        ari_mean: mean ARI over the bootstraps.
        ari_min: the worst of them.
        agreeing_share: share of bootstraps whose ARI is at least ``STABLE_ARI``.
        silhouette: mean silhouette of a fixed sample of rows.
        smallest_share: share of rows in the smallest segment.
    """

    k: int
    ari_mean: float
    ari_min: float
    agreeing_share: float
    silhouette: float
    smallest_share: float

    @property
    def eligible(self) -> bool:
        """Stable, fine enough, and no segment too small."""
        return (
            self.k >= FEWEST_SEGMENTS
            and self.ari_mean >= STABLE_ARI
            and self.agreeing_share >= STABLE_SHARE
            and self.smallest_share >= MIN_SEGMENT_SHARE
        )


@dataclass(frozen=True, slots=True)
class Rows:
    """Snapshots stacked: a customer has one row for each snapshot, and is resampled with all."""

    features: Matrix
    rows_by_customer: tuple[Labels, ...]


def stack(snapshots: Sequence[Snapshot]) -> Rows:
    """Stack snapshots; customers are in order of their ids."""
    customers = [customer for snapshot in snapshots for customer in snapshot.customers]
    _, inverse = np.unique(np.array(customers), return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    ends = np.cumsum(np.bincount(inverse))[:-1]
    return Rows(
        features=np.vstack([snapshot.features for snapshot in snapshots]),
        rows_by_customer=tuple(np.split(order, ends)),
    )


def fit_segments(preparation: Pipeline, features: Matrix, *, k: int, seed: int) -> Pipeline:
    """Fit k-means on prepared rows; segments are numbered from the most recent to the oldest."""
    capped = with_cap(preparation)
    return with_head(capped, _fit_kmeans(capped.transform(features), k, seed, _RESTARTS))


def with_cap(preparation: Pipeline) -> Pipeline:
    """The preparation that distances are measured in."""
    cap = FunctionTransformer(np.clip, kw_args={"a_min": -CAP, "a_max": CAP})
    return Pipeline([*preparation.steps, ("cap", cap)])


def study(
    rows: Rows, *, ks: Sequence[int] = CANDIDATE_KS, bootstraps: int, seed: int
) -> tuple[Stability, ...]:
    """Measure each k."""
    prepared = with_cap(fit_preparation(rows.features)).transform(rows.features)
    return tuple(_measure(rows, prepared, k, bootstraps=bootstraps, seed=seed) for k in ks)


def choose(studied: Sequence[Stability]) -> Stability:
    """Among the eligible with nearly the best silhouette, the finest; else the most stable."""
    eligible = [row for row in studied if row.eligible]
    if not eligible:
        return max(studied, key=lambda row: (row.k >= FEWEST_SEGMENTS, row.ari_mean))
    best = max(row.silhouette for row in eligible)
    alike = [row for row in eligible if row.silhouette >= best - SILHOUETTE_TOLERANCE]
    return max(alike, key=lambda row: row.k)


def _measure(rows: Rows, prepared: Matrix, k: int, *, bootstraps: int, seed: int) -> Stability:
    labels = _fit_kmeans(prepared, k, seed, _RESTARTS).predict(prepared)
    agreements = []
    for number in range(bootstraps):
        drawn = np.random.default_rng([seed, number]).integers(
            0, len(rows.rows_by_customer), len(rows.rows_by_customer)
        )
        sample = rows.features[np.concatenate([rows.rows_by_customer[i] for i in drawn])]
        again = with_cap(fit_preparation(sample))
        refit = _fit_kmeans(again.transform(sample), k, seed + number, _BOOTSTRAP_RESTARTS)
        agreements.append(
            adjusted_rand_score(labels, refit.predict(again.transform(rows.features)))
        )
    return Stability(
        k=k,
        ari_mean=float(np.mean(agreements)),
        ari_min=float(np.min(agreements)),
        agreeing_share=float(np.mean(np.array(agreements) >= STABLE_ARI)),
        silhouette=float(
            silhouette_score(
                prepared,
                labels,
                sample_size=min(_SILHOUETTE_ROWS, len(prepared)),
                random_state=seed,
            )
        ),
        smallest_share=float(np.bincount(labels, minlength=k).min() / len(labels)),
    )


def _fit_kmeans(prepared: Matrix, k: int, seed: int, restarts: int) -> KMeans:
    with warnings.catch_warnings():
        # Fewer distinct rows than segments: it shows as an empty smallest segment.
        warnings.simplefilter("ignore", ConvergenceWarning)
        kmeans = KMeans(k, n_init=restarts, random_state=seed).fit(prepared)
    # The number of a segment must not depend on the seed: sort by standardised recency, then on.
    centres = rounded(kmeans.cluster_centers_)
    kmeans.cluster_centers_ = np.ascontiguousarray(centres[np.lexsort(centres.T[::-1])])
    kmeans.labels_ = kmeans.predict(prepared)
    # Nothing scores with it, but it is pickled, and its last bit is the machine's.
    kmeans.inertia_ = float(rounded(np.asarray(kmeans.inertia_)))
    return kmeans
