"""The reference model of a customer's life: what was said, each thing with its moment.

In the end the profile counts what was said since the last erasure, once, and nothing from before
it is left anywhere. What was answered of a code stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from chalicelib.core.facts import Facts
from chalicelib.core.instants import CLOCK_SKEW_SECONDS
from chalicelib.core.kinds import CONTACT, FACTS
from chalicelib.core.subject import Subject
from tests.crash.watched import WatchedStore


@dataclass(frozen=True, slots=True)
class Placed:
    """An order.

    Attributes:
        at: when it was placed.
        amount: what it cost, in minor units.
        refunded: what was given back.
        cancelled: whether it was cancelled.
    """

    at: int
    amount: int
    refunded: int = 0
    cancelled: bool = False


@dataclass(slots=True)
class Said:
    """All that was said of one customer, and answered to them.

    Attributes:
        subject: the customer.
        orders: their orders by id.
        names: when they said their name, which holds that moment.
        redeemed: the discount by code, of redemptions that were answered.
        kept: ids of orders that a shop may name again after an erasure, with a code.
    """

    subject: Subject
    orders: dict[str, Placed] = field(default_factory=dict)
    names: list[int] = field(default_factory=list)
    redeemed: dict[str, int] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)

    def differences(self, store: WatchedStore, *, now: int) -> Iterator[str]:
        """In what storage differs from it."""
        tombs = [tomb.at for tomb in store.all("tombstone").values()]
        # A sender's clock may be a little ahead.
        since = max(tombs) + CLOCK_SKEW_SECONDS if tombs else 0
        orders = [o for o in self.orders.values() if o.at > since and not o.cancelled]
        facts = store.one(FACTS.key(self.subject.key)) or Facts(self.subject)
        if facts.order_count != len(orders):
            yield f"{facts.order_count} orders are counted of {len(orders)}"
        worth = sum(o.amount_minor for o in facts.recent) + sum(facts.older_amounts_minor.values())
        if worth != sum(max(0, order.amount - order.refunded) for order in orders):
            yield "the orders are worth something else"
        contact = store.one(CONTACT.key(self.subject.key))
        name = None if contact is None else contact.text("first_name")
        if name != next((name_at(at) for at in reversed(self.names) if at > since), None):
            yield f"the name is {name}"
        yield from self._left(store.text(now=now), since)
        yield from self._codes(store)

    def _left(self, text: str, since: int) -> Iterator[str]:
        said = [(name_at(at).casefold(), at) for at in self.names]
        said += [(name, each.at) for name, each in self.orders.items() if name not in self.kept]
        yield from (f"{word} is left" for word, at in said if at <= since and word in text)

    def _codes(self, store: WatchedStore) -> Iterator[str]:
        coupons = store.all("coupon")
        for code, amount in self.redeemed.items():
            done = [use for use in coupons[f"k#{code}"].uses if use.state != "reserved"]
            if [use.amount_minor for use in done] != [amount]:
                yield "a redemption that was answered does not stand"


def name_at(moment: int) -> str:
    """The name that was said at a moment."""
    return f"Liz{moment}"
