"""The bounce and complaint breaker: what it has counted, and the count begun anew.

python -m ops breaker --stage prod
python -m ops breaker reset --stage prod --reason "the list of May is deleted"

It closes by itself as bad days leave its window. Whoever has dealt with their cause need not wait:
a reset keeps what was counted, with the reason, and from then on counts only mails that are sent
later. The very next send reads it.
"""

from __future__ import annotations

import contextlib
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
    MOST_RESTARTS,
    WINDOW_DAYS,
    Counts,
    Restart,
    restart,
    total_of,
)
from chalicelib.core.errors import BadInput
from chalicelib.core.instants import DAY_SECONDS, format_instant
from chalicelib.core.ports import Store
from chalicelib.core.storage import AtVersion, Conflict, Put, Table, Write
from chalicelib.flows.breaker import (
    RESTARTS_KEY,
    SHARD_KEYS,
    Standing,
    read_standing,
    standing_of,
)
from ops.cloudformation import stack_outputs
from ops.session import open_session

LONGEST_REASON = 200
_TRIES = 8  # a worker that counts meanwhile comes first


def reset(store: Store, *, reason: str, now: int) -> Standing:
    """Let the count begin anew in one transaction; how the breaker stood until then.

    Raises BadInput naming ``reason``, Conflict when workers counted faster than this could.
    """
    check_reason(reason)
    for _ in range(_TRIES - 1):
        with contextlib.suppress(Conflict):
            return _reset_once(store, reason, now)
    return _reset_once(store, reason, now)


def check_reason(reason: str) -> None:
    """Refuse a reason that says nothing, or that may name somebody; raises BadInput."""
    if not reason.strip() or len(reason) > LONGEST_REASON or not reason.isprintable():
        raise BadInput.of("reason", f"must be one line of 1 to {LONGEST_REASON} characters")
    if "@" in reason:
        raise BadInput.of("reason", "must not hold an address: it is kept and logged")


def _reset_once(store: Store, reason: str, now: int) -> Standing:
    found = store.read([*SHARD_KEYS, RESTARTS_KEY], now=now)
    before = standing_of(found, now)
    restarts = (*before.restarts, Restart(now, reason, before.by_day))[-MOST_RESTARTS:]
    writes: list[Write] = [
        Put(key, restart(now=now), AtVersion(found.version(key))) for key in SHARD_KEYS
    ]
    writes.append(Put(RESTARTS_KEY, restarts, AtVersion(found.version(RESTARTS_KEY))))
    store.write(writes, now=now)
    return before


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
    stood = reset(store, reason=reason, now=now)
    telemetry.log_event(
        "breaker_reset",
        reason=reason,
        state=stood.opened_by or "closed",
        mails=total_of(stood.by_day).sent,
    )
    click.echo(as_json(read_standing(store, now=now)))
