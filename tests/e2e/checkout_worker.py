"""A process of checkouts of one customer: all under one Idempotency-Key, then each in a session."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from chalicelib import telemetry
from chalicelib.aws.clients import Clients
from chalicelib.aws.store import DynamoStore
from chalicelib.core.situation import Context, Line
from chalicelib.flows.checkout import answer_checkout
from chalicelib.flows.gather import CheckoutCall
from tests.coupon_makers import BUYER, WINBACK, limited
from tests.fakes import SIGNING_KEYS
from tests.makers import rules_with
from tests.unit.core.situations import NOW

SESSIONS = 8
RULES = rules_with(actions=limited(WINBACK, codes=100, codes_per_customer=1, budget_minor=10_000))


def decide(store: DynamoStore, *, call_id: str, session: str, key: str | None) -> Mapping[str, Any]:
    """One checkout, asked again until storage had the time to answer it."""
    context = Context(country="US", region="TX", currency="USD", session_id=session)
    repeat_of = None if key is None else ("caller", "POST /v1/decisions", key)
    call = CheckoutCall(BUYER, context, (Line("MUG", 2, 2000),), call_id, repeat_of)
    while True:
        answered = answer_checkout(
            call,
            store=store,
            rules=RULES,
            keys=lambda: SIGNING_KEYS,
            now=NOW,
            correlation_id=call_id,
        )
        if answered.how != "degraded":
            return answered.body


def main() -> None:
    """Run so many threads from a number on; print every answer under the key, and every code."""
    telemetry.configure(stage="test", stream=io.StringIO())  # standard output is the answer
    first, threads = int(sys.argv[1]), int(sys.argv[2])
    clients = Clients()
    store = DynamoStore(clients.dynamodb_patient, tables=json.loads(os.environ["TABLES"]))

    def ask(number: int) -> tuple[str, list[str]]:
        told = decide(store, call_id=f"k-{number}", session="s-key", key="the key")
        codes = [offer["code"] for offer in told["offers"]]
        for nth in range(SESSIONS):
            session = f"s-{number}-{nth}"
            shown = decide(store, call_id=session, session=session, key=None)
            codes += [offer["code"] for offer in shown["offers"]]
        return json.dumps(told, sort_keys=True), codes

    with ThreadPoolExecutor(threads) as executor:
        done = list(executor.map(ask, range(first, first + threads)))
    answers = sorted({answer for answer, _ in done})
    sys.stdout.write(json.dumps({"answers": answers, "codes": [c for _, cs in done for c in cs]}))


if __name__ == "__main__":
    main()
