"""Measurement: who is compared with whom, from when on, and what counts as having followed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.erasure import erased_record
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.measurement import (
    NOTHING_YET,
    PROGRAMME,
    Chosen,
    Compared,
    Exposure,
    chosen_of,
    compare,
    exposures_of,
    together,
)
from chalicelib.core.outcomes import Bought, Ledger
from chalicelib.core.subject import customer
from tests.unit.core.situations import NOW, checkout
from tests.unit.core.test_engagement_conditions import policy_with
from tests.unit.core.test_exploration import recorded

WINDOW = 14
LATER = NOW + 100 * DAY_SECONDS


def choice(person: str = "c#c-1", **changes: Any) -> Chosen:
    """A choice of one action, shown, unless told otherwise."""
    return Chosen(
        person, NOW, "winback", withheld=False, holdout=False, expected_orders=0.5
    )._replace(**changes)


def paid(*orders: tuple[str, float, int]) -> Ledger:
    """Orders by customer, each so many days after the exposure."""
    bought: dict[str, list[Bought]] = {}
    for number, (person, days, minor) in enumerate(orders):
        order = Bought(f"o-{number}", NOW + round(days * DAY_SECONDS), minor, {})
        bought.setdefault(person, []).append(order)
    return Ledger(bought=bought)


def after(*exposures: Exposure, ledger: Ledger, now: int = LATER) -> Compared:
    """What followed these exposures."""
    return compare(exposures, ledger, window_days=WINDOW, now=now)


def exposed(person: str = "c#c-1", *, control: bool = False, at: int = NOW) -> Exposure:
    """One exposure."""
    return Exposure(person, at, control, 0.5)


def test_the_first_exposure_counts_once_for_a_customer() -> None:
    """Later choices of the same action add nobody, and move nothing."""
    found = exposures_of([choice(at=NOW + 9), choice(), choice(at=NOW + 5)], {}, of="winback")
    assert found == [exposed()]


def test_a_guest_and_the_customer_they_turned_out_to_be_are_one() -> None:
    """The guest's earlier choice is the customer's first."""
    guest = choice("a#g-1", at=NOW - 5)
    found = exposures_of([choice(), guest], {"a#g-1": "c#c-1"}, of="winback")
    assert found == [exposed(at=NOW - 5)]


def test_an_action_is_compared_with_everybody_from_whom_it_was_kept() -> None:
    """Its control group and the holdout are both by chance, so both are its controls."""
    kept = [choice("c#1", withheld=True), choice("c#2", withheld=True, holdout=True), choice("c#3")]
    found = exposures_of([*kept, choice("c#4", action="welcome")], {}, of="winback")
    assert {each.person: each.control for each in found} == {"c#1": True, "c#2": True, "c#3": False}


def test_the_programme_is_compared_with_the_holdout_alone() -> None:
    """Whoever is in one action's control group is still treated by the programme."""
    choices = [choice("c#1", withheld=True), choice("c#2", withheld=True, holdout=True)]
    found = exposures_of([*choices, choice("c#3", action="welcome")], {}, of=PROGRAMME)
    assert {each.person: each.control for each in found} == {
        "c#1": False,
        "c#2": True,
        "c#3": False,
    }


@pytest.mark.parametrize(
    ("days", "counts"), [(-0.1, False), (0.0, True), (14.0, True), (14.1, False)]
)
def test_only_orders_within_the_window_count(days: float, counts: bool) -> None:
    """From the exposure to the end of the window, both included."""
    group = after(exposed(), ledger=paid(("c#c-1", days, 3_000))).treated
    assert group.sums["conversion"].outcome == float(counts)
    assert group.sums["revenue_minor"].outcome == (3_000 if counts else 0)


def test_an_open_window_says_nothing_yet() -> None:
    """A customer who could still buy is left out, whether or not they have bought already."""
    bought = paid(("c#c-1", 1, 3_000))
    assert after(exposed(), ledger=bought, now=NOW + 2 * DAY_SECONDS) == NOTHING_YET


def test_a_customer_converts_once_however_often_they_buy() -> None:
    """Conversion is of customers; revenue adds all their orders up."""
    group = after(exposed(), ledger=paid(("c#c-1", 1, 3_000), ("c#c-1", 2, 500))).treated
    assert group.sums["conversion"].outcome == 1.0
    assert group.sums["revenue_minor"].outcome == 3_500
    assert group.events == {"conversion": 1, "revenue_minor": 1, "opted_out": 0}


def test_an_order_that_was_refunded_whole_is_a_conversion_without_revenue() -> None:
    """They bought; what is left of it is nothing."""
    group = after(exposed(), ledger=paid(("c#c-1", 1, 0))).treated
    assert group.events == {"conversion": 1, "revenue_minor": 0, "opted_out": 0}


def test_lift_is_of_customers_not_of_orders() -> None:
    """Half of the treated buy and none of the controls: half a conversion for each customer."""
    people = [exposed(f"c#{n}") for n in range(200)]
    kept = [exposed(f"k#{n}", control=True) for n in range(200)]
    bought = paid(*((f"c#{n}", 1, 1_000) for n in range(100)))
    compared = after(*people, *kept, ledger=bought)
    assert compared.lift("conversion").value == pytest.approx(0.5)
    assert compared.lift("revenue_minor").value == pytest.approx(500.0)
    assert compared.lift("conversion").verdict == "better"


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9), st.integers(0, 5_000)), max_size=30))
def test_days_join_into_what_all_of_them_came_to(rows: list[tuple[bool, int, int]]) -> None:
    """A daily roll-up keeps groups only, and joined they are as if counted at once."""
    exposures = [exposed(f"c#{n}", control=row[0]) for n, row in enumerate(rows)]
    ledger = paid(*((f"c#{n}", row[1], row[2]) for n, row in enumerate(rows)))
    half = len(rows) // 2
    whole = after(*exposures, ledger=ledger)
    days = together(
        after(*exposures[:half], ledger=ledger), after(*exposures[half:], ledger=ledger)
    )
    for ours, theirs in zip(whole, days, strict=True):
        assert ours.events == theirs.events
        for metric, sums in ours.sums.items():
            assert tuple(sums) == pytest.approx(tuple(theirs.sums[metric]), abs=1e-3)


def test_a_record_tells_who_was_treated_and_what_was_expected() -> None:
    """Read from the record of a decision; in the holdout it is what would have been done."""
    everybody = {"share_percent": 50, "salt": "s"}
    policy = policy_with({}, exploration={}, holdout=everybody)
    found = set()
    for number in range(40):
        situation = checkout()
        subject = customer(f"c-{number}")
        facts = None if situation.facts is None else replace(situation.facts, subject=subject)
        record = recorded(replace(situation, subject=subject, facts=facts), policy)
        chosen = chosen_of(record)
        assert chosen is not None
        assert chosen.withheld is chosen.holdout is record["decision"]["holdout"]
        assert chosen.expected_orders == record["decision"]["scores"]["expected_orders"]
        found.add(chosen.holdout)
        assert chosen_of(erased_record(record, pseudonym="p", at=LATER)) is None
    assert found == {True, False}


def test_a_choice_of_nothing_exposes_nobody() -> None:
    """Where nothing would have been done there is nothing to compare."""
    policy = policy_with({"min_churn": 1.0}, exploration={})
    assert chosen_of(recorded(checkout(), policy)) is None


def test_who_wants_no_more_mail_is_counted_within_the_window_alone() -> None:
    """Not before the exposure, not after the window; once, however often they say it."""
    for moments, expected in (
        ((NOW + DAY_SECONDS, NOW + 2 * DAY_SECONDS), 1),
        ((NOW - 1,), 0),
        ((NOW + 400 * DAY_SECONDS,), 0),
        ((), 0),
    ):
        group = after(exposed(), ledger=Ledger(opted_out={"c#c-1": moments})).treated
        assert (group.customers, group.events["opted_out"]) == (1, expected)
