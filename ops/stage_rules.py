"""What decides in a stage now: its active policy with the model and the law of this checkout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import click

from chalicelib.challenging import load_challengers
from chalicelib.core.policy import Policy, policy_from_json
from chalicelib.core.ports import Store
from chalicelib.core.rules import Rules
from chalicelib.core.scorecard import Scorecard
from chalicelib.core.scores import Scorer
from chalicelib.documents import MODELS, ROOT, Documents
from chalicelib.flows.policies import find_policy, show
from chalicelib.scoring.load import load_scorer
from chalicelib.scoring.rejections import ArtifactRejected


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


def rules_of(environment: Mapping[str, str], *, model: str) -> Rules:
    """The documents of this checkout: the stage's policy, and the model that decided."""
    documents = Documents()
    policy = documents.policy(environment.get("SEGUE_POLICY", "default"))
    engine = environment.get("SEGUE_SCORER", "portable")
    scorer = _scorer(engine, model, documents, policy)
    challengers, _ = load_challengers(policy, documents=documents, engine=engine)
    return Rules(
        policy,
        documents.jurisdictions,
        documents.jurisdictions_hash,
        scorer,
        challengers=challengers,
    )


def _scorer(engine: str, model: str, documents: Documents, policy: Policy) -> Scorer:
    scorecard = Scorecard(policy)
    if model == scorecard.name:
        return scorecard
    try:
        return load_scorer(engine, documents.model(model))
    except ArtifactRejected as rejection:
        click.echo(f"the model of this checkout was refused: {rejection}", err=True)
        return scorecard
