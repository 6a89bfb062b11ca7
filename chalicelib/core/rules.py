"""The documents that decide, as one value: policy, law and model."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chalicelib.core.assignment import NO_ARMS, Arms
from chalicelib.core.challengers import Challengers, replacement
from chalicelib.core.law import Jurisdictions
from chalicelib.core.policy import Policy
from chalicelib.core.scores import Scorer

NO_CHALLENGERS = Challengers()


@dataclass(frozen=True, slots=True)
class Rules:
    """What decisions are made with; records name each by its hash.

    Attributes:
        policy: the champion; for a subject, what ``under`` found.
        jurisdictions: the dated table of law.
        jurisdictions_hash: its name.
        scorer: the model that serves, or the scorecard.
        alias: the stored policy that these rules stand for; None for the packaged one.
        challengers: what arms of the policy name.
        arms: those that chose policy and scorer.
        champion_hash: of the policy whose arms these are; None before ``under``.
    """

    policy: Policy
    jurisdictions: Jurisdictions
    jurisdictions_hash: str
    scorer: Scorer
    alias: str | None = None
    challengers: Challengers = NO_CHALLENGERS
    arms: Arms = NO_ARMS
    champion_hash: str | None = None

    def under(self, subject_key: str, *, as_of: int) -> Rules:
        """What decides for a subject: the champion, or what their arms name; again is the same."""
        if self.champion_hash is not None or not self.policy.replacing:
            return self
        found = replacement(self.policy, self.challengers, subject_key, as_of=as_of)
        return replace(
            self,
            policy=found.policy or self.policy,
            scorer=found.scorer or self.scorer,
            arms=found.arms,
            champion_hash=self.policy.hash,
        )
