"""``python -m ops evaluate``: the model's figures on time and customers it was not fitted on.

Everything is fitted anew on CDNOW; nothing is read from ``model_artifacts/``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, pstdev

import click
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from chalicelib.core.errors import SegueError
from chalicelib.core.instants import DAY_SECONDS, Instant, format_instant, parse_instant
from ops.datasets import CDNOW_CURRENCY
from ops.training.evaluation import (
    HeldOut,
    cross_validate,
    fit_and_test,
    held_out_in_turn,
    recency_auc,
)
from ops.training.history import History, cdnow_history
from ops.training.model import HORIZON_DAYS, SEED
from ops.training.segmentation import CANDIDATE_KS, Stability, choose, stack, study
from ops.training.snapshots import Snapshot, snapshot_moments, take_snapshots

# Fitted on what was known at the end of 1997-06-30 with the 13 weeks after it as label; tested on
# what was known 13 weeks later. The remaining 39 weeks are the test's label.
_FITTED_AT = parse_instant("1997-07-01T00:00:00Z", field="fitted_at")
_TESTED_AT = parse_instant("1997-10-01T00:00:00Z", field="tested_at")
_HELD_OUT_DAYS = 39 * 7
_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Figures:
    """All that ``evaluate`` prints.

    Attributes:
        thirty_nine_weeks: fitted at 1997-06-30 (13-week label), tested on the 39 weeks from
            1997-10-01.
        thirteen_weeks: the same, tested on the first 13 of them.
        other_customers: the 39 weeks of the 21,213 customers who are not in the sample.
        cross_validated: AUC at 1997-06-30 itself by fold of customers, one for each seed.
        recency_alone: AUC of ranking by recency there, which needs no folds.
        in_turn: each quarter's end, fitted on the quarters before it.
        studied: stability by number of segments; ``chosen`` is one of them.
    """

    thirty_nine_weeks: HeldOut
    thirteen_weeks: HeldOut
    other_customers: HeldOut
    cross_validated: tuple[float, ...]
    recency_alone: float
    in_turn: tuple[HeldOut, ...]
    studied: tuple[Stability, ...]
    chosen: Stability


def measure(*, seed: int, bootstraps: int, ks: Sequence[int], cv_seeds: Sequence[int]) -> Figures:
    """Fit and test everything on one thread; raises DatasetUnavailable."""
    sample = cdnow_history("sample")
    inside = frozenset(order.customer_id for order in sample.orders)
    others = cdnow_history("master", outside=inside)
    with threadpool_limits(limits=1):
        known = _snapshot(sample, _FITTED_AT, HORIZON_DAYS)
        snapshots = take_snapshots(
            sample,
            snapshot_moments(sample, horizon_days=HORIZON_DAYS),
            horizon_days=HORIZON_DAYS,
            currency=CDNOW_CURRENCY,
        )
        studied = study(stack(snapshots), ks=ks, bootstraps=bootstraps, seed=seed)

        def tested(history: History, horizon_days: int) -> HeldOut:
            return fit_and_test([known], _snapshot(history, _TESTED_AT, horizon_days), seed=seed)

        return Figures(
            thirty_nine_weeks=tested(sample, _HELD_OUT_DAYS),
            thirteen_weeks=tested(sample, HORIZON_DAYS),
            other_customers=tested(others, _HELD_OUT_DAYS),
            cross_validated=tuple(cross_validate(known, folds=_FOLDS, seed=s) for s in cv_seeds),
            recency_alone=recency_auc(known),
            in_turn=held_out_in_turn(snapshots, "logistic", seed=seed),
            studied=studied,
            chosen=choose(studied),
        )


@click.command()
@click.option("--seed", default=SEED, show_default=True, type=click.IntRange(0))
@click.option("--bootstraps", default=40, show_default=True, type=click.IntRange(1, 1000))
def evaluate(seed: int, bootstraps: int) -> None:
    """Print the model's figures on held-out time."""
    cv_seeds = tuple(range(seed, seed + 5))
    console = Console()
    console.print(
        f"CDNOW. Seeds: {seed} for k-means and bootstraps,"
        f" {cv_seeds[0]} to {cv_seeds[-1]} for folds; {bootstraps} bootstraps for each k."
    )
    try:
        figures = measure(seed=seed, bootstraps=bootstraps, ks=CANDIDATE_KS, cv_seeds=cv_seeds)
    except SegueError as error:
        raise click.ClickException(str(error)) from error
    console.print(_propensity_table(figures))
    console.print(
        "Fitted at 1997-06-30: features at its end, label of the 13 weeks after it. Others:"
        " CDNOW's customers outside the sample. Recency: the AUC of recency alone. Base: the Brier"
        " score of the share that bought."
    )
    console.print(
        f"Folds of customers at 1997-06-30 itself, {_FOLDS} folds: AUC"
        f" {mean(figures.cross_validated):.4f} ± {pstdev(figures.cross_validated):.4f};"
        f" recency alone {figures.recency_alone:.4f}."
        " A quarter after the first customers came, recency tells less than later on."
    )
    console.print(_segment_table(figures))
    click.echo(json.dumps(summary(figures, seed=seed)))


def summary(figures: Figures, *, seed: int) -> dict[str, float]:
    """The figures as one JSON object."""
    headline, chosen = figures.thirty_nine_weeks, figures.chosen
    return {
        "cdnow_auc": round(headline.auc, 4),
        "cdnow_auc_recency_alone": round(headline.recency_auc, 4),
        "cdnow_auc_13_weeks": round(figures.thirteen_weeks.auc, 4),
        "cdnow_auc_other_customers": round(figures.other_customers.auc, 4),
        "cdnow_auc_cross_validated": round(mean(figures.cross_validated), 4),
        "cdnow_brier_13_weeks": round(figures.thirteen_weeks.brier, 4),
        "segments": chosen.k,
        "segment_ari": round(chosen.ari_mean, 4),
        "segment_ari_worst": round(chosen.ari_min, 4),
        "segment_silhouette": round(chosen.silhouette, 4),
        "seed": seed,
    }


def _snapshot(history: History, as_of: Instant, horizon_days: int) -> Snapshot:
    if as_of + horizon_days * DAY_SECONDS > history.ends_at:
        raise ValueError("the data ends before the horizon does")
    (snapshot,) = take_snapshots(
        history, [as_of], horizon_days=horizon_days, currency=CDNOW_CURRENCY
    )
    return snapshot


def _propensity_table(figures: Figures) -> Table:
    table = Table(
        title='"Buys again", on time after that of fitting', title_justify="left", box=SIMPLE
    )
    table.add_column("fitted at", no_wrap=True)
    table.add_column("tested on", no_wrap=True)
    for heading in ("AUC", "recency", "Brier", "base"):
        table.add_column(heading, justify="right", no_wrap=True)
    rows = [
        ("1997-06-30", "39 weeks, 1997-10-01", figures.thirty_nine_weeks),
        ("1997-06-30", "13 weeks, 1997-10-01", figures.thirteen_weeks),
        ("1997-06-30", "39 weeks, others", figures.other_customers),
    ]
    for number, held in enumerate(figures.in_turn, start=1):
        rows.append((f"{number} before", f"13 weeks, {format_instant(held.as_of)[:10]}", held))
    for fitted, tested, held in rows:
        table.add_row(
            fitted,
            tested,
            f"{held.auc:.4f}",
            f"{held.recency_auc:.4f}",
            f"{held.brier:.4f}",
            f"{held.base_brier:.4f}",
        )
    return table


def _segment_table(figures: Figures) -> Table:
    table = Table(title="Segments, against resampled customers", title_justify="left", box=SIMPLE)
    for heading in ("k", "mean ARI", "worst ARI", "silhouette", "smallest segment"):
        table.add_column(heading, justify="right")
    for row in figures.studied:
        table.add_row(
            str(row.k),
            f"{row.ari_mean:.4f}",
            f"{row.ari_min:.4f}",
            f"{row.silhouette:.4f}",
            f"{row.smallest_share:.1%}",
            style="bold" if row == figures.chosen else "",
        )
    return table
