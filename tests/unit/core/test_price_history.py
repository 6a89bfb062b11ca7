"""A price before is the true low of 30 days, or it is not claimed."""

from __future__ import annotations

import pytest

from chalicelib.core.catalogue import Product, Statement, take_statement
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.price_history import (
    MOST_PRICES,
    History,
    Reduction,
    lowest_price,
    reduction,
    with_late_price,
    with_price,
)
from ops.prove.was_prices import figures

NOW = 1_795_000_000


def days_ago(days: float) -> int:
    """A moment."""
    return NOW - int(days * DAY_SECONDS)


def history(*said: tuple[float, int]) -> History:
    """What was said so many days ago, in this order."""
    known: History = ()
    for days, minor in said:
        known = with_price(known, at=days_ago(days), minor=minor)
    return known


@pytest.mark.parametrize(
    ("said", "low"),
    [
        ([(40, 2000)], 2000),
        ([(30, 2000)], 2000),
        ([(29.9, 2000)], None),
        ([(40, 1500), (20, 2000)], 1500),
        ([(40, 1500), (30, 2000)], 2000),
        ([(40, 1500), (29.9, 2000)], 1500),
        ([(90, 900), (40, 2000), (10, 1800), (5, 2100)], 1800),
        ([(40, 2000), (1, 1700)], 1700),
        ([], None),
    ],
)
def test_the_low_is_of_the_thirty_days_that_end_now(
    said: list[tuple[float, int]], low: int | None
) -> None:
    """The price in force when the window opens counts, an older one does not; without it, none."""
    base = said[-1][1] if said else 2000

    assert lowest_price(history(*said), as_of=NOW, base_minor=base) == low


@pytest.mark.parametrize(
    ("was", "unit", "claim"),
    [
        (2000, 1800, Reduction(2000, 10)),
        (2000, 1801, Reduction(2000, 9)),
        (2000, 1981, None),
        (2000, 2000, None),
        (1700, 1800, None),
        (1700, 1690, None),
        (1700, 1680, Reduction(1700, 1)),
    ],
)
def test_a_percentage_is_computed_from_the_low_and_rounded_down(
    was: int, unit: int, claim: Reduction | None
) -> None:
    """Ten days ago it was at ``was``; below that, and by a whole percent, there is a reduction."""
    known = history((60, 2000), (10, was), (5, 2000))

    assert reduction(known, as_of=NOW, base_minor=2000, unit_minor=unit) == claim


def test_a_price_without_a_history_is_claimed_of_by_nobody() -> None:
    """An article of which nothing is known."""
    assert reduction((), as_of=NOW, base_minor=2000, unit_minor=1) is None


def test_a_repeated_price_leaves_no_trace() -> None:
    """A catalogue that is dropped every day says the same for a year."""
    assert history(*((365 - day, 2000) for day in range(365))) == ((days_ago(365), 2000),)


def test_what_no_window_can_see_is_forgotten() -> None:
    """Only the price that was in force when the window opened, and those since."""
    known = history((90, 1), (80, 2), (40, 3), (20, 4), (0, 5))

    assert known == ((days_ago(40), 3), (days_ago(20), 4), (days_ago(0), 5))


def test_too_many_prices_end_the_claim_and_not_the_truth() -> None:
    """The history stays small; what was left out of it is not claimed."""
    known = history((60, 5000), *((29 - nth / 10, 1000 + nth) for nth in range(MOST_PRICES + 1)))

    assert len(known) == MOST_PRICES
    assert lowest_price(known, as_of=NOW, base_minor=2000) is None


def test_a_late_statement_that_says_the_same_changes_nothing() -> None:
    """Messages of one sender overtake each other."""
    known = history((60, 2000), (10, 1800))

    late = with_late_price(known, at=days_ago(40), minor=2000, said_at=days_ago(10))

    assert late == known


def test_a_late_statement_that_contradicts_ends_what_was_known_before() -> None:
    """How long 1500 stood, 40 days ago, nobody can say: the next sure price begins the history."""
    known = history((60, 2000), (10, 1800))

    late = with_late_price(known, at=days_ago(40), minor=1500, said_at=days_ago(10))

    assert late == ((days_ago(10), 1800),)


def test_a_contradiction_within_a_repeated_price_leaves_the_last_repetition() -> None:
    """2000 was said 60 days ago and again 5 days ago; in between somebody said 1500."""
    known = history((60, 2000))

    late = with_late_price(known, at=days_ago(20), minor=1500, said_at=days_ago(5))

    assert late == ((days_ago(5), 2000),)


def test_nothing_is_taken_in_from_before_the_history() -> None:
    """There may have been more that was forgotten."""
    known = history((10, 2000))

    assert with_late_price(known, at=days_ago(60), minor=1, said_at=days_ago(10)) == known


def test_claims_are_true_over_many_histories() -> None:
    """Against an oracle that keeps every statement: no wrong claim, none missing where in order."""
    told = figures(1_500)

    assert told["was_mismatches"] == 0
    assert told["was_claims"] > 5_000


def test_a_product_from_before_there_were_histories_begins_one() -> None:
    """It has stood at its price at least since that was last said."""
    old = Product("A", "USD", 2000, said_at=days_ago(50))

    known = take_statement(old, Statement("A", days_ago(1), {"price": ("USD", 1900)}))

    assert known.prices == ((days_ago(50), 2000), (days_ago(1), 1900))
