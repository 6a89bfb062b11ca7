"""All segments: how big they are and were, who they hold, and who moved from where to where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from chalicelib.console.chart_words import spaced
from chalicelib.console.charts import Chart, heat, stacked
from chalicelib.console.medians import median_rows
from chalicelib.console.page import Page
from chalicelib.core.instants import DAY_SECONDS, format_instant, parse_instant
from chalicelib.core.rollup import NOWHERE
from chalicelib.core.segment_sizes import Sizes
from chalicelib.flows.segments import SegmentsView
from chalicelib.scoring.document import ModelDocument

WEEK_SECONDS = 7 * DAY_SECONDS


@dataclass(frozen=True, slots=True)
class Row:
    """One segment as the last night found it; None where a night is missing.

    Attributes:
        name: of the segment.
        size: customers and guests in it.
        share: of all who were counted.
        change: since a week before.
        came: how often somebody moved in, of late.
        left: how often somebody moved out, of late.
    """

    name: str
    size: int | None
    share: float | None
    change: int | None
    came: int
    left: int


def segments_page(
    view: SegmentsView, *, named: Sequence[str], document: ModelDocument | None
) -> Page:
    """The page; ``named`` are the segments that serve.

    Without a document (it was refused) there are no medians.
    """
    names = ordered(view, named)
    return Page(
        "segments",
        "Segments",
        {
            "rows": [row_of(name, view) for name in names],
            "night": last_night(view),
            "total": total_of(view),
            "sizes": sizes_chart(view, names),
            "moves": moves_chart(view, names),
            "moved": sum(view.moves.values()),
            "days": view.days,
            "model": document,
            "medians": [] if document is None else median_rows(document),
        },
    )


def ordered(view: SegmentsView, named: Sequence[str]) -> list[str]:
    """The segments that serve, as the model orders them, then others that somebody is in."""
    return [*named, *sorted(view.names - {*named, NOWHERE})]


def words_of(name: str) -> str:
    """A segment as it is told; who had none comes from nowhere.

    >>> words_of("at_risk"), words_of("(none)")
    ('at risk', 'no segment')
    """
    return "no segment" if name == NOWHERE else spaced(name)


def last_night(view: SegmentsView) -> str | None:
    """The day of the last night that was counted; None before the first."""
    return next(reversed(list(view.nights)), None)


def total_of(view: SegmentsView) -> int | None:
    """All who were counted in the last night."""
    night = last_night(view)
    return None if night is None else view.nights[night].total


def row_of(name: str, view: SegmentsView) -> Row:
    """One segment: its size and share, what a week changed, and who came and left."""
    night = last_night(view)
    size = None if night is None else view.nights[night].counts.get(name)
    before = None if night is None else _week_before(night, view.nights)
    was = None if before is None else before.counts.get(name)
    total = total_of(view)
    return Row(
        name=name,
        size=size,
        share=size / total if size is not None and total else None,
        change=None if size is None or was is None else size - was,
        came=sum(count for (_, to), count in view.moves.items() if to == name),
        left=sum(count for (origin, _), count in view.moves.items() if origin == name),
    )


def sizes_chart(view: SegmentsView, names: Sequence[str]) -> Chart | None:
    """Sizes over time, on top of each other; None before the first night."""
    rows = [
        {"night": night, "customers": sizes.counts[name], "segment": words_of(name)}
        for night, sizes in view.nights.items()
        for name in names
        if name in sizes.counts
    ]
    described = "Customers in each segment, as each night counted them."
    if not rows:
        return None
    return stacked("Sizes", described, rows, x="night", y="customers", series="segment")


def moves_chart(view: SegmentsView, names: Sequence[str]) -> Chart | None:
    """Movements from each segment (down) to each other (across); None where nobody moved."""
    if not view.moves:
        return None
    origins = _that_occur([NOWHERE, *names], [origin for origin, _ in view.moves])
    ends = _that_occur(names, [to for _, to in view.moves])
    rows = [
        {"to": words_of(to), "from": words_of(origin), "moved": view.moves.get((origin, to), 0)}
        for origin in origins
        for to in ends
    ]
    described = (
        f"How often somebody moved from a segment (down) to another (across) in {view.days} days."
    )
    return heat("Movements", described, rows, x="to", y="from", value="moved")


def _that_occur(names: Iterable[str], occurring: Iterable[str]) -> list[str]:
    wanted = set(occurring)
    return [each for each in names if each in wanted]


def _week_before(night: str, nights: Mapping[str, Sizes]) -> Sizes | None:
    at = parse_instant(night, field="night") - WEEK_SECONDS
    return nights.get(format_instant(at)[:10])
