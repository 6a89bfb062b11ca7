"""The stub that pages are measured on: it finds by index as DynamoDB does, and refuses the rest."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks.console_stub import Shelf, index_keys
from ops.places import RESOURCES

KEYS = index_keys(json.loads(RESOURCES.read_text()))


def row(name: str, *, under: str, at: str) -> dict[str, Any]:
    """A mail in the list."""
    return {
        "pk": {"S": f"e#{name}"},
        "sk": {"S": "effect"},
        "listed_under": {"S": under},
        "listed_at": {"S": at},
    }


SHELF = Shelf(
    {
        "effects": [
            row("c", under="SENT#0", at="3"),
            row("a", under="SENT#0", at="1"),
            row("b", under="SENT#0", at="2"),
            row("d", under="SENT#1", at="4"),
            {"pk": {"S": "k#code"}, "sk": {"S": "coupon"}},
        ]
    },
    KEYS,
)


def ask(condition: str, **more: Any) -> dict[str, Any]:
    """A query of the list."""
    values = {":under": {"S": "SENT#0"}, ":low": {"S": "2"}, ":high": {"S": "3"}}
    asked = {
        "TableName": "effects",
        "IndexName": "mails",
        "KeyConditionExpression": condition,
        "ExpressionAttributeValues": values,
        **more,
    }
    return SHELF.answer("Query", json.dumps(asked).encode())


def names(told: dict[str, Any]) -> str:
    """The mails of an answer, in its order."""
    return "".join(item["pk"]["S"].removeprefix("e#") for item in told["Items"])


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("listed_under = :under", "abc"),
        ("listed_under = :under AND listed_at < :high", "ab"),
        ("listed_under = :under AND listed_at <= :low", "ab"),
        ("listed_under = :under AND listed_at BETWEEN :low AND :high", "bc"),
        ("listed_under = :under AND begins_with(listed_at, :low)", "b"),
    ],
)
def test_a_query_finds_what_its_condition_says(condition: str, found: str) -> None:
    """In the order of the index, either way round, and nothing that is not in the index."""
    assert names(ask(condition)) == found
    assert names(ask(condition, ScanIndexForward=False)) == found[::-1]


def test_a_page_of_a_query_says_where_the_next_begins() -> None:
    """And the next one begins there."""
    first = ask("listed_under = :under", Limit=2)
    second = ask("listed_under = :under", ExclusiveStartKey=first["LastEvaluatedKey"])

    assert (names(first), names(second)) == ("ab", "c")
    assert "LastEvaluatedKey" not in second


def test_what_no_page_may_ask_for_is_refused() -> None:
    """A scan, and a query that throws away what it has read."""
    with pytest.raises(ValueError, match="throws away"):
        ask("listed_under = :under", FilterExpression="attribute_exists(owned_by)")
    with pytest.raises(ValueError, match="Scan"):
        SHELF.answer("Scan", b"{}")
