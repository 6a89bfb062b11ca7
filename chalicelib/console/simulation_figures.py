"""What a stored simulation says, as charts and rows; whoever stored it may have said anything.

Figures come from a job, from ``ops simulate``, or from any program with a key. Those that do not
have the form of ours are shown as they are, field by field.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chalicelib.console.charts import Chart, bars, stacked
from chalicelib.console.policy_diff import flat
from chalicelib.core.money import MINOR_DIGITS, format_amount

NOW, NEW = "now", "new"
# Beyond so many segments or actions a chart is a wall, and the table says more.
MOST_BARS = 40
Count = Annotated[int, Field(ge=0, strict=True)]
Minor = Annotated[int, Field(strict=True)]


class _Figures(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class SideFigures(_Figures):
    """What one policy does."""

    actions: dict[str, Count]
    tiers: dict[str, Count]
    discount_minor: Count
    mails: Count


class SegmentFigures(_Figures):
    """Both policies over some decisions."""

    cases: Annotated[int, Field(gt=0, strict=True)]
    changed: Count
    before: SideFigures
    after: SideFigures


class Figures(SegmentFigures):
    """Both policies over all decisions, and over those of each segment."""

    currency: Annotated[str, Field(pattern="|".join(map("^{}$".format, MINOR_DIGITS)))]
    segments: dict[str, SegmentFigures]
    moved_minor: dict[Annotated[int, Field()], Count]
    skipped: dict[str, Count] = {}


class Told(NamedTuple):
    """A simulation for a page.

    Attributes:
        summary: its figures in a row of words and values.
        charts: what is drawn of it.
        segments: segment, decisions, changed, mails and discount before and after.
        rest: every field with its value, where the form is not ours.
    """

    summary: Sequence[tuple[str, str]]
    charts: Sequence[Chart]
    segments: Sequence[tuple[str, ...]]
    rest: Sequence[tuple[str, str]]


def tell(figures: Mapping[str, Any]) -> Told:
    """Charts and rows where the form is ours, else the fields as they are."""
    try:
        read = Figures.model_validate(figures)
    except ValidationError:
        return Told((), (), (), tuple(flat(figures)))
    everybody = ("(all)", read)
    named: list[tuple[str, SegmentFigures]] = [everybody, *sorted(read.segments.items())]
    rows = tuple(_row(name, each, read.currency) for name, each in named)
    return Told(tuple(_summary(read)), tuple(_charts(read, named)), rows, ())


def _summary(read: Figures) -> Iterator[tuple[str, str]]:
    yield "decisions", f"{read.cases:,}"
    yield "come out otherwise", f"{read.changed:,} ({read.changed / read.cases:.1%})"
    yield "mails", f"{read.before.mails:,} → {read.after.mails:,}"
    yield (
        "discount if all is used",
        _both(read.before.discount_minor, read.after.discount_minor, read.currency),
    )
    for reason, count in sorted(read.skipped.items()):
        yield f"left out: {reason}", f"{count:,}"


def _row(name: str, each: SegmentFigures, currency: str) -> tuple[str, ...]:
    return (
        name,
        f"{each.cases:,}",
        f"{each.changed:,}",
        f"{each.before.mails:,} → {each.after.mails:,}",
        _both(each.before.discount_minor, each.after.discount_minor, currency),
    )


def _both(before: int, after: int, currency: str) -> str:
    was, now = (format_amount(each, currency=currency) for each in (before, after))
    return f"{was} → {now}"


def _charts(read: Figures, named: Sequence[tuple[str, SegmentFigures]]) -> Iterator[Chart]:
    yield bars(
        "Who is treated otherwise",
        "The share of each segment's decisions that come out otherwise.",
        [{"segment": name, "share": each.changed / each.cases} for name, each in named][:MOST_BARS],
        category="segment",
        value="share",
        value_format=".1%",
    )
    yield _shares("Actions", "action", "actions", read)
    if len(named) > 1:
        yield _by_segment(named)
    yield _shares("Price tiers", "tier", "tiers", read)
    yield _discounts(named, read.currency)
    if read.moved_minor:
        yield _moved(read)


def _shares(title: str, category: str, counted: str, read: Figures) -> Chart:
    """Of how many decisions each was part, by either policy."""
    before, after = getattr(read.before, counted), getattr(read.after, counted)
    names = sorted({*before, *after}, key=lambda name: (-after.get(name, 0), name))
    rows = [
        {category: name, "share of decisions": side.get(name, 0) / read.cases, "policy": policy}
        for name in names[: MOST_BARS // 2]
        for policy, side in ((NOW, before), (NEW, after))
    ]
    return bars(
        title,
        f"The share of decisions with each {category}, now and by the new policy.",
        rows,
        category=category,
        value="share of decisions",
        series="policy",
        value_format=".1%",
    )


def _by_segment(named: Sequence[tuple[str, SegmentFigures]]) -> Chart:
    rows = [
        {"segment": f"{name}, {policy}", "decisions": count, "action": action}
        for name, each in named[1 : MOST_BARS // 2]
        for policy, side in ((NOW, each.before), (NEW, each.after))
        for action, count in sorted(side.actions.items())
    ]
    return stacked(
        "Actions by segment",
        "What each segment is given, now and by the new policy, as shares of its decisions.",
        rows,
        x="segment",
        y="decisions",
        series="action",
        x_type="nominal",
        shares=True,
    )


def _discounts(named: Sequence[tuple[str, SegmentFigures]], currency: str) -> Chart:
    unit = f"{currency} per decision"
    scale = 10 ** MINOR_DIGITS[currency]
    rows = [
        {"segment": name, unit: side.discount_minor / each.cases / scale, "policy": policy}
        for name, each in named[: MOST_BARS // 2]
        for policy, side in ((NOW, each.before), (NEW, each.after))
    ]
    return bars(
        "Discount per decision",
        "What is taken off if every price is paid and every offer used, now and by the new policy.",
        rows,
        category="segment",
        value=unit,
        series="policy",
        value_format=f",.{MINOR_DIGITS[currency]}f",
    )


def _moved(read: Figures) -> Chart:
    """Decisions that change, by how much more or less they take off."""
    rows = [
        {"discount": _step(step, read.currency), "decisions": read.moved_minor[step]}
        for step in sorted(read.moved_minor)
    ]
    return bars(
        "By how much decisions change",
        "Decisions that come out otherwise: from which amount on they take off more, or less.",
        rows,
        category="discount",
        value="decisions",
    )


def _step(step: int, currency: str) -> str:
    if step == 0:
        return "as before"
    return f"{'−' if step < 0 else '+'}{format_amount(abs(step), currency=currency)}"
