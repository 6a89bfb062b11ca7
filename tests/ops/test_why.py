"""``python -m ops why``: the reasoning of a decision, from its record and this checkout."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from ops.why import rules_of, why


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
