"""Counting a group goes through every page, and says what it asks for once for each."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.aws.store import DynamoStore
from chalicelib.core.errors import Transient

TABLES = {"profiles": "p", "decisions": "d", "effects": "e", "control": "c", "signals": "s"}


class Pages:
    """A DynamoDB that answers with these pages, one after the other; an error is raised."""

    def __init__(self, *pages: Any) -> None:
        self.pages = list(pages)
        self.asked: list[dict[str, Any]] = []

    def query(self, **request: Any) -> Any:
        """The next page."""
        self.asked.append(request)
        page = self.pages.pop(0)
        if isinstance(page, Exception):
            raise page
        return page


def counted(pages: Pages) -> int:
    """What the store counts."""
    client: Any = pages
    tables: Any = TABLES
    return DynamoStore(lambda: client, tables=tables).count_group("segment#00#loyal")


def test_a_group_of_many_pages_is_counted_to_its_end() -> None:
    """An empty page in between is not the end; each goes on where the one before stopped."""
    last = {"pk": {"S": "c#9"}}
    pages = Pages(
        {"Count": 16_131, "LastEvaluatedKey": last},
        {"Count": 0, "LastEvaluatedKey": {"pk": {"S": "c#99"}}},
        {"Count": 7},
    )

    assert counted(pages) == 16_138
    assert [each.get("ExclusiveStartKey") for each in pages.asked] == [
        None,
        last,
        {"pk": {"S": "c#99"}},
    ]
    assert {(each["TableName"], each["IndexName"], each["Select"]) for each in pages.asked} == {
        ("p", "by_group", "COUNT")
    }


def test_a_page_that_does_not_come_is_no_smaller_count() -> None:
    """The whole count is asked for again."""
    slow = ClientError({"Error": {"Code": "ThrottlingException"}}, "Query")

    with pytest.raises(Transient):
        counted(Pages({"Count": 5, "LastEvaluatedKey": {}}, slow))
