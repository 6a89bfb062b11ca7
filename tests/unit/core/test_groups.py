"""Who belongs together: by segment since when, and by the keyed hash of an address."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.core.address import address_hash
from chalicelib.core.contact import Contact, ContactChange, Stamped, join_contact
from chalicelib.core.facts import Facts
from chalicelib.core.groups import (
    SHARDS,
    UNDATED,
    address_group,
    addressed,
    group_of_contact,
    segment_group,
)
from chalicelib.core.instants import Instant
from chalicelib.core.kinds import CONTACT, FACTS
from chalicelib.core.subject import customer, guest
from tests.makers import NOW

SECRET = b"s" * 32
ANN, LENA = customer("c-1"), guest("g-1")
HOME = {"email": Stamped("ann@example.com", NOW)}
AWAY = ContactChange({"email": Stamped("away@example.com", NOW + 1)})
LATER = ContactChange({"first_name": Stamped("Ann", NOW + 1)})


def test_a_profile_stands_under_its_segment_in_one_of_the_shards() -> None:
    """Customers spread; each is in the shard of their id."""
    people = [customer(str(number)) for number in range(100)]
    groups = {
        FACTS.index(Facts(each, segment="loyal", segment_at=Instant(NOW)))["in_group"]
        for each in people
    }

    assert groups == {segment_group("loyal", shard) for shard in range(SHARDS)}


@pytest.mark.parametrize(
    "facts",
    [Facts(ANN), Facts(ANN, review_at=Instant(NOW)), Facts(LENA, merged_into="c-1", segment="x")],
)
def test_who_has_no_segment_or_is_somebody_else_by_now_stands_in_none(facts: Facts) -> None:
    """Whoever objects to profiling has no segment; a merged guest is the customer."""
    assert "in_group" not in FACTS.index(facts)


def test_who_was_named_before_the_moment_was_kept_comes_last() -> None:
    """They are counted; since when is not known."""
    known = Facts(ANN, segment="loyal", review_at=Instant(NOW))

    assert FACTS.index(known) == {
        "due_shard": f"due#{ANN.due_shard:02}",
        "review_at": NOW,
        "in_group": segment_group("loyal", ANN.due_shard),
        "grouped_at": UNDATED,
    }


def test_an_account_is_named_by_its_address_however_it_is_spelt() -> None:
    """By the keyed hash alone: no index holds the address."""
    named = address_hash("Ann@EXAMPLE.com ", secret=SECRET)
    contact = addressed(Contact(ANN, HOME), secret=SECRET)

    assert CONTACT.index(contact) == {"in_group": address_group(named), "grouped_at": NOW}
    assert CONTACT.from_json(CONTACT.to_json(contact)) == contact


def test_another_address_takes_the_account_out_until_it_is_named_anew() -> None:
    """A stale name would lead to whoever has moved on."""
    contact = addressed(Contact(ANN, HOME), secret=SECRET)

    assert join_contact(contact, LATER).address_hash == contact.address_hash
    moved = join_contact(contact, AWAY)
    assert (moved.address_hash, group_of_contact(moved)) == (None, {})
    assert addressed(moved, secret=SECRET).address_hash == address_hash(
        "away@example.com", secret=SECRET
    )


def test_guests_and_those_without_an_address_are_no_accounts() -> None:
    """Nor is who had one."""
    assert addressed(Contact(LENA, HOME), secret=SECRET) == Contact(LENA, HOME)
    assert addressed(Contact(ANN), secret=SECRET) == Contact(ANN)
    named = replace(Contact(ANN), address_hash="f" * 40)
    assert addressed(named, secret=SECRET) == Contact(ANN)
    assert group_of_contact(named) == {}
