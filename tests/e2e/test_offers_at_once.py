"""64 concurrent shops in several processes want the same codes, the same budget, the same key."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.aws.clients import Clients
from chalicelib.aws.items import key_of, stored_of
from chalicelib.aws.store import DynamoStore
from chalicelib.core.allotments import SHARDS, Allotment
from chalicelib.core.coupons import RESERVED_SHARDS, money_of, reserved_shard, state_of
from chalicelib.core.errors import Refused
from chalicelib.core.kinds import COUPON, FACTS
from chalicelib.core.limits import allotment_key
from chalicelib.core.offers import Coupon
from chalicelib.core.storage import Put
from chalicelib.flows.code_moves import expire_lapsed
from ops.places import ROOT
from ops.stack import LocalStack, running
from tests.coupon_makers import AMOUNT, BUDGET, BUYER, CODES, WINBACK, coupon, issue, owner_of
from tests.e2e import codes_worker
from tests.e2e.codes_worker import LOCK_SECONDS, SPEED
from tests.e2e.offers_worker import ask
from tests.makers import DAY_SECONDS, facts_with_orders
from tests.stack import create_tables, whole
from tests.unit.core.situations import NOW

pytestmark = pytest.mark.e2e
PROCESSES, THREADS = 4, 16


class Books:
    """Codes and budget of one stack."""

    def __init__(self, stack: LocalStack) -> None:
        self.clients = Clients(endpoint_url=stack.endpoint_url)
        self.client = whole(self.clients.dynamodb_patient())
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

    def watched(
        self, module: str, *arguments: str, budget_minor: int = BUDGET
    ) -> tuple[list[Any], int]:
        """Run processes of a module, and look at the budget for as long as they run.

        Returns what each has told, and how many looks there were.
        """
        workers = [
            subprocess.Popen(  # noqa: S603 - ours
                [sys.executable, "-m", module, str(n * THREADS), str(THREADS), *arguments],
                cwd=ROOT,
                env=self.environment,
                stdout=subprocess.PIPE,
            )
            for n in range(PROCESSES)
        ]
        looks, until = 0, time.monotonic() + 240
        while time.monotonic() < until and any(worker.poll() is None for worker in workers):
            shards = self.shards()
            assert sum(shard.used for shard in shards) <= budget_minor
            assert all(0 <= shard.used <= shard.allotted for shard in shards)
            looks += 1
        return [json.loads(worker.communicate(timeout=60)[0]) for worker in workers], looks

    def coupons(self) -> list[Coupon]:
        """Every code as it stands."""
        keys = [COUPON.key(code) for code in CODES]
        found = self.store.read(keys, now=NOW)
        return [value for key in keys if (value := found.value(key)) is not None]


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Books]:
    """A stack with nothing but tables."""
    with running(tmp_path) as stack:
        yield Books(stack)


@pytest.fixture
def books(empty: Books) -> Books:
    """The same with 64 live codes."""
    issue(empty.store, *(coupon(code, subject=owner_of(code)) for code in CODES))
    return empty


def test_64_at_once_redeem_each_code_once_and_spend_no_more_than_the_budget(books: Books) -> None:
    """At every moment spent and held are within the budget; at the end it is used up."""
    told, looks = books.watched("tests.e2e.offers_worker")
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

    shards, coupons = books.shards(), books.coupons()
    used = [each for each in coupons if state_of(each, now=NOW) == "redeemed"]
    assert {each.offer.code for each in used} == set(redeemed)
    assert all(len(each.uses) <= 1 for each in coupons)
    assert sum(shard.allotted for shard in shards) == BUDGET
    assert sum(shard.held for shard in shards) == sum(money_of(each).held for each in coupons)
    assert sum(shard.spent for shard in shards) == AMOUNT * len(redeemed)
    assert BUDGET - AMOUNT < books.used() <= BUDGET


def test_64_at_once_live_whole_lives_and_the_books_are_right(empty: Books) -> None:
    """Carts that are left, refunds, cancellations, operators and sweeps, over all shards at once.

    At every moment spent and held are within the budget. At the end every code is in one state,
    what codes and shards say of the money is the same, and nothing is held by a lock that ended.
    """
    lives = (coupon(c, subject=owner_of(c), lock_seconds=LOCK_SECONDS) for c in CODES)
    issue(empty.store, *lives)
    begun = time.time()

    told, looks = empty.watched(
        "tests.e2e.codes_worker", str(begun), budget_minor=codes_worker.BUDGET
    )

    outcomes: Counter[str] = sum((Counter(each) for each in told), Counter())
    later = NOW + int((time.time() - begun) * SPEED) + LOCK_SECONDS
    for shard in range(RESERVED_SHARDS):
        name = reserved_shard(shard)
        for code in empty.store.overdue(COUPON, shard=name, now=later, limit=len(CODES)):
            expire_lapsed(code, store=empty.store, now=later)
    coupons, shards = empty.coupons(), empty.shards()
    states = Counter(state_of(each, now=later) for each in coupons)
    print(json.dumps({"outcomes": outcomes, "looks": looks, "states": states}))  # noqa: T201

    assert len(coupons) == len(CODES)
    assert {"redeemed", "rolled_back", "revoked"} <= states.keys()
    assert "reserved" not in states
    assert outcomes["budget_exhausted"] > 0
    assert all(len(each.uses) <= 1 for each in coupons)
    assert len(shards) == SHARDS
    assert sum(shard.allotted for shard in shards) == codes_worker.BUDGET
    assert sum(shard.held for shard in shards) == 0
    assert sum(shard.spent for shard in shards) == sum(money_of(each).spent for each in coupons)


def test_64_at_once_under_one_key_are_one_decision(empty: Books) -> None:
    """The losing writers answer what the winner did, and hundreds of sessions show its one code."""
    facts = facts_with_orders(last_at=NOW - 100 * DAY_SECONDS, subject=BUYER)
    empty.store.write([Put(FACTS.key(BUYER.key), facts)], now=NOW)

    told, _ = empty.watched("tests.e2e.checkout_worker")

    answers = {answer for each in told for answer in each["answers"]}
    codes = [code for each in told for code in each["codes"]]
    assert len(answers) == 1
    assert len(codes) > PROCESSES * THREADS * 8
    assert len(set(codes)) == 1
    items = empty.client.scan(TableName=empty.tables["effects"], ConsistentRead=True)["Items"]
    assert sum(item["sk"]["S"] == COUPON.name for item in items) == 1
    keys = [allotment_key(WINBACK, "codes", number) for number in range(SHARDS)]
    found = empty.store.read(keys, now=NOW)
    counts = [shard for key in keys if (shard := found.value(key)) is not None]
    assert sum(shard.spent for shard in counts) == 1
