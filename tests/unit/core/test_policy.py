"""The policy document: what is refused, and that the error names the path."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.core.errors import BadInput
from chalicelib.core.features import Features
from chalicelib.core.policy import policy_from_json, policy_from_toml
from chalicelib.core.scorecard import Scorecard
from tests.unit.core.situations import POLICIES, default_policy

TEXT = (POLICIES / "default.toml").read_text()


def edited(edit: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The shipped document with one edit."""
    document = tomllib.loads(TEXT)
    edit(document)
    return document


@pytest.mark.parametrize(
    ("edit", "path", "words"),
    [
        (lambda d: d.update(surprise=1), "surprise", "not permitted"),
        (lambda d: d["actions"][0].update(mood="x"), "actions.0.mood", "not permitted"),
        (lambda d: d["fallbacks"].pop("mail"), "policy", "fallbacks.mail"),
        (lambda d: d["actions"].append(d["actions"][0]), "policy", "stands twice"),
        (lambda d: d["actions"][0]["offer"].update(value=101), "actions.0.offer", "1 to 100"),
        (lambda d: d["actions"][0].pop("mail"), "actions.0", "needs a mail treatment"),
        (lambda d: d["actions"][0].update(min_churn=2), "actions.0.min_churn", "less than"),
        (lambda d: d["price_tiers"][0].update(name="base"), "policy", "published price"),
        (lambda d: d["scorecard"][-1].update(min_frequency=1), "policy", "hold for everyone"),
        (lambda d: d.update(default_currency="XXX"), "policy", "ISO 4217"),
        (lambda d: d["holdout"].update(share_percent=51), "holdout.share_percent", "less than"),
        (lambda d: d["actions"][0].pop("segments"), "policy", "actions.0.offer.limits: an offer"),
        (
            lambda d: d["actions"][2].update(segments=["loyal", "unknown"]),
            "policy",
            "needs codes or budget_minor",
        ),
    ],
)
def test_a_wrong_policy_is_refused_by_path(
    edit: Callable[[dict[str, Any]], object], path: str, words: str
) -> None:
    """Every error says where it is and what is wrong."""
    with pytest.raises(BadInput) as refusal:
        policy_from_json(edited(edit))

    assert any(e.field == path and words in e.problem for e in refusal.value.errors)


@pytest.mark.parametrize("limits", [{"codes": 5000}, {"budget_minor": 100_000}])
def test_strangers_may_have_offers_that_end(limits: dict[str, int]) -> None:
    """As many as a number or a budget allows, whatever names they give themselves."""
    document = edited(lambda d: d["actions"][0].pop("segments"))
    document["actions"][0]["offer"]["limits"] = limits

    assert policy_from_json(document).actions[0].segments == ()


def test_text_that_is_not_toml_is_refused() -> None:
    """A syntax error is the caller's, with the line named by the parser."""
    with pytest.raises(BadInput, match="line 1"):
        policy_from_toml("= nonsense")


def test_the_hash_follows_the_content_alone() -> None:
    """The same document has the same hash however it was written; another has another."""
    assert policy_from_toml(TEXT).hash == policy_from_toml("\n# a comment\n" + TEXT).hash
    assert policy_from_toml(TEXT).hash != policy_from_toml(TEXT.replace("900", "901")).hash


@pytest.mark.parametrize(
    ("features", "segment"),
    [
        (Features(10.0, 8.0, 3000.0, 300.0, 30.0), "champions"),
        (Features(100.0, 3.0, 3000.0, 300.0, 60.0), "loyal"),
        (Features(5.0, 1.0, 3000.0, 5.0, None), "new"),
        (Features(70.0, 1.0, 3000.0, 70.0, None), "promising"),
        (Features(200.0, 2.0, 3000.0, 300.0, 90.0), "at_risk"),
        (Features(400.0, 1.0, 3000.0, 400.0, None), "hibernating"),
        (Features(), "hibernating"),
    ],
)
def test_the_scorecard_names_the_first_rule_that_holds(features: Features, segment: str) -> None:
    """Rules serve without a model: a segment, no propensity, marked as fallback."""
    scores = Scorecard(default_policy()).score(features)

    assert (scores.segment, scores.churn, scores.fallback) == (segment, None, True)
