"""A simulation as tables for a person."""

from __future__ import annotations

from collections.abc import Mapping

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from chalicelib.core.comparison import Segment, Side, deciles
from chalicelib.core.money import format_amount
from ops.simulation.comparison import Comparison
from ops.simulation.parity import LEAST_GROUP, Parity


def tell(comparison: Comparison, console: Console) -> None:
    """Print who changes, what each policy does and what it costs."""
    everybody = comparison.everybody
    console.print(
        f"{everybody.cases:,} decisions; {everybody.changed:,} come out otherwise "
        f"({comparison.before.policy.hash[:15]} → {comparison.after.policy.hash[:15]})"
    )
    console.print(_by_segment(comparison))
    currency = comparison.after.policy.default_currency
    console.print(_sums(everybody, currency))
    for title, name in (
        ("Actions", "actions"),
        ("Price tiers", "tiers"),
        ("Caps and limits that said no", "capped"),
        ("Guardrails of prices", "guardrails"),
        ("Law: mode, and why the price is what it is", "law"),
        ("Budgets if every code is used, in minor units", "budgets_minor"),
    ):
        console.print(_counts(title, comparison, name))
    console.print(_depths(comparison))


def tell_parity(found: Mapping[str, Parity], attribute: str, console: Console) -> None:
    """Print each group beside the largest, and what may be said of it."""
    table = Table(
        title=f"Personal price or offer, by {attribute}", box=SIMPLE, title_justify="left"
    )
    for heading in ("group", "customers", "favoured", "ratio", "95 % interval", "verdict"):
        table.add_column(heading, justify="left" if heading in ("group", "verdict") else "right")
    for name, each in found.items():
        interval = "" if each.low is None else f"{each.low:.3f} to {each.high:.3f}"
        table.add_row(
            name,
            f"{each.group.customers:,}",
            f"{each.group.favoured / each.group.customers:.1%}",
            "" if each.ratio is None else f"{each.ratio:.3f}",
            interval,
            each.verdict.replace("_", " "),
        )
    console.print(table)
    console.print(f"A group of fewer than {LEAST_GROUP} says nothing: chance alone would move it.")


def _by_segment(comparison: Comparison) -> Table:
    table = Table(title="By segment", box=SIMPLE, title_justify="left")
    for heading in ("segment", "decisions", "otherwise", "mails", "discount if all is used"):
        table.add_column(heading, justify="left" if heading == "segment" else "right")
    currency = comparison.after.policy.default_currency
    for name, each in sorted(comparison.segments.items()):
        table.add_row(
            name,
            f"{each.cases:,}",
            f"{each.changed:,}",
            f"{each.before.mails:,} → {each.after.mails:,}",
            f"{format_amount(each.before.discount_minor, currency=currency)} → "
            f"{format_amount(each.after.discount_minor, currency=currency)}",
        )
    return table


def _sums(everybody: Segment, currency: str) -> Table:
    table = Table(title="Together", box=SIMPLE, title_justify="left")
    for heading in ("", "now", "with the new policy"):
        table.add_column(heading, justify="right" if heading else "left")

    def row(name: str, of: Mapping[str, str]) -> None:
        table.add_row(name, of["before"], of["after"])

    sides = {"before": everybody.before, "after": everybody.after}
    row(
        "discount if all is used",
        {
            name: format_amount(side.discount_minor, currency=currency)
            for name, side in sides.items()
        },
    )
    row(
        "expected discount",
        {
            name: format_amount(round(side.expected_discount_minor), currency=currency)
            for name, side in sides.items()
        },
    )
    row("mails", {name: f"{side.mails:,}" for name, side in sides.items()})
    return table


def _counts(title: str, comparison: Comparison, name: str) -> Table:
    table = Table(title=title, box=SIMPLE, title_justify="left")
    for heading in ("segment", "", "now", "with the new policy"):
        table.add_column(heading, justify="left" if heading in ("segment", "") else "right")
    for segment, sides in _all_and_each(comparison):
        before, after = _counter(sides.before, name), _counter(sides.after, name)
        for each in sorted({*before, *after}, key=lambda key: (-after.get(key, 0), key)):
            table.add_row(segment, each, f"{before.get(each, 0):,}", f"{after.get(each, 0):,}")
    return table


def _depths(comparison: Comparison) -> Table:
    """How far prices lie below the published ones, of those who have a cart."""
    title = "Taken off the published price: least, median, most"
    table = Table(title=title, box=SIMPLE, title_justify="left")
    for heading in ("segment", "now", "with the new policy"):
        table.add_column(heading, justify="left" if heading == "segment" else "right")
    for segment, sides in _all_and_each(comparison):
        told = [deciles(side.shares) for side in (sides.before, sides.after)]
        if all(told):
            table.add_row(segment, *(f"{d[0]:.1%}, {d[5]:.1%}, {d[10]:.1%}" for d in told))
    return table


def _all_and_each(comparison: Comparison) -> list[tuple[str, Segment]]:
    return [("(all)", comparison.everybody), *sorted(comparison.segments.items())]


def _counter(side: Side, name: str) -> Mapping[str, int]:
    counted: Mapping[str, int] = getattr(side, name)
    return counted
