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
        (lambda d: d["fallbacks"].pop("mail"), "fallbacks.mail", "needs a fallback"),
        (lambda d: d["actions"].append(d["actions"][0]), "actions.5.id", "stands twice"),
        (lambda d: d["actions"][0]["offer"].update(value=101), "actions.0.offer", "1 to 100"),
        (lambda d: d["actions"][0].pop("mail"), "actions.0", "needs a mail treatment"),
        (lambda d: d["actions"][0].update(min_churn=2), "actions.0.min_churn", "less than"),
        (lambda d: d["price_tiers"][0].update(name="base"), "price_tiers.0.name", "published"),
        (lambda d: d["scorecard"][-1].update(min_frequency=1), "scorecard", "hold for everyone"),
        (lambda d: d.update(default_currency="XXX"), "default_currency", "ISO 4217"),
        (
            lambda d: d["fallbacks"].update(chat={"action": "welcome"}),
            "fallbacks.chat.action",
            "name another",
        ),
        (
            lambda d: d["actions"][2].update(placements=["checkout", "home"]),
            "fallbacks.home",
            "needs a fallback",
        ),
        (
            lambda d: d["actions"][0].update(treatments={"home": {"content": {"a": 1}}}),
            "actions.0",
            "treatments.home: stands for no placement",
        ),
        (
            lambda d: d["actions"][0].update(eligibility=["loyalty_points > 3"]),
            "actions.0.eligibility.0.when",
            "unknown feature loyalty_points",
        ),
        (
            lambda d: d["actions"][3].update(weights=[{"when": "churn = 1", "weight": 2}]),
            "actions.3.weights.0.when",
            "is no condition",
        ),
        (
            lambda d: d.update(features=[{"name": "churn", "type": "number"}]),
            "features.0.name",
            "built in",
        ),
        (
            lambda d: d["price_tiers"][1].update(eligibility=["region == 'NY'"]),
            "price_tiers.1.eligibility.0.when",
            "nothing that touches a price",
        ),
        (lambda d: d["holdout"].update(share_percent=51), "holdout.share_percent", "less than"),
        (
            lambda d: d["actions"][0].update(max_expected_orders=float("inf")),
            "actions.0.max_expected_orders",
            "finite",
        ),
        (
            lambda d: d["scorecard"][0].update(max_recency_days=float("inf")),
            "scorecard.0.max_recency_days",
            "finite",
        ),
        (
            lambda d: d["actions"][0].update(
                treatments={"checkout": {"content": {"ratio": float("nan")}}}
            ),
            "actions.0.treatments.checkout.content.ratio.float",
            "finite",
        ),
        (lambda d: d["actions"][0].pop("segments"), "actions.0.offer.limits", "an offer"),
        (
            lambda d: d["actions"][2].update(segments=["loyal", "unknown"]),
            "actions.2.offer.limits",
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


@pytest.mark.parametrize(
    "name", ["age", "customer_zip", "gender_code", "home_latitude", "device", "is_male", "female"]
)
def test_no_protected_attribute_touches_a_price(name: str) -> None:
    """An offer may not ask for it, whatever the shop calls it; a mail without one may."""
    features = [{"name": name, "type": "number"}]

    def asks(action: int, layer: str, value: Any) -> dict[str, Any]:
        changed = edited(lambda d: d["actions"][action].update({layer: value}))
        return {**changed, "features": features}

    with pytest.raises(BadInput, match="nothing that touches a price may read it"):
        policy_from_json(asks(0, "suitability", [f"{name} > 3"]))
    with pytest.raises(BadInput, match="nothing that touches a price may read it"):
        policy_from_json(asks(0, "weights", [{"when": f"known({name})", "weight": 2.0}]))
    assert policy_from_json(asks(3, "suitability", [f"{name} > 3"])).conditions


def test_a_shop_names_its_own_proxies() -> None:
    """What a shop knows to stand for a protected attribute is barred as if it were one."""

    def edit(document: dict[str, Any]) -> None:
        document["features"] = [{"name": "f7", "type": "number"}]
        document["actions"][0]["eligibility"] = ["f7 == 1"]

    assert policy_from_json(edited(edit)).conditions
    with pytest.raises(BadInput, match="names f7, a protected attribute or a proxy of one"):
        policy_from_json({**edited(edit), "price_proxies": ["f7"]})


def test_every_misfit_is_told_at_once() -> None:
    """Whoever writes a policy need not run it as often as it has errors."""

    def edit(document: dict[str, Any]) -> None:
        document["actions"][0]["eligibility"] = ["no_such > 3", "churn > 'x'"]
        document["fallbacks"].pop("batch")

    with pytest.raises(BadInput) as refusal:
        policy_from_json(edited(edit))

    assert [error.field for error in refusal.value.errors] == [
        "fallbacks.batch",
        "actions.0.eligibility.0.when",
        "actions.0.eligibility.1.when",
    ]


def test_a_threshold_in_a_condition_is_a_threshold_of_the_policy() -> None:
    """Silence that crosses it is looked for, wherever it stands."""
    policy = policy_from_json(
        edited(lambda d: d["actions"][3].update(suitability=["0.25 <= churn or churn > 0.9"]))
    )

    assert policy.silence_thresholds == {"churn": (0.25, 0.5, 0.6, 0.8, 0.9)}


def test_a_copy_remembers_nothing_of_its_original() -> None:
    """What follows from the document follows from the copy's own."""
    policy = policy_from_toml(TEXT)
    thresholds, digest = policy.silence_thresholds, policy.hash

    copied = policy.model_copy(update={"actions": policy.actions[:1]})

    assert (thresholds, digest) != (copied.silence_thresholds, copied.hash)
    assert copied.action("welcome") is None
    assert policy.action("welcome") is not None


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
