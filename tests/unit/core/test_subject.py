"""Subjects: customers and guests, and the keys under which storage knows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import BadInput
from chalicelib.core.subject import (
    DUE_SHARDS,
    LONGEST_ID,
    Subject,
    check_id,
    customer,
    guest,
)


@given(st.sampled_from([customer, guest]), st.text(min_size=1))
def test_a_key_names_one_subject(make: Callable[[str], Subject], identity: str) -> None:
    """The key gives back the subject, whatever the id holds; kinds never share a key."""
    assert Subject.from_key(make(identity).key) == make(identity)
    assert customer(identity).key != guest(identity).key


def test_shards_are_spread_and_stay() -> None:
    """Every shard gets its share, and a subject's shard never changes."""
    shards = Counter(customer(f"c-{nth}").due_shard for nth in range(800))

    assert set(shards) == set(range(DUE_SHARDS))
    assert min(shards.values()) > 60
    assert (customer("c-1").due_shard, guest("g-1").due_shard) == (6, 4)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "must be a non-empty string"),
        ("", "must be a non-empty string"),
        (7, "must be a non-empty string"),
        ("x" * (LONGEST_ID + 1), "must be at most 128 characters"),
        ("a\nb", "must not contain control characters"),
        ("a\u202eb", "must not contain control characters"),
        ("\ud800", "must not contain control characters"),
    ],
)
def test_what_cannot_be_a_key_is_refused_by_name(value: object, problem: str) -> None:
    """The error names the field and what is wrong with it."""
    with pytest.raises(BadInput) as refused:
        check_id(value, field="userId")

    assert [(e.field, e.problem) for e in refused.value.errors] == [("userId", problem)]


def test_an_id_may_hold_anything_else() -> None:
    """Ids are the shop's: blanks, signs and other alphabets are kept as they are."""
    for value in ("c-1", "a#b", "ä ö", "x" * LONGEST_ID):
        assert check_id(value, field="userId") == value
