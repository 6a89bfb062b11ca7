"""The plots of the report, each a matplotlib figure of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from chalicelib.core.features import FEATURE_NAMES
from chalicelib.scoring.document import ModelDocument
from ops.training.model import TrainedModel
from ops.training.segmentation import STABLE_ARI

_INK, _MUTED, _ACCENT, _PALE = "#22303c", "#7b8794", "#c2571a", "#2f6f8f"
_CALIBRATION_BINS = 10


def plot_sizes(document: ModelDocument) -> Figure:
    """Customers by segment at the data's end, beside their share of the training rows."""
    figure, axes = _canvas(7.2, 0.55 * len(document.segments) + 1.3)
    segments = document.segments[::-1]
    places = np.arange(len(segments))
    total = max(1, sum(segment.customers for segment in segments))
    at_end = [segment.customers / total for segment in segments]
    trained = [segment.share for segment in segments]
    axes.barh(places + 0.19, at_end, height=0.36, color=_PALE, label="at the data's end")
    axes.barh(places - 0.19, trained, height=0.36, color="#b9cdd8", label="of the training rows")
    for place, share, segment in zip(places, at_end, segments, strict=True):
        axes.text(
            share + 0.005, place + 0.19, f"{segment.customers:,}", va="center", size=8, color=_INK
        )
    axes.set_yticks(places, [segment.name for segment in segments])
    axes.xaxis.set_major_formatter(_percent)
    axes.set_xlim(0, max(*at_end, *trained) * 1.15)
    axes.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)
    return figure


def plot_profiles(model: TrainedModel, document: ModelDocument) -> Figure:
    """Centroids in standard deviations from the mean, with the medians written in."""
    centroids = model.pipelines["segment"].named_steps["model"].cluster_centers_
    figure, axes = _canvas(7.2, 0.5 * len(centroids) + 1.4)
    limit = float(np.abs(centroids).max())
    image = axes.imshow(centroids, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    for row, segment in enumerate(document.segments):
        for column, name in enumerate(FEATURE_NAMES):
            median = segment.profile[name]
            axes.text(
                *(column, row, "–" if median is None else f"{median:,.0f}"),
                ha="center",
                va="center",
                size=9,
                color="white" if abs(centroids[row, column]) > 0.6 * limit else _INK,
            )
    axes.set_xticks(range(len(FEATURE_NAMES)), FEATURE_NAMES)
    axes.set_yticks(range(len(centroids)), document.segment_names)
    axes.tick_params(length=0)
    bar = figure.colorbar(image, ax=axes, pad=0.02)
    bar.set_label("standard deviations from the mean", size=8, color=_MUTED)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, length=0)
    return figure


def plot_stability(model: TrainedModel) -> Figure:
    """Mean and worst bootstrap ARI, and the silhouette, by number of segments."""
    figure, axes = _canvas(7.2, 3.4)
    ks = [row.k for row in model.studied]
    mean = [row.ari_mean for row in model.studied]
    worst = [row.ari_min for row in model.studied]
    axes.vlines(ks, worst, mean, color="#b9cdd8", linewidth=5, zorder=1)
    axes.plot(ks, mean, "o-", color=_PALE, label="ARI, mean of the bootstraps", zorder=2)
    axes.plot(ks, worst, "_", color=_PALE, markersize=11, label="ARI, worst bootstrap")
    axes.plot(
        ks, [row.silhouette for row in model.studied], "s--", color=_MUTED, label="silhouette"
    )
    axes.plot(
        [model.chosen.k],
        [model.chosen.ari_mean],
        "o",
        color=_ACCENT,
        markersize=10,
        label="chosen",
        zorder=3,
    )
    axes.axhline(STABLE_ARI, color=_ACCENT, linewidth=0.8, linestyle=":")
    axes.set_xticks(ks)
    axes.set_xlabel("number of segments")
    axes.set_ylim(0, 1.03)
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def plot_calibration(model: TrainedModel) -> Figure:
    """Predicted against actual share of customers who bought again, on held-out time."""
    figure, axes = _canvas(5.4, 4.4)
    top = 0.05
    if model.held_out:
        predicted = np.concatenate([held.predicted for held in model.held_out])
        actual = np.concatenate([held.actual for held in model.held_out])
        bins = np.array_split(np.argsort(predicted, kind="stable"), _CALIBRATION_BINS)
        said = np.array([predicted[rows].mean() for rows in bins])
        did = np.array([actual[rows].mean() for rows in bins])
        sizes = np.array([len(rows) for rows in bins])
        spread = 1.96 * np.sqrt(did * (1 - did) / sizes)
        axes.errorbar(
            *(said, did),
            yerr=spread,
            fmt="o",
            color=_PALE,
            ecolor="#b9cdd8",
            elinewidth=3,
            label="tenths of the customers",
        )
        top = float(max(said.max(), (did + spread).max())) * 1.08
    axes.plot(
        [0, top],
        [0, top],
        color=_ACCENT,
        linewidth=0.8,
        linestyle=":",
        label="perfectly calibrated",
    )
    axes.set_xlim(0, top)
    axes.set_ylim(0, top)
    axes.xaxis.set_major_formatter(_percent)
    axes.yaxis.set_major_formatter(_percent)
    axes.set_xlabel("predicted to buy again")
    axes.set_ylabel("bought again")
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    return figure


def _canvas(width: float, height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#cbd2d9")
    axes.tick_params(colors=_INK, labelsize=9, color="#cbd2d9")
    axes.xaxis.label.set(color=_MUTED, size=9)
    axes.yaxis.label.set(color=_MUTED, size=9)
    return figure, axes


def _percent(value: float, _position: int) -> str:
    return f"{value:.0%}"
