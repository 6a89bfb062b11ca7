"""The decision: segment, price, offers and reasons from a situation alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.control import Switches
from chalicelib.core.decide import Decision, decide, in_holdout
from chalicelib.core.features import Features
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.offers import Offer
from chalicelib.core.scores import Scores
from chalicelib.core.situation import Context, Held, Line, Permissions, Situation
from tests.unit.core.situations import (
    NOW,
    RecencyScorer,
    buyer,
    checkout,
    default_policy,
    shipped_rules,
)

RULES = shipped_rules()


def decided(situation: Situation, **policy_changes: Any) -> Decision:
    """Decide by the shipped rules; a code is the id of the effect that issues it."""
    rules = shipped_rules(**policy_changes) if policy_changes else RULES
    return decide(
        situation,
        policy=rules.policy,
        jurisdictions=rules.jurisdictions,
        scorer=rules.scorer,
        code_for=lambda effect: effect,
    )


def reason_for(decision: Decision, action: str) -> tuple[str, str, str]:
    """Outcome, layer and reason of one action."""
    found = next(c for c in decision.candidates if c.action == action)
    return found.outcome, found.layer, found.reason


def test_a_customer_at_risk_gets_the_tier_and_the_offer_of_the_policy() -> None:
    """Segment and propensity choose the tier; the surviving action brings one new code."""
    decision = decided(checkout())

    assert decision.scores.segment == "at_risk"
    assert (decision.tier, decision.price_reason) == ("winback", "tier_fits")
    assert decision.lines[0].unit_price_minor == 1900
    assert [offer.action for offer in decision.offers] == ["winback-10"]
    assert decision.issued == ("winback-10",)
    assert decision.offers[0].expires_at == NOW + 14 * DAY_SECONDS


def test_an_unknown_customer_gets_base_prices_and_the_fallback_action() -> None:
    """No profile: the fallback segment, the published price, no offer, and a reason for each."""
    decision = decided(checkout(facts=None))

    assert decision.scores == Scores("unknown", None, None, "recency-1.0.0", fallback=True)
    assert (decision.tier, decision.price_reason) == ("base", "no_tier_fits")
    assert decision.offers == ()
    assert reason_for(decision, "standard-checkout") == (
        "chosen",
        "fallback",
        "nothing_else_survived",
    )


class UnreadableScorer(RecencyScorer):
    """Fails the test when anything asks it to score."""

    def score(self, features: Features) -> Scores:
        """Refuse to be asked."""
        raise AssertionError(f"a feature was read: {features}")


@pytest.mark.parametrize(
    "signal",
    [
        {"context": Context(country="US", currency="USD", pricing_opt_out=True)},
        {"context": Context(country="US", currency="USD", gpc=True)},
        {"permissions": Permissions(consents={"personalised_pricing": False})},
        {"permissions": Permissions(consents={"profiling": False})},
    ],
)
def test_a_privacy_signal_keeps_every_feature_from_the_scorer(signal: dict[str, Any]) -> None:
    """On opt-out, GPC or a stored objection nothing is scored and the base price stands."""
    decision = decide(
        checkout(**signal),
        policy=RULES.policy,
        jurisdictions=RULES.jurisdictions,
        scorer=UnreadableScorer(),
        code_for=str,
    )

    assert (decision.tier, decision.price_reason) == ("base", "opted_out")
    assert decision.scores.fallback
    assert decision.offers == ()
    assert decision.disclosures == ()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"lines": ()}, "no_cart"),
        ({"switches": Switches(pricing=False)}, "pricing_switched_off"),
        ({"context": Context(country="ZZ", currency="USD")}, "unknown_jurisdiction"),
        ({"context": Context(currency="USD")}, "unknown_jurisdiction"),
        ({"facts": buyer(silent_days=61, orders=3), "as_of": NOW - 2 * DAY_SECONDS}, "tier_fits"),
        ({"facts": buyer(silent_days=1)}, "tier_fits"),
        ({"facts": buyer(silent_days=62, orders=3), "as_of": NOW}, "tier_fits"),
    ],
)
def test_every_reason_for_a_price_has_a_name(changes: dict[str, Any], reason: str) -> None:
    """The published price never stands without saying why."""
    decision = decided(checkout(**changes))

    assert decision.price_reason == reason
    assert (decision.tier == "base") == (reason != "tier_fits")


def test_new_york_prices_carry_the_exact_words_and_never_rise() -> None:
    """The strictest mode of law and operator holds, and the disclosure stands to the letter."""
    context = Context(country="US", region="NY", currency="USD")

    decision = decided(checkout(context=context))

    assert decision.mode == "discount_only"
    assert decision.disclosures == ("THIS PRICE WAS SET BY AN ALGORITHM USING YOUR PERSONAL DATA",)


def test_a_banned_place_reads_no_feature() -> None:
    """Where the law bans personal prices, the scorer is not even asked."""
    rows = tuple(row.model_copy(update={"mode": "ban"}) for row in RULES.jurisdictions.rows)
    banned = RULES.jurisdictions.model_copy(update={"rows": rows})

    decision = decide(
        checkout(),
        policy=RULES.policy,
        jurisdictions=banned,
        scorer=UnreadableScorer(),
        code_for=str,
    )

    assert (decision.tier, decision.price_reason) == ("base", "banned")


def test_the_offers_switch_removes_offers_and_says_so() -> None:
    """A kill switch is a reason like any other."""
    decision = decided(checkout(switches=Switches(offers=False)))

    assert decision.offers == ()
    assert reason_for(decision, "winback-10") == ("rejected", "eligibility", "offers_switched_off")


def test_a_changed_cart_keeps_tier_and_codes() -> None:
    """Within a session the tier and the codes stand, and new lines are priced by them."""
    shown = decided(checkout())
    held = Held(shown.tier, shown.offers)
    cart = (Line("MUG", 2, 2000), Line("CUP", 1, 900))

    decision = decided(
        checkout(decision_id="d_2", lines=cart, held=held, facts=buyer(silent_days=1))
    )

    assert (decision.tier, decision.price_reason) == ("winback", "session_kept")
    assert decision.offers == shown.offers
    assert decision.issued == ()
    assert [line.unit_price_minor for line in decision.lines] == [1900, 900]
    assert reason_for(decision, "winback-10") == ("chosen", "session", "kept")


def test_an_opt_out_overrides_what_the_session_was_shown() -> None:
    """Stickiness never outlives an objection."""
    shown = decided(checkout())
    context = Context(country="US", currency="USD", session_id="s-1", pricing_opt_out=True)

    decision = decided(checkout(context=context, held=Held(shown.tier, shown.offers)))

    assert decision.tier == "base"
    assert decision.offers == ()


def test_a_live_code_is_shown_again_instead_of_a_new_one() -> None:
    """One live code for each customer and action, whatever the session."""
    live = Offer("winback-10", "LIVECODE", "percent_off", 10, NOW + DAY_SECONDS)

    decision = decided(checkout(live_offers={"winback-10": live}))

    assert decision.offers == (live,)
    assert decision.issued == ()


def test_an_expired_code_is_replaced() -> None:
    """A code that can no longer be used is never shown."""
    dead = Offer("winback-10", "DEADCODE", "percent_off", 10, NOW)

    decision = decided(checkout(live_offers={"winback-10": dead}))

    assert decision.issued == ("winback-10",)
    assert decision.offers[0].code != "DEADCODE"


def test_the_holdout_is_left_alone_and_says_so() -> None:
    """Global holdout: published price, no action, and the experiment named as the reason."""
    everyone = default_policy().holdout.model_copy(update={"share_percent": 50.0})
    held_out = next(
        buyer(silent_days=100, subject=replace(buyer(silent_days=100).subject, id=f"c-{n}"))
        for n in range(100)
        if in_holdout(default_policy(holdout=everyone), f"c#c-{n}")
    )

    decision = decided(checkout(subject=held_out.subject, facts=held_out), holdout=everyone)

    assert decision.holdout
    assert (decision.tier, decision.price_reason) == ("base", "global_holdout")
    assert reason_for(decision, "winback-10") == ("rejected", "experiment", "global_holdout")


def test_the_holdout_share_is_near_its_target() -> None:
    """Of 20,000 customers a 5 percent holdout takes 5 percent, within three standard errors."""
    policy = default_policy(
        holdout=default_policy().holdout.model_copy(update={"share_percent": 5.0})
    )

    share = sum(in_holdout(policy, f"c#{n}") for n in range(20_000)) / 20_000

    assert abs(share - 0.05) <= 3 * (0.05 * 0.95 / 20_000) ** 0.5


def test_mail_needs_an_address_and_consent() -> None:
    """Without an address or without a yes, no mail is planned, and the reason names which."""
    mail = {"placement": "batch", "lines": ()}
    no_address = decided(checkout(**mail))
    silent = decided(checkout(**mail, permissions=Permissions(has_address=True)))
    refused = Permissions(has_address=True, consents={"marketing_email": False})
    agreed = Permissions(has_address=True, consents={"marketing_email": True})

    assert reason_for(no_address, "winback-10")[2] == "no_address"
    assert reason_for(silent, "winback-10")[2] == "no_consent"
    assert (
        reason_for(decided(checkout(**mail, permissions=refused)), "winback-10")[2] == "no_consent"
    )
    assert decided(checkout(**mail, permissions=agreed)).chosen == ("winback-10",)


def test_a_recently_contacted_address_is_left_in_peace() -> None:
    """Contact policy is asked after suitability and names itself."""
    agreed = Permissions(has_address=True, consents={"marketing_email": True})

    decision = decided(
        checkout(
            placement="batch", lines=(), permissions=agreed, contacted=frozenset({"winback-10"})
        )
    )

    assert reason_for(decision, "winback-10") == (
        "rejected",
        "contact_policy",
        "contacted_recently",
    )


def test_a_trigger_asks_only_the_actions_that_name_it() -> None:
    """A cart reminder does not answer a segment change."""
    agreed = Permissions(has_address=True, consents={"marketing_email": True})

    decision = decided(
        checkout(placement="mail", trigger="cart_abandoned", lines=(), permissions=agreed)
    )

    assert decision.chosen == ("cart-reminder",)
    assert reason_for(decision, "winback-10") == ("rejected", "applicability", "not_triggered")


@given(
    silent_days=st.integers(0, 900),
    orders=st.integers(0, 40),
    opted_out=st.booleans(),
    base=st.integers(0, 10**12),
    floor=st.none() | st.integers(0, 10**12),
    quantity=st.integers(1, 10_000),
)
def test_a_decision_is_a_function_of_its_situation(
    silent_days: int, orders: int, opted_out: bool, base: int, floor: int | None, quantity: int
) -> None:
    """Whatever is put in: deciding twice is the same, and no price leaves [floor, base]."""
    situation = checkout(
        facts=buyer(silent_days=silent_days, orders=orders),
        lines=(Line("MUG", quantity, base),),
        products={
            "MUG": replace(checkout().products["MUG"], base_price_minor=base, floor_minor=floor)
        },
        context=Context(country="US", currency="USD", pricing_opt_out=opted_out),
    )

    decision = decided(situation)

    assert decision == decided(situation)
    (line,) = decision.lines
    assert line.unit_price_minor <= line.base_unit_price_minor == base
    if line.unit_price_minor != base:
        assert floor is not None
        assert line.unit_price_minor >= floor
