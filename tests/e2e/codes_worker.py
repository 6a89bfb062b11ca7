"""A process in which codes live a whole life: carts, orders, refunds, operators, and the sweep.

Its clock runs a hundred times as fast as the one on the wall, so that locks end in a second or two.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from chalicelib import telemetry
from chalicelib.aws.clients import Clients
from chalicelib.aws.store import DynamoStore
from chalicelib.core.coupons import RESERVED_SHARDS, CodeUnknown, reserved_shard
from chalicelib.core.errors import Refused, Transient
from chalicelib.core.kinds import COUPON
from chalicelib.flows.code_moves import expire_lapsed
from chalicelib.flows.events import EventPorts
from chalicelib.flows.events import from_request as fold
from chalicelib.flows.redeem import OfferCall, Operation, from_request
from chalicelib.flows.revoke import Revocation
from chalicelib.flows.revoke import from_request as revoke
from tests.coupon_makers import AMOUNT, CODES, WINBACK, limited, owner_of
from tests.fakes import SIGNING_KEYS
from tests.makers import order_event, rules_with
from tests.unit.core.situations import NOW

MOST_TRIES = 40
SPEED = 100
LOCK_SECONDS = 150
BUDGET = 1500  # for 16 of 64 codes, so that it is used up, given back and used up again
RULES = rules_with(actions=limited(WINBACK, budget_minor=BUDGET))


class Shop:
    """What one process does with codes."""

    def __init__(self, store: DynamoStore, begun: float) -> None:
        """Begin where every other process began."""
        self._store, self._begun = store, begun
        self.outcomes: Counter[str] = Counter()

    @property
    def now(self) -> int:
        """The shops' own time."""
        return NOW + int((time.time() - self._begun) * SPEED)

    def live(self, number: int) -> None:
        """One thread: every fourth code, each for an order of its own, in one of several ways."""
        ways: tuple[Callable[[str, str], None], ...] = (
            self._buy,
            self._hesitate,
            self._leave,
            self._cancel,
            self._refund_half,
            self._order_by_event,
            self._sweep,
            self._revoke,
        )
        for place, code in enumerate(CODES):
            if (place + number) % 4:
                continue
            way = ways[(place // 4 + number) % len(ways)]
            try:
                way(code, f"o-{number}-{place}")
            except Refused as refusal:
                self.outcomes[refusal.reason] += 1
            else:
                self.outcomes[way.__name__.strip("_")] += 1

    def _buy(self, code: str, order_id: str) -> None:
        self._ask("reserve", code, order_id)
        self._ask("redeem", code, order_id)
        self._ask("redeem", code, order_id)  # and once more, as after a lost answer

    def _hesitate(self, code: str, order_id: str) -> None:
        self._ask("reserve", code, order_id)
        self._ask("release", code, order_id)

    def _leave(self, code: str, order_id: str) -> None:
        """A cart that is left alone: its lock ends by itself."""
        self._ask("reserve", code, order_id)

    def _cancel(self, code: str, order_id: str) -> None:
        self._ask("redeem", code, order_id)
        self._tell("Completed", code, order_id, total="9.00")
        self._tell("Cancelled", code, order_id)

    def _refund_half(self, code: str, order_id: str) -> None:
        self._ask("redeem", code, order_id)
        self._tell("Completed", code, order_id, total="9.00")
        self._tell("Refunded", code, order_id, total="4.50")

    def _order_by_event(self, code: str, order_id: str) -> None:
        """An order that names the code; what it cannot have is counted, and the order counts."""
        self._tell("Completed", code, order_id, total="9.00", coupon=code, discount="0.90")

    def _sweep(self, code: str, order_id: str) -> None:
        del code, order_id
        for shard in range(RESERVED_SHARDS):
            name = reserved_shard(shard)
            for each in self._store.overdue(COUPON, shard=name, now=self.now, limit=20):
                self._insist(partial(expire_lapsed, each, store=self._store, now=self.now))

    def _revoke(self, code: str, order_id: str) -> None:
        """Few are revoked, so that most of the codes live on."""
        if hash_of(order_id) % 8:
            self._hesitate(code, order_id)
            return
        self._insist(lambda: revoke(Revocation(code, "leaked"), store=self._store, now=self.now))

    def _ask(self, operation: Operation, code: str, order_id: str) -> None:
        call = OfferCall(operation, code, owner_of(code), order_id, AMOUNT, "USD")
        self._insist(lambda: from_request(call, store=self._store, rules=RULES, now=self.now))

    def _tell(self, name: str, code: str, order_id: str, **said: Any) -> None:
        message_id = f"{name}-{order_id}"
        message = order_event(
            f"Order {name}", order_id, user=owner_of(code).id, message_id=message_id, **said
        )
        self._insist(
            lambda: fold(
                message,
                ports=EventPorts(self._store),
                rules=RULES,
                keys=SIGNING_KEYS,
                now=self.now,
                correlation_id=message_id,
            )
        )

    def _insist(self, call: Callable[[], object]) -> None:
        """Ask as a shop does: what others were faster at is asked again; raises Refused."""
        for _ in range(MOST_TRIES):
            try:
                call()
            except CodeUnknown:
                raise
            except Transient:
                self.outcomes["asked again"] += 1
            else:
                return
        raise Transient(f"{MOST_TRIES} tries")


def hash_of(text: str) -> int:
    """A number that is the same in every process."""
    return sum(text.encode())


def main() -> None:
    """Run so many threads from a number on; print what became of everything."""
    telemetry.configure(stage="test", stream=io.StringIO())  # standard output is the answer
    first, threads, begun = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    clients = Clients()
    store = DynamoStore(clients.dynamodb_patient, tables=json.loads(os.environ["TABLES"]))
    shop = Shop(store, begun)
    with ThreadPoolExecutor(threads) as executor:
        for _ in executor.map(shop.live, range(first, first + threads)):
            pass
    sys.stdout.write(json.dumps(shop.outcomes))


if __name__ == "__main__":
    main()
