"""Freshness: how old each source is, what is stated of it, and what is stale."""

from __future__ import annotations

import doctest

import pytest

from chalicelib.core import freshness
from chalicelib.core.freshness import Age, ages, expected_hours

HOUR = 3600
NOW = 1_000 * HOUR


def test_only_what_is_older_than_stated_is_stale() -> None:
    """To the second; what is not stated is told and never stale."""
    newest = {"events": NOW - 24 * HOUR, "orders": NOW - 30 * HOUR - 1, "customers": 0}

    found = ages(newest, {"events": 24.0, "orders": 30.0}, now=NOW)

    assert [(each.source, each.is_stale) for each in found] == [
        ("events", False),
        ("orders", True),
        ("customers", False),
    ]


def test_what_is_stated_and_never_came_is_stale() -> None:
    """A source that nobody has heard of and nothing is stated of is not named at all."""
    assert ages({"events": None}, {"catalog": 200.0}, now=NOW) == (Age("catalog", None, 200.0),)
    assert ages({}, {"catalog": 200.0}, now=NOW)[0].is_stale


def test_a_clock_that_is_ahead_makes_nothing_stale() -> None:
    """An event from the future is new."""
    [age] = ages({"events": NOW + 5}, {"events": 1.0}, now=NOW)
    assert (age.seconds, age.is_stale) == (0, False)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("weather=3", "weather is no source; sources are events, orders"),
        ("orders", "orders: must be hours"),
        ("orders=soon", "orders: must be hours"),
        ("orders=0", "orders: must be hours"),
        ("orders=nan", "orders: must be hours"),
        ("events=24,orders=-1", "orders: must be hours"),
        ("orders=99999", "at most 8784"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, named: str) -> None:
    """With the source and what is to be written instead."""
    with pytest.raises(ValueError, match=named):
        expected_hours(text)


def test_the_examples_in_the_docstrings_are_true() -> None:
    """Each shows what its function gives."""
    assert doctest.testmod(freshness).failed == 0
