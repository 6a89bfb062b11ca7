"""The account as tables for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from ops.cost.account import Account
from ops.cost.bill import Bill
from ops.cost.quantities import added

READ, WRITE = "dynamodb.read_unit", "dynamodb.write_unit"
LEAST = 0.005  # dollars; what costs less in every bill has no row


def tell(told: Account, console: Console) -> None:
    """Print everything."""
    console.print(_bills("Dollars for a million", told.millions))
    console.print(_ones(told))
    console.print(_sizes(told))
    console.print(_idle(told.idle))
    console.print(
        f"{told.metrics} custom metrics are sent by a stage in use: "
        f"${told.metrics_month:.2f} a month when each is sent in every hour.\n"
    )
    console.print(_plan(told))
    console.print(_quotas(told))
    console.print(
        f"List prices of {told.prices.region}, read {told.prices.read_on}; "
        f"{len(told.prices.secondary)} of {len(told.prices.prices)} from secondary pages. "
        "No free tier, no support, no tax."
    )


def _bills(title: str, bills: Mapping[str, Bill]) -> Table:
    """A column for each bill, a row for each service that costs anything in one of them."""
    spent = added(*(bill.by_service for bill in bills.values()))
    shown = sorted((name for name in spent if spent[name] >= LEAST), key=lambda name: -spent[name])
    rows = [
        (service, *(_dollars(bill.by_service.get(service, 0)) for bill in bills.values()))
        for service in shown
    ]
    together = ("together", *(_dollars(bill.dollars) for bill in bills.values()))
    return _table(title, ("", *bills), [*rows, together])


def _ones(told: Account) -> Table:
    rows = [
        (
            name,
            f"{one.cpu_ms:.1f}",
            f"{one.calls:.2f}",
            f"{one.now.get(READ, 0):.1f}",
            f"{one.now.get(WRITE, 0):.1f}",
            _dollars(told.kept[name].dollars),
        )
        for name, one in told.ones.items()
    ]
    headings = ("", "CPU ms", "AWS calls", "read units", "write units", "kept, a million")
    return _table("What one takes", headings, rows)


def _sizes(told: Account) -> Table:
    rows = [
        (kind, str(count), str(least), f"{mean:.0f}", str(most))
        for kind, (count, least, mean, most) in told.sizes.items()
    ]
    return _table("Items as written, bytes", ("kind", "items", "least", "mean", "most"), rows)


def _idle(bill: Bill) -> Table:
    rows = [*_services(bill), ("together", _dollars(bill.dollars))]
    return _table("A month of idling", ("", "dollars"), rows)


def _services(bill: Bill) -> list[tuple[str, str]]:
    return [(service, _dollars(spent)) for service, spent in bill.by_service.items() if spent]


def _plan(told: Account) -> Table:
    plan = told.plan
    rows = [
        ("parts × partitions", f"{plan.parts:,} × {plan.partitions:,}"),
        ("cutting and sorting", f"{plan.part_hours:.2f} h"),
        ("folding and writing", f"{plan.write_hours:.2f} h"),
        ("customers a second", f"{plan.customers_a_second:,.0f}, set by {plan.held_by}"),
        (
            "functions at once",
            f"{plan.wanted.parts_at_once}; the write rate feeds {plan.fed_parts}",
        ),
        *_services(plan.bill),
        ("together", _dollars(plan.bill.dollars)),
        ("storage grows by", f"{plan.stored_gb:,.0f} GB"),
        ("mails planned", f"{plan.mails:,.0f}: {plan.mail_days:,.0f} days at SES's default quota"),
    ]
    title = f"{plan.wanted.customers:,} customers, {plan.wanted.orders_per_customer:g} orders each"
    return _table(title, ("", ""), rows)


def _quotas(told: Account) -> Table:
    rows = [
        (
            f"{use.quota.service}: {use.quota.unit}",
            f"{use.needs:,.0f}",
            f"{use.quota.most:,}",
            f"{use.share:.0%}",
        )
        for use in told.plan.uses
    ]
    return _table("Quotas, the tightest first", ("", "needed", "default", "taken"), rows)


def _table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left")
    for nth, heading in enumerate(headings):
        table.add_column(heading, justify="right" if nth else "left")
    for row in rows:
        table.add_row(*row)
    return table


def _dollars(amount: float) -> str:
    if amount == 0:
        return "–"
    return f"${amount:,.2f}" if amount >= 0.01 else f"${amount:.4f}"
