"""The stack on moto, as ``make local`` makes it from the merge template."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3.session

from chalicelib.core.storage import Table
from ops.resources import create_resources, queue_url
from ops.template import read_template

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

TABLES: Mapping[Table, str] = {
    "profiles": "ProfilesTable",
    "decisions": "DecisionsTable",
    "effects": "EffectsTable",
    "control": "ControlTable",
    "signals": "SignalsTable",
}


@dataclass(frozen=True, slots=True)
class Stack:
    """The names under which a test finds the resources; ``environment`` is the settings."""

    environment: Mapping[str, str]
    tables: Mapping[Table, str]
    drops_bucket: str
    results_bucket: str
    drops_queue_url: str
    effects_queue_url: str
    bus_name: str
    configuration_set: str
    sender: str
    signing_keys_parameter: str


@functools.cache
def session() -> boto3.session.Session:
    """One session for all tests: it has read the service models, which is what takes time."""
    return boto3.session.Session(region_name="us-east-1")


def create_stack() -> Stack:
    """Create everything that the functions use; call it within ``mock_aws``."""
    environment = create_resources(session(), prefix="test")
    return Stack(
        environment=environment,
        tables={table: environment[f"SEGUE_{table.upper()}_TABLE"] for table in TABLES},
        drops_bucket=environment["SEGUE_DROPS_BUCKET"],
        results_bucket=environment["SEGUE_RESULTS_BUCKET"],
        drops_queue_url=queue_url(session(), "DropsQueue", prefix="test"),
        effects_queue_url=environment["SEGUE_EFFECTS_QUEUE_URL"],
        bus_name=environment["SEGUE_BUS_NAME"],
        configuration_set=environment["SEGUE_CONFIGURATION_SET"],
        sender=environment["SEGUE_SENDER"],
        signing_keys_parameter=environment["SEGUE_SIGNING_KEYS_PARAMETER"],
    )


def whole(dynamodb: DynamoDBClient) -> DynamoDBClient:
    """A client that can do all that DynamoDB can, where another one talks to.

    The application's own knows only what the application does.
    """
    return boto3.session.Session().client(
        "dynamodb", endpoint_url=dynamodb.meta.endpoint_url, region_name=dynamodb.meta.region_name
    )


def create_tables(dynamodb: DynamoDBClient) -> Mapping[Table, str]:
    """Create the tables alone, with their indexes: enough for tests of the store."""
    resources = read_template()["Resources"]
    dynamodb = whole(dynamodb)
    names: dict[Table, str] = {}
    for table, logical_id in TABLES.items():
        properties = resources[logical_id]["Properties"]
        names[table] = f"test-{table}"
        dynamodb.create_table(
            TableName=names[table],
            BillingMode="PAY_PER_REQUEST",
            **{
                name: properties[name]
                for name in ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
                if name in properties
            },
        )
    return names
