"""What the engines are asked about: real customers at several moments, and difficult rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from chalicelib.core.facts import Facts
from chalicelib.core.features import describe
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.subject import customer
from chalicelib.scoring.document import ModelDocument, PortableParameters
from ops.training.history import History
from ops.training.snapshots import Matrix, counted

_MOMENTS = 6
_SPECIAL = (
    *(np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, -5e-324, 2.2e-308, 1e-300, 1e-16),
    *(1.0, -1.0, 3.0, 1e15, 1e308, -1e308, float(np.finfo(np.float64).max)),
)
# How far from the middle of two centroids, in distances: ties, near ties on both sides, none.
_OFFSETS = (0.0, 0.0, 0.0, 1e-12, -1e-12, 1e-10, -1e-10, 1e-8, -1e-8, 1e-6, -1e-6, 1e-3)


def moments_of(history: History) -> tuple[int, ...]:
    """Moments spread over a history and long after it; at the first, some have not ordered yet.

    Two of them are the very second of an order, which then exists already.
    """
    span = history.ends_at - history.starts_at
    spread = [history.starts_at + span * nth // (_MOMENTS - 3) for nth in range(1, _MOMENTS - 2)]
    orders = history.orders
    exact = [orders[len(orders) // 10].at, orders[len(orders) // 2].at]
    return tuple(sorted([*exact, *spread, history.ends_at + 400 * DAY_SECONDS]))


def described(
    history: History, moments: Sequence[int], *, currency: str
) -> Iterator[tuple[int, tuple[str, ...], Matrix]]:
    """Every customer of a history at each moment, by ``describe``; NaN where missing.

    Yields the moment, the customers and their features, one row each. Whoever has not ordered yet
    is there too.
    """
    everybody = sorted({order.customer_id for order in history.orders})
    facts = {name: Facts(customer(name)) for name in everybody}
    waiting = iter([*history.orders, None])
    upcoming = next(waiting)
    for moment in sorted(moments):
        while upcoming is not None and upcoming.at <= moment:
            facts[upcoming.customer_id] = counted(facts, upcoming)
            upcoming = next(waiting)
        features = [
            describe(facts[name], as_of=moment, currency=currency).as_tuple() for name in everybody
        ]
        yield moment, tuple(everybody), np.array(features, dtype=np.float64)


def difficult_rows(document: ModelDocument, count: int, *, seed: int) -> Matrix:
    """Rows of all magnitudes, at the bounds, and in the middle of two centroids; a third of each.

    Args:
        document: a portable model, whose bounds and centroids are meant.
        count: how many.
        seed: of all chance.
    """
    generator = np.random.default_rng(seed)
    third = count // 3
    return np.concatenate(
        [
            _of_all_magnitudes(third, generator),
            _at_the_bounds(document, third, generator),
            _between_centroids(document, count - 2 * third, generator),
        ]
    )


def _of_all_magnitudes(count: int, generator: np.random.Generator) -> Matrix:
    """Values from denormal to the largest, a third of them missing, infinite or extreme."""
    shape = (count, 5)
    rows: Matrix = np.exp(generator.normal(4.0, 3.0, shape))
    rows *= generator.choice([1, 1, 1, -1], shape)
    chosen = generator.random(shape) < 1 / 3
    rows[chosen] = generator.choice(np.array(_SPECIAL), int(chosen.sum()))
    return rows


def _at_the_bounds(document: ModelDocument, count: int, generator: np.random.Generator) -> Matrix:
    """Lower, upper and imputed values, one float beside them, and anything in between."""
    columns = []
    for spec in document.features:
        edges = np.array([spec.lower, spec.upper, spec.impute])
        beside = [np.nextafter(edges, -np.inf), edges, np.nextafter(edges, np.inf)]
        values = generator.choice(np.concatenate(beside), count)
        within = generator.random(count) < 1 / 2
        values[within] = generator.uniform(spec.lower, spec.upper, int(within.sum()))
        values[generator.random(count) < 1 / 20] = np.nan
        columns.append(values)
    return np.stack(columns, axis=1)


def _between_centroids(
    document: ModelDocument, count: int, generator: np.random.Generator
) -> Matrix:
    """As far from one centroid as from another, up to an offset and to rounding."""
    parameters = document.parameters
    if not isinstance(parameters, PortableParameters) or len(set(parameters.centroids)) < 2:
        return _of_all_magnitudes(count, generator)
    centroids = np.unique(np.array(parameters.centroids), axis=0)
    pairs = np.array([(a, b) for a in range(len(centroids)) for b in range(a)])
    chosen = pairs[generator.integers(0, len(pairs), count)]
    first, second = centroids[chosen[:, 0]], centroids[chosen[:, 1]]
    along = second - first
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    aside = generator.normal(0.0, 0.3, first.shape)
    aside -= (aside * along).sum(axis=1, keepdims=True) * along
    aside[generator.random(count) < 1 / 4] = 0.0
    offset = generator.choice(np.array(_OFFSETS), (count, 1))
    z = (first + second) / 2 + aside + offset * along
    rows: Matrix = np.expm1(z * np.array(parameters.scale) + np.array(parameters.mean))
    return rows


def tied_rows(document: ModelDocument, rows: Matrix) -> int:
    """How many rows two centroids are equally near to, by the rule on ties; by NumPy alone."""
    parameters = document.parameters
    if not isinstance(parameters, PortableParameters):
        return 0
    columns = []
    for position, spec in enumerate(document.features):
        values = np.clip(rows[:, position], spec.lower, spec.upper)
        logs = np.log1p(np.where(np.isnan(values), spec.impute, values))
        z = (logs - parameters.mean[position]) / parameters.scale[position]
        columns.append(np.clip(z, -parameters.segment_cap, parameters.segment_cap))
    at = np.stack(columns, axis=1)
    distances = np.stack(
        [np.linalg.norm(at - np.array(centroid), axis=1) for centroid in parameters.centroids],
        axis=1,
    )
    near = distances - distances.min(axis=1, keepdims=True) < parameters.tie_distance
    return int((near.sum(axis=1) > 1).sum())
