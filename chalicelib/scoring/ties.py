"""The one rule on ties that every engine follows."""

from __future__ import annotations

from collections.abc import Sequence


def nearest(distances: Sequence[float], *, tie_distance: float) -> int:
    """The lowest index among the distances that are closer to the smallest than ``tie_distance``.

    >>> nearest([2.0, 1.0 + 1e-10, 1.0], tie_distance=1e-9)
    1
    """
    smallest = min(distances)
    return next(i for i, distance in enumerate(distances) if distance - smallest < tie_distance)
