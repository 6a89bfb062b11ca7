"""How everything stands and moves, and the part of it that is looked at again every few seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.console.home_page import SWITCH_WORDS
from chalicelib.console.overview_charts import budget_chart, live_text, segment_charts
from chalicelib.console.page import Page
from chalicelib.core.breaker import (
    BOUNCED_BASIS_POINTS,
    COMPLAINED_BASIS_POINTS,
    LEAST_SENT,
    WINDOW_DAYS,
    total_of,
)
from chalicelib.core.budgets import Budget
from chalicelib.core.instants import format_instant
from chalicelib.core.money import format_amount
from chalicelib.core.rollup import Tick
from chalicelib.flows.activity import Activity
from chalicelib.flows.breaker import Standing
from chalicelib.flows.overview import Overview
from chalicelib.flows.policies import Shown
from chalicelib.flows.switches import Control

# So many minutes are one row of the table; they divide the hour.
ROW_MINUTES = 5
# What is watched, in words.
ACTIVITY_WORDS: Mapping[Tick, str] = {
    "events": "Events accepted",
    "decisions": "Decisions",
    "mails": "Mails sent",
    "redemptions": "Codes redeemed",
}


def overview_page(
    *,
    control: Control,
    standing: Standing,
    policies: Shown,
    health: Mapping[str, Any],
    overview: Overview,
    currency: str,
) -> Page:
    """What happens, then switches, breaker, budgets, segments, policy and model."""
    total = total_of(standing.by_day)
    return Page(
        "overview",
        "Overview",
        {
            "switches": [
                (name, words.title, getattr(control.switches, name), words.when_off)
                for name, words in SWITCH_WORDS.items()
            ],
            "agreed": control.agreed,
            "breaker": {
                "opened_by": standing.opened_by,
                "sent": total.sent,
                "bounced": total.bounced,
                "complained": total.complained,
                "bounced_share": total.bounced / total.sent if total.sent else None,
                "complained_share": total.complained / total.sent if total.sent else None,
                "bounce_limit": BOUNCED_BASIS_POINTS / 10_000,
                "complaint_limit": COMPLAINED_BASIS_POINTS / 10_000,
                "least": LEAST_SENT,
                "days": WINDOW_DAYS,
                "restart": standing.restarts[-1] if standing.restarts else None,
            },
            "policy": {
                "hash": policies.log.active or policies.packaged.hash,
                "name": _active_name(policies),
                "is_packaged": policies.log.active is None,
                "agreed": policies.agreed,
                "since": policies.log.activations[-1] if policies.log.activations else None,
            },
            "health": health,
            "activity": _activity(overview.activity),
            "budgets": [_budget(each, currency) for each in overview.budgets],
            "budget_chart": budget_chart(overview),
            "segment_charts": segment_charts(overview),
        },
    )


def activity_page(activity: Activity) -> Page:
    """The last hour by itself, to take the place of what the overview shows of it."""
    return Page("activity", "Activity", {"activity": _activity(activity)})


def _active_name(policies: Shown) -> str:
    active = policies.log.active
    named = (each.name for each in policies.log.listed if each.hash == active)
    return policies.packaged.name if active is None else next(named, "not on the list any more")


def _activity(activity: Activity) -> Mapping[str, Any]:
    """The last hour: a figure, the numbers beside it, and the same as a table, newest first."""
    counts = activity.counts
    rows = range(len(activity.minutes) - ROW_MINUTES, -1, -ROW_MINUTES)
    return {
        "live": live_text(activity, ACTIVITY_WORDS),
        "is_quiet": not any(any(each) for each in counts.values()),
        "numbers": [
            (words, sum(counts[tick][-ROW_MINUTES:]), sum(counts[tick]))
            for tick, words in ACTIVITY_WORDS.items()
        ],
        "columns": (f"{ROW_MINUTES} minutes from (UTC)", *ACTIVITY_WORDS.values()),
        "rows": [
            (
                format_instant(activity.minutes[row])[11:16],
                *(f"{sum(counts[tick][row : row + ROW_MINUTES]):,}" for tick in ACTIVITY_WORDS),
            )
            for row in rows
        ],
        "row_minutes": ROW_MINUTES,
    }


def _budget(budget: Budget, currency: str) -> Mapping[str, Any]:
    def told(number: int) -> str:
        if budget.counted == "codes":
            return f"{number:,} codes"
        return format_amount(number, currency=currency)

    return {
        "action": budget.action,
        "total": told(budget.total),
        "spent": told(budget.spent),
        "held": told(budget.held),
        "left": told(budget.left),
        "used_share": budget.used_share,
        "is_used_up": budget.left == 0,
    }
