"""What a stage's tables say of its decisions and of what became of them.

Every table is looked through once, so this is for an operator or a schedule, never for a request.
Only what outcomes are made from is kept in memory; the records themselves pass by.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from chalicelib.aws.items import stored_of
from chalicelib.core.effects import Effect, State
from chalicelib.core.errors import Broken
from chalicelib.core.facts import Facts
from chalicelib.core.kinds import COUPON, EFFECT, FACTS, ORDER, RECORD
from chalicelib.core.offers import Coupon
from chalicelib.core.orders import OrderState
from chalicelib.core.outcomes import Bought, Ledger, Outcome, trial_of
from chalicelib.core.storage import Key, Kind, Table
from chalicelib.core.subject import customer

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


@dataclass(slots=True)
class Tables:
    """The tables of a stage, looked through.

    Attributes:
        dynamodb: the client.
        names: the table's name by what it holds.
        now: what has expired by then is not there.
        unreadable: how many items of each kind could not be read and were left out.
    """

    dynamodb: DynamoDBClient
    names: Mapping[Table, str]
    now: int
    unreadable: Counter[str] = field(default_factory=Counter)

    def all(self, *kinds: Kind[Any]) -> Iterator[Any]:
        """Every stored thing of these kinds, which lie in one table."""
        by_name = {kind.name: kind for kind in kinds}
        named = {f":k{number}": {"S": name} for number, name in enumerate(by_name)}
        pages = self.dynamodb.get_paginator("scan").paginate(
            TableName=self.names[kinds[0].table],
            FilterExpression=f"sk IN ({', '.join(named)})",
            ExpressionAttributeValues=named,
        )
        for page in pages:
            for item in page["Items"]:
                kind = by_name[item["sk"]["S"]]
                try:
                    stored = stored_of(Key(kind, item["pk"]["S"]), item)
                except Broken:
                    self.unreadable[kind.name] += 1
                    continue
                if stored.expires_at is None or stored.expires_at > self.now:
                    yield stored.value


def read_ledger(tables: Tables, *, currency: str) -> Ledger:
    """Orders, redeemed codes, mails and who a guest turned out to be; ``currency`` is paid in."""
    mails: dict[str, State] = {}
    codes = _Codes()
    for thing in tables.all(COUPON, EFFECT):
        if isinstance(thing, Coupon):
            codes.add(thing)
        elif isinstance(thing, Effect) and thing.kind == "mail":
            mails[thing.effect_id] = thing.state
    known_as: dict[str, str] = {}
    orders: list[OrderState] = []
    for thing in tables.all(FACTS, ORDER):
        if isinstance(thing, OrderState):
            orders.append(thing)
        elif isinstance(thing, Facts) and thing.merged_into is not None:
            known_as[thing.subject.key] = customer(thing.merged_into).key
    bought: dict[str, list[Bought]] = {}
    for subject_key, order in _bought(orders, codes, currency):
        bought.setdefault(known_as.get(subject_key, subject_key), []).append(order)
    return Ledger(bought, mails, known_as)


@dataclass(slots=True)
class _Codes:
    """Which codes orders used.

    Attributes:
        by_order: the codes of an order, each with what it gave away.
        owners: whose code an order used.
    """

    by_order: dict[str, dict[str, int]] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)

    def add(self, coupon: Coupon) -> None:
        """Note the orders that a code was used for and not given back by."""
        for use in coupon.uses:
            left_minor = use.amount_minor - use.rolled_back_minor
            if use.state == "redeemed" or (use.state == "rolled_back" and left_minor > 0):
                self.by_order.setdefault(use.order_id, {})[coupon.offer.code] = left_minor
                self.owners[use.order_id] = coupon.subject_key


def _bought(
    orders: Iterable[OrderState], used: _Codes, currency: str
) -> Iterator[tuple[str, Bought]]:
    """Each order that counts with whose it is; also those of which only a code tells."""
    told = set()
    for order in orders:
        if order.completed is None and order.cancelled_at is None:
            continue
        told.add(order.order_id)
        counted = order.counted
        if counted is None or (order.refunds_minor and not counted.amount_minor):
            continue
        paid_minor = counted.amount_minor if counted.currency == currency else 0
        codes = used.by_order.get(order.order_id, {})
        yield order.subject_key, Bought(order.order_id, counted.at, paid_minor, codes)
    for order_id, codes in used.by_order.items():
        if order_id not in told:
            yield used.owners[order_id], Bought(order_id, None, 0, codes)


def write_log(tables: Tables, outcomes: Mapping[str, Outcome], out: TextIO) -> int:
    """Write every decision whose outcome is known as a line of JSON: its record, with ``outcome``.

    The lines hold what the decisions were made from, so personal data; returns how many there are.
    """
    written = 0
    for record in tables.all(RECORD):
        outcome = outcomes.get(record["decision_id"])
        if outcome is not None and trial_of(record) is not None:
            json.dump({**record, "outcome": outcome_to_json(outcome)}, out)
            out.write("\n")
            written += 1
    return written


def outcome_to_json(outcome: Outcome) -> dict[str, Any]:
    """What became of a decision, as a line of the log has it."""
    told = outcome._asdict()
    del told["trial"]
    return told
