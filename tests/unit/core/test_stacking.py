"""Stacking as a policy states it: what is refused, and what a decision makes of the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from chalicelib.core.errors import BadInput
from chalicelib.core.policy import Policy
from tests.unit.core.offering import policy_with
from tests.unit.core.situations import checkout
from tests.unit.core.test_engagement_conditions import became_of, decided


def percent(value: int, **changes: Any) -> dict[str, Any]:
    """An offer of so many percent."""
    return {"kind": "percent_off", "value": value, "valid_days": 7, **changes}


def amount(value: int, **changes: Any) -> dict[str, Any]:
    """An offer of so many minor units."""
    return {"kind": "amount_off", "value": value, "valid_days": 7, **changes}


def refused(*actions: Mapping[str, Any], **changes: Any) -> dict[str, str]:
    """What is wrong with a policy, by path."""
    with pytest.raises(BadInput) as refusal:
        policy_with(*map(dict, actions), **changes)
    return {each.field: each.problem for each in refusal.value.errors}


@pytest.mark.parametrize(
    ("before", "path", "way"),
    [
        ([["a-0"]], "actions.0.before.0", "a-0 before a-0"),
        ([["a-1"], ["a-0"]], "actions.0.before.0", "a-0 before a-1 before a-0"),
        (
            [["a-1"], ["a-3", "a-2"], ["a-1"], []],
            "actions.1.before.1",
            "a-1 before a-2 before a-1",
        ),
        (
            [["a-3"], ["a-0"], ["a-1"], ["a-2"]],
            "actions.0.before.0",
            "a-0 before a-3 before a-2 before a-1 before a-0",
        ),
    ],
)
def test_a_loop_in_precedence_is_refused_with_its_way(
    before: list[list[str]], path: str, way: str
) -> None:
    """The path names where it begins, the problem the whole way round."""
    wrong = refused(*[{"before": later} for later in before])

    assert wrong == {path: f"is a loop: {way}; take one out"}


def test_precedence_without_a_loop_stands() -> None:
    """Two ways to the same action are no loop."""
    policy = policy_with({"before": ["a-1", "a-2"]}, {"before": ["a-3"]}, {"before": ["a-3"]}, {})

    assert policy.stacking_rules is not None
    assert policy.stacking_rules.after["a-3"] == {"a-0", "a-1", "a-2"}


def test_precedence_that_names_nobody_is_refused() -> None:
    """By the place in the list."""
    assert refused({}, {"before": ["a-0", "a-9"]}) == {"actions.1.before.1": "a-9 is no action"}


@pytest.mark.parametrize(
    ("action", "path", "problem"),
    [
        ({"offer": percent(31)}, "actions.0.offer.value", "takes off more"),
        (
            {"offer": amount(1000, min_spend_minor=3333)},
            "actions.0.offer.min_spend_minor",
            "must be at least 3334",
        ),
        ({"offer": amount(1)}, "actions.0.offer.min_spend_minor", "must be at least 4"),
    ],
)
def test_a_policy_that_spends_below_its_floor_is_refused(
    action: dict[str, Any], path: str, problem: str
) -> None:
    """No offer alone may take off more than all together may, whatever the cart."""
    wrong = refused(action, stacking={"max_discount_percent": 30}, price_tiers=[])

    assert list(wrong) == [path]
    assert problem in wrong[path]
    assert "stacking.max_discount_percent is 30" in wrong[path]


def test_a_tier_below_the_floor_is_refused() -> None:
    """Nor may a personal price."""
    tiers = [
        {"name": "deep", "segments": ["at_risk"], "discount_basis_points": 3001},
        {"name": "flat", "segments": ["at_risk"], "discount_basis_points": 3000},
    ]
    wrong = refused({}, price_tiers=tiers, stacking={"max_discount_percent": 30})

    assert list(wrong) == ["price_tiers.0.discount_basis_points"]


def test_offers_at_the_floor_stand() -> None:
    """Exactly as much as may be taken off is allowed, and what takes nothing off always."""
    policy = policy_with(
        {"offer": percent(30)},
        {"offer": amount(1000, min_spend_minor=3334)},
        {"offer": {"kind": "free_shipping", "value": 0, "valid_days": 7}},
        stacking={"max_discount_percent": 30},
        price_tiers=[],
    )

    assert policy.stacking_rules is not None


def test_a_policy_without_rules_has_none() -> None:
    """Then the highest priorities are chosen, as ever."""
    assert policy_with({"offer": percent(90)}, {}).stacking_rules is None


def together(*actions: dict[str, Any], most: int = 3, **changes: Any) -> Policy:
    """A policy that chooses several at once."""
    return policy_with(*actions, offers_per_decision=most, price_tiers=[], **changes)


def test_an_exclusive_offer_stands_beside_no_other_offer() -> None:
    """What is no offer may stand beside it."""
    policy = together(
        {"offer": percent(10, stacking="exclusive"), "value_minor": 5000},
        {"offer": percent(5), "value_minor": 4000},
        {"value_minor": 100},
    )

    decision = decided(checkout(), policy)

    assert decision.chosen == ("a-0", "a-2")
    assert became_of(decision, "a-0") == ("arbitration", "best_combination")
    assert became_of(decision, "a-1") == ("arbitration", "excluded_by:a-0")
    [offer] = decision.offers
    assert offer.exclusive


def test_of_an_exclusion_group_one_is_chosen() -> None:
    """Offers or not, and of several groups in each."""
    policy = together(
        {"exclusion_groups": ["coffee", "hot"], "value_minor": 900},
        {"exclusion_groups": ["coffee"], "value_minor": 800},
        {"exclusion_groups": ["hot"], "value_minor": 700},
        {"value_minor": 100},
    )

    decision = decided(checkout(), policy)

    # 0.1 × (800 + 700 + 100) is more than 0.1 × (900 + 100).
    assert decision.chosen == ("a-1", "a-2", "a-3")
    assert became_of(decision, "a-0") == ("arbitration", "excluded_by:a-1")


def test_what_does_not_survive_excludes_nobody() -> None:
    """Rules are about the actions that compete."""
    policy = together(
        {"offer": percent(10, stacking="exclusive"), "eligibility": ["cart_minor < 0"]},
        {"offer": percent(5)},
        {"offer": percent(6), "value_minor": 900},
    )

    assert decided(checkout(), policy).chosen == ("a-1", "a-2")


def test_precedence_orders_what_competes() -> None:
    """The one that comes first is chosen, and the reason names it."""
    policy = together({"value_minor": 9000}, {"before": ["a-0"], "value_minor": 10}, most=1)

    decision = decided(checkout(), policy)

    assert decision.chosen == ("a-1",)
    assert became_of(decision) == ("arbitration", "comes_after:a-1")


def test_the_cap_counts_a_personal_price() -> None:
    """With five percent off by the tier, a cap of 14 leaves no room for ten more."""
    offer = {"offer": percent(10)}
    roomy = policy_with(offer, stacking={"max_discount_percent": 15})
    tight = policy_with(offer, stacking={"max_discount_percent": 14})

    assert decided(checkout(), roomy).chosen == ("a-0",)
    assert became_of(decided(checkout(), tight)) == ("arbitration", "combined_discount_cap")


def test_without_a_cart_the_cap_holds_for_any() -> None:
    """In a mail, shares are added up as if for the smallest cart that each applies to."""
    offers = (
        {"offer": percent(10), "value_minor": 900},
        {"offer": amount(1000, min_spend_minor=5000), "value_minor": 800},
    )
    situation = checkout(lines=())

    tight = decided(situation, together(*offers, stacking={"max_discount_percent": 29}))
    roomy = decided(situation, together(*offers, stacking={"max_discount_percent": 30}))

    assert (tight.chosen, became_of(tight, "a-1")[1]) == (("a-0",), "combined_discount_cap")
    assert roomy.chosen == ("a-0", "a-1")
