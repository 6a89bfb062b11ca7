"""What was measured: lifts and experiments, as nights have stored them."""

from __future__ import annotations

from chalicelib.api.console.operator import Operator
from chalicelib.console.experiments_page import comparison_page, experiments_page
from chalicelib.console.page import Page
from chalicelib.core.measurement import window_days_of
from chalicelib.core.policy import Policy
from chalicelib.core.report import Days, Report, report_of
from chalicelib.flows import policies
from chalicelib.flows.measured_days import read_days

# As long as days are kept: an interval holds while one watches from a first day that stays.
DAYS = 400


def show_experiments(operator: Operator) -> Page:
    """``GET /console/experiments``: everything that is compared, as it stands."""
    _, report, policy = _measured(operator)
    return experiments_page(report, policy)


def show_comparison(operator: Operator, what: str) -> Page:
    """``GET /console/experiments/{what}``: one comparison day by day; raises NotFound."""
    days, report, policy = _measured(operator)
    return comparison_page(what, days, report, policy)


def _measured(operator: Operator) -> tuple[Days, Report, Policy]:
    book, store, now = operator.edge.rulebook(), operator.store, operator.now
    shown = policies.show(store=store, packaged=book.packaged, now=now)
    policy = book.follow(shown.log.active, store=store, now=now).policy
    days = read_days(
        store, days=DAYS, now=now, window_days=window_days_of(policy), horizon_days=None
    )
    report = report_of(days, policy=policy, baselines=None, fresh_within_hours={}, now=now)
    return days, report, policy
