"""Print what actions, arms and the whole programme have brought, and whether one may believe it.

python -m ops measure --stage prod

It reads the days that were worked through at night and nothing else, so it may be asked as often as
one likes: the intervals hold whenever one looks. Words and numbers are explained in
docs/measurement.md.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import click
from rich.console import Console
from rich.table import Table as Grid

from chalicelib.aws.store import DynamoStore
from chalicelib.core.baselines import Baselines
from chalicelib.core.drift import Drift
from chalicelib.core.instants import DAY_SECONDS, format_instant
from chalicelib.core.kinds import MEASURED, WATCHED
from chalicelib.core.lift import Lift
from chalicelib.core.measured import joined, measured_from_json
from chalicelib.core.policy import Policy
from chalicelib.core.ports import Store
from chalicelib.documents import Documents
from chalicelib.flows.night import window_days_of
from chalicelib.scoring.baselines import read_baselines
from chalicelib.scoring.rejections import ArtifactRejected
from ops.cloudformation import DeploymentFailed
from ops.deploy import stack_environment
from ops.learn import table_names
from ops.lift_report import Lifts, Report, figures, report_of, words_of
from ops.session import open_session
from ops.stage_rules import rules_in_force

MOST_DAYS = 400


@click.command()
@click.option("--stage", default="dev", show_default=True)
@click.option("--endpoint-url", envvar="AWS_ENDPOINT_URL", help="A local stack in place of AWS.")
@click.option("--region", envvar="AWS_REGION")
@click.option(
    "--days",
    type=click.IntRange(1, MOST_DAYS),
    default=90,
    show_default=True,
    help="How many days back to look.",
)
def measure(stage: str, endpoint_url: str | None, region: str | None, days: int) -> None:
    """Say what was brought, with intervals; ends with one line of JSON."""
    session = open_session(endpoint_url=endpoint_url, region=region)
    now = int(time.time())
    try:
        environment = stack_environment(session, stage=stage)
    except DeploymentFailed as error:
        raise click.ClickException(str(error)) from None
    client = session.client("dynamodb")
    store = DynamoStore(lambda: client, tables=table_names(environment))
    rules = rules_in_force(environment, store=store, now=now)
    found = read_report(
        store, policy=rules.policy, baselines=_baselines(environment), days=days, now=now
    )
    tell(found, rules.policy, Console(stderr=True), now=now)
    click.echo(json.dumps(figures(found, now=now)))


def read_report(
    store: Store, *, policy: Policy, baselines: Baselines | None, days: int, now: int
) -> Report:
    """Read so many days back and judge them."""
    names = [format_instant(now - back * DAY_SECONDS)[:10] for back in range(1, days + 1)]
    watched, measured = [WATCHED.key(n) for n in names], [MEASURED.key(n) for n in names]
    found = store.read([*watched, *measured], now=now)
    known = [each for key in measured if (each := found.value(key)) is not None]
    return report_of(
        joined(map(measured_from_json, known)),
        [day for key in watched if (day := found.value(key)) is not None],
        days=len(known),
        policy=policy,
        baselines=baselines,
        window_days=window_days_of(policy),
    )


def tell(report: Report, policy: Policy, console: Console, *, now: int) -> None:
    """Print the tables."""
    if not report.days:
        console.print(
            f"nothing was measured yet: a day is measured {report.window_days} days and a night "
            "after it was"
        )
    console.print(_lifts(report, policy.default_currency))
    for name, ratio in report.ratios.items():
        told = ", ".join(
            f"{arm} {ratio.counts.get(arm, 0):,} (stated {share:.0%})"
            for arm, share in ratio.stated.items()
        )
        verdict = "do not fill as dealt: believe none of its lifts" if ratio.mismatched else "fit"
        console.print(f"arms of {name}: {told}: {verdict}")
    if report.moved:
        console.print(_drifts(report))
    latest = report.latest
    if latest is not None and latest.newest_at is not None:
        hours = (now - latest.newest_at) / 3600
        console.print(
            f"{latest.decisions:,} decisions on the latest day, {latest.unknown:,} of customers of "
            f"whom nothing was known; the newest event among them is {hours:.0f} hours old"
        )


def _lifts(report: Report, currency: str) -> Grid:
    grid = Grid(
        "what", "of each customer", "treated", "control", "with", "without", "lift", "interval",
        "detectable", "verdict",
        title=f"orders within {report.window_days} days, {report.days} days of first exposures",
    )  # fmt: skip
    for name, lifts in _named(report):
        for metric, lift in lifts.items():
            grid.add_row(name, _metric(metric, currency), *_cells(lift))
    return grid


def _named(report: Report) -> Iterator[tuple[str, Lifts]]:
    yield "programme", report.programme
    yield from report.actions.items()
    for name, arms in report.experiments.items():
        for arm, lifts in arms.items():
            yield f"{name}: {arm}", lifts


def _metric(metric: str, currency: str) -> str:
    return "orders at all" if metric == "conversion" else f"revenue, minor units of {currency}"


def _cells(lift: Lift) -> list[str]:
    known = lift.low is not None and lift.high is not None
    return [
        f"{lift.treated:,}",
        f"{lift.control:,}",
        f"{lift.treated_mean:.4g}",
        f"{lift.control_mean:.4g}",
        f"{lift.value:+.4g}",
        f"{lift.low:+.4g} to {lift.high:+.4g}" if known else "–",
        "–" if lift.least_detectable is None else f"{lift.least_detectable:.4g}",
        words_of(lift),
    ]


def _drifts(report: Report) -> Grid:
    grid = Grid("customers by", "beside training", "beside the weeks before", "rings")
    for name, each in report.moved.items():
        grid.add_row(name, _drift(each.trained), _drift(each.past), "yes" if each.rings else "no")
    return grid


def _drift(drift: Drift | None) -> str:
    if drift is None or drift.drifted is None:
        return "too early"
    said = "moved" if drift.drifted else "by chance"
    return f"{drift.value:.3f} of {drift.bound:.3f}, {said}"


def _baselines(environment: Mapping[str, Any]) -> Baselines | None:
    try:
        return read_baselines(Documents().model(environment["SEGUE_MODEL"]))
    except ArtifactRejected as rejection:
        click.echo(f"the model of this checkout was refused: {rejection}", err=True)
        return None
