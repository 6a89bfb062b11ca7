"""Who a model's segments hold, as medians with shades: a heat map that two pages show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from chalicelib.core.money import format_amount
from chalicelib.scoring.document import FeatureSpec, ModelDocument, SegmentProfile

SHADES = 5


class Cell(NamedTuple):
    """A median, and its shade from 0 (least of all segments) to ``SHADES`` − 1 (most)."""

    text: str
    shade: int | None


def median_rows(document: ModelDocument) -> list[tuple[SegmentProfile, list[Cell]]]:
    """Each segment with a cell for each feature, in the document's order."""
    columns = [_column(each, document) for each in document.features]
    return [
        (segment, [column[place] for column in columns])
        for place, segment in enumerate(document.segments)
    ]


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
