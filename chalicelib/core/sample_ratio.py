"""Whether customers fell into the arms as the policy deals them: the sample-ratio check.

A mismatch says that somebody is lost on the way, and that no lift of the experiment can be
believed. It is asked every day, so the test holds at all times at once: a Bayes factor of the
counts n against the stated shares θ, with a Dirichlet prior of mean θ and strength κ (Lindon and
Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022):

    log BF = log Γ(κ) − log Γ(κ + n) + Σᵢ (log Γ(κθᵢ + nᵢ) − log Γ(κθᵢ)) − Σᵢ nᵢ log θᵢ

With true shares it ever exceeds 1/alpha with a probability of at most alpha (Ville's inequality).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

# One false alarm in a thousand experiments, however often one looks: an alarm stops a test.
ALPHA = 0.001
_STRENGTH = 10_000.0


class SampleRatio(NamedTuple):
    """How the arms of an experiment filled.

    Attributes:
        counts: customers by arm.
        stated: share by arm.
        mismatched: whether the counts contradict the shares.
        evidence: the Bayes factor against the shares, as its natural logarithm.
    """

    counts: Mapping[str, int]
    stated: Mapping[str, float]
    mismatched: bool
    evidence: float


def check_ratio(
    counts: Mapping[str, int], stated: Mapping[str, float], *, alpha: float = ALPHA
) -> SampleRatio:
    """Hold counts against shares.

    Args:
        counts: customers by arm; an arm that nobody is in may be missing.
        stated: the share of each arm, each more than 0, together 1.
        alpha: how likely true shares may ever be called a mismatch.

    Raises:
        ValueError: an arm is counted that has no share.
    """
    unknown = counts.keys() - stated.keys()
    if unknown:
        raise ValueError(f"arms without a share: {', '.join(sorted(unknown))}")
    total = sum(counts.values())
    evidence = math.lgamma(_STRENGTH) - math.lgamma(_STRENGTH + total)
    for arm, share in stated.items():
        count, prior = counts.get(arm, 0), _STRENGTH * share
        evidence += math.lgamma(prior + count) - math.lgamma(prior) - count * math.log(share)
    return SampleRatio(dict(counts), dict(stated), evidence > -math.log(alpha), evidence)
