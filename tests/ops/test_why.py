"""``python -m ops why``: the reasoning of a decision, from its record and this checkout."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from chalicelib.core.kinds import RECORD
from chalicelib.core.policy import policy_from_json
from ops.why import rules_of, tell, why
from tests.functional.test_policies import live
from tests.storefront import open_storefront
from tests.unit.core.situations import NOW


def test_the_rules_are_those_that_decided() -> None:
    """The model that the record names, the stage's policy and the table of law."""
    rules = rules_of({"SEGUE_POLICY": "default"}, model="cdnow-1.0.0")

    assert rules.scorer.name == "cdnow-1.0.0"
    assert rules.policy.name == "default"
    assert rules.jurisdictions.rows


def test_a_model_that_is_refused_is_said_and_replaced(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without the model the scorecard stands in, as it does when serving."""
    rules = rules_of({}, model="nothing-0.0.0")

    assert rules.scorer.name == "scorecard"
    assert "was refused" in capsys.readouterr().err


def test_a_decision_of_the_scorecard_is_told_by_the_scorecard(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Where the rules of the policy decided, no model of this checkout is to blame."""
    rules = rules_of({}, model="scorecard")

    assert rules.scorer.name == "scorecard"
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("aws")
def test_without_a_stack_it_says_so() -> None:
    """The error names what is missing and what to do."""
    answer = CliRunner().invoke(why, ["d_1"])

    assert answer.exit_code == 1
    assert "there is no stack segue-dev here: deploy it first" in answer.output


def test_a_decision_by_an_activated_policy_is_told_in_full() -> None:
    """Its policy is read from the stage, so that what would have changed it can be said."""
    with open_storefront() as shop:
        document = shop.rules.policy.model_dump(mode="json")
        document["price_tiers"][0]["discount_basis_points"] = 900
        stored = live(shop, document)
        answer = shop.decide()
        assert answer["policy"] == stored == policy_from_json(document).hash
        path = f"/v1/decisions/{answer['decision_id']}"
        kept = shop.store.read([RECORD.key(answer["decision_id"])], now=NOW)
        record = kept.value(RECORD.key(answer["decision_id"]))
        assert record is not None

        before = tell(record, packaged=shop.rules, store=shop.store, now=NOW)
        assert shop.call("POST", f"{path}/review").status_code == 202
        after = tell(record, packaged=shop.rules, store=shop.store, now=NOW)

    assert "not to be said" not in before
    assert "had they opted out of personalisation: price tier base, no action" in before
    assert "  You had placed 3 orders that count." in before
    assert "nobody has asked for one" in before
    assert "asked for at 2026-11-18" in after
