"""Identity: whom a message is about, whose an order is, and that arrival does not matter."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core.contact import Contact, Stamped
from chalicelib.core.errors import BadInput
from chalicelib.core.facts import Facts
from chalicelib.core.identity import (
    Profiles,
    fold_message,
    further_keys,
    profile_keys,
    profiles_from,
)
from chalicelib.core.kinds import CONTACT, FACTS, ORDER
from chalicelib.core.messages import Message, parse_message
from chalicelib.core.orders import Amount, OrderState
from chalicelib.core.storage import Found, Stored
from chalicelib.core.subject import Subject, customer, guest
from tests.histories import Story, expected, messages, told
from tests.makers import NOW, Raw, identify, order_event, track

ANN, BOB, VISITOR = customer("c-1"), customer("c-2"), guest("g-1")


def parse(raw: Raw) -> Message:
    """Read one message."""
    return parse_message(raw, now=NOW, default_currency="USD")


def folded(*raws: Raw, into: Profiles | None = None) -> Profiles:
    """Profiles after these messages."""
    profiles = into or Profiles()
    for raw in raws:
        profiles = fold_message(profiles, parse(raw))
    return profiles


def bought(order_id: str = "o-1", total: int = 10, **who: Any) -> Raw:
    """An order."""
    return order_event("Order Completed", order_id, total=total, **who)


def stories(profiles: Profiles) -> dict[Subject, Story]:
    """What the profiles say, segments aside: nobody has settled them."""
    return {
        subject: told(profiles.facts.get(subject), profiles.contacts.get(subject))
        for subject in {*profiles.facts, *profiles.contacts}
    }


@settings(max_examples=250)
@given(st.lists(messages(), max_size=10), st.integers(0, 2**32))
def test_profiles_say_what_the_messages_say_whatever_order_they_come_in(
    history: list[Raw], seed: int
) -> None:
    """Shuffled and repeated, merges included, messages add up to what they say together."""
    arrival = [*history, *history[::2]]
    Random(seed).shuffle(arrival)  # noqa: S311

    adds_up = expected(history, now=NOW)
    for story in adds_up.values():
        story.segment = None
    assert stories(folded(*arrival)) == adds_up


# --- whom a message is about --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "subjects"),
    [
        (track("x", user="c-1"), [ANN]),
        (track("x", visitor="g-1"), [VISITOR]),
        (track("x", user="c-1", visitor="g-1"), [ANN]),
        (identify(user="c-1", visitor="g-1"), [ANN, VISITOR]),
        (identify(visitor="g-1"), [VISITOR]),
    ],
)
def test_a_message_names_the_profiles_to_read(raw: Raw, subjects: list[Subject]) -> None:
    """The customer, else the guest; both where an "identify" makes one of them known."""
    keys = profile_keys(parse(raw))

    assert keys == tuple(kind.key(s.key) for s in subjects for kind in (FACTS, CONTACT))


def test_an_order_message_names_its_order() -> None:
    """The order is read with the profile."""
    assert ORDER.key("o-1") in profile_keys(parse(bought(user="c-1")))


def found(*things: Facts | Contact | OrderState) -> tuple[Found, list[Any]]:
    """A read that brought these back, and the keys that it asked for."""
    items: dict[Any, Stored[Any]] = {}
    for thing in things:
        match thing:
            case Facts(subject=subject):
                items[FACTS.key(subject.key)] = Stored(thing, 1)
            case Contact(subject=subject):
                items[CONTACT.key(subject.key)] = Stored(thing, 1)
            case OrderState(order_id=order_id):
                items[ORDER.key(order_id)] = Stored(thing, 1)
    return Found(items, now=NOW), [*items, FACTS.key("c#nobody")]


def test_a_read_leads_to_the_customer_of_a_guest_and_the_owner_of_an_order() -> None:
    """What was just read points to what must be read next, and to nothing else."""
    tombstone = Facts(VISITOR, merged_into="c-1")
    order = OrderState("o-1", BOB.key)

    keys = further_keys(*found(tombstone, Facts(BOB), Contact(BOB), order))

    assert set(keys) == {kind.key(s.key) for s in (ANN, BOB) for kind in (FACTS, CONTACT)}


def test_profiles_are_put_together_from_what_was_found() -> None:
    """Absent things are absent."""
    facts, contact, order = Facts(ANN), Contact(ANN), OrderState("o-1", ANN.key)

    profiles = profiles_from(*found(facts, contact, order))

    assert profiles == Profiles({ANN: facts}, {ANN: contact}, {"o-1": order})


# --- guests who turn out to be customers --------------------------------------------------------


def test_a_guest_is_the_first_customers_who_says_so() -> None:
    """A shared browser stays with the first; the second customer keeps their own."""
    profiles = folded(
        track("Product Viewed", visitor="g-1", sku="MUG"),
        identify(user="c-1", visitor="g-1"),
        identify(user="c-2", visitor="g-1", country="US"),
        track("Product Viewed", visitor="g-1", sku="TEA"),
    )

    assert profiles.known_as(VISITOR) == ANN
    assert profiles.facts[ANN].last_product == (NOW, "TEA")
    assert profiles.facts[BOB].last_product is None
    assert profiles.contacts[BOB].text("country") == "US"


def test_a_merged_guests_contact_moves_with_them() -> None:
    """What the guest said the customer has said; nothing of it stays behind."""
    profiles = folded(
        identify(visitor="g-1", email="a@example.com"), identify(user="c-1", visitor="g-1")
    )

    assert profiles.contacts == {ANN: Contact(ANN, fields={"email": Stamped("a@example.com", NOW)})}


def test_an_identify_that_says_nothing_leaves_no_contact() -> None:
    """Nothing is stored for nothing."""
    assert folded(identify(user="c-1", plan="gold")).contacts == {}


# --- whose an order is --------------------------------------------------------------------------


def counts(profiles: Profiles) -> dict[str, list[int]]:
    """What each profile counts, in minor units."""
    return {
        subject.key: [order.amount_minor for order in facts.recent]
        for subject, facts in profiles.facts.items()
        if facts.recent
    }


def test_the_customer_has_an_order_that_a_guest_reported_first() -> None:
    """Client and server report one order; it moves to the customer, in either order of arrival."""
    client, server = bought(visitor="g-1"), bought(user="c-1")

    assert counts(folded(client, server)) == counts(folded(server, client)) == {"c#c-1": [1000]}


def test_a_correction_does_not_say_whose_order_it_is() -> None:
    """It counts where the order counts, before or after the order itself."""
    refund = order_event("Order Refunded", "o-1", total=4, user="c-1")

    assert counts(folded(bought(visitor="g-1"), refund)) == {"a#g-1": [600]}
    assert counts(folded(refund, bought(visitor="g-1"))) == {"a#g-1": [600]}


@pytest.mark.parametrize(
    ("first", "second", "whose"),
    [
        ({"user": "c-1"}, {"user": "c-2"}, "customer"),
        ({"visitor": "g-1"}, {"visitor": "g-2"}, "guest"),
    ],
)
@pytest.mark.parametrize("event", ["Order Completed", "Order Refunded", "Order Cancelled"])
def test_two_of_a_kind_cannot_share_an_order(
    first: Raw, second: Raw, whose: str, event: str
) -> None:
    """Whoever comes second is told, and their message changes nothing."""
    profiles = folded(bought(**first))

    with pytest.raises(BadInput, match=f"order_id: belongs to another {whose}"):
        folded(order_event(event, "o-1", total=1, **second), into=profiles)


def test_a_merged_guests_order_is_the_customers() -> None:
    """Another customer is refused, the customer and their late browser are not."""
    profiles = folded(bought(visitor="g-1"), identify(user="c-1", visitor="g-1"))

    with pytest.raises(BadInput, match="belongs to another customer"):
        folded(order_event("Order Cancelled", "o-1", user="c-2"), into=profiles)
    speakers: list[Raw] = [{"user": "c-1"}, {"visitor": "g-1"}]
    for speaker in speakers:
        cancelled = folded(order_event("Order Cancelled", "o-1", **speaker), into=profiles)
        assert counts(cancelled) == {}
        assert cancelled.orders["o-1"].subject_key == ANN.key


def test_a_correction_before_any_completion_counts_nowhere() -> None:
    """It waits with the order; whoever completes it has it."""
    waiting = folded(order_event("Order Cancelled", "o-1", user="c-2"))

    assert counts(waiting) == {}
    assert waiting.orders["o-1"].completed is None
    done = folded(order_event("Order Updated", "o-1", total=3, user="c-1"), into=waiting)
    assert counts(folded(bought(user="c-1"), into=done)) == {}


def test_the_order_of_a_guest_who_is_gone_is_the_customers_who_speaks_of_it() -> None:
    """Guests expire after thirty days, their orders after four hundred."""
    lost = OrderState("o-1", VISITOR.key, completed=Amount(NOW, 1000, "USD"))
    orphan = Profiles(orders={"o-1": lost})
    refund = order_event("Order Refunded", "o-1", total=4, user="c-1")

    assert counts(folded(refund, into=orphan)) == {"c#c-1": [600]}
    # The customer who was that guest counts it already.
    known = folded(bought(visitor="g-1"), identify(user="c-1", visitor="g-1"))
    expired = Profiles({ANN: known.facts[ANN]}, {}, {"o-1": lost})
    assert counts(folded(refund, into=expired)) == {"c#c-1": [600]}
