"""Re-execute a decision record and compare: the same inputs must give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.core.canonical import canonical_json
from chalicelib.core.decide import Decision, decide, offer_effect_id
from chalicelib.core.errors import Refused
from chalicelib.core.record import decision_to_json, recorded_codes, situation_from_json
from chalicelib.core.rules import Rules


def reexecute(record: Mapping[str, Any], *, rules: Rules) -> Decision:
    """Decide again from the record's inputs.

    Codes are the recorded ones: they prove nothing about the decision, and their secret is not
    needed to check it.

    Raises:
        Refused: ``other_policy``, ``other_model`` or ``other_jurisdictions`` when the documents
            at hand are not those that decided.
    """
    rules = rules.under(record["subject"], as_of=record["situation"]["as_of"])
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
