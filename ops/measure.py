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
from types import MappingProxyType
from typing import Any

import click
from rich.console import Console
from rich.table import Table as Grid

from chalicelib.aws.store import DynamoStore
from chalicelib.core.baselines import Baselines
from chalicelib.core.drift import Drift
from chalicelib.core.freshness import expected_hours
from chalicelib.core.lift import Lift, Verdict
from chalicelib.core.measurement import Metric, window_days_of
from chalicelib.core.policy import Policy
from chalicelib.core.ports import Store
from chalicelib.core.report import CALIBRATION, Health, Lifts, Report, report_of, verdict_of
from chalicelib.documents import Documents
from chalicelib.flows.measured_days import read_days
from chalicelib.scoring.baselines import read_baselines
from chalicelib.scoring.rejections import ArtifactRejected
from ops.cloudformation import DeploymentFailed
from ops.deploy import stack_environment
from ops.learn import table_names
from ops.lift_report import figures
from ops.session import open_session
from ops.stage_rules import rules_in_force

MOST_DAYS = 400
WORDS: Mapping[Verdict, str] = {
    "too_early": "too early",
    "not_significant": "not significant",
    "better": "better",
    "worse": "worse",
}


@click.command()
@click.option("--stage", default="dev", show_default=True)
@click.option("--endpoint-url", envvar="AWS_ENDPOINT_URL", help="A local stack in place of AWS.")
@click.option("--region", envvar="AWS_REGION")
@click.option(
    "--days",
    type=click.IntRange(1, MOST_DAYS),
    default=MOST_DAYS,
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
        store,
        policy=rules.policy,
        baselines=_baselines(environment),
        days=days,
        now=now,
        fresh_within_hours=expected_hours(environment.get("SEGUE_FRESH_WITHIN_HOURS", "")),
    )
    tell(found, rules.policy, Console(stderr=True))
    click.echo(json.dumps(figures(found, now=now)))


def read_report(
    store: Store,
    *,
    policy: Policy,
    baselines: Baselines | None,
    days: int,
    now: int,
    fresh_within_hours: Mapping[str, float] = MappingProxyType({}),
) -> Report:
    """Read so many days back and judge them."""
    found = read_days(
        store,
        days=days,
        now=now,
        window_days=window_days_of(policy),
        horizon_days=None if baselines is None else baselines.horizon_days,
    )
    return report_of(
        found,
        policy=policy,
        baselines=baselines,
        fresh_within_hours=fresh_within_hours,
        now=now,
    )


def tell(report: Report, policy: Policy, console: Console) -> None:
    """Print the tables."""
    if not report.days:
        console.print(
            f"nothing was measured yet: a day is measured {report.window_days} days and a night "
            "after it was"
        )
    if report.other_window:
        console.print(f"{report.other_window} days were measured under another window: left out")
    console.print(_lifts(report, policy.default_currency))
    for name, ratio in report.ratios.items():
        told = ", ".join(
            f"{arm} {ratio.counts.get(arm, 0):,} (stated {share:.0%})"
            for arm, share in ratio.stated.items()
        )
        verdict = "do not fill as dealt: believe none of its lifts" if ratio.mismatched else "fit"
        console.print(f"arms of {name}: {told}: {verdict}")
    _tell_health(report.health, console)


def _tell_health(health: Health, console: Console) -> None:
    if health.moved or health.calibration:
        console.print(_drifts(health))
    latest, unknown = health.latest, health.unknown
    if latest is not None:
        said = "too early to say whether that moved" if unknown is None else _drift(unknown)
        console.print(
            f"{latest.decisions:,} decisions on the latest day, {latest.unknown:,} of customers of "
            f"whom nothing was known: {said}"
        )
    for age in health.ages:
        old = "never came" if age.seconds is None else f"{age.seconds / 3600:.0f} hours old"
        bound = "" if age.most_hours is None else f" of at most {age.most_hours:g}"
        console.print(f"{age.source}: newest {old}{bound}{', STALE' if age.is_stale else ''}")


def _lifts(report: Report, currency: str) -> Grid:
    grid = Grid(
        "what", "of each customer", "treated", "control", "with", "without", "lift", "interval",
        "detectable", "verdict",
        title=f"orders within {report.window_days} days, {report.days} days of first exposures",
    )  # fmt: skip
    for name, lifts in _named(report):
        for metric, lift in lifts.items():
            grid.add_row(name, _metric(metric, currency), *_cells(metric, lift))
    return grid


def _named(report: Report) -> Iterator[tuple[str, Lifts]]:
    yield "programme", report.programme
    yield from report.actions.items()
    for name, arms in report.experiments.items():
        for arm, lifts in arms.items():
            yield f"{name}: {arm}", lifts


def _metric(metric: Metric, currency: str) -> str:
    match metric:
        case "conversion":
            return "orders at all"
        case "revenue_minor":
            return f"revenue, minor units of {currency}"
        case "opted_out":
            return "wants no more mail"


def _cells(metric: Metric, lift: Lift) -> list[str]:
    known = lift.low is not None and lift.high is not None
    return [
        f"{lift.treated:,}",
        f"{lift.control:,}",
        f"{lift.treated_mean:.4g}",
        f"{lift.control_mean:.4g}",
        f"{lift.value:+.4g}",
        f"{lift.low:+.4g} to {lift.high:+.4g}" if known else "–",
        "–" if lift.least_detectable is None else f"{lift.least_detectable:.4g}",
        WORDS[verdict_of(metric, lift)],
    ]


def _drifts(health: Health) -> Grid:
    grid = Grid("customers by", "beside training", "beside the weeks before", "rings")
    moves = {
        **health.moved,
        **{CALIBRATION[name]: each for name, each in health.calibration.items()},
    }
    for name, each in moves.items():
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
