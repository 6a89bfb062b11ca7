"""Take codes back: those that are named, or every one of an action that could still be used.

python -m ops revoke ABCD-EFGH-JKMN --reason leaked
python -m ops revoke --action winback-10 --reason "wrong value"

It is the flow of ``POST /v1/offers/{code}/revoke``, for whoever has the account and no API key at
hand, and may be repeated. An action's codes are found by looking at every item of ``effects`` once;
switch offers off before (``PUT /v1/control``), or new ones are issued meanwhile.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from chalicelib import telemetry
from chalicelib.api.schemas_offers import RevokeRequest
from chalicelib.aws.items import stored_of
from chalicelib.aws.store import DynamoStore
from chalicelib.core.coupons import state_of
from chalicelib.core.errors import Refused
from chalicelib.core.kinds import COUPON
from chalicelib.core.ports import Store
from chalicelib.core.storage import Table
from chalicelib.flows.revoke import Revocation, from_request
from ops.cloudformation import DeploymentFailed
from ops.deploy import stack_environment
from ops.session import open_session

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

TABLES: tuple[Table, ...] = ("effects", "profiles")  # a guest's code leads to who they are


@dataclass(frozen=True, slots=True)
class Place:
    """Where the codes of one stage are."""

    client: DynamoDBClient
    store: DynamoStore
    effects_table: str


@click.command()
@click.argument("codes", nargs=-1)
@click.option("--action", help="Every code of this action that could still be used.")
@click.option("--reason", required=True, help="Kept with each code; it names no person.")
@click.option("--yes", is_flag=True, help="Do it without asking.")
@click.option("--stage", default="dev", show_default=True)
@click.option("--endpoint-url", envvar="AWS_ENDPOINT_URL", help="A local stack in place of AWS.")
@click.option("--region", envvar="AWS_REGION")
def revoke(
    codes: tuple[str, ...],
    action: str | None,
    reason: str,
    yes: bool,
    stage: str,
    endpoint_url: str | None,
    region: str | None,
) -> None:
    """Take codes back for good; carts that hold them lose them. Ends in one line of JSON."""
    if bool(codes) == bool(action):
        raise click.UsageError("name codes, or an action with --action")
    reason = _checked(reason)
    telemetry.configure(stage=stage, stream=sys.stderr)
    place = _place(stage=stage, endpoint_url=endpoint_url, region=region)
    now = int(time.time())
    if action is not None:
        codes = tuple(usable_codes(place.client, place.effects_table, action, now=now))
        if codes and not yes:
            click.confirm(f"revoke {len(codes)} codes of {action}?", abort=True)
    counts = revoke_all(codes, reason=reason, store=place.store, now=now)
    click.echo(json.dumps(counts))
    if counts.get("code_unknown"):
        raise click.ClickException("there is no such code: look at how it is spelt")


def revoke_all(codes: Iterable[str], *, reason: str, store: Store, now: int) -> Mapping[str, int]:
    """Take codes back one by one; how many were revoked now, before, or not at all, by name."""
    counts: Counter[str] = Counter()
    for code in codes:
        try:
            answered = from_request(Revocation(code, reason), store=store, now=now)
        except Refused as refusal:
            counts[refusal.reason] += 1
        else:
            counts["revoked_before" if answered.repeated else "revoked"] += 1
    return dict(sorted(counts.items()))


def usable_codes(
    client: DynamoDBClient, effects_table: str, action: str, *, now: int
) -> Iterator[str]:
    """Every code of an action that is live or held by a cart; one look at the whole table."""
    pages = client.get_paginator("scan").paginate(
        TableName=effects_table,
        FilterExpression="sk = :kind",
        ExpressionAttributeValues={":kind": {"S": COUPON.name}},
        ConsistentRead=True,
    )
    for page in pages:
        for item in page["Items"]:
            key = COUPON.key(item["pk"]["S"].removeprefix(COUPON.prefix))
            coupon = stored_of(key, item).value
            if coupon.offer.action == action and state_of(coupon, now=now) in ("live", "reserved"):
                yield coupon.offer.code


def _checked(reason: str) -> str:
    """The reason, as the interface takes it."""
    try:
        return RevokeRequest(reason=reason).reason
    except ValueError:
        raise click.UsageError(
            "--reason: 1 to 128 letters, digits, blanks and . _ : / - such as 'leaked 2026-11-27'"
        ) from None


def _place(*, stage: str, endpoint_url: str | None, region: str | None) -> Place:
    session = open_session(endpoint_url=endpoint_url, region=region)
    try:
        environment = stack_environment(session, stage=stage)
    except DeploymentFailed as error:
        raise click.ClickException(str(error)) from None
    names = {table: environment[f"SEGUE_{table.upper()}_TABLE"] for table in TABLES}
    client = session.client("dynamodb")
    return Place(client, DynamoStore(lambda: client, tables=names), names["effects"])
