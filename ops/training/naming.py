"""Names for segments, in the field's words, from what the segments are.

Each name stands for a typical place on four standardised axes; the assignment of names to segments
with the smallest sum of distances is unique, deterministic and works for any number of segments.
Names of the silent are barred from segments that have just bought, and the other way round, because
a policy acts on them: a win-back mail must not greet a regular.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from chalicelib.core.errors import BadInput
from chalicelib.core.features import FEATURE_NAMES
from ops.training.snapshots import Matrix

# More than any distance between places: a name on the wrong side is the last resort.
_WRONG_SIDE = 100.0
# Between a fresh and a silent segment, in standard deviations of log recency from the mean.
_FRESH_BELOW, _SILENT_ABOVE = 0.0, -0.3


@dataclass(frozen=True, slots=True)
class Archetype:
    """A name, its typical place in standard deviations, and what it means.

    Attributes:
        name: machine name.
        recency, frequency, monetary, tenure: the place; recency grows with silence.
        meaning: the first half of the description.
    """

    name: str
    recency: float
    frequency: float
    monetary: float
    tenure: float
    meaning: str


ARCHETYPES = (
    Archetype("champions", -1.3, 2.2, 0.5, 0.4, "Buy often and bought just now"),
    Archetype("loyal", -0.6, 1.2, 0.3, 0.5, "Keep coming back"),
    Archetype("promising", -1.4, 0.7, 0.1, -0.5, "Came back soon after their first order"),
    Archetype("new", -1.1, -0.5, 0.0, -1.9, "Placed their first order recently"),
    Archetype("needs_attention", -0.3, 0.0, 0.8, -0.4, "Spend well, and their next order is due"),
    Archetype("about_to_sleep", -0.2, -0.6, -0.6, -0.8, "Bought little and are falling silent"),
    Archetype("at_risk", 0.3, 0.6, 0.1, 0.5, "Used to come back and have fallen silent"),
    Archetype("cannot_lose", 0.3, 1.2, 1.3, 0.5, "Were among the best and have fallen silent"),
    Archetype("hibernating", 0.6, -0.6, 0.9, 0.3, "Spent well once, long ago"),
    Archetype("lost", 0.7, -0.7, -0.9, 0.4, "Bought little, long ago"),
)
_FRESH = {"champions", "loyal", "promising", "new"}
_SILENT = {"at_risk", "cannot_lose", "hibernating", "lost"}


def name_segments(centroids: Matrix) -> tuple[Archetype, ...]:
    """One archetype for each centroid, in standardised feature space.

    Raises BadInput when there are more segments than names.
    """
    if len(centroids) > len(ARCHETYPES):
        raise BadInput.of("k", f"must be at most {len(ARCHETYPES)}, the number of segment names")
    cost = np.array([[_distance(centroid, a) for a in ARCHETYPES] for centroid in centroids])
    _, chosen = linear_sum_assignment(cost)
    return tuple(ARCHETYPES[column] for column in chosen)


def describe_segment(archetype: Archetype, *, orders: float, silent_days: float, value: str) -> str:
    """One sentence for a person, with the segment's medians."""
    times = "once" if orders < 1.5 else f"{orders:.0f} times"
    return (
        f"{archetype.meaning}: typically ordered {times}, last {silent_days:.0f} days ago,"
        f" for {value} an order."
    )


def _distance(centroid: Sequence[float], archetype: Archetype) -> float:
    recency, frequency, monetary, tenure = (
        centroid[FEATURE_NAMES.index(name)]
        for name in ("recency_days", "frequency", "monetary_minor", "tenure_days")
    )
    squared = (
        (recency - archetype.recency) ** 2
        + (frequency - archetype.frequency) ** 2
        + (monetary - archetype.monetary) ** 2
        + (tenure - archetype.tenure) ** 2
    )
    wrong = (archetype.name in _FRESH and recency > _FRESH_BELOW) or (
        archetype.name in _SILENT and recency < _SILENT_ABOVE
    )
    return float(squared**0.5 + (_WRONG_SIDE if wrong else 0.0))
