"""The AWS in memory keeps what it has acknowledged, whichever threads call it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from chalicelib.aws.clients import Clients
from ops.moto_in_turns import moto_in_turns
from tests.stack import create_tables, whole

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

WRITES = 60


@pytest.fixture
def eager_switches() -> Iterator[None]:
    """Let threads take turns a thousand times as often, so that a race is met at once."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def test_nothing_is_lost_beside_a_cancelled_transaction(
    clients: Clients, eager_switches: None
) -> None:
    """A transaction that another thread sees cancelled takes no other write back with it."""
    with moto_in_turns():
        client = whole(clients.dynamodb_patient())
        table = create_tables(client)["profiles"]
        # Made here: threads that ask for a class of exceptions at once may each be given their own.
        cancelled = client.exceptions.TransactionCanceledException
        with ThreadPoolExecutor(8) as executor:
            refused = [executor.submit(refuse, client, table, cancelled) for _ in range(WRITES)]
            stored = [executor.submit(put, client, table, n) for n in range(WRITES)]
            for each in stored:
                each.result()

            assert all(each.result() for each in refused)
        found = {item["pk"]["S"] for item in client.scan(TableName=table)["Items"]}

    assert found == {f"c#{n}" for n in range(WRITES)}


def put(client: DynamoDBClient, table: str, n: int) -> None:
    """Store one item."""
    client.put_item(TableName=table, Item={"pk": {"S": f"c#{n}"}, "sk": {"S": "facts"}})


def refuse(client: DynamoDBClient, table: str, cancelled: type[Exception]) -> bool:
    """A transaction whose second condition fails; tells whether it was cancelled."""
    item = {"pk": {"S": "c#never"}, "sk": {"S": "facts"}}
    check = {"pk": {"S": "c#nobody"}, "sk": {"S": "facts"}}
    try:
        client.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": table, "Item": item}},
                {
                    "ConditionCheck": {
                        "TableName": table,
                        "Key": check,
                        "ConditionExpression": "attribute_exists(pk)",
                    }
                },
            ]
        )
    except cancelled:
        return True
    return False
