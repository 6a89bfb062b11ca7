"""A process of shops that all want the same codes: many threads, each reserving and redeeming."""

from __future__ import annotations

import io
import json
import os
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from chalicelib import telemetry
from chalicelib.aws.clients import Clients
from chalicelib.aws.store import DynamoStore
from chalicelib.core.errors import Refused, Transient
from chalicelib.flows.code_moves import Answered
from chalicelib.flows.redeem import OfferCall, Operation, from_request
from tests.coupon_makers import AMOUNT, CODES, budget_rules, owner_of
from tests.unit.core.situations import NOW

MOST_TRIES = 20


def ask(store: DynamoStore, operation: Operation, code: str, order_id: str) -> Answered:
    """Ask as a shop does: what others were faster at is asked again; raises Refused."""
    call = OfferCall(operation, code, owner_of(code), order_id, AMOUNT, "USD")
    for _ in range(MOST_TRIES):
        try:
            return from_request(call, store=store, rules=budget_rules(), now=NOW)
        except Transient:
            continue
    raise Transient(f"{MOST_TRIES} tries of {operation}")


def shop_around(store: DynamoStore, number: int) -> tuple[Counter[str], list[str]]:
    """One thread: a quarter of the codes, each for an order of its own, one way or another."""
    outcomes: Counter[str] = Counter()
    redeemed = []
    for place, code in enumerate(CODES):
        if (place + number) % 4:
            continue
        order_id = f"o-{number}-{place}"
        try:
            if number % 3:
                ask(store, "reserve", code, order_id)
                outcomes["reserved"] += 1
            if number % 8 == 1:
                ask(store, "release", code, order_id)
                outcomes["released"] += 1
                continue
            ask(store, "redeem", code, order_id)
            ask(store, "redeem", code, order_id)  # and once more, as after a lost answer
        except Refused as refusal:
            outcomes[refusal.reason] += 1
        else:
            outcomes["redeemed"] += 1
            redeemed.append(code)
    return outcomes, redeemed


def main() -> None:
    """Run so many threads from a number on; print what became of everything."""
    telemetry.configure(stage="test", stream=io.StringIO())  # standard output is the answer
    tables = json.loads(os.environ["TABLES"])
    first, threads = int(sys.argv[1]), int(sys.argv[2])
    clients = Clients()
    store = DynamoStore(clients.dynamodb_patient, tables=tables)
    with ThreadPoolExecutor(threads) as executor:
        done = list(executor.map(lambda n: shop_around(store, n), range(first, first + threads)))
    outcomes = sum((each for each, _ in done), Counter())
    redeemed = [code for _, codes in done for code in codes]
    sys.stdout.write(json.dumps({"outcomes": outcomes, "redeemed": redeemed}))


if __name__ == "__main__":
    main()
