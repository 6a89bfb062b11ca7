"""Situations for the tests of the decision, and a scorer that can be read at a glance."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Any

from chalicelib.core.canonical import content_hash
from chalicelib.core.catalogue import Product
from chalicelib.core.facts import Facts
from chalicelib.core.features import Features
from chalicelib.core.fold import recount
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.law import Jurisdictions
from chalicelib.core.orders import Amount, OrderState
from chalicelib.core.policy import Policy, policy_from_toml
from chalicelib.core.rules import Rules
from chalicelib.core.scores import Scores
from chalicelib.core.situation import Context, Line, Permissions, Situation
from chalicelib.core.subject import Subject, customer
from chalicelib.core.tokens import SigningKeys

POLICIES = Path(__file__).parents[3] / "policies"
NOW = 1_795_000_000  # 2026-11-18T01:46:40Z
KEYS = SigningKeys("k1", {"k1": b"k" * 32}, b"a" * 32, b"c" * 32)
MUG = Product("MUG", "USD", base_price_minor=2000, floor_minor=1500)


class RecencyScorer:
    """Names a segment by days of silence alone; churn grows with them."""

    name = "recency-1.0.0"
    hash = "sha256:recency"
    currency = "USD"
    segments = ("champions", "at_risk", "hibernating")

    def score(self, features: Features) -> Scores:
        """Score by recency."""
        days = features.recency_days or 0.0
        segment = "champions" if days < 60 else "at_risk" if days < 200 else "hibernating"
        churn = 1 - math.exp(-days / 60)
        return Scores(segment, churn, 2 * (1 - churn), self.name)


def default_policy(**changes: Any) -> Policy:
    """The shipped policy without a holdout, so that every test customer is treated."""
    policy = policy_from_toml((POLICIES / "default.toml").read_text())
    nobody = policy.holdout.model_copy(update={"share_percent": 0.0})
    return policy.model_copy(update={"holdout": nobody, **changes})


def shipped_rules(**policy_changes: Any) -> Rules:
    """The shipped policy and law with the readable scorer."""
    document = tomllib.loads((POLICIES / "jurisdictions.toml").read_text())
    table = Jurisdictions.model_validate(document)
    return Rules(
        policy=default_policy(**policy_changes),
        jurisdictions=table,
        jurisdictions_hash=content_hash(table.model_dump(mode="json")),
        scorer=RecencyScorer(),
    )


def buyer(*, silent_days: int, orders: int = 3, subject: Subject | None = None) -> Facts:
    """A customer with monthly orders of 30.00 USD whose last one was so many days ago."""
    facts = Facts(subject or customer("c-1"))
    for nth in range(orders):
        at = NOW - (silent_days + 30 * nth) * DAY_SECONDS
        order = OrderState(f"o-{nth}", facts.subject.key, completed=Amount(at, 3000, "USD"))
        facts = recount(facts, before=None, after=order)
    return facts


def checkout(**changes: Any) -> Situation:
    """A customer at risk with a mug in the cart, somewhere in Texas."""
    given: dict[str, Any] = {
        "decision_id": "d_1",
        "subject": customer("c-1"),
        "placement": "checkout",
        "as_of": NOW,
        "context": Context(country="US", region="TX", currency="USD", session_id="s-1"),
        "lines": (Line("MUG", 1, 2000),),
        "facts": buyer(silent_days=100),
        "permissions": Permissions(),
        "products": {"MUG": MUG},
    }
    return Situation(**{**given, **changes})
