"""After an opt-out neither scorer nor pricing is given anything of the customer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.decide import Decision, decide
from chalicelib.core.features import Features
from chalicelib.core.law import Jurisdictions
from chalicelib.core.offers import coupon_code
from chalicelib.core.policy import Policy
from chalicelib.core.price_rules import Pricing
from chalicelib.core.price_tiers import PriceTier
from chalicelib.core.rules import Rules
from chalicelib.core.scores import Scores
from chalicelib.core.shown_prices import ShownPrice
from chalicelib.core.situation import Held, KeptPrice, Permissions, Situation
from ops.prove.law import Watched, WatchedMapping, features_read
from tests.unit.core.situations import KEYS, NOW, RecencyScorer, buyer, checkout, shipped_rules

DAY = NOW // 86_400
SIGNALS: Mapping[str, dict[str, Any]] = {
    "opt-out": {"context": {"pricing_opt_out": True}},
    "GPC": {"context": {"gpc": True}},
    "no to personalised prices": {"consents": {"personalised_pricing": False}},
    "no to profiling": {"consents": {"profiling": False}},
}


class Spy(RecencyScorer):
    """Keeps what it was given."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.given: list[Features] = []

    def score(self, features: Features) -> Scores:
        """Score by recency, and remember."""
        self.given.append(features)
        return super().score(features)


class SpiedTier(PriceTier):
    """A tier that fails the test when its discount is asked for."""

    def __getattribute__(self, name: str) -> Any:
        """Everything but the price."""
        if name == "discount_basis_points":
            raise AssertionError("pricing was given a tier")
        return super().__getattribute__(name)


def objecting(signal: str) -> Situation:
    """A customer at risk in the middle of a session, with everything known that can be."""
    said = SIGNALS[signal]
    situation = checkout(
        held=Held("winback", (), {"MUG": KeptPrice(2000, 1900)}),
        shown={"MUG": ShownPrice(2000, DAY, 1900, 1900, 1900)},
        supplied={"shoe_size": 43.0},
        permissions=Permissions(consents=said.get("consents", {})),
    )
    return replace(situation, context=replace(situation.context, **said.get("context", {})))


def decided(situation: Situation, rules: Rules, scorer: Spy) -> Decision:
    """Decide."""
    return decide(
        situation,
        policy=rules.policy,
        jurisdictions=rules.jurisdictions,
        scorer=scorer,
        code_for=lambda effect: coupon_code(KEYS.coupon_secret, effect_id=effect),
    )


def spied_policy() -> Policy:
    """The shipped policy, whose tiers must not be priced with."""
    policy = shipped_rules().policy
    tiers = tuple(SpiedTier.model_construct(**dict(each)) for each in policy.price_tiers)
    return policy.model_copy(update={"price_tiers": tiers, "pricing": Pricing()})


@pytest.mark.parametrize("signal", SIGNALS)
def test_whoever_objects_is_given_to_nobody(signal: str) -> None:
    """The published price, no feature for the scorer, no tier for pricing, not even the session's.

    The facts are there, as a decision of another kind may bring them; nothing looks at them.
    """
    rules, scorer = replace(shipped_rules(), policy=spied_policy()), Spy()
    facts = buyer(silent_days=100)
    watched = Watched(**{name: getattr(facts, name) for name in ("subject", "recent")})
    Watched.reads = 0

    decision = decided(replace(objecting(signal), facts=watched), rules, scorer)

    assert scorer.given == []
    assert Watched.reads == 0
    assert [line.unit_price_minor for line in decision.lines] == [2000]
    assert (decision.tier, decision.price_reason) == ("base", "opted_out")
    assert decision.disclosures == ()
    assert decision.offers == ()


def test_the_spies_see_what_is_there_to_see() -> None:
    """Without an objection the scorer is asked and the tier is priced with."""
    rules, scorer = replace(shipped_rules(), policy=spied_policy()), Spy()

    with pytest.raises(AssertionError, match="pricing was given a tier"):
        decided(checkout(), rules, scorer)

    assert len(scorer.given) == 1
    assert features_read({}, {}) > 0


@pytest.mark.parametrize("kind", [Watched, WatchedMapping])
def test_a_watched_thing_counts(kind: type[Any]) -> None:
    """One read is one read."""
    kind.reads = 0
    if kind is Watched:
        _ = Watched(buyer(silent_days=1).subject).recent
    else:
        _ = WatchedMapping(a=1)["a"]
    assert kind.reads == 1


def test_a_ban_gives_nothing_to_anybody_either() -> None:
    """Where personal prices are forbidden the customer is not even described."""
    rules, scorer = shipped_rules(), Spy()
    rows = tuple(
        row.model_copy(update={"mode": "ban"}) if row.id == "us-default" else row
        for row in rules.jurisdictions.rows
    )

    decision = decided(checkout(), replace(rules, jurisdictions=Jurisdictions(rows=rows)), scorer)

    assert scorer.given == []
    assert (decision.tier, decision.price_reason, decision.mode) == ("base", "banned", "ban")
