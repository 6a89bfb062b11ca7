"""Re-execute a decision record and compare: the same inputs must give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.core.canonical import canonical_json
from chalicelib.core.decide import Decision, decide, offer_effect_id
from chalicelib.core.errors import Refused
from chalicelib.core.features import Features
from chalicelib.core.record import decision_to_json, recorded_codes, situation_from_json
from chalicelib.core.rules import Rules
from chalicelib.core.scorecard import Scorecard
from chalicelib.core.scores import Scorer, Scores


def reexecute(record: Mapping[str, Any], *, rules: Rules) -> Decision:
    """Decide again from the record's inputs.

    Codes are the recorded ones: they prove nothing about the decision, and their secret is not
    needed to check it.

    Raises:
        Refused: ``other_policy``, ``other_model`` or ``other_jurisdictions`` when the documents
            at hand are not those that decided.
    """
    rules = rules_of_then(record, rules=rules)
    for reason, recorded, ours in (
        ("other_policy", record.get("champion"), rules.champion_hash),
        ("other_policy", record["policy"], rules.policy.hash),
        ("other_model", record["model"]["hash"], rules.scorer.hash),
        ("other_jurisdictions", record["jurisdictions"], rules.jurisdictions_hash),
    ):
        if recorded != ours:
            raise Refused(reason)
    situation = situation_from_json(record["situation"])
    codes = {
        offer_effect_id(situation, action): code for action, code in recorded_codes(record).items()
    }
    return decide(
        situation,
        policy=rules.policy,
        jurisdictions=rules.jurisdictions,
        scorer=rules.scorer,
        code_for=lambda effect: codes.get(effect, ""),
        arms=rules.arms,
    )


@dataclass(frozen=True, slots=True)
class _StoodIn:
    """The rules, under the name of a model that failed in this one decision."""

    name: str
    hash: str
    currency: str
    segments: tuple[str, ...]
    rules: Scorer

    def score(self, features: Features) -> Scores:
        """By the rules."""
        return self.rules.score(features)


def rules_of_then(record: Mapping[str, Any], *, rules: Rules) -> Rules:
    """What decides for a record's subject; its model failed again where it had failed then.

    Why a model failed is in no record, so what is repeated is that the rules stood in for it.
    """
    scorecard = Scorecard(rules.policy)
    rules = rules.under(record["subject"], as_of=record["situation"]["as_of"])
    model, served = rules.scorer, record["decision"]["model"]
    if isinstance(model, _StoodIn) or model.name == served or served != scorecard.name:
        return rules
    stood_in = _StoodIn(model.name, model.hash, model.currency, model.segments, scorecard)
    return replace(rules, scorer=stood_in)


def differences(record: Mapping[str, Any], *, rules: Rules) -> tuple[str, ...]:
    """Names of the parts of the decision that came out otherwise; empty when it is the same."""
    recorded: Mapping[str, Any] = record["decision"]
    again = decision_to_json(reexecute(record, rules=rules))
    return tuple(
        sorted(
            name
            for name in recorded.keys() | again.keys()
            if canonical_json(recorded.get(name)) != canonical_json(again.get(name))
        )
    )
