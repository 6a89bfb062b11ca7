"""Everything that ``python -m ops cost`` says: measured, assumed, billed and planned."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ops.cost import flows
from ops.cost.assumptions import Assumptions
from ops.cost.bill import Bill, bill_of
from ops.cost.customer_work import customer_work
from ops.cost.flows import MILLION, One
from ops.cost.idle import IdleGiven, idle_bill
from ops.cost.measured import read_measured
from ops.cost.plan import CustomerWork, Plan, Wanted, plan
from ops.cost.prices import PriceTable
from ops.cost.rehearsal import Rehearsed, rehearse
from ops.cost.sending import sending_cpu_ms
from ops.cost.work import Lambdas
from ops.operating import read_operating_table
from ops.package import chalice_template
from ops.places import ROOT
from ops.staging import Build, stage

Figure = float | int | str | None


@dataclass(frozen=True, slots=True)
class Account:
    """The whole account.

    Attributes:
        prices: what it was made with.
        ones: what one of each takes, by a short name.
        millions: a million of each, by the same name.
        kept: storage of what a million leaves, until it expires.
        idle: a month of nothing.
        metrics: how many custom metrics a stage in use has.
        metrics_month: what they cost in a month in which each is sent every hour.
        work: what one customer of an orders file takes.
        plan: for very many.
        sizes: bytes of items as written, by kind: how many, least, mean and most.
        sending_ms: CPU time of a call's socket.
        planned_share: decisions of the sample that planned something.
    """

    prices: PriceTable
    ones: Mapping[str, One]
    millions: Mapping[str, Bill]
    kept: Mapping[str, Bill]
    idle: Bill
    metrics: int
    metrics_month: float
    work: CustomerWork
    plan: Plan
    sizes: Mapping[str, tuple[int, int, float, int]]
    sending_ms: float
    planned_share: float


def account(
    prices: PriceTable, *, sample: int, wanted: Wanted, assumptions: Assumptions
) -> Account:
    """Measure, and make every bill."""
    measured = read_measured()
    lambdas = Lambdas(
        read_operating_table(), assumptions, sending_cpu_ms(), measured.cold_start_cpu_ms.value
    )
    rehearsed = rehearse(customers=sample)
    decided = flows.decisions(rehearsed, lambdas)
    ones = {
        "decisions": decided["mean"],
        "decisions that plan nothing": decided["plans nothing"],
        "decisions that plan something": decided["plans something"],
        "events": flows.event(rehearsed, lambdas),
        "mails": flows.mail(rehearsed, lambdas),
        "reviews": flows.silence(rehearsed, lambdas),
        "rows of a customers file": flows.customer_row(rehearsed, lambdas),
        "rows of an orders file": flows.order_row(rehearsed, lambdas),
    }
    millions = {
        name: bill_of(one.name, one.now, prices, times=MILLION) for name, one in ones.items()
    }
    millions["rows of a features file"] = bill_of(
        "a row of a features file", flows.features_file(measured, lambdas), prices
    )
    metrics = frozenset().union(*(each.metrics for each in rehearsed.recorder.invocations))
    work = customer_work(rehearsed, lambdas)
    return Account(
        prices=prices,
        ones=ones,
        millions=millions,
        kept={
            name: bill_of(one.name, one.kept, prices, times=MILLION) for name, one in ones.items()
        },
        idle=idle_bill(packaged_template(), IdleGiven(prices, lambdas, rehearsed.recorder)),
        metrics=len(metrics),
        metrics_month=prices.dollars("cloudwatch.metric_month", len(metrics)),
        work=work,
        plan=plan(wanted, work, prices),
        sizes=item_sizes(rehearsed),
        sending_ms=lambdas.sending_ms,
        planned_share=decided["plans something"].of / decided["mean"].of,
    )


def packaged_template() -> Mapping[str, Any]:
    """The merged template that Chalice makes of this checkout; raises CalledProcessError."""
    with TemporaryDirectory(prefix="segue-cost-") as scratch:
        staged = Path(scratch) / "stage"
        stage(ROOT, staged, Build(), with_dependencies=False)
        try:
            return chalice_template(staged, Path(scratch) / "package")
        except subprocess.CalledProcessError as error:
            sys.stderr.write(f"chalice package ended with {error.returncode}\n")
            raise


def item_sizes(rehearsed: Rehearsed) -> dict[str, tuple[int, int, float, int]]:
    """How large items are as they were written: how many, least, mean and most bytes."""
    found: dict[str, list[int]] = {}
    for invocation in rehearsed.recorder.invocations:
        for kind, sizes in invocation.counts.item_bytes.items():
            found.setdefault(kind, []).extend(sizes)
    return {
        kind: (len(sizes), min(sizes), statistics.mean(sizes), max(sizes))
        for kind, sizes in sorted(found.items())
    }


def figures(told: Account) -> dict[str, Any]:
    """The totals as one object: dollars, and of the plan hours and the quota that is met first."""

    def million(name: str) -> float:
        return round(told.millions[name].dollars, 4)

    return {
        "million_decisions": million("decisions"),
        "million_decisions_that_plan_nothing": million("decisions that plan nothing"),
        "million_decisions_that_plan_something": million("decisions that plan something"),
        "million_events": million("events"),
        "million_rows_scored": million("rows of a features file"),
        "million_rows_profiled": million("rows of an orders file"),
        "million_rows_of_customers": million("rows of a customers file"),
        "million_mails": million("mails"),
        "million_reviews": million("reviews"),
        "million_decisions_kept": round(told.kept["decisions"].dollars, 4),
        "idle_month": round(told.idle.dollars, 4),
        "metrics_month": round(told.metrics_month, 4),
        "planned_share": round(told.planned_share, 3),
        "prices_read_on": told.prices.read_on.isoformat(),
        "hundred_million": {
            "customers": told.plan.wanted.customers,
            "hours": round(told.plan.hours, 2),
            "dollars": round(told.plan.bill.dollars, 2),
            "first_quota": told.plan.first_quota.quota.id,
            "first_quota_share": round(told.plan.first_quota.share, 3),
            "held_by": told.plan.held_by,
            "mail_days": round(told.plan.mail_days, 1),
        },
    }
