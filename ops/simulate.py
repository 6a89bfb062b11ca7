"""Show what a policy would change before it goes live.

python -m ops simulate --policy new.toml --on decisions --stage prod
python -m ops simulate --policy new.toml --on CDNOW_sample.txt --mapping cdnow-original

Prints who would be treated otherwise, by segment, and what it costs; pictures go to the folder
``build/simulation``. With --audit and --attribute it compares prices and offers between groups that
no policy may see. With --record URL the policy is stored and the simulation written down, so that
somebody else can activate it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

import click
from rich.console import Console

from chalicelib.aws.items import stored_of
from chalicelib.aws.store import DynamoStore
from chalicelib.core.actions import ASKED_PLACEMENTS, Placement
from chalicelib.core.errors import BadInput
from chalicelib.core.instants import parse_instant
from chalicelib.core.kinds import RECORD
from chalicelib.core.policy import Policy, policy_from_toml
from chalicelib.core.rules import Rules
from chalicelib.core.situation import Situation
from chalicelib.core.storage import Key
from ops.cloudformation import DeploymentFailed
from ops.deploy import stack_environment
from ops.session import open_session
from ops.simulation.comparison import Comparison, compare
from ops.simulation.parity import parity, parity_figures, read_attribute
from ops.simulation.population import Setting, from_orders, from_records, read_lines
from ops.simulation.report import tell, tell_parity
from ops.stage_rules import packaged_rules, rules_in_force, with_policy

DECISIONS = "decisions"
KEY_VARIABLE = "SEGUE_API_KEY"
MOST_DECISIONS = 100_000
_PLACEMENTS = (*ASKED_PLACEMENTS, "mail", "batch")


@click.command()
@click.option("--policy", "policy_path", type=click.Path(path_type=Path), required=True)
@click.option("--on", "on", required=True, help="A file of orders or records, or: decisions.")
@click.option("--against", type=click.Path(path_type=Path), help="Instead of what decides now.")
@click.option("--stage", help="Whose decisions and policy; without it, those of this checkout.")
@click.option("--endpoint-url", envvar="AWS_ENDPOINT_URL", help="A local stack in place of AWS.")
@click.option("--aws-region", envvar="AWS_REGION")
@click.option("--mapping", help="How a legacy export is read, as under orders/MAPPING/.")
@click.option("--as-of", help="The moment of a file, by default its last order.")
@click.option("--country", default="US", show_default=True, help="Where a file's customers are.")
@click.option("--region", help="The same, such as NY.")
@click.option("--currency", default="USD", show_default=True, help="What their carts are in.")
@click.option(
    "--placement",
    "placements",
    multiple=True,
    type=click.Choice(_PLACEMENTS),
    default=("checkout", "mail"),
    show_default=True,
)
@click.option("--audit", type=click.Path(path_type=Path), help="CSV: customer_id and an attribute.")
@click.option("--attribute", help="Its column.")
@click.option(
    "--plots",
    type=click.Path(path_type=Path),
    default=Path("build/simulation"),
    show_default=True,
)
@click.option("--no-plots", is_flag=True, help="Draw nothing.")
@click.option("--record", "record_url", help=f"URL of the stage; the key is in {KEY_VARIABLE}.")
def simulate(
    policy_path: Path,
    on: str,
    against: Path | None,
    stage: str | None,
    endpoint_url: str | None,
    aws_region: str | None,
    mapping: str | None,
    as_of: str | None,
    country: str,
    region: str | None,
    currency: str,
    placements: tuple[str, ...],
    audit: Path | None,
    attribute: str | None,
    plots: Path,
    no_plots: bool,
    record_url: str | None,
) -> None:
    """Show what a policy would change, on decisions or on a file."""
    if (audit is None) != (attribute is None):
        raise click.UsageError("--audit and --attribute go together")
    console = Console()
    stored = None if stage is None else _Stage(stage, endpoint_url, aws_region)
    before = _before(against, stored)
    after = with_policy(before, _read_policy(policy_path))
    setting = Setting(country, region, currency, cast("tuple[Placement, ...]", placements))
    situations = _situations(on, stored, mapping=mapping, as_of=as_of, setting=setting)
    comparison = compare(situations, before=before, after=after)
    if not comparison.outcomes:
        raise click.ClickException(f"{on} holds nobody to decide for")
    tell(comparison, console)
    figures = comparison.figures()
    if audit is not None and attribute is not None:
        figures["parity"] = _audit(comparison, audit, attribute, console)
    if not no_plots:
        _draw(comparison, plots, console)
    if record_url is not None:
        _record(record_url, after.policy, figures, subject=on if on == DECISIONS else Path(on).name)
        console.print(f"recorded at {record_url}")
    click.echo(json.dumps(figures))


class _Stage:
    """A deployed stage: its policy and its decisions."""

    def __init__(self, stage: str, endpoint_url: str | None, region: str | None) -> None:
        session = open_session(endpoint_url=endpoint_url, region=region)
        try:
            self.environment = stack_environment(session, stage=stage)
        except DeploymentFailed as error:
            raise click.ClickException(str(error)) from None
        self.client = session.client("dynamodb")
        self.decisions = self.environment["SEGUE_DECISIONS_TABLE"]
        tables: Any = {
            "decisions": self.decisions,
            "control": self.environment["SEGUE_CONTROL_TABLE"],
        }
        self.store = DynamoStore(lambda: self.client, tables=tables)

    def rules(self) -> Rules:
        """What decides there now."""
        return rules_in_force(self.environment, store=self.store, now=int(time.time()))

    def situations(self) -> Iterator[Situation]:
        """Every recorded decision: a scan, which only an operator's command may do."""
        pages = self.client.get_paginator("scan").paginate(
            TableName=self.decisions,
            FilterExpression="sk = :record",
            ExpressionAttributeValues={":record": {"S": RECORD.name}},
            PaginationConfig={"MaxItems": MOST_DECISIONS},
        )
        items = (item for page in pages for item in page["Items"])
        records = (stored_of(Key(RECORD, item["pk"]["S"]), item).value for item in items)
        return from_records(json.dumps(record) for record in records)


def _before(against: Path | None, stage: _Stage | None) -> Rules:
    rules = packaged_rules() if stage is None else stage.rules()
    return rules if against is None else with_policy(rules, _read_policy(against))


def _read_policy(path: Path) -> Policy:
    try:
        return policy_from_toml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput.of("policy", f"{path} cannot be read: {error.strerror}") from None


def _situations(
    on: str, stage: _Stage | None, *, mapping: str | None, as_of: str | None, setting: Setting
) -> Iterable[Situation]:
    if on == DECISIONS:
        if stage is None:
            raise click.UsageError("--on decisions needs --stage")
        return stage.situations()
    path = Path(on)
    if mapping is None and _holds_records(path):
        return from_records(read_lines(path))
    # Imported here: reading files needs DuckDB, which records do not.
    from ops.training.orders_file import read_orders  # noqa: PLC0415

    found = read_orders(path, mapping=mapping, now=int(time.time()))
    if not found.orders:
        raise click.ClickException(f"{on} holds no usable order ({len(found.rejects)} rejected)")
    moment = (
        max(order.at for order in found.orders) + 1
        if as_of is None
        else parse_instant(as_of, field="as_of")
    )
    known = (order for order in found.orders if order.at <= moment)
    return from_orders(known, as_of=moment, setting=setting)


def _holds_records(path: Path) -> bool:
    """Whether a file is a decision log: its first line is a record."""
    if path.suffix not in (".jsonl", ".json"):
        return False
    first = next((line for line in read_lines(path) if line.strip()), "")
    try:
        return "situation" in json.loads(first)
    except ValueError:
        return False


def _audit(
    comparison: Comparison, path: Path, attribute: str, console: Console
) -> dict[str, Mapping[str, Any]]:
    values = read_attribute(path, attribute)
    found: dict[str, Mapping[str, Any]] = {}
    for name, side in (("before", 0), ("after", 1)):
        each = parity((pair[side] for pair in comparison.outcomes), values)
        tell_parity(each, f"{attribute}, {name}", console)
        found[name] = parity_figures(each)
    return found


def _draw(comparison: Comparison, folder: Path, console: Console) -> None:
    from ops.simulation.plots import plot  # noqa: PLC0415  (matplotlib takes a second)

    for path in plot(comparison, folder):
        console.print(f"drawn: {path}")


def _record(url: str, policy: Policy, figures: Mapping[str, Any], *, subject: str) -> None:
    """Store the policy and its simulation over the interface, as whoever holds the key."""
    if urlsplit(url).scheme not in ("https", "http"):
        raise click.UsageError("--record needs the URL of a stage, such as https://…/api")
    key = os.environ.get(KEY_VARIABLE)
    if not key:
        raise click.UsageError(f"--record needs a key with the scope operate in {KEY_VARIABLE}")
    base = url.rstrip("/") + "/v1/policies"
    _post(base, policy.model_dump(mode="json"), key)
    named = quote(policy.hash, safe="")
    _post(f"{base}/{named}/simulations", {"subject": subject, "figures": dict(figures)}, key)


def _post(url: str, body: Mapping[str, Any], key: str) -> None:
    request = Request(  # noqa: S310 - the scheme was checked
        url,
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    try:
        with urlopen(request, timeout=30) as answer:  # noqa: S310
            answer.read()
    except HTTPError as error:
        raise click.ClickException(
            f"{url} answered {error.code}: {error.read().decode()}"
        ) from None
    except OSError as error:  # no such host, refused, or closed without an answer
        raise click.ClickException(f"{url} cannot be reached: {error}") from None
