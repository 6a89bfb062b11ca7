"""The bounce and complaint breaker: what it has counted, and the count begun anew.

python -m ops breaker --stage prod
python -m ops breaker reset --stage prod --reason "the list of May is deleted"

It closes by itself as bad days leave its window. Whoever has dealt with their cause need not wait:
a reset keeps what was counted, with the reason, and from then on counts only mails that are sent
later. The very next send reads it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict

import click

from chalicelib import telemetry
from chalicelib.aws.store import DynamoStore
from chalicelib.core.breaker import (
    BOUNCED_BASIS_POINTS,
    COMPLAINED_BASIS_POINTS,
    LEAST_COMPLAINED,
    LEAST_SENT,
    WINDOW_DAYS,
    Counts,
    total_of,
)
from chalicelib.core.instants import DAY_SECONDS, format_instant
from chalicelib.core.storage import Table
from chalicelib.flows.breaker import Standing, read_standing
from chalicelib.flows.breaker_reset import check_reason, reset
from ops.cloudformation import stack_outputs
from ops.session import open_session


def lines_of(standing: Standing, stage: str) -> Iterator[str]:
    """The standing for a person: a line for each day, what they come to, and the restarts."""
    how = "closed" if standing.opened_by is None else f"OPEN ({standing.opened_by})"
    yield f"the breaker of {stage} is {how}"
    yield f"{'sent on':<12}{'mails':>10}{'bounced':>18}{'complained':>18}"
    for day, counts in standing.by_day.items():
        yield _row(_date(day), counts)
    yield _row(f"{WINDOW_DAYS} days", total_of(standing.by_day))
    yield (
        f"it opens at {BOUNCED_BASIS_POINTS / 100:g} % bounced or"
        f" {COMPLAINED_BASIS_POINTS / 100:g} % complained (and {LEAST_COMPLAINED} of them),"
        f" on {LEAST_SENT:,} mails at the least"
    )
    for each in standing.restarts:
        yield (
            f"begun anew {format_instant(each.at)}: {each.reason}"
            f" (until then {_spoken(total_of(each.by_day))})"
        )


def _row(name: str, counts: Counts) -> str:
    return (
        f"{name:<12}{counts.sent:>10,}"
        f"{_share(counts.bounced, counts.sent):>18}{_share(counts.complained, counts.sent):>18}"
    )


def _share(some: int, of: int) -> str:
    return f"{some:,} ({100 * some / of:.3f} %)" if of else f"{some:,}"


def _spoken(counts: Counts) -> str:
    return f"{counts.sent:,} sent, {counts.bounced:,} bounced, {counts.complained:,} complained"


def _date(day: int) -> str:
    return format_instant(day * DAY_SECONDS)[:10]


def as_json(standing: Standing) -> str:
    """The standing for a program."""
    by_day = {_date(day): asdict(counts) for day, counts in standing.by_day.items()}
    return json.dumps(
        {
            "open": standing.opened_by is not None,
            "opened_by": standing.opened_by,
            **asdict(total_of(standing.by_day)),
            "by_day": by_day,
            "begun_anew": [format_instant(each.at) for each in standing.restarts],
        }
    )


def _store(stage: str, endpoint_url: str | None, region: str | None) -> DynamoStore:
    session = open_session(endpoint_url=endpoint_url, region=region)
    outputs = stack_outputs(session.client("cloudformation"), f"segue-{stage}")
    if not outputs:
        raise click.ClickException(f"there is no stack segue-{stage} here: deploy it first")
    client = session.client("dynamodb")
    tables: dict[Table, str] = {"control": outputs["ControlTable"]}
    return DynamoStore(lambda: client, tables=tables)


@click.group(invoke_without_command=True)
@click.option("--stage", default="dev", show_default=True)
@click.option("--endpoint-url", envvar="AWS_ENDPOINT_URL", help="A local stack in place of AWS.")
@click.option("--region", envvar="AWS_REGION")
@click.pass_context
def breaker(
    context: click.Context, stage: str, endpoint_url: str | None, region: str | None
) -> None:
    """Show what the bounce and complaint breaker counts, and whether it is open."""
    if context.invoked_subcommand is not None:
        # Whoever names the stage in front of the subcommand means it for the subcommand.
        context.obj = {"stage": stage, "endpoint_url": endpoint_url, "region": region}
        return
    standing = read_standing(_store(stage, endpoint_url, region), now=int(time.time()))
    for line in lines_of(standing, stage):
        click.echo(line)
    click.echo(as_json(standing))


@breaker.command("reset")
@click.option("--reason", required=True, help="What was done about the cause; kept and logged.")
@click.option("--yes", is_flag=True, help="Do it without asking.")
@click.option("--stage", help="The stage that is meant; dev where none is named.")
@click.option("--endpoint-url", help="A local stack in place of AWS.")
@click.option("--region")
@click.pass_obj
def reset_(
    before: Mapping[str, str | None],
    reason: str,
    yes: bool,
    stage: str | None,
    endpoint_url: str | None,
    region: str | None,
) -> None:
    """Count anew from now on; what was counted is kept with the reason, and counts no more."""
    check_reason(reason)
    stage = stage or before["stage"] or "dev"
    store = _store(stage, endpoint_url or before["endpoint_url"], region or before["region"])
    telemetry.configure(stage=stage, stream=sys.stderr)
    for line in lines_of(read_standing(store, now=int(time.time())), stage):
        click.echo(line)
    if not yes:
        click.confirm("count anew from now on?", abort=True)
    now = int(time.time())
    reset(store, reason=reason, now=now)
    click.echo(as_json(read_standing(store, now=now)))
