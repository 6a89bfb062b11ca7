"""A line of the decision log: what it says, and that two secrets give two pseudonyms."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from chalicelib.core.erasure import erased_record
from chalicelib.core.log_line import COLUMNS, line_of, logged_as
from chalicelib.core.measurement import chosen_of
from chalicelib.core.situation import Context
from chalicelib.core.subject import customer
from tests.unit.core.situations import KEYS, NOW, checkout, default_policy
from tests.unit.core.test_exploration import recorded

SECRET = KEYS.address_secret
POLICY = default_policy()


def line(**changes: Any) -> dict[str, Any]:
    """The line of a checkout."""
    found = line_of(recorded(checkout(**changes), POLICY), secret=SECRET, currency="USD")
    assert found is not None
    return found


def test_a_line_has_every_column_and_is_json() -> None:
    """In their order, so that files look alike; of somebody unknown, too."""
    for told in (line(), line(facts=None), line(lines=())):
        assert list(told) == list(COLUMNS)
        assert json.loads(json.dumps(told)) == told


def test_a_line_says_what_measurement_reads_from_the_record() -> None:
    """The same action, group and expectation as ``chosen_of``, for every customer."""
    policy = POLICY.model_copy(
        update={"holdout": POLICY.holdout.model_copy(update={"share_percent": 50.0})}
    )
    groups = set()
    for number in range(20):
        record = recorded(checkout(subject=customer(f"c-{number}")), policy)
        told, chosen = line_of(record, secret=SECRET, currency="USD"), chosen_of(record)
        assert told is not None
        assert (told["measured_action"], told["kept"]) == (
            None if chosen is None else chosen.action,
            None if chosen is None else chosen.withheld,
        )
        if chosen is not None:
            assert told["holdout"] is chosen.holdout
            assert told["expected_orders"] == chosen.expected_orders
        groups.add(told["holdout"])
    assert groups == {True, False}


def test_features_are_those_that_the_model_was_shown() -> None:
    """Nothing for whom the model was not asked: unknown, opted out."""
    assert line()["recency_days"] == 100.0
    opted_out = replace(checkout().context, pricing_opt_out=True)
    for told in (line(facts=None), line(context=opted_out)):
        assert told["recency_days"] is None
        assert told["fallback"] is True
    assert (line(facts=None)["known"], line(context=opted_out)["known"]) == (False, True)


def test_an_erased_record_has_no_line() -> None:
    """Nor can one be made of it."""
    record = recorded(checkout(), POLICY)
    gone = erased_record(record, pseudonym="x#1", at=NOW)
    assert line_of(gone, secret=SECRET, currency="USD") is None


def test_a_pseudonym_is_the_stages_own() -> None:
    """One customer, one pseudonym; another stage's secret gives another."""
    assert line()["subject"] == line()["subject"] == logged_as("c#c-1", secret=SECRET)
    assert logged_as("c#c-1", secret=b"b" * 32) != logged_as("c#c-1", secret=SECRET)
    assert logged_as("c#c-2", secret=SECRET) != logged_as("c#c-1", secret=SECRET)


def test_a_country_is_two_letters_or_nothing() -> None:
    """Whatever else may stand where a country should."""
    assert line()["country"] == "US"
    for odd in (None, "", "us", "USA", "a name"):
        assert line(context=Context(country=odd, currency="USD"))["country"] is None
