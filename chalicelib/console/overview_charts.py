"""The overview's charts: the last hour as it moves, segments and budgets over the days."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json

from chalicelib.console.charts import Chart, lines, stacked
from chalicelib.core.budgets import Budget
from chalicelib.core.rollup import Tick
from chalicelib.flows.activity import Activity
from chalicelib.flows.overview import Overview


def live_text(activity: Activity, words: Mapping[Tick, str]) -> str:
    """The last hour as the script draws it: moments in epoch seconds, and counts by name."""
    series = [{"name": words[tick], "values": activity.counts[tick]} for tick in words]
    return to_json({"at": activity.minutes, "series": series}).decode()


def segment_charts(overview: Overview) -> list[Chart]:
    """Who came by, day by day, and who is decided for today; none before anything was counted."""
    charts = []
    if overview.days:
        rows = _rows("day", overview.days, "customers")
        charts.append(
            stacked(
                "Customers who came by, by day",
                "Shares of the segments among the customers for whom something was decided.",
                rows,
                x="day",
                y="customers",
                series="segment",
                shares=True,
            )
        )
    if overview.hours:
        rows = _rows("hour", overview.hours, "decisions")
        charts.append(
            stacked(
                "Decisions by hour",
                "Decisions of the last 24 hours by segment, at all placements together.",
                rows,
                x="hour",
                y="decisions",
                series="segment",
            )
        )
    return charts


def budget_chart(overview: Overview) -> Chart | None:
    """What is used of each budget, night by night and now; None before the first night."""
    if not overview.noted or not overview.budgets:
        return None
    now = overview.activity.minutes[-1]
    known = {(each.action, each.counted) for each in overview.budgets}
    rows = [
        {"at": noted.at, "budget": _name(each), "used": each.used_share}
        for noted in overview.noted
        for each in noted.standing
        if (each.action, each.counted) in known
    ]
    rows += [
        {"at": now, "budget": _name(each), "used": each.used_share} for each in overview.budgets
    ]
    return lines(
        "Used of each budget",
        "Spent and held against the whole, as it stood each night, and now.",
        rows,
        x="at",
        y="used",
        series="budget",
        y_format=".0%",
    )


def _rows(name: str, counts: Mapping[Any, Mapping[str, int]], counted: str) -> list[dict[str, Any]]:
    """A row for each place and segment; segments in the same order everywhere, the usual first."""
    totals: dict[str, int] = {}
    for each in counts.values():
        for segment, count in each.items():
            totals[segment] = totals.get(segment, 0) + count
    order = sorted(totals, key=lambda segment: (-totals[segment], segment))
    return [
        {name: place, "segment": segment, counted: each.get(segment, 0)}
        for place, each in counts.items()
        for segment in order
    ]


def _name(budget: Budget) -> str:
    return f"{budget.action} ({budget.counted})"
