"""The documents that decide, as one value: policy, law and model."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.core.law import Jurisdictions
from chalicelib.core.policy import Policy
from chalicelib.core.scores import Scorer


@dataclass(frozen=True, slots=True)
class Rules:
    """What decisions are made with; records name each by its hash.

    Attributes:
        alias: the stored policy that these rules stand for; None for the packaged one.
    """

    policy: Policy
    jurisdictions: Jurisdictions
    jurisdictions_hash: str
    scorer: Scorer
    alias: str | None = None
