"""One segment: what it is, how big it was, who moved in and out, and some who are in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chalicelib.console.charts import Chart, bars, lines
from chalicelib.console.medians import median_rows
from chalicelib.console.page import Page
from chalicelib.console.segments_page import last_night, row_of, words_of
from chalicelib.flows.segments import Example, SegmentsView
from chalicelib.scoring.document import ModelDocument


def segment_page(
    name: str,
    view: SegmentsView,
    *,
    document: ModelDocument | None,
    examples: Sequence[Example] | None,
) -> Page:
    """The page of a segment; ``examples`` are None for whom customers are not shown to."""
    rows = [] if document is None else median_rows(document)
    known = next(((each, cells) for each, cells in rows if each.name == name), None)
    profile, cells = (None, []) if known is None else known
    features = () if document is None else document.features
    came = {origin: count for (origin, to), count in view.moves.items() if to == name}
    left = {to: count for (origin, to), count in view.moves.items() if origin == name}
    return Page(
        "segment",
        f"Segment {words_of(name)}",
        {
            "name": name,
            "row": row_of(name, view),
            "night": last_night(view),
            "days": view.days,
            "model": document,
            "profile": profile,
            "medians": [
                (feature, cell.text) for feature, cell in zip(features, cells, strict=False)
            ],
            "sizes": _sizes(name, view),
            "came": _moves("Moved in", f"From where somebody came, in {view.days} days.", came),
            "left": _moves("Moved out", f"Where somebody went, in {view.days} days.", left),
            "examples": examples,
        },
    )


def _sizes(name: str, view: SegmentsView) -> Chart | None:
    rows = [
        {"night": night, "customers": sizes.counts[name]}
        for night, sizes in view.nights.items()
        if name in sizes.counts
    ]
    if not rows:
        return None
    described = "Customers in the segment, as each night counted them."
    return lines("Size", described, rows, x="night", y="customers")


def _moves(title: str, described: str, counts: dict[str, int]) -> Chart | None:
    rows = [{"segment": words_of(each), "moved": count} for each, count in _largest_first(counts)]
    return bars(title, described, rows, category="segment", value="moved") if rows else None


def _largest_first(counts: dict[str, int]) -> Iterable[tuple[str, int]]:
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))
