"""The account as pictures: what a million is spent on, what idling is, and how a plan scales.

The same account gives the same bytes: ids in the SVG come from a fixed salt, and no date is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from ops.cost.account import Account
from ops.cost.bill import Bill
from ops.cost.plan import Plan, plan

SALT = "segue-cost"
RATES = (10_000, 20_000, 40_000, 80_000, 160_000, 320_000)
PARTS = (4, 16, 64)
_COLOURS = (
    "#c2571a", "#3f6f8c", "#8aa84f", "#7a5c8e", "#d9a441", "#4f4f4f", "#b9cdd8", "#a33b3b",
    "#2f7f6f", "#c9a9d6",
)  # fmt: skip


def plot(told: Account, folder: Path) -> list[Path]:
    """Write every picture; returns where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    without_mails = {name: bill for name, bill in told.millions.items() if name != "mails"}
    figures = {
        "cost-million": _stacked("Dollars for a million", without_mails),
        "cost-idle": _stacked("Dollars for a month of idling", {"idle": told.idle}),
        "cost-plan": _plan_figure(told),
    }
    written = []
    with matplotlib.rc_context({"svg.hashsalt": SALT, "svg.fonttype": "none"}):
        for name, figure in figures.items():
            path = folder / f"{name}.svg"
            figure.savefig(path, bbox_inches="tight", metadata={"Date": None, "Creator": None})
            written.append(path)
    return written


def _stacked(title: str, bills: Mapping[str, Bill]) -> Figure:
    spent: dict[str, float] = {}
    for bill in bills.values():
        for service, dollars in bill.by_service.items():
            spent[service] = spent.get(service, 0) + dollars
    services = [s for s in sorted(spent, key=lambda s: -spent[s]) if spent[s] >= 0.005]
    names = list(bills)[::-1]
    figure = Figure(figsize=(7, 0.45 * len(names) + 1.2))
    axes = figure.subplots()
    lefts = [0.0] * len(names)
    for service, colour in zip(services, _COLOURS[: len(services)], strict=True):
        widths = [bills[name].by_service.get(service, 0.0) for name in names]
        axes.barh(names, widths, left=lefts, color=colour, label=service)
        lefts = [left + width for left, width in zip(lefts, widths, strict=True)]
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    axes.set_title(title, loc="left", fontsize=10)
    return figure


def _plan_figure(told: Account) -> Figure:
    figure = Figure(figsize=(7, 3.2))
    axes = figure.subplots()
    for parts, colour in zip(PARTS, _COLOURS[: len(PARTS)], strict=True):
        plans = [_with(told, parts, rate) for rate in RATES]
        axes.plot(
            RATES,
            [each.hours for each in plans],
            color=colour,
            marker="o",
            label=f"{parts} functions at once",
        )
    axes.axvline(told.prices.quotas["dynamodb.table_write_units"].most, color="#888888", ls=":")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(RATES, [f"{rate:,}" for rate in RATES])
    axes.minorticks_off()
    axes.set_xlabel("write units a second on one table (dotted: the default quota)")
    axes.set_ylabel("hours")
    axes.legend(frameon=False, fontsize=8)
    axes.set_title(f"{told.plan.wanted.customers:,} customers", loc="left", fontsize=10)
    return figure


def _with(told: Account, parts: int, rate: float) -> Plan:
    wanted = replace(told.plan.wanted, parts_at_once=parts, write_rate=rate)
    return plan(wanted, told.work, told.prices)
