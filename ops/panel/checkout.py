"""*Start a checkout*: what a shop asks while somebody waits, and the event that follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.money import format_amount
from chalicelib.core.policy import Policy
from ops.panel.lapsing import AMOUNT_MINOR
from ops.panel.ways import Ways
from ops.panel.words import Tell, Turn, introduced, not_left_alone, ordered, tracked
from ops.seed import Contact, Place
from ops.story.script import checkout

_MADE_UP_ORDERS_DAYS = (190, 160, 130)


def start_checkout(
    ways: Ways, turn: Turn, tell: Tell, *, shopper: Contact | None, policy: Policy
) -> None:
    """Ask for a decision on a customer; without one, on somebody with a history made for it."""
    who, place = _somebody(ways, turn, policy) if shopper is None else _known(shopper)
    request = checkout(
        who, country=place.country, region=place.region, session_id=f"demo-{turn.tag}"
    )
    answer = ways.decide(request)
    body = answer.body
    links = turn.pages.decision(body["decision_id"]), turn.pages.customer(who)
    tell(
        "going",
        f"{who} in {place.country}-{place.region}: {said(body, _asked(request))}, "
        f"in {answer.seconds * 1_000:.0f} ms",
        *links,
    )
    ways.send([tracked(who, "Checkout Started", at=turn.now)])
    tell(
        "done",
        f"{who} has started a checkout; left alone for an hour, it is a reason to write",
        *links,
        customer_id=who,
        decision_id=body["decision_id"],
        degraded=body["degraded"],
        segment=body["segment"]["name"],
    )


def said(body: Mapping[str, Any], asked_minor: int) -> str:
    """Segment, price and offer of an answer, in words."""
    price = body["price"]
    total = format_amount(price["total"], currency=price["currency"])
    asked = format_amount(asked_minor, currency=price["currency"])
    priced = total if price["total"] == asked_minor else f"{total} in place of {asked}"
    offers = ", ".join(f"{each['action']} with {each['code']}" for each in body["offers"])
    return f"{body['segment']['name']}, tier {price['tier']}, {priced}, {offers or 'no offer'}"


def _asked(request: Mapping[str, Any]) -> int:
    lines = request["cart"]["lines"]
    return sum(int(line["unit_price"]) * int(line["quantity"]) for line in lines)


def _known(shopper: Contact) -> tuple[str, Place]:
    return shopper.customer_id, shopper.place


def _somebody(ways: Ways, turn: Turn, policy: Policy) -> tuple[str, Place]:
    who, place = not_left_alone(f"shopper-{turn.tag}", policy), Place("US", "CO", "America/Denver")
    times = [turn.now - days * DAY_SECONDS for days in _MADE_UP_ORDERS_DAYS]
    ways.send(
        [
            introduced(who, at=times[0]),
            *(ordered(who, at=at, amount_minor=AMOUNT_MINOR) for at in times),
        ]
    )
    return who, place
