"""The documents that arms of experiments name, loaded, and which of them cannot be used and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from chalicelib.core.challengers import Challengers, challenger_misfits
from chalicelib.core.errors import Broken
from chalicelib.core.policy import Policy
from chalicelib.core.scores import Scorer
from chalicelib.documents import POLICIES, Documents
from chalicelib.scoring.load import load_scorer
from chalicelib.scoring.rejections import ArtifactRejected


class Refusal(NamedTuple):
    """A document that an arm names and that cannot decide; the champion does in its place."""

    kind: Literal["policy", "model"]
    name: str
    error: str
    reason: str


def load_challengers(
    champion: Policy, *, documents: Documents, engine: str
) -> tuple[Challengers, tuple[Refusal, ...]]:
    """Load what the champion's arms name; whatever is wrong with one is said and stops nothing."""
    arms = [arm for experiment in champion.replacing for arm in experiment.arms]
    policies: dict[str, Policy] = {}
    scorers: dict[str, Scorer] = {}
    refusals: list[Refusal] = []
    for name in dict.fromkeys(arm.policy for arm in arms if arm.policy is not None):
        try:
            policies[name] = _fitting(champion, documents.policy(name), name)
        except Broken as error:
            refusals.append(Refusal("policy", name, type(error).__name__, str(error)))
    for name in dict.fromkeys(arm.model for arm in arms if arm.model is not None):
        try:
            scorers[name] = load_scorer(engine, documents.model(name))
        except ArtifactRejected as rejection:
            refusals.append(Refusal("model", name, type(rejection).__name__, str(rejection)))
    return Challengers(policies, scorers), tuple(refusals)


def _fitting(champion: Policy, challenger: Policy, name: str) -> Policy:
    wrong = "; ".join(_said(champion, challenger))
    if wrong:
        raise Broken(f"{POLICIES}/{name}: cannot decide beside {champion.name}: {wrong}")
    return challenger


def _said(champion: Policy, challenger: Policy) -> Iterator[str]:
    return (f"{each.path}: {each.problem}" for each in challenger_misfits(champion, challenger))
