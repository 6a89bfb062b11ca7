"""64 concurrent shops in several processes want the same codes and the same budget."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.aws.clients import Clients
from chalicelib.aws.items import key_of, stored_of
from chalicelib.aws.store import DynamoStore
from chalicelib.core.allotments import SHARDS, Allotment
from chalicelib.core.coupons import money_of, state_of
from chalicelib.core.errors import Refused
from chalicelib.core.kinds import COUPON
from chalicelib.core.limits import allotment_key
from ops.places import ROOT
from ops.stack import LocalStack, running
from tests.coupon_makers import AMOUNT, BUDGET, CODES, WINBACK, coupon, issue, owner_of
from tests.e2e.offers_worker import ask
from tests.stack import create_tables
from tests.unit.core.situations import NOW

pytestmark = pytest.mark.e2e
PROCESSES, THREADS = 4, 16


class Books:
    """Codes and budget of one stack."""

    def __init__(self, stack: LocalStack) -> None:
        self.clients = Clients(endpoint_url=stack.endpoint_url)
        self.client = self.clients.dynamodb_patient()
        self.tables = create_tables(self.client)
        self.store = DynamoStore(self.clients.dynamodb_patient, tables=self.tables)
        self.environment = {
            **os.environ,
            **stack.environment(),
            "TABLES": json.dumps(self.tables),
        }

    def shards(self) -> list[Allotment]:
        """All shards of the budget at one and the same moment."""
        keys = [allotment_key(WINBACK, "money", number) for number in range(SHARDS)]
        table = self.tables["effects"]
        answer = self.client.transact_get_items(
            TransactItems=[{"Get": {"TableName": table, "Key": key_of(key)}} for key in keys]
        )
        items = [each.get("Item") for each in answer["Responses"]]
        return [stored_of(k, i).value for k, i in zip(keys, items, strict=True) if i]

    def used(self) -> int:
        """What the budget has held and spent together."""
        return sum(shard.used for shard in self.shards())


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    """A stack with nothing but tables, and 64 live codes."""
    with running(tmp_path) as stack:
        books = Books(stack)
        issue(books.store, *(coupon(code, subject=owner_of(code)) for code in CODES))
        yield books


def test_64_at_once_redeem_each_code_once_and_spend_no_more_than_the_budget(books: Books) -> None:
    """At every moment spent and held are within the budget; at the end it is used up."""
    workers = [
        subprocess.Popen(  # noqa: S603 - ours
            [sys.executable, "-m", "tests.e2e.offers_worker", str(n * THREADS), str(THREADS)],
            cwd=ROOT,
            env=books.environment,
            stdout=subprocess.PIPE,
        )
        for n in range(PROCESSES)
    ]
    looks, until = 0, time.monotonic() + 240
    while time.monotonic() < until and any(worker.poll() is None for worker in workers):
        assert books.used() <= BUDGET
        looks += 1
    told = [json.loads(worker.communicate(timeout=60)[0]) for worker in workers]
    outcomes: Counter[str] = sum((Counter(each["outcomes"]) for each in told), Counter())
    redeemed = [code for each in told for code in each["redeemed"]]
    print(json.dumps({"outcomes": outcomes, "looks": looks}))  # noqa: T201

    assert len(redeemed) == len(set(redeemed))
    for code in set(CODES) - set(redeemed):  # what others held meanwhile is free by now
        try:
            ask(books.store, "redeem", code, "o-last")
        except Refused as refusal:
            assert refusal.reason in ("budget_exhausted", "code_reserved_elsewhere")  # noqa: PT017
        else:
            redeemed.append(code)

    shards, keys = books.shards(), [COUPON.key(code) for code in CODES]
    found = books.store.read(keys, now=NOW)
    coupons = [value for key in keys if (value := found.value(key)) is not None]
    used = [each for each in coupons if state_of(each, now=NOW) == "redeemed"]
    assert {each.offer.code for each in used} == set(redeemed)
    assert all(len(each.uses) <= 1 for each in coupons)
    assert sum(shard.allotted for shard in shards) == BUDGET
    assert sum(shard.held for shard in shards) == sum(money_of(each).held for each in coupons)
    assert sum(shard.spent for shard in shards) == AMOUNT * len(redeemed)
    assert BUDGET - AMOUNT < books.used() <= BUDGET
