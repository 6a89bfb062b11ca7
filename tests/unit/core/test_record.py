"""Decision records re-execute, explain themselves, and say what would have changed them."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.canonical import canonical_json
from chalicelib.core.control import Switches
from chalicelib.core.counterfactual import counterfactuals
from chalicelib.core.decide import decide
from chalicelib.core.errors import Refused
from chalicelib.core.explain import REASONS, explain
from chalicelib.core.features import Features
from chalicelib.core.instants import Instant
from chalicelib.core.offers import Offer
from chalicelib.core.plain_words import explain_to_customer
from chalicelib.core.record import (
    build_record,
    situation_from_json,
    situation_hash,
    situation_to_json,
)
from chalicelib.core.replay import differences, reexecute
from chalicelib.core.rules import Rules
from chalicelib.core.scorecard import Scorecard
from chalicelib.core.scores import Scores
from chalicelib.core.situation import Context, Held, Permissions, Situation
from chalicelib.scoring.guarded import GuardedScorer
from tests.unit.core.situations import NOW, RecencyScorer, buyer, checkout, shipped_rules

RULES = shipped_rules()
LIVE = Offer("winback-10", "LIVE", "percent_off", 10, NOW + 9)
SITUATIONS = [
    checkout(),
    checkout(facts=None),
    checkout(lines=()),
    checkout(context=Context(), lines=()),
    checkout(facts=buyer(silent_days=400, orders=40)),
    checkout(live_offers={"winback-10": LIVE}),
    checkout(held=Held("winback", (LIVE,)), switches=Switches(sending=False)),
    checkout(placement="batch", permissions=Permissions(True, {"marketing_email": True})),
    checkout(placement="mail", trigger="cart_abandoned", contacted=frozenset({"cart-reminder"})),
]


def recorded(situation: Situation, *, rules: Rules = RULES) -> dict[str, Any]:
    """The record of a decision, by the shipped rules or others, as storage gives it back."""
    decision = decide(
        situation,
        policy=rules.policy,
        jurisdictions=rules.jurisdictions,
        scorer=rules.scorer,
        code_for=lambda effect: effect[:12],
    )
    record = build_record(
        situation,
        decision,
        policy=rules.policy,
        jurisdictions_hash=rules.jurisdictions_hash,
        scorer=rules.scorer,
        correlation_id="r-1",
    )
    stored: dict[str, Any] = json.loads(canonical_json(record))
    return stored


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_situation_survives_its_record(situation: Situation) -> None:
    """What was gathered comes back equal, so that it can be decided again."""
    assert (
        situation_from_json(json.loads(canonical_json(situation_to_json(situation)))) == situation
    )


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_record_re_executes_to_the_same_bytes(situation: Situation) -> None:
    """Replay finds no difference in an untouched record."""
    assert differences(recorded(situation), rules=RULES) == ()


@pytest.mark.parametrize(
    ("field", "value"), [("tier", "base"), ("segment", "loyal"), ("quote_expires_at", 1)]
)
def test_an_altered_outcome_is_found(field: str, value: object) -> None:
    """Whatever is changed in the outcome, replay names it."""
    record = recorded(checkout())
    record["decision"][field] = value

    assert differences(record, rules=RULES) == (field,)


def test_an_altered_input_is_found() -> None:
    """A changed input leads to another outcome than the recorded one."""
    record = recorded(checkout())
    record["situation"]["lines"][0][2] += 100
    record["situation"]["products"] = []

    assert "lines" in differences(record, rules=RULES)


def test_other_documents_are_refused() -> None:
    """A record is only compared with the documents that decided it."""
    record = recorded(checkout())
    record["policy"] = "sha256:other"

    with pytest.raises(Refused, match="other_policy"):
        reexecute(record, rules=RULES)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_an_explanation_ends_with_what_would_have_changed_it(situation: Situation) -> None:
    """Every decision can be told to a person, its reasons in words and its alternatives last."""
    text = explain(recorded(situation), rules=RULES)

    assert text.startswith("Decision d_1")
    assert "What would have changed it" in text.split("\n\n")[-1]
    assert "_" not in "".join(REASONS.values())


def test_a_decision_for_which_the_rules_stood_in_re_executes_once_the_model_works() -> None:
    """A model that failed for a moment leaves a record that is right, and is explained."""
    model = GuardedScorer(_Failing(), Scorecard(RULES.policy), report=lambda _: None)
    then = replace(RULES, scorer=model)
    record = recorded(checkout(), rules=then)

    assert record["decision"]["model"] == "scorecard"
    assert differences(record, rules=then) == differences(record, rules=RULES) == ()
    assert explain(record, rules=RULES) == explain(record, rules=then)
    assert explain_to_customer(record, rules=RULES) == explain_to_customer(record, rules=then)


class _Failing(RecencyScorer):
    """The model on a bad day."""

    def score(self, features: Features) -> Scores:
        """Fail."""
        raise MemoryError


def test_an_altered_record_is_not_explained_away() -> None:
    """Where the record does not re-execute, no alternative is claimed."""
    record = copy.deepcopy(recorded(checkout()))
    record["decision"]["tier"] = "loyalty"

    assert "does not re-execute (tier differ)" in explain(record, rules=RULES)


def test_counterfactuals_are_true() -> None:
    """An order today would have ended the win-back, an opt-out would have ended everything."""
    situation = checkout()
    decision = reexecute(recorded(situation), rules=RULES)

    said = {c.had: c.outcome for c in counterfactuals(situation, decision, rules=RULES)}

    assert said["had they opted out of personalisation"] == "price tier base, no action"
    assert said["had they ordered today, for as much as last time"] == (
        "price tier loyalty, thanks-free-shipping"
    )
    assert said["had they stayed away 100 more days"] == "price tier winback, no action"


def test_the_situation_hash_sees_what_the_customer_changes() -> None:
    """Cart, context, objections and kill switches count; time and profile do not."""
    base = situation_hash(checkout())

    assert situation_hash(checkout(as_of=NOW + 60, facts=None)) == base
    assert situation_hash(checkout(lines=())) != base
    assert situation_hash(checkout(switches=Switches(pricing=False))) != base
    assert situation_hash(checkout(permissions=Permissions(consents={"profiling": False}))) != base


def test_a_record_does_not_hold_since_when_a_segment_holds() -> None:
    """No rule may ask for it, and the record would be larger with every decision."""
    facts = replace(buyer(silent_days=100), segment="at_risk", segment_at=Instant(NOW - 9))
    known, unknown = (
        situation_to_json(checkout(subject=facts.subject, facts=each))
        for each in (facts, replace(facts, segment_at=None))
    )

    assert known == unknown
    assert known["facts"]["segment"] == "at_risk"
