"""Contacts: who said what when, joined so that the order of arrival does not matter."""

from __future__ import annotations

import json
from functools import reduce
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core.canonical import canonical_json
from chalicelib.core.contact import (
    LONGEST_TEXT,
    PURPOSES,
    Contact,
    ContactChange,
    Stamped,
    change_from_traits,
    check_field,
    check_supplied,
    contact_from_json,
    contact_to_json,
    join_contact,
)
from chalicelib.core.errors import BadInput
from chalicelib.core.subject import customer

ANN = Contact(customer("c-1"))
_VALUES = (True, False, "", "1", "True", "a", "b", 0, 1, 1.5)
_CHANGES = st.sampled_from(
    [
        ContactChange(**{part: {name: Stamped(value, at)}})
        for part, name in (("fields", "email"), ("fields", "country"), ("supplied", "tier"))
        for value in _VALUES
        for at in (1, 2)
    ]
)


def joined(changes: list[ContactChange]) -> Contact:
    """All changes, one after the other."""
    return reduce(join_contact, changes, ANN)


@settings(max_examples=300)
@given(st.lists(_CHANGES, max_size=4), st.integers(0, 2**32))
def test_changes_join_in_any_order_and_any_number(changes: list[ContactChange], seed: int) -> None:
    """Shuffled and repeated changes give the same contact, to the type of each value."""
    arrival = [*changes, *changes]
    Random(seed).shuffle(arrival)  # noqa: S311

    ours, theirs = joined(changes), joined(arrival)

    assert repr(sorted(ours.fields.items())) == repr(sorted(theirs.fields.items()))
    assert repr(sorted(ours.supplied.items())) == repr(sorted(theirs.supplied.items()))


def test_the_later_statement_wins_and_a_no_beats_a_yes() -> None:
    """Of two statements at one moment the one that forbids more stands."""
    name = "consent_marketing_email"

    def said(*statements: tuple[bool, int]) -> bool | None:
        changes = [ContactChange({name: Stamped(value, at)}) for value, at in statements]
        return joined(changes).consent("marketing_email")

    assert said((True, 1), (False, 2)) is False
    assert said((False, 1), (True, 2)) is True
    assert said((True, 1), (False, 1)) is said((False, 1), (True, 1)) is False
    assert said() is None


def test_a_contact_joins_another_contact() -> None:
    """What a guest said joins what the customer said."""
    visitor = Contact(customer("c-2"), fields={"email": Stamped("b@example.com", 5)})

    merged = join_contact(joined([ContactChange({"email": Stamped("a@example.com", 4)})]), visitor)

    assert merged.subject == ANN.subject
    assert merged.text("email") == "b@example.com"
    assert merged.text("country") is None


@given(_CHANGES)
def test_a_contact_survives_storage(change: ContactChange) -> None:
    """What is stored comes back equal."""
    contact = join_contact(ANN, change)

    assert contact_from_json(json.loads(canonical_json(contact_to_json(contact)))) == contact


@pytest.mark.parametrize(
    ("name", "value", "stored"),
    [
        ("email", " ann@example.com ", "ann@example.com"),
        ("email", "ann+tag@sub.example.co", "ann+tag@sub.example.co"),
        ("first_name", "Åsa", "Åsa"),
        ("country", "US", "US"),
        ("region", "NY", "NY"),
        ("time_zone", "America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
        ("time_zone", "UTC", "UTC"),
        *((f"consent_{purpose}", True, True) for purpose in PURPOSES),
    ],
)
def test_a_good_field_is_stored(name: str, value: object, stored: object) -> None:
    """Text is trimmed, everything else kept."""
    assert check_field(name, value, field="x") == stored


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("email", "ann", "e-mail address"),
        ("email", "a@b@example.com", "e-mail address"),
        ("email", "ann@example.com, bob@example.com", "e-mail address"),
        ("email", "ann@example.com\r\nBcc: all@example.com", "control characters"),
        ("email", "<ann@example.com>", "e-mail address"),
        ("email", "ann@localhost", "e-mail address"),
        ("first_name", "", "control characters"),
        ("first_name", "  ", "control characters"),
        ("first_name", 7, "must be text"),
        ("first_name", "x" * (LONGEST_TEXT + 1), "at most 320"),
        ("first_name", "Ann\u202e", "control characters"),
        ("country", "USA", "alpha-2"),
        ("country", "us", "alpha-2"),
        ("region", "New York", "ISO 3166-2"),
        ("time_zone", "../etc/passwd", "IANA"),
        ("time_zone", "GMT+1 ", "IANA"),
        ("consent_marketing_email", "yes", "true or false"),
        ("consent_marketing_email", 1, "true or false"),
        ("consent_telephone", True, "names no purpose"),
    ],
)
def test_a_bad_field_is_refused_by_name(name: str, value: object, problem: str) -> None:
    """The error names the field and says how to mend it."""
    with pytest.raises(BadInput) as refused:
        check_field(name, value, field="traits.it")

    (error,) = refused.value.errors
    assert error.field == "traits.it"
    assert problem in error.problem


@pytest.mark.parametrize("value", [True, False, 0, -1.5, 10**15, "gold", ""])
def test_a_supplied_feature_is_any_scalar(value: object) -> None:
    """Columns that Segue does not know are kept as they are."""
    assert check_supplied("loyalty_tier", value, field="x") == value


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("Loyalty", 1, "lower_snake_case"),
        ("a-b", 1, "lower_snake_case"),
        ("x" * 65, 1, "lower_snake_case"),
        ("tier", float("nan"), "finite"),
        ("tier", float("inf"), "finite"),
        ("tier", 1e16, "finite"),
        ("tier", None, "must be text"),
        ("tier", [1], "must be text"),
        ("tier", "x" * (LONGEST_TEXT + 1), "at most 320"),
        ("tier", "\ud800", "control characters"),
    ],
)
def test_a_bad_supplied_feature_is_refused_by_name(name: str, value: object, problem: str) -> None:
    """The error names the column and says how to mend it."""
    with pytest.raises(BadInput, match=problem):
        check_supplied(name, value, field="tier")


@pytest.mark.parametrize(
    ("traits", "fields"),
    [
        ({}, {}),
        ({"email": "a@example.com", "plan": "gold", "age": 7}, {"email": "a@example.com"}),
        ({"firstName": "Ann", "timezone": "UTC"}, {"first_name": "Ann", "time_zone": "UTC"}),
        ({"email": None}, {}),
        ({"address": {"country": "US", "state": "NY"}}, {"country": "US", "region": "NY"}),
        ({"address": {"country": "United States", "state": "New York"}}, {}),
        ({"address": "12 Main Street"}, {}),
        ({"address": {"country": "US"}, "country": "DE"}, {"country": "DE"}),
        ({"consent_profiling": False}, {"consent_profiling": False}),
    ],
)
def test_traits_become_fields(traits: dict[str, Any], fields: dict[str, Any]) -> None:
    """Segment's reserved traits are understood, the others left alone."""
    change = change_from_traits(traits, at=9)

    assert change.fields == {name: Stamped(value, 9) for name, value in fields.items()}


def test_a_bad_trait_is_refused_by_its_own_name() -> None:
    """The sender finds the trait as they wrote it."""
    with pytest.raises(BadInput, match=r"^traits\.firstName: "):
        change_from_traits({"firstName": 7}, at=1)
