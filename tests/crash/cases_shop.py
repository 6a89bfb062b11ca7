"""Cases about codes: decide and redeem."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from chalicelib.core.allotments import shard_of
from chalicelib.core.coupons import use_of
from chalicelib.core.errors import Refused, Transient
from chalicelib.core.kinds import FACTS, PRODUCT
from chalicelib.core.rules import Rules
from chalicelib.core.situation import Context, Line
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.subject import Subject, customer
from chalicelib.flows.checkout import answer_checkout
from chalicelib.flows.events import EventPorts
from chalicelib.flows.events import from_request as fold
from chalicelib.flows.gather import CheckoutCall
from chalicelib.flows.redeem import OfferCall, Operation, from_request
from tests.coupon_makers import BUYER, CODE, coupon, issue, limited
from tests.crash.cases import Case, register
from tests.crash.model import Expected
from tests.crash.ports import GatedKeys
from tests.crash.world import Call, World
from tests.fakes import SIGNING_KEYS
from tests.makers import (
    DAY_SECONDS,
    NOW,
    facts_with_orders,
    order_event,
    rules_with,
)
from tests.unit.core.situations import MUG

BUDGET = 200
RULES: Rules = rules_with(
    actions=limited("winback-10", budget_minor=BUDGET, codes=40, codes_per_customer=1)
)
ANN: dict[str, Any] = {"email": "ann@example.com", "consent_marketing_email": True, "country": "US"}


def shop_world(*facts: Any, counted: Sequence[str] = ("http", "stream", "effects")) -> World:
    """A shop with a mug and these customers."""
    world = World(NOW, RULES, Expected(budget_minor=BUDGET), counted=frozenset(counted))
    puts = [Put(PRODUCT.key(MUG.sku), MUG, WHATEVER)]
    world.store.write(
        [*puts, *(Put(FACTS.key(f.subject.key), f, WHATEVER) for f in facts)], now=NOW
    )
    return world


def tell(world: World, *messages: Any, name: str = "telling") -> None:
    """Fold messages, and believe the answer."""
    answer = fold(
        {"batch": list(messages)},
        ports=EventPorts(world.gated),
        rules=world.rules,
        keys=SIGNING_KEYS,
        now=world.clock.now,
        correlation_id=name,
    )
    stored = {key for key in world.store.keys() if key.kind.name == "message"}
    if answer["accepted"] + answer["duplicates"] > len(stored) + answer.get("erased", 0):
        world.model.wrong("messages were accepted that are not stored")


# --- decide -------------------------------------------------------------------------------------


def checkout(subject: Subject, session: str, key: str | None) -> Call:
    """A checkout, asked again until it is not degraded; its codes must be stored by then."""

    def ask(world: World) -> None:
        context = Context(country="US", region="TX", currency="USD", session_id=session)
        repeat = None if key is None else ("caller", "route", key)
        call_id = f"{session}-{world.workers}"
        call = CheckoutCall(subject, context, (Line("MUG", 2, 2000),), call_id, repeat)
        answered = answer_checkout(
            call,
            store=world.gated,
            rules=world.rules,
            keys=GatedKeys(world.gate, SIGNING_KEYS),
            now=world.clock.now,
            correlation_id="checkout",
        )
        codes = world.store.all("coupon")
        for offer in answered.body["offers"]:
            if f"k#{offer['code']}" not in codes:
                world.model.wrong("a code was shown that is not stored")
        if answered.how == "degraded":
            raise Transient("degraded: ask again")
        if answered.body["degraded"]:
            return  # the repeat of a call whose record was erased: nothing is told, nor promised
        record = f"d#{answered.body['decision_id']}"
        if record not in world.store.all("record"):
            world.model.wrong("a decision was answered that is not recorded")

    return ask


def two_checkouts(world: World) -> None:
    """Two sessions of one customer, each with a key of its own."""
    world.ask(checkout(BUYER, "s-1", "k-1"))
    world.ask(checkout(BUYER, "s-2", "k-2"))


def _decided(world: World) -> Sequence[str]:
    """One code and one announcement, however many sessions asked."""
    wrong = []
    if len(world.store.all("coupon")) != 1:
        wrong.append("one customer has another number of codes than one")
    offers = [each for each in world.store.all("effect").values() if each.kind == "offer"]
    if len(offers) != 1 or offers[0].state != "ACCEPTED":
        wrong.append("a code was issued and not announced, or the other way round")
    taken = sum(
        shard.held + shard.spent
        for name, shard in world.store.all("allotment").items()
        if "#codes#" in name
    )
    if taken != 1:
        wrong.append("codes and their count disagree")
    return wrong


def at_risk_world() -> World:
    """A customer who has been silent for a hundred days."""
    facts = facts_with_orders(last_at=NOW - 100 * DAY_SECONDS, subject=BUYER)
    world = shop_world(facts)
    world.meanwhile = _another_session
    return world


def _another_session(world: World) -> None:
    checkout(BUYER, "s-3", "k-3")(world)


# --- redeem -------------------------------------------------------------------------------------


def move(
    operation: Operation,
    code: str,
    order_id: str,
    amount: int,
    key: str | None,
    subject: Subject = BUYER,
) -> Call:
    """A call about a code; what it answers must be stored."""

    def ask(world: World) -> None:
        repeat_of = None if key is None else ("caller", "route", key)
        call = OfferCall(operation, code, subject, order_id, amount, "USD", repeat_of)
        answered = from_request(call, store=world.gated, rules=world.rules, now=world.clock.now)
        if answered.repeated:
            return  # of the first answer, which time may have overtaken
        answer = answered.body
        use = use_of(world.store.all("coupon")[f"k#{code}"], order_id)
        if operation != "release" and (use is None or use.amount_minor != answer["amount"]):
            world.model.wrong(f"a {operation} was answered that is not stored")

    return ask


# Of another customer, with its money in the same shard of the budget.
NEIGHBOUR = next(
    code for code in (f"N{n:011}" for n in range(1000)) if shard_of(code) == shard_of(CODE)
)
OTHER_BUYER = customer("c-2")


def issued(world: World) -> World:
    """The same world in which two customers have a code."""
    issue(world.store, coupon(CODE), coupon(NEIGHBOUR, subject=OTHER_BUYER))
    world.meanwhile = _neighbours_move
    return world


def _neighbours_move(world: World) -> None:
    """Another customer's cart takes from the same shard; another cart of this one tries."""
    move("reserve", NEIGHBOUR, "o-9", 10, None, OTHER_BUYER)(world)
    with contextlib.suppress(Refused):
        move("reserve", CODE, "o-8", 5, None)(world)
        move("release", CODE, "o-8", 0, None)(world)


def life_of_a_code(world: World) -> None:
    """Locked, freed, locked for another cart, redeemed, and half of it given back."""
    world.ask(
        move("reserve", CODE, "o-1", 150, "k-1"),
        move("release", CODE, "o-1", 0, None),
        move("reserve", NEIGHBOUR, "o-9", 10, None, OTHER_BUYER),
        move("reserve", CODE, "o-7", 195, None),  # more than there is
        move("reserve", CODE, "o-2", 120, None),
        move("redeem", CODE, "o-2", 120, "k-2"),
        lambda world: tell(world, order_event("Order Refunded", "o-2", total="0.60", user="c-1")),
    )


def order_with_a_code(world: World) -> None:
    """A reservation, the order that was paid with it, and its cancellation."""
    paid = order_event("Order Completed", "o-1", total=9, user="c-1", coupon=CODE, discount="1.00")
    world.ask(
        move("reserve", NEIGHBOUR, "o-9", 10, None, OTHER_BUYER),
        move("reserve", CODE, "o-1", 150, None),
        lambda world: tell(world, paid),
        move("redeem", CODE, "o-1", 100, "k-3"),
        lambda world: tell(world, order_event("Order Cancelled", "o-1", user="c-1")),
    )


register(
    Case("decide", "decide", at_risk_world, two_checkouts, check=_decided),
    Case(
        "redeem",
        "redeem",
        lambda: issued(shop_world()),
        life_of_a_code,
        same=("order", "facts", "allotment"),
    ),
    Case(
        "redeem, by an order",
        "redeem",
        lambda: issued(shop_world()),
        order_with_a_code,
        same=("order", "facts", "allotment"),
    ),
)
