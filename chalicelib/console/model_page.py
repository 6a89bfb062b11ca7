"""The model: whom its segments hold, how good it is, and what later scores are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from chalicelib.console.health_part import health_values
from chalicelib.console.page import Page
from chalicelib.core.money import format_amount
from chalicelib.core.report import Health
from chalicelib.scoring.baselines import baselines_of
from chalicelib.scoring.document import FeatureSpec, ModelDocument

SHADES = 5


class Cell(NamedTuple):
    """A median, and its shade from 0 (least of all segments) to ``SHADES`` − 1 (most)."""

    text: str
    shade: int | None


def model_page(document: ModelDocument, *, card: str, rejected: str | None, health: Health) -> Page:
    """The page of a packaged model.

    Args:
        document: describes it.
        card: its model card.
        rejected: names why it does not serve.
        health: of the customers whom it scored.
    """
    rows = [
        (segment, list(cells))
        for segment, cells in zip(
            document.segments,
            zip(*(_column(each, document) for each in document.features), strict=True),
            strict=True,
        )
    ]
    histogram = document.baselines.churn_histogram
    return Page(
        "model",
        f"Model {document.id}",
        {
            "model": document,
            "rejected": rejected,
            "rows": rows,
            "metrics": [
                (name.replace("_", " "), value) for name, value in document.metrics.items()
            ],
            "histogram": [
                (f"{place * 10}–{place * 10 + 10} %", part) for place, part in enumerate(histogram)
            ],
            "baselines": document.baselines,
            **health_values(
                health,
                baselines_of(document),
                held_out_brier=document.metrics.get("held_out_brier"),
            ),
            "card": card,
        },
    )


def no_model_page(reason: str) -> Page:
    """The packaged model cannot be read, so the rules of the policy serve."""
    return Page("no-model", "No model", {"reason": reason})


def shades(values: Sequence[float | None]) -> list[int | None]:
    """A shade for each value by its rank among them; equal values have equal shades.

    >>> shades([1.0, 9.0, None, 1.0])
    [0, 4, None, 0]
    """
    known = sorted({each for each in values if each is not None})
    most = len(known) - 1
    return [
        None if each is None else round(known.index(each) / most * (SHADES - 1)) if most else 0
        for each in values
    ]


def _column(feature: FeatureSpec, document: ModelDocument) -> list[Cell]:
    values = [segment.profile[feature.name] for segment in document.segments]
    texts = [_text(each, feature, document.currency) for each in values]
    return [Cell(*each) for each in zip(texts, shades(values), strict=True)]


def _text(value: float | None, feature: FeatureSpec, currency: str) -> str:
    if value is None:
        return "–"
    if feature.name == "monetary_minor":
        return format_amount(round(value), currency=currency)
    return f"{value:,.0f} {feature.unit.removesuffix('s') if round(value) == 1 else feature.unit}"
