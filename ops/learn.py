"""Learn from what became of decisions, and publish what they should know next time.

python -m ops learn --stage prod

It looks through the tables of a stage once, counts every decision whose reward window has passed,
and replaces the learning document; within a minute decisions use it. It starts from nothing each
time, so it may be repeated, and a refund that came late is counted right the next time. Run it from
a schedule, once a day. The policy is the one that decides there, the model that of this checkout.
"""

from __future__ import annotations

import json
import random
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table as Grid

from chalicelib.aws.store import DynamoStore
from chalicelib.core.canonical import canonical_json
from chalicelib.core.exploration import Exploration
from chalicelib.core.kinds import LEARNING_KEY, RECORD
from chalicelib.core.learning import Learning, learning_to_json
from chalicelib.core.outcomes import Outcome, outcomes_of, trial_of
from chalicelib.core.policy import Policy
from chalicelib.core.ports import Store
from chalicelib.core.posteriors import Observed, count
from chalicelib.core.posteriors import learn as learn_from
from chalicelib.core.rules import Rules
from chalicelib.core.storage import WHATEVER, Put, Table
from ops.cloudformation import DeploymentFailed
from ops.decision_log import Tables, read_ledger, write_log
from ops.deploy import stack_environment
from ops.session import open_session
from ops.stage_rules import rules_in_force

# A DynamoDB item holds 400 KB; the rest is for its key and what the store keeps beside it.
LARGEST_DOCUMENT_BYTES = 390_000
_LOOKED_THROUGH: tuple[Table, ...] = ("profiles", "decisions", "effects", "control")


@click.command()
@click.option("--stage", default="dev", show_default=True)
@click.option("--endpoint-url", envvar="AWS_ENDPOINT_URL", help="A local stack in place of AWS.")
@click.option("--region", envvar="AWS_REGION")
@click.option("--seed", type=int, help="Of the posterior samples.  [default: the moment]")
@click.option(
    "--log",
    "log_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the decisions with their outcomes, for estimate; they are personal data.",
)
@click.option("--dry-run", is_flag=True, help="Publish nothing.")
def learn(
    stage: str,
    endpoint_url: str | None,
    region: str | None,
    seed: int | None,
    log_path: Path | None,
    dry_run: bool,
) -> None:
    """Learn from outcomes and publish it; ends with one line of JSON."""
    session = open_session(endpoint_url=endpoint_url, region=region)
    now = int(time.time())
    try:
        environment = stack_environment(session, stage=stage)
    except DeploymentFailed as error:
        raise click.ClickException(str(error)) from None
    client = session.client("dynamodb")
    tables = Tables(client, table_names(environment), now)
    store = DynamoStore(lambda: client, tables=tables.names)
    rules = rules_in_force(environment, store=store, now=now)
    learned = learn_stage(tables, rules=rules, seed=now if seed is None else seed)
    if log_path is not None:
        with log_path.open("w") as out:
            written = write_log(tables, learned.outcomes, out)
        click.echo(f"{written} decisions with their outcomes in {log_path}", err=True)
    if not dry_run:
        publish_learning(learned.learning, store=store, now=now)
    Console(stderr=True).print(_as_grid(learned.learning))
    click.echo(json.dumps(closing_line(learned, tables, published=not dry_run)))


@dataclass(frozen=True, slots=True)
class Learned:
    """What became of decisions, by their id, how it was counted, and the document that it makes."""

    outcomes: Mapping[str, Outcome]
    observed: Observed
    learning: Learning


def learn_stage(tables: Tables, *, rules: Rules, seed: int) -> Learned:
    """Look through a stage's tables and learn; the same tables and seed give the same document.

    Raises ClickException where the policy does not explore.
    """
    policy = rules.policy
    settings = exploration_of(policy)
    ledger = read_ledger(tables, currency=policy.default_currency)
    trials = [trial for record in tables.all(RECORD) if (trial := trial_of(record)) is not None]
    days = settings.reward_window_days
    known = outcomes_of(trials, ledger, reward_window_days=days, now=tables.now)
    outcomes = {outcome.trial.decision_id: outcome for outcome in known}
    observed = count(Observed(), outcomes.values())
    learning = learn_from(
        observed,
        policy=policy,
        settings=settings,
        segments={
            policy.unknown_segment,
            *rules.scorer.segments,
            *(rule.segment for rule in policy.scorecard),
        },
        draw=random.Random(seed).betavariate,  # noqa: S311  (samples, not secrets)
        now=tables.now,
    )
    return Learned(outcomes, observed, learning)


def exploration_of(policy: Policy) -> Exploration:
    """The policy's settings; raises ClickException naming the fix where it has none."""
    if policy.exploration is None:
        raise click.ClickException(
            f"policy {policy.name} has no [exploration], so nothing would read what is learned: "
            "add that table to it and deploy"
        )
    return policy.exploration


def table_names(environment: Mapping[str, str]) -> dict[Table, str]:
    """The names of a stage's tables, as its functions are told them."""
    return {table: environment[f"SEGUE_{table.upper()}_TABLE"] for table in _LOOKED_THROUGH}


def publish_learning(learning: Learning, *, store: Store, now: int) -> None:
    """Replace what decisions read; raises ClickException where it does not fit into one item."""
    size = len(zlib.compress(canonical_json(learning_to_json(learning))))
    if size > LARGEST_DOCUMENT_BYTES:
        raise click.ClickException(
            f"the document has {size:,} bytes and one item holds {LARGEST_DOCUMENT_BYTES:,}: "
            "lower [exploration] samples, or name the segments of each action"
        )
    store.write([Put(LEARNING_KEY, learning, WHATEVER)], now=now)


def closing_line(learned: Learned, tables: Tables, *, published: bool) -> dict[str, Any]:
    """What was learned, in numbers."""
    by_segment = learned.learning.estimates.values()
    bases = [estimate.basis for by_action in by_segment for estimate in by_action.values()]
    return {
        "decisions": len(learned.observed.counted),
        "lift": bases.count("lift"),
        "response": bases.count("response"),
        "unreadable": sum(tables.unreadable.values()),
        "learning": learned.learning.hash,
        "published": published,
    }


def _as_grid(learning: Learning) -> Grid:
    """Segments and actions with outcomes; those that have only their prior are left out."""
    names = ("shown", "accepted", "treated", "ordered", "withheld", "ordered_anyway")
    grid = Grid("segment", "action", *(name.replace("_", " ") for name in names), "value", "mean")
    for segment, by_action in learning.document["estimates"].items():
        for action, told in by_action.items():
            if told["treated"] or told["withheld"]:
                counts = [str(told[name]) for name in names]
                grid.add_row(segment, action, *counts, told["basis"], f"{told['mean']:.4f}")
    return grid
