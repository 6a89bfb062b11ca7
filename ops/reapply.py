"""Apply tombstones again after tables were restored to a moment before an erasure.

It looks at every item of ``profiles``, ``decisions`` and ``effects`` once, and is safe to repeat.
Run it before anything else may read the restored tables.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

import click

from chalicelib.aws.secrets import SigningKeysParameter
from chalicelib.aws.store import DynamoStore
from chalicelib.core.errors import SegueError
from chalicelib.core.storage import Key, Table
from chalicelib.flows.reapply import PERSONAL, reapply_tombstones
from ops.cloudformation import DeploymentFailed
from ops.deploy import stack_environment
from ops.session import open_session

RESTORED: tuple[Table, ...] = ("profiles", "decisions", "effects")


@click.command()
@click.option("--stage", default="dev", show_default=True)
@click.option("--endpoint-url", envvar="AWS_ENDPOINT_URL", help="A local stack in place of AWS.")
@click.option("--region", envvar="AWS_REGION")
def reapply(stage: str, endpoint_url: str | None, region: str | None) -> None:
    """Erase again what a restore brought back; prints the counts as one line of JSON."""
    session = open_session(endpoint_url=endpoint_url, region=region)
    try:
        environment = stack_environment(session, stage=stage)
        counts = reapply_to(
            session.client("dynamodb"), session.client("ssm"), environment, now=int(time.time())
        )
    except (DeploymentFailed, SegueError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(json.dumps({"erased_again": counts}))


def reapply_to(
    dynamodb: Any, ssm: Any, environment: Mapping[str, str], *, now: int
) -> Mapping[str, int]:
    """Apply the tombstones of a stage to its tables, whose names stand in its environment."""
    names: dict[Table, str] = {
        table: environment[f"SEGUE_{table.upper()}_TABLE"] for table in (*RESTORED, "control")
    }
    store = DynamoStore(lambda: dynamodb, tables=names)
    parameter = SigningKeysParameter(lambda: ssm, name=environment["SEGUE_SIGNING_KEYS_PARAMETER"])
    return reapply_tombstones(
        (key for table in RESTORED for key in _keys_in(dynamodb, names[table])),
        store=store,
        keys=parameter.read(now=now),
        new_key=lambda: os.urandom(16).hex(),
        now=now,
    )


def _keys_in(dynamodb: Any, table: str) -> Iterator[Key[Any]]:
    """The keys of everything personal in a table."""
    pages = dynamodb.get_paginator("scan").paginate(TableName=table, ProjectionExpression="pk, sk")
    for page in pages:
        for item in page["Items"]:
            kind = PERSONAL.get(item["sk"]["S"])
            if kind is not None:
                yield Key(kind, item["pk"]["S"])
