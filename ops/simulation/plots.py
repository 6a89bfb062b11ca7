"""A simulation as pictures: who changes, what they get, and how deep prices go."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from chalicelib.core.comparison import Segment
from ops.simulation.comparison import Comparison

_BEFORE, _AFTER = "#b9cdd8", "#c2571a"


def plot(comparison: Comparison, folder: Path) -> list[Path]:
    """Write every picture; returns where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        "changed": _changed(comparison),
        "actions": _actions(comparison.everybody),
        "discounts": _discounts(comparison.everybody),
    }
    written = []
    for name, figure in figures.items():
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=140, bbox_inches="tight", metadata={"Software": None})
        written.append(path)
    return written


def _changed(comparison: Comparison) -> Figure:
    names = sorted(comparison.segments, reverse=True)
    shares = [comparison.segments[name].changed / comparison.segments[name].cases for name in names]
    figure = Figure(figsize=(7, 0.5 * len(names) + 1))
    axes = figure.subplots()
    axes.barh(names, shares, color=_AFTER)
    axes.set_xlim(0, 1)
    axes.set_title("Share that is treated otherwise, by segment", loc="left", fontsize=10)
    return figure


def _actions(everybody: Segment) -> Figure:
    names = sorted({*everybody.before.actions, *everybody.after.actions}, reverse=True)
    places = range(len(names))
    figure = Figure(figsize=(7, 0.6 * len(names) + 1))
    axes = figure.subplots()
    for side, colour, shift, label in (
        (everybody.before, _BEFORE, -0.2, "now"),
        (everybody.after, _AFTER, 0.2, "with the new policy"),
    ):
        counts = [side.actions[name] for name in names]
        axes.barh([p + shift for p in places], counts, height=0.38, color=colour, label=label)
    axes.set_yticks(list(places), names)
    axes.legend(frameon=False, fontsize=8)
    axes.set_title("Actions", loc="left", fontsize=10)
    return figure


def _discounts(everybody: Segment) -> Figure:
    figure = Figure(figsize=(7, 3))
    axes = figure.subplots()
    both = [
        [share / 10_000 for share in side.shares.elements()]
        for side in (everybody.before, everybody.after)
    ]
    if any(both):
        axes.hist(both, bins=20, color=[_BEFORE, _AFTER], label=["now", "with the new policy"])
        axes.legend(frameon=False, fontsize=8)
    axes.set_xlabel("taken off the published price, as a share")
    axes.set_title("Prices", loc="left", fontsize=10)
    return figure
