"""Placements: each has its own actions, its treatment and its fallback."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.address import address_hash
from chalicelib.core.answer import build_answer
from chalicelib.core.decide import Decision
from chalicelib.core.plan import decision_writes
from chalicelib.core.policy import Policy
from chalicelib.core.record import decision_from_json, decision_to_json
from chalicelib.core.situation import Permissions, Situation
from tests.unit.core.situations import KEYS, NOW, checkout
from tests.unit.core.test_engagement_conditions import decided, policy_with

BANNER = {"headline": "Welcome back", "image": 7, "dark": True}
MAIL = {"template": "winback", "repeat_after_days": 3}
ASKED = ("checkout", "home", "product", "chat")
KNOWN = ("checkout", "mail", "batch", "home", "product")


def shop(**changes: Any) -> Policy:
    """An action for three places, and a fallback for two of them besides the usual ones."""
    return policy_with(
        {
            "placements": ["home", "product", "mail"],
            "treatments": {"home": {"content": BANNER}},
            "mail": MAIL,
            **changes,
        },
        fallbacks={name: {"action": f"no-{name}"} for name in KNOWN},
    )


def at(placement: str, **changes: Any) -> Situation:
    """A customer at risk who looks at a place of the shop, without a cart."""
    return checkout(placement=placement, lines=(), **changes)


def told(decision: Decision, situation: Situation) -> dict[str, Any]:
    """What the caller reads."""
    return build_answer(situation, decision, policy_hash="sha256:p", keys=KEYS)


def test_a_place_is_told_what_to_render() -> None:
    """The content stands in the answer as the policy spells it; a place without any gets none."""
    home, product = (decided(at(name), shop()) for name in ("home", "product"))

    assert told(home, at("home"))["treatments"] == [{"action": "a-0", "content": BANNER}]
    assert product.chosen == ("a-0",)
    assert told(product, at("product"))["treatments"] == []


def test_a_place_sees_only_its_own_actions() -> None:
    """What is meant for the home page is no candidate at the checkout."""
    decision = decided(at("checkout"), shop())

    assert [(c.action, c.layer) for c in decision.candidates] == [("no-checkout", "fallback")]


def test_a_place_that_the_policy_does_not_know_shows_nothing_and_says_so() -> None:
    """A chat that asks before its policy knows it is answered all the same."""
    decision = decided(at("chat"), shop())

    assert decision.chosen == ()
    assert [(c.action, c.reason) for c in decision.candidates] == [
        ("no-action", "placement_not_in_policy")
    ]


@pytest.mark.parametrize("placement", ["home", "product"])
def test_looking_at_a_page_mails_nobody(placement: str) -> None:
    """An action that is shown where somebody looks needs no consent to mail, and sends none."""
    situation = at(placement, permissions=Permissions(has_address=True))
    decision = decided(situation, shop())

    writes = decision_writes(
        situation,
        decision,
        {},
        policy=shop(),
        correlation_id="r-1",
        now=NOW,
        address_hash=address_hash("ada@example.com", secret=KEYS.address_secret),
    )

    assert decision.chosen == ("a-0",)
    assert [write.key.kind.name for write in writes] == ["record"]


@given(
    content=st.dictionaries(
        st.text(min_size=1, max_size=20),
        st.text(max_size=40) | st.integers(-(2**53), 2**53) | st.booleans(),
        min_size=1,
        max_size=8,
    )
)
def test_content_is_opaque(content: dict[str, Any]) -> None:
    """Whatever a policy holds for a place comes out of answer and record as it went in."""
    policy = shop(treatments={"home": {"content": content}})
    decision = decided(at("home"), policy)

    assert told(decision, at("home"))["treatments"] == [{"action": "a-0", "content": content}]
    assert decision_from_json(decision_to_json(decision)) == decision


@pytest.mark.parametrize("placement", ASKED)
def test_a_holdout_sees_the_fallback_everywhere(placement: str) -> None:
    """Nothing is personalised for the global holdout, on whatever page."""
    everyone = shop().model_copy(
        update={"holdout": shop().holdout.model_copy(update={"share_percent": 100.0})}
    )

    assert decided(at(placement), everyone).chosen == ()
