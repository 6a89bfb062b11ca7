"""Describe a trained model as the closed document that the engines load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, Literal

import numpy as np

from chalicelib.core.features import FEATURE_NAMES
from chalicelib.core.instants import format_instant
from chalicelib.core.money import format_amount
from chalicelib.scoring.document import (
    Baselines,
    FeatureBaseline,
    FeatureSpec,
    Fingerprint,
    ModelDocument,
    SegmentProfile,
    SelfTest,
)
from ops.training.export import bounds_and_imputation, export, export_opaque
from ops.training.model import TrainedModel, predict
from ops.training.naming import describe_segment
from ops.training.preparation import rounded
from ops.training.segmentation import MIN_SEGMENT_SHARE, stack
from ops.training.snapshots import Matrix

# What a pickled pipeline depends on.
LIBRARIES = ("joblib", "numpy", "scikit-learn", "scipy")
_METRIC_DIGITS = 6
_SELF_TEST_DIGITS = 12
_LARGEST_INPUT = 1e308

_MEANINGS: Mapping[str, tuple[str, str]] = {
    "recency_days": ("days", "from the latest counted order to the moment of scoring"),
    "frequency": ("orders", "number of counted orders"),
    "monetary_minor": ("minor units of the model's currency", "mean value of an order"),
    "tenure_days": ("days", "from the first counted order to the moment of scoring"),
    "mean_gap_days": ("days", "mean time between consecutive orders, missing below two orders"),
}


def build_document(
    model: TrainedModel, *, name: str, release: str, engine: Literal["portable", "joblib"]
) -> ModelDocument:
    """The document of a release ``name-release``; equal inputs give equal documents.

    Raises NotExportable when the portable engine is asked for and cannot serve the model.
    """
    history = model.history
    lower, upper, imputed = bounds_and_imputation(model.pipelines["segment"])
    segments = _segments(model)
    return ModelDocument(
        schema_version=1,
        name=name,
        version=release,
        currency=model.recipe.currency,
        horizon_days=model.recipe.horizon_days,
        # The moment up to which the data reaches: the wall clock would make every run differ.
        trained_at=format_instant(history.ends_at),
        data=Fingerprint(
            source=history.source,
            sha256=history.sha256,
            orders=len(history.orders),
            customers=history.customers,
            first_order_at=format_instant(history.orders[0].at),
            last_order_at=format_instant(history.orders[-1].at),
            snapshots=tuple(format_instant(s.as_of) for s in model.snapshots),
        ),
        libraries={library: version(library) for library in LIBRARIES},
        seed=model.recipe.seed,
        features=tuple(
            FeatureSpec(
                name=feature,
                unit=_MEANINGS[feature][0],
                description=_MEANINGS[feature][1],
                lower=float(lower[i]),
                upper=float(upper[i]),
                impute=float(imputed[i]),
                transform="log1p",
            )
            for i, feature in enumerate(FEATURE_NAMES)
        ),
        parameters=(export if engine == "portable" else export_opaque)(model.pipelines),
        segments=segments,
        min_segment_share=MIN_SEGMENT_SHARE,
        baselines=_baselines(model),
        self_test=_self_test(model, segments),
        metrics=_metrics(model),
    )


def _segments(model: TrainedModel) -> tuple[SegmentProfile, ...]:
    features = stack(model.snapshots).features
    segment = predict(model.pipelines, features).segments
    at_end = predict(model.pipelines, model.snapshots[-1].features).segments
    orders = np.concatenate(
        [
            np.full(len(s.customers), -1) if s.orders_after is None else s.orders_after
            for s in model.snapshots
        ]
    )
    profiles = []
    for index, archetype in enumerate(model.names):
        of_segment = segment == index
        known = orders[of_segment & (orders >= 0)]
        medians = {
            name: _median(features[of_segment, column]) for column, name in enumerate(FEATURE_NAMES)
        }
        profiles.append(
            SegmentProfile(
                name=archetype.name,
                description=describe_segment(
                    archetype,
                    orders=medians["frequency"] or 0.0,
                    silent_days=medians["recency_days"] or 0.0,
                    value=format_amount(
                        round(medians["monetary_minor"] or 0.0), currency=model.recipe.currency
                    ),
                ),
                rows=int(of_segment.sum()),
                share=_metric(of_segment.mean()),
                customers=int((at_end == index).sum()),
                repurchase_rate=_metric((known > 0).mean()) if known.size else None,
                profile=medians,
            )
        )
    return tuple(profiles)


def _baselines(model: TrainedModel) -> Baselines:
    end = model.snapshots[-1]
    predictions = predict(model.pipelines, end.features)
    histogram, _ = np.histogram(predictions.churn, bins=10, range=(0.0, 1.0))
    shares = np.bincount(predictions.segments, minlength=len(model.names)) / len(end.customers)
    return Baselines(
        as_of=format_instant(end.as_of),
        features={
            name: FeatureBaseline(
                missing_share=_metric(np.isnan(end.features[:, column]).mean()),
                deciles=_deciles(end.features[:, column]),
            )
            for column, name in enumerate(FEATURE_NAMES)
        },
        segment_shares={a.name: _metric(shares[i]) for i, a in enumerate(model.names)},
        churn_histogram=tuple(_metric(count / len(end.customers)) for count in histogram),
        expected_orders_mean=_metric(predictions.expected_orders.mean()),
    )


def _self_test(model: TrainedModel, segments: Sequence[SegmentProfile]) -> tuple[SelfTest, ...]:
    """Typical, missing and extreme inputs, with the answers of the pipelines themselves."""
    typical: list[list[float | None]] = [
        [profile.profile[name] for name in FEATURE_NAMES] for profile in segments
    ]
    one_missing = [
        [None if i == column else value for i, value in enumerate(typical[0])]
        for column in range(len(FEATURE_NAMES))
    ]
    all_alike = [
        [value] * len(FEATURE_NAMES) for value in (None, 0.0, -_LARGEST_INPUT, _LARGEST_INPUT)
    ]
    inputs = [*typical, *one_missing, *all_alike]
    predictions = predict(model.pipelines, np.array(inputs, dtype=np.float64))
    return tuple(
        SelfTest(
            features=tuple(row),
            segment=segments[int(predictions.segments[i])].name,
            churn=_significant(predictions.churn[i]),
            expected_orders=_significant(predictions.expected_orders[i]),
        )
        for i, row in enumerate(inputs)
    )


def _metrics(model: TrainedModel) -> dict[str, float]:
    """Figures by name; those of the propensities are on the latest held-out horizon."""
    metrics = {
        "segments": float(model.chosen.k),
        "segment_ari_mean": model.chosen.ari_mean,
        "segment_ari_min": model.chosen.ari_min,
        "segment_ari_bootstraps": float(model.recipe.bootstraps),
        "segment_silhouette": model.chosen.silhouette,
        "segment_smallest_share": model.chosen.smallest_share,
    }
    if model.held_out:
        last = model.held_out[-1]
        metrics |= {
            "held_out_auc": last.auc,
            "held_out_auc_recency_alone": last.recency_auc,
            "held_out_auc_mean": float(np.mean([h.auc for h in model.held_out])),
            "held_out_brier": last.brier,
            "held_out_brier_of_base_rate": last.base_brier,
            "held_out_orders_mean_absolute_error": last.orders_error,
        }
    return {name: _metric(value) for name, value in metrics.items()}


def _deciles(column: Matrix) -> tuple[float, ...] | None:
    present = column[~np.isnan(column)]
    if present.size < 2:
        return None
    return tuple(float(v) for v in rounded(np.quantile(present, np.arange(1, 10) / 10)))


def _median(column: Matrix) -> float | None:
    present = column[~np.isnan(column)]
    # The median of a few would not be what is typical of all.
    return float(rounded(np.median(present))) if 2 * present.size > column.size else None


def _metric(value: Any) -> float:
    return round(float(value), _METRIC_DIGITS)


def _significant(value: float) -> float:
    return float(f"{value:.{_SELF_TEST_DIGITS}g}")
