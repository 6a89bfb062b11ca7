"""What decides in a stage now: its active policy with the model and the law of this checkout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from chalicelib.challenging import load_challengers
from chalicelib.core.policy import Policy, policy_from_json
from chalicelib.core.ports import Store
from chalicelib.core.rules import Rules
from chalicelib.core.scorecard import Scorecard
from chalicelib.documents import MODELS, ROOT, Documents
from chalicelib.flows.policies import find_policy, show
from ops.why import rules_of


def rules_in_force(environment: Mapping[str, str], *, store: Store, now: int) -> Rules:
    """The rules of a stage, whose functions are told this environment."""
    packaged = rules_of(environment, model=environment["SEGUE_MODEL"])
    active = show(store=store, packaged=packaged, now=now).log.active
    if active is None:
        return packaged
    stored = find_policy(active, store=store, now=now)
    return with_policy(packaged, policy_from_json(stored.document))


def packaged_rules() -> Rules:
    """The rules of this checkout: its default policy, and its latest model."""
    models = sorted(path.name for path in (ROOT / MODELS).glob("*-*"))
    return rules_of({}, model=models[-1] if models else Scorecard.name)


def with_policy(rules: Rules, policy: Policy) -> Rules:
    """The same law and model with another policy, which brings a scorecard of its own."""
    scorer = Scorecard(policy) if isinstance(rules.scorer, Scorecard) else rules.scorer
    challengers, _ = load_challengers(policy, documents=Documents(), engine="portable")
    return replace(rules, policy=policy, scorer=scorer, alias=None, challengers=challengers)
