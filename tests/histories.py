"""Histories of messages, and what they must add up to: the law that arrival does not matter.

``expected`` is written without the code under test: it sees all messages at once, resolves who is
who first, and adds up each order by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from chalicelib.core.contact import Contact
from chalicelib.core.facts import Facts
from chalicelib.core.orders import order_mark
from chalicelib.core.subject import Subject, customer, guest
from tests.makers import DAY_SECONDS, NOW, Raw, identify, order_event, track

# Guests and the customers that they may turn out to be; nobody ever learns who the last one is.
FAMILIES: tuple[tuple[str | None, str], ...] = (("c-1", "g-1"), ("c-2", "g-2"), (None, "g-3"))
ORDERS = ("o-1", "o-2", "o-3")
_ORDER_EVENTS = ("Order Completed", "Order Updated", "Order Refunded", "Order Cancelled")
_EVENTS = (*_ORDER_EVENTS, "Product Viewed", "Checkout Started", "Newsletter Opened")
_MOMENTS = st.integers(0, 12).map(lambda nth: NOW - nth * 5 * DAY_SECONDS)
_TOTALS = st.sampled_from(["10.00", "25.50", "99.99"])


@st.composite
def messages(draw: st.DrawFn) -> Raw:
    """Any message that Segue understands, by a customer, a guest, or both."""
    who = draw(st.integers(0, len(FAMILIES) - 1))
    user, visitor = FAMILIES[who]
    speakers: list[dict[str, Any]] = [{"visitor": visitor}]
    if user is not None:
        speakers += [{"user": user}, {"user": user, "visitor": visitor}]
    speaker = draw(st.sampled_from(speakers))
    stamp: dict[str, Any] = {"at": draw(_MOMENTS), **speaker}
    order_id = f"{ORDERS[draw(st.integers(0, 2))]}-{who}"
    event = draw(st.sampled_from([None, *_EVENTS, "Order Completed"]))
    if event is None:
        return identify(**stamp, **draw(_traits()))
    if not event.startswith("Order "):
        return track(event, sku=draw(st.sampled_from(["MUG", "TEA"])), **stamp)
    if event == "Order Cancelled":
        return order_event(event, order_id, **stamp)
    if event == "Order Refunded":
        stamp["currency"] = draw(st.sampled_from(["USD", "EUR"]))
        return order_event(event, order_id, total=draw(st.none() | _TOTALS), **stamp)
    return order_event(event, order_id, total=draw(_TOTALS), **stamp)


@st.composite
def _traits(draw: st.DrawFn) -> dict[str, Any]:
    every = {
        "email": st.sampled_from(["ann@example.com", "bob@example.com"]),
        "country": st.sampled_from(["US", "DE"]),
        "consent_marketing_email": st.booleans(),
        "consent_profiling": st.booleans(),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(every))))
    return {name: draw(every[name]) for name in sorted(chosen)}


@dataclass(slots=True)
class Story:
    """What is known of one subject, in words that both sides can be put into."""

    seen: int | None = None
    checkout: int | None = None
    completed: int | None = None
    product: tuple[int, str] | None = None
    orders: list[tuple[int, str, int, str]] = field(default_factory=list)
    said: dict[str, tuple[int, Any]] = field(default_factory=dict)
    segment: str | None = None
    merged_into: str | None = None


def told(facts: Facts | None, contact: Contact | None) -> Story:
    """What storage holds, as a story."""
    facts = facts or Facts(customer("nobody"))
    said = {} if contact is None else contact.fields
    return Story(
        seen=facts.last_seen_at,
        checkout=facts.last_checkout_at,
        completed=facts.last_completed_at,
        product=facts.last_product,
        orders=[(o.at, o.mark, o.amount_minor, o.currency) for o in facts.recent],
        said={name: (stamped.at, stamped.value) for name, stamped in said.items()},
        segment=facts.segment,
        merged_into=facts.merged_into,
    )


def expected(raws: Iterable[Raw], *, now: int) -> dict[Subject, Story]:
    """What these messages add up to, whatever order they came in and however often."""
    once = {raw["messageId"]: raw for raw in raws}.values()
    merged = {
        raw["anonymousId"]: raw["userId"]
        for raw in once
        if raw["type"] == "identify" and "userId" in raw and "anonymousId" in raw
    }
    stories: dict[Subject, Story] = defaultdict(Story)
    for visitor, user in merged.items():
        stories[guest(visitor)].merged_into = user
    for raw in once:
        _behave(stories[_speaker(raw, merged)], raw)
    for order_id in {raw["properties"]["order_id"] for raw in once if _is_order(raw)}:
        about = [
            raw for raw in once if _is_order(raw) and raw["properties"]["order_id"] == order_id
        ]
        _order(stories, order_id, about, merged)
    for story in stories.values():
        story.orders.sort()
        if story.orders and story.said.get("consent_profiling", (0, True))[1]:
            days = (now - story.orders[-1][0]) / DAY_SECONDS
            story.segment = "loyal" if days < 60 else "at_risk" if days < 200 else "hibernating"
    return dict(stories)


def _is_order(raw: Raw) -> bool:
    return "order_id" in raw.get("properties", {})


def _speaker(raw: Raw, merged: Mapping[str, str]) -> Subject:
    if "userId" in raw:
        return customer(raw["userId"])
    visitor = raw["anonymousId"]
    return customer(merged[visitor]) if visitor in merged else guest(visitor)


def _at(raw: Raw) -> int:
    return int(datetime.fromisoformat(raw["timestamp"]).timestamp())


def _behave(story: Story, raw: Raw) -> None:
    at = _at(raw)
    story.seen = max(at, story.seen or 0)
    match raw.get("event"):
        case "Checkout Started":
            story.checkout = max(at, story.checkout or 0)
        case "Order Completed":
            story.completed = max(at, story.completed or 0)
        case "Product Viewed":
            story.product = max((at, raw["properties"]["sku"]), story.product or (0, ""))
    for name, value in raw.get("traits", {}).items():
        # The later statement; at one moment a no, else what comes later in the alphabet.
        said = story.said.get(name)
        if said is None or (at, _weight(value)) > (said[0], _weight(said[1])):
            story.said[name] = (at, value)


def _weight(value: Any) -> str:
    return {True: "0", False: "1"}.get(value, str(value)) if isinstance(value, bool) else value


def _order(
    stories: dict[Subject, Story],
    order_id: str,
    about: Sequence[Raw],
    merged: Mapping[str, str],
) -> None:
    named = {name: [raw for raw in about if raw["event"] == name] for name in _ORDER_EVENTS}
    if not named["Order Completed"] or named["Order Cancelled"]:
        return
    speakers = [_speaker(raw, merged) for raw in named["Order Completed"]]
    owner = min(speakers, key=lambda subject: subject.kind != "customer")
    at, cents = min((_at(raw), _cents(raw)) for raw in named["Order Completed"])
    if named["Order Updated"]:
        cents = max((_at(raw), _cents(raw)) for raw in named["Order Updated"])[1]
    for raw in named["Order Refunded"]:
        if "total" not in raw["properties"]:
            cents = 0
        elif raw["properties"]["currency"] == "USD":
            cents -= _cents(raw)
    stories[owner].orders.append((at, order_mark(order_id), max(0, cents), "USD"))


def _cents(raw: Raw) -> int:
    return int(Decimal(raw["properties"]["total"]) * 100)
