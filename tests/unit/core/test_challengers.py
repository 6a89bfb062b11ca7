"""Champion and challenger: who decides for whom, what the record names, and what cannot compete."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.challengers import Challengers, challenger_misfits
from chalicelib.core.decide import Decision, decide, in_holdout
from chalicelib.core.errors import Refused
from chalicelib.core.explain import explain
from chalicelib.core.offers import Offer
from chalicelib.core.policy import Policy
from chalicelib.core.record import build_record, rules_hash_of
from chalicelib.core.replay import differences
from chalicelib.core.rules import Rules
from chalicelib.core.scores import Scores
from chalicelib.core.situation import Context, Held
from chalicelib.core.subject import customer
from tests.unit.core.offering import policy_with
from tests.unit.core.situations import NOW, RecencyScorer
from tests.unit.core.test_engagement_conditions import SHIPPED
from tests.unit.core.test_experiments import arms, experiment
from tests.unit.core.test_exposures import at

CHALLENGE = experiment("duel", arms=arms(policy="challenger"))
MODELS = experiment("models", arms=arms(model="m-2"))


class Gloomy(RecencyScorer):
    """Another model: everybody is hibernating."""

    name = "gloomy-1.0.0"
    hash = "sha256:gloomy"

    def score(self, features: Any) -> Scores:
        """Score by nothing."""
        return Scores("hibernating", 0.99, 0.01, self.name)


def champion(*experiments: dict[str, Any], **changes: Any) -> Policy:
    """One action, and experiments."""
    return policy_with({}, experiments=list(experiments), **changes)


def challenger(**changes: Any) -> Policy:
    """The same action and a better one."""
    return policy_with({}, {"value_minor": 9000}, **changes)


def rules_of(policy: Policy, **policies: Policy) -> Rules:
    """Champion and challengers, and two models."""
    challengers = Challengers(policies, {"m-2": Gloomy()})
    return replace(SHIPPED, policy=policy, challengers=challengers)


DUEL = rules_of(champion(CHALLENGE), challenger=challenger())


def decided_by(rules: Rules, n: int, **changes: Any) -> tuple[Rules, Decision, dict[str, Any]]:
    """What decides for somebody, what it decides, and the record."""
    situation = at(customer(f"c-{n}"), **changes)
    mine = rules.under(situation.subject.key, as_of=situation.as_of)
    decision = decide(
        situation,
        policy=mine.policy,
        jurisdictions=mine.jurisdictions,
        scorer=mine.scorer,
        code_for=lambda effect: effect,
        arms=mine.arms,
    )
    record = build_record(
        situation,
        decision,
        policy=mine.policy,
        jurisdictions_hash=mine.jurisdictions_hash,
        scorer=mine.scorer,
        correlation_id="r-1",
        champion_hash=mine.champion_hash,
    )
    return mine, decision, record


def test_a_challenger_decides_for_its_arm_and_the_record_names_it() -> None:
    """Each half by its own policy; the record says whose arms these are, and decides again."""
    chosen = {}
    for n in range(60):
        mine, decision, record = decided_by(DUEL, n)
        arm = decision.arms["duel"]
        chosen[arm] = decision.chosen
        assert record["policy"] == mine.policy.hash
        assert (record["policy"] == DUEL.policy.hash) is (arm == "as-ever")
        assert record["champion"] == rules_hash_of(record) == DUEL.policy.hash
        assert decision.exposures == ("duel",)
        assert differences(record, rules=DUEL) == ()

    assert chosen == {"as-ever": ("a-0",), "new": ("a-1",)}


def test_a_model_decides_for_its_arm_and_the_record_names_it() -> None:
    """The policy is the champion's; whoever has no orders is scored by neither."""
    rules = rules_of(champion(MODELS))
    segments = {}
    for n in range(60):
        _, decision, record = decided_by(rules, n)
        segments[decision.arms["models"]] = (decision.scores.segment, record["model"]["hash"])
        assert (record["policy"], decision.exposures) == (rules.policy.hash, ("models",))
        assert differences(record, rules=rules) == ()
        assert decided_by(rules, n, facts=None)[1].exposures == ()

    assert segments == {
        "as-ever": ("at_risk", "sha256:recency"),
        "new": ("hibernating", "sha256:gloomy"),
    }


def test_policy_and_model_may_be_tried_at_the_same_time() -> None:
    """In layers of their own, every pair of arms occurs, each with what it names."""
    rules = rules_of(champion(CHALLENGE, MODELS), challenger=challenger())
    pairs = set()
    for n in range(80):
        mine, decision, _ = decided_by(rules, n)
        pairs.add((decision.arms["duel"], decision.arms["models"]))
        assert (mine.policy is rules.policy) is (decision.arms["duel"] == "as-ever")
        assert isinstance(mine.scorer, Gloomy) is (decision.arms["models"] == "new")

    assert len(pairs) == 4


def test_a_document_that_is_missing_leaves_the_champion_to_decide() -> None:
    """Nobody is said to be in that arm, nothing is evidence of it, and the answer says so."""
    rules = rules_of(champion(CHALLENGE))
    for n in range(40):
        mine, decision, record = decided_by(rules, n)
        assert decision.chosen == ("a-0",)
        assert record["policy"] == rules.policy.hash
        assert decision.not_running == (() if decision.arms else ("duel",))
        assert decision.exposures == tuple(decision.arms)
        assert differences(record, rules=rules) == ()
        assert mine.under(f"c#c-{n}", as_of=NOW) is mine


def test_whoever_is_held_out_is_decided_by_the_champion() -> None:
    """The holdout of the champion stands above its experiments."""
    half = {"share_percent": 50, "salt": "s"}
    rules = rules_of(champion(CHALLENGE, holdout=half), challenger=challenger(holdout=half))
    for n in range(40):
        mine, decision, _ = decided_by(rules, n)
        held = in_holdout(rules.policy, f"c#c-{n}")
        assert (decision.holdout, not decision.arms) == (held, held)
        assert not held or mine.policy is rules.policy


def test_an_opt_out_is_evidence_of_no_policy() -> None:
    """Nothing is chosen whatever the arm."""
    opted = Context(country="US", currency="USD", gpc=True)

    assert {decided_by(DUEL, n, context=opted)[1].exposures for n in range(20)} == {()}


def test_what_a_session_was_shown_is_evidence_of_no_policy() -> None:
    """It is kept whoever decides."""
    offer = {"kind": "percent_off", "value": 10, "valid_days": 7}
    held = Held(None, (Offer("a-0", "CODE", "percent_off", 10, NOW + 99),))
    rules = rules_of(
        policy_with({"offer": offer}, experiments=[CHALLENGE]), challenger=challenger()
    )

    for n in range(20):
        kept = decided_by(rules, n, held=held)[1]
        assert (kept.chosen, kept.exposures, set(kept.arms)) == (("a-0",), (), {"duel"})


def test_light_experiments_of_a_challenger_run_in_it() -> None:
    """What it states within itself holds for whom it decides for."""
    inner = challenger(experiments=[experiment("inner", arms=arms(off=["a-1"]))])
    rules = rules_of(champion(CHALLENGE), challenger=inner)
    seen = [decided_by(rules, n)[1].arms for n in range(40)]

    assert all(("inner" in each) is (each["duel"] == "new") for each in seen)


def test_a_record_is_not_decided_again_by_another_champion() -> None:
    """Where the experiment is over or another, replay says which document is missing."""
    over = rules_of(champion(), challenger=challenger())
    for n in range(10):
        record = decided_by(DUEL, n)[2]
        assert "other_policy" in explain(record, rules=over)
        assert "experiment duel: arm" in explain(record, rules=DUEL)
        assert "other_policy" not in explain(record, rules=DUEL)


def test_a_record_is_not_decided_again_by_another_champion_with_the_same_challenger() -> None:
    """Even where the challenger decided and still would: whose arms these are has changed."""
    other = rules_of(champion(CHALLENGE, quote_valid_seconds=60), challenger=challenger())
    arms_seen = set()
    for n in range(20):
        _, decision, record = decided_by(DUEL, n)
        arms_seen.add(decision.arms["duel"])
        with pytest.raises(Refused, match="other_policy"):
            differences(record, rules=other)

    assert arms_seen == {"as-ever", "new"}


def offering(limits: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """An action with an offer."""
    offer = {"kind": "percent_off", "value": 10, "valid_days": 7}
    return {"offer": {**offer, **({} if limits is None else {"limits": limits})}, **changes}


@pytest.mark.parametrize(
    ("ours", "theirs", "path"),
    [
        ([], [offering({"codes": 5})], "actions.0.offer.limits"),
        ([offering({"codes": 5})], [offering({"codes": 6})], "actions.0.offer.limits"),
        ([offering({"codes": 5})], [offering()], "actions.0.offer.limits"),
        ([{}, {}], [{}, offering({"budget_minor": 9})], "actions.1.offer.limits"),
        ([], [offering()], None),
        ([offering({"codes": 5})], [offering({"codes": 5}, value_minor=7)], None),
    ],
)
def test_whatever_has_limits_stands_in_both(
    ours: list[dict[str, Any]], theirs: list[dict[str, Any]], path: str | None
) -> None:
    """A code outlives the experiment: the champion must know how many there are."""
    found = list(challenger_misfits(policy_with(*ours), policy_with(*theirs)))

    assert [each.path for each in found] == ([] if path is None else [path])


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"default_currency": "EUR"}, "default_currency"),
        ({"holdout": {"share_percent": 1, "salt": "other"}}, "holdout"),
        ({"contact_policy": {"max_marketing_mails": 1}}, "contact_policy"),
        ({"experiments": [CHALLENGE]}, "experiments"),
        ({"contact_policy": {"cool_downs": [{"after": "ordered", "days": 3}]}}, None),
        ({"price_tiers": [], "offers_per_decision": 3}, None),
    ],
)
def test_what_holds_for_everybody_is_the_champions(
    changes: dict[str, Any], path: str | None
) -> None:
    """One currency, one holdout, one cap; the rest may differ."""
    same: dict[str, Any] = {"contact_policy": {}}
    found = list(challenger_misfits(policy_with(**same), policy_with(**{**same, **changes})))

    assert [each.path for each in found] == ([] if path is None else [path])


def test_rules_without_such_experiments_are_the_same_for_everybody() -> None:
    """And cost nothing to find."""
    rules = rules_of(champion(experiment(arms=arms(off=["a-0"]))))

    assert rules.under("c#c-1", as_of=NOW) is rules
    assert "champion" not in decided_by(rules, 1)[2]
