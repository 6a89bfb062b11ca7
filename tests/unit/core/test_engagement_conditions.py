"""Conditions at work: each layer asks its own, weights rank, what may not be read is unknown."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from chalicelib.core.contact import Contact, Stamped
from chalicelib.core.decide import Decision, decide
from chalicelib.core.observed import supplied_of
from chalicelib.core.policy import Policy, policy_from_json
from chalicelib.core.record import build_record, situation_from_json, situation_to_json
from chalicelib.core.replay import differences
from chalicelib.core.rules import Rules
from chalicelib.core.situation import Context, Line, Situation
from chalicelib.core.subject import customer
from tests.unit.core.situations import NOW, POLICIES, checkout, shipped_rules

SHIPPED = shipped_rules()


def policy_with(*actions: dict[str, Any], **changes: Any) -> Policy:
    """The shipped policy with other actions, and no holdout."""
    document = tomllib.loads((POLICIES / "default.toml").read_text())
    document["holdout"]["share_percent"] = 0
    document["actions"] = [
        {
            "placements": ["checkout"],
            "propensity": 0.1,
            "value_minor": 1000,
            "id": f"a-{number}",
            **action,
        }
        for number, action in enumerate(actions)
    ]
    return policy_from_json({**document, **changes})


def rules_of(policy: Policy) -> Rules:
    """The shipped law and scorer with a policy."""
    return Rules(policy, SHIPPED.jurisdictions, SHIPPED.jurisdictions_hash, SHIPPED.scorer)


def decided(situation: Situation, policy: Policy) -> Decision:
    """Decide by a policy."""
    return decide(
        situation,
        policy=policy,
        jurisdictions=SHIPPED.jurisdictions,
        scorer=SHIPPED.scorer,
        code_for=lambda effect: effect,
    )


def became_of(decision: Decision, action: str = "a-0") -> tuple[str, str]:
    """Layer and reason of an action."""
    return next((c.layer, c.reason) for c in decision.candidates if c.action == action)


@pytest.mark.parametrize("layer", ["eligibility", "applicability", "suitability"])
def test_each_layer_asks_its_own_conditions(layer: str) -> None:
    """The layer that says no is named with the feature that stood in the way, or its own code."""
    plain = policy_with({layer: ["cart_minor > 5000"]})
    named = policy_with({layer: [{"when": "cart_minor > 5000", "reason": "small_cart"}]})

    assert became_of(decided(checkout(), plain)) == (layer, "cart_minor_not_met")
    assert became_of(decided(checkout(), named)) == (layer, "small_cart")
    big = checkout(lines=(Line("MUG", 3, 2000),))
    assert decided(big, plain).chosen == ("a-0",)


def test_the_layers_stand_in_their_order() -> None:
    """Eligibility before applicability before suitability, whatever else would say no, too."""
    never = ["cart_minor < 0"]
    policy = policy_with(
        {"suitability": never, "applicability": never, "eligibility": never, "min_churn": 1.0}
    )

    assert became_of(decided(checkout(), policy))[0] == "eligibility"


def test_conditions_see_behaviour_scores_context_and_cart() -> None:
    """Every kind of feature can be asked for in one condition."""
    policy = policy_with(
        {
            "eligibility": [
                "99 < recency_days < 101 and frequency == 3 and monetary_minor == 3000",
                "segment == 'at_risk' and churn > 0.8 and expected_orders < 0.5",
                "country == 'US' and region == 'TX' and currency == 'USD'",
                "placement == 'checkout' and not known(trigger)",
                "cart_quantity == 1 and 'MUG' in cart_skus and 'x' not in cart_categories",
                "not reachable_by_mail and 159 < tenure_days < 161 and mean_gap_days == 30",
            ]
        }
    )

    assert decided(checkout(), policy).chosen == ("a-0",)


@pytest.mark.parametrize(
    "context",
    [
        Context(country="US", region="TX", currency="USD", pricing_opt_out=True),
        Context(country="US", region="TX", currency="USD", gpc=True),
    ],
)
def test_an_opt_out_leaves_nothing_to_ask(context: Context) -> None:
    """After an opt-out no action is eligible, whatever its conditions say."""
    policy = policy_with({"eligibility": ["not known(churn)"]})

    assert became_of(decided(checkout(context=context), policy)) == ("eligibility", "opted_out")


def test_under_a_ban_nothing_of_the_customer_is_seen() -> None:
    """Where a personal price is banned, behaviour, scores and supplied features are unknown."""
    table = SHIPPED.jurisdictions.model_copy(
        update={
            "rows": tuple(
                row.model_copy(update={"enabled": True}) if row.id == "us-md-hb-895" else row
                for row in SHIPPED.jurisdictions.rows
            )
        }
    )
    situation = checkout(
        context=Context(country="US", region="MD", currency="USD"), supplied={"points": 7.0}
    )
    policy = policy_with(
        {"suitability": ["not known(churn) and not known(points) and not known(frequency)"]},
        {"suitability": ["known(cart_minor)"]},
        features=[{"name": "points", "type": "number"}],
        offers_per_decision=2,
    )

    decision = decide(
        situation,
        policy=policy,
        jurisdictions=table,
        scorer=SHIPPED.scorer,
        code_for=lambda effect: effect,
    )

    assert decision.price_reason == "banned"
    assert decision.chosen == ("a-0", "a-1")


def test_a_tier_asks_its_conditions() -> None:
    """The first tier whose conditions hold, too; the unknown meets none."""

    def tier_for(when: str) -> str:
        tiers = [
            {
                "name": "deep",
                "segments": ["at_risk"],
                "eligibility": [when],
                "discount_basis_points": 900,
            },
            {"name": "flat", "segments": ["at_risk"], "discount_basis_points": 100},
        ]
        features = [{"name": "points", "type": "number"}]
        return decided(checkout(), policy_with(price_tiers=tiers, features=features)).tier

    assert tier_for("frequency >= 3") == "deep"
    assert tier_for("frequency >= 4") == "flat"
    assert tier_for("points >= 0") == "flat"


def test_arbitration_weighs_propensity_context_value_cost_and_lever() -> None:
    """Priority = propensity × weights that hold × (value − cost) × lever."""
    heavy = {"when": "country == 'US'", "weight": 3.0}
    idle = {"when": "country == 'FR'", "weight": 99.0}

    def winner(*actions: dict[str, Any]) -> str:
        return decided(checkout(), policy_with(*actions)).chosen[0]

    assert winner({}, {"value_minor": 1001}) == "a-1"
    assert winner({}, {"propensity": 0.11}) == "a-1"
    assert winner({}, {"lever": 1.5}) == "a-1"
    assert winner({}, {"value_minor": 1100, "cost_minor": 101}) == "a-0"
    assert winner({"weights": [heavy]}, {"value_minor": 2999}) == "a-0"
    assert winner({"weights": [heavy, heavy]}, {"value_minor": 8999}) == "a-0"
    assert winner({"weights": [idle]}, {"value_minor": 1001}) == "a-1"
    assert winner({}, {}) == "a-0"


def test_what_costs_more_than_it_is_worth_is_not_done() -> None:
    """Even where nothing else survives."""
    decision = decided(checkout(), policy_with({"value_minor": 100, "cost_minor": 101}))

    assert became_of(decision) == ("arbitration", "costs_too_much")
    assert decision.chosen == ()


def test_supplied_features_are_those_declared_with_the_type_declared() -> None:
    """A column that is not declared, or is of another type, is not there for any condition."""
    policy = policy_with(
        features=[
            {"name": "points", "type": "number"},
            {"name": "plan", "type": "text"},
            {"name": "vip", "type": "flag"},
            {"name": "absent", "type": "flag"},
        ]
    )
    supplied = {"points": 7.0, "plan": "gold", "vip": True, "other": 1.0}
    contact = Contact(customer("c-1"), {}, {k: Stamped(v, NOW) for k, v in supplied.items()})
    wrong = {"points": "many", "plan": 3.0, "vip": 1.0, "absent": "x"}
    askew = Contact(customer("c-1"), {}, {k: Stamped(v, NOW) for k, v in wrong.items()})
    true = Contact(customer("c-1"), {}, {"points": Stamped(True, NOW), "plan": Stamped(True, NOW)})

    assert supplied_of(contact, policy.supplied_types) == {
        "points": 7.0,
        "plan": "gold",
        "vip": True,
    }
    assert supplied_of(askew, policy.supplied_types) == {}
    assert supplied_of(true, policy.supplied_types) == {}
    assert supplied_of(None, policy.supplied_types) == {}


def test_supplied_features_decide_and_stand_in_the_record() -> None:
    """A decision that a supplied feature made re-executes from its record."""
    policy = policy_with(
        {"suitability": ["points >= 5"]}, features=[{"name": "points", "type": "number"}]
    )
    situation = checkout(supplied={"points": 7.0})
    decision = decided(situation, policy)
    record = build_record(
        situation,
        decision,
        policy=policy,
        jurisdictions_hash=SHIPPED.jurisdictions_hash,
        scorer=SHIPPED.scorer,
        correlation_id="r-1",
    )

    assert decision.chosen == ("a-0",)
    assert became_of(decided(checkout(supplied={"points": 4.0}), policy)) == (
        "suitability",
        "points_not_met",
    )
    assert situation_from_json(situation_to_json(situation)) == situation
    assert differences(record, rules=rules_of(policy)) == ()
    record["situation"]["supplied"]["points"] = 4.0
    assert "chosen" in differences(record, rules=rules_of(policy))
