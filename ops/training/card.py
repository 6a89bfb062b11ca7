"""``MODEL_CARD.md``: what the model is for, what it is made from, how good it is, where it ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import fill

from chalicelib.core.instants import format_instant
from chalicelib.core.money import format_amount
from chalicelib.scoring.document import ModelDocument, PortableParameters
from ops.training.model import TrainedModel
from ops.training.segmentation import (
    CAP,
    FEWEST_SEGMENTS,
    SILHOUETTE_TOLERANCE,
    STABLE_ARI,
    STABLE_SHARE,
)


def render_card(model: TrainedModel, document: ModelDocument) -> str:
    """The card as Markdown; equal models give equal cards."""
    sections = (
        f"# Model card: {document.id}",
        *_purpose(document),
        *_data(document),
        *_features(document),
        *_segments(document),
        *_choice_of_k(model),
        *_propensities(model, document),
        *_limits(document),
        *_again(document),
    )
    return "\n\n".join(sections) + "\n"


def _purpose(document: ModelDocument) -> Iterable[str]:
    portable = isinstance(document.parameters, PortableParameters)
    yield _text(
        "Names a customer's segment, the probability of no order within the next",
        f"{document.horizon_days} days (`churn`) and the expected number of orders within them,",
        "from the customer's own order history. Meant for choosing offers, price tiers and mails",
        "by a policy; not for credit, employment, insurance or any other decision about a",
        "person's rights. Served by",
        "the portable engine (the default) or the joblib engine."
        if portable
        else "the joblib engine only.",
    )


def _data(document: ModelDocument) -> Iterable[str]:
    data = document.data
    yield "## Data"
    yield _text(
        f"{data.source}: {data.orders:,} orders of {data.customers:,} customers, from",
        f"{data.first_order_at[:10]} to {data.last_order_at[:10]}, in {document.currency}.",
        f"Fingerprint of the orders: sha256 `{data.sha256}`.",
    )
    yield _text(
        "The orders are folded and described by the functions that serve, at",
        f"{len(data.snapshots)} snapshots a horizon apart:",
        f"{', '.join(moment[:10] for moment in data.snapshots)}.",
        "A snapshot knows only the orders before it. Stacked, they show customers at every age:",
        "a snapshot of the data's end alone may hold no new customer.",
    )


def _features(document: ModelDocument) -> Iterable[str]:
    yield "## Features"
    yield _table(
        ("feature", "meaning", "clipped to", "missing becomes"),
        (
            (
                f"`{feature.name}`",
                f"{feature.description} ({feature.unit})",
                f"{feature.lower:g} … {feature.upper:g}",
                f"{feature.impute:g}",
            )
            for feature in document.features
        ),
    )
    yield _text(
        "Then log1p, then standardised. NaN and null are missing, infinities are clipped.",
        "`recency_days`, `frequency` and `tenure_days` may grow to twice what was seen, since time",
        "goes on; the other bounds are the first and last percentile. A missing gap is zero: one",
        "order has no gap.",
    )


def _segments(document: ModelDocument) -> Iterable[str]:
    yield "## Segments"
    yield _table(
        ("segment", "who they are", "training rows", "customers at the end", "bought again"),
        (
            (
                f"`{segment.name}`",
                segment.description,
                f"{segment.share:.1%}",
                f"{segment.customers:,}",
                "–" if segment.repurchase_rate is None else f"{segment.repurchase_rate:.1%}",
            )
            for segment in document.segments
        ),
    )
    yield _text(
        f"Bought again: within {document.horizon_days} days of a snapshot. A customer belongs to",
        f"the nearest centroid in standardised space, clipped to ±{CAP}; a tie (distances",
        f"closer than {document.parameters.tie_distance:g}) goes to the first of the table.",
        f"Smallest share asked for: {document.min_segment_share:.0%}. Names follow from the",
        "centroids' places on recency, frequency, value and tenure.",
    )


def _choice_of_k(model: TrainedModel) -> Iterable[str]:
    yield "## How many segments"
    yield _table(
        ("k", "mean ARI", "worst ARI", f"bootstraps ≥ {STABLE_ARI}", "silhouette", "smallest"),
        (
            (
                f"**{row.k}**" if row == model.chosen else str(row.k),
                f"{row.ari_mean:.3f}",
                f"{row.ari_min:.3f}",
                f"{row.agreeing_share:.0%}",
                f"{row.silhouette:.3f}",
                f"{row.smallest_share:.1%}",
            )
            for row in model.studied
        ),
    )
    yield _text(
        f"{model.recipe.bootstraps} bootstraps over customers for each k, seed",
        f"{model.recipe.seed}; each refits everything and is compared with the original partition",
        "of all rows by the adjusted Rand index (ARI). Eligible:",
        f"k ≥ {FEWEST_SEGMENTS}, mean ARI ≥ {STABLE_ARI} and at least {STABLE_SHARE:.0%} of the",
        "bootstraps too, no segment too small. Of the eligible within",
        f"{SILHOUETTE_TOLERANCE} of the best silhouette, the finest is taken.",
    )
    if not model.chosen.eligible:
        yield "**No number of segments was eligible: treat these segments with care.**"


def _propensities(model: TrainedModel, document: ModelDocument) -> Iterable[str]:
    logistic = model.recipe.churn_model == "logistic"
    yield "## Propensities"
    yield _text(
        f"Churn is {'a logistic regression' if logistic else 'gradient-boosted trees'}, expected",
        "orders a Poisson regression, both on the same features, fitted on every snapshot whose",
        f"{document.horizon_days} days are complete. The figures are of “buys again”, strictly in",
        "time: the model tested at a moment was fitted only on horizons that had ended by then.",
    )
    if not model.held_out:
        yield "**The history is too short to test on time after training.**"
        return
    yield _table(
        ("tested at", "bought", "AUC", "recency alone", "Brier", "of base rate", "orders off by"),
        (
            (
                format_instant(held.as_of)[:10],
                f"{held.bought:.1%}",
                f"{held.auc:.4f}",
                f"{held.recency_auc:.4f}",
                f"{held.brier:.4f}",
                f"{held.base_brier:.4f}",
                f"{held.orders_error:.3f}",
            )
            for held in model.held_out
        ),
    )
    yield _text(
        "“Of base rate” is the Brier score of the share that bought, known only afterwards;",
        "“orders off by” the mean absolute error of the expected orders.",
    )


def _limits(document: ModelDocument) -> Iterable[str]:
    spent = next(feature for feature in document.features if feature.name == "monetary_minor")
    floor = format_amount(round(spent.lower), currency=document.currency)
    yield "## Limits"
    yield _list(
        "Customers without an order have no segment of this model; the policy's fallback serves.",
        "Orders in other currencies count, but have no value: amounts are not converted. Mean"
        f" order values below {floor} are treated as {floor}.",
        "Churn and expected orders are calibrated for the shop and the years of the data. Watch"
        " the baselines in `model.json`, and train on your own orders"
        " (`python -m ops train --orders FILE`).",
        "Scores say who is likely to buy, not whom an offer would move: that takes an experiment.",
        "The features hold no attribute of the person. Whether segments differ between groups of"
        " people was not measured, because the data does not tell them apart.",
    )


def _again(document: ModelDocument) -> Iterable[str]:
    libraries = ", ".join(f"{name} {release}" for name, release in document.libraries.items())
    yield "## Training it again"
    yield _text(
        f"One thread, seed {document.seed}; {libraries}. Fitted parameters are rounded to ten",
        "significant digits in the pipeline before they are exported, so that two runs give the",
        "same bytes. `manifest.json` has the sha256 of each file.",
    )


def _text(*parts: str) -> str:
    return fill(" ".join(parts), 100, break_long_words=False, break_on_hyphens=False)


def _list(*points: str) -> str:
    return "\n".join(
        fill(point, 100, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False)
        for point in points
    )


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = (headings, ("---",) * len(headings), *rows)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
