"""The model as one SQL select, and what it sees of a customer as another.

The dialect is DuckDB's. Only what Spark and Trino know too is used, unless the caller wants what is
quicker in DuckDB, and only in ways that mean the same there: every number is written with an
exponent, which makes it a double everywhere; NaN is asked for by name, because where it stands
among the numbers differs; nothing that may be NULL goes into ``least``. ``python -m ops
export-sql`` writes the other dialects.
"""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.core.errors import BadInput
from chalicelib.core.features import FEATURE_NAMES
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.money import check_currency
from chalicelib.scoring.document import ModelDocument, PortableParameters, SegmentProfile
from chalicelib.scoring.fused import Column, Fused, Weights, fuse
from chalicelib.scoring.sql_text import (
    Wording,
    anywhere,
    duckdb_alone,
    literal,
    nested,
    number,
    plus,
    quoted,
    select_of,
)

RESULT_NAMES = ("segment", "churn", "expected_orders")

_LOGS = tuple(f"log_{name}" for name in FEATURE_NAMES)
_CAPPED = tuple(f"capped_{name}" for name in FEATURE_NAMES)


def score_select(
    document: ModelDocument, *, source: str, keep: Sequence[str] = (), only_duckdb: bool = False
) -> str:
    """Write the select that scores every row of ``source`` as ``PortableScorer`` scores a customer.

    Args:
        document: a verified model.
        source: what stands behind FROM, taken as it is: a table, or a select in parentheses. It has
            a numeric column for each of ``FEATURE_NAMES``; NULL and NaN are missing.
        keep: columns of ``source`` that the result begins with. Then come segment VARCHAR,
            churn DOUBLE and expected_orders DOUBLE, which are never NULL.
        only_duckdb: whether no other engine has to read it. It is then a third cheaper; segment is
            an ENUM, which a file holds as a text.

    Raises:
        NotPortable: the document was packaged for the joblib engine.
        SchemaViolated: some input within the bounds would overflow a score.
        BadInput: ``keep`` names a column twice, or one that the result has anyway.
    """
    fused = fuse(document)
    _check(keep)
    names = document.segment_names
    wording = duckdb_alone(names) if only_duckdb else anywhere()
    select = _read(source, keep)
    select = _take_logarithms(fused, select)
    select = _predict(fused, select, wording)
    if len(names) == 1:
        segment = wording.segment(names[0])
    else:
        select = _compare(fused, select, wording)
        select = _find_clear(fused, document.segments, select, wording)
        select = _measure_ties(fused, select)
        tied = _nearest(fused, names, wording)
        segment = f"CASE WHEN clear IS NULL THEN {tied} ELSE clear END"
    columns = [f"kept_{index} AS {quoted(column)}" for index, column in enumerate(keep)]
    return select_of(
        *columns,
        f"{segment} AS segment",
        "1e0 / (1e0 + exp(-churn_logit)) AS churn",
        "exp(log_orders) AS expected_orders",
        of=select,
    )


def features_select(*, source: str, as_of: int, currency: str) -> str:
    """Write the select that describes every customer of ``source`` as ``core.features`` does.

    Args:
        source: what stands behind FROM, taken as it is; one row an order, without NULL:
            customer_id VARCHAR, at BIGINT in seconds since 1970, amount_minor BIGINT,
            currency VARCHAR.
        as_of: the moment, in seconds since 1970; orders after it do not exist yet.
        currency: of the model; amounts of others are not converted, they have no value.

    The result has one row for each customer of ``source``: customer_id, then ``FEATURE_NAMES`` as
    DOUBLE. A customer whose every order comes after ``as_of`` has frequency 0 and nothing else.

    Raises BadInput for a currency that we do not know.
    """
    check_currency(currency, field="currency")
    # Sums are exact as Python's are: a BIGINT has at most 19 digits, and Spark and Trino give the
    # sum of a DECIMAL(28, 0) the 38 digits that no number of orders fills.
    seen = f'"at" <= {int(as_of)}'
    known = select_of(
        "customer_id",
        f'CASE WHEN {seen} THEN "at" END AS ordered_at',
        f"CASE WHEN {seen} AND currency = {literal(currency)}"
        " THEN CAST(amount_minor AS DECIMAL(28, 0)) END AS amount_minor",
        of=source,
    )
    counted = select_of(
        "customer_id",
        "count(ordered_at) AS orders",
        "min(ordered_at) AS first_at",
        "max(ordered_at) AS last_at",
        "count(amount_minor) AS paid",
        "sum(amount_minor) AS paid_minor",
        of=nested(known),
    )
    day = number(DAY_SECONDS)
    return select_of(
        "customer_id",
        f"CAST({int(as_of)} - last_at AS DOUBLE) / {day} AS recency_days",
        "CAST(orders AS DOUBLE) AS frequency",
        "CASE WHEN paid > 0 THEN CAST(paid_minor AS DOUBLE) / CAST(paid AS DOUBLE) END"
        " AS monetary_minor",
        f"CAST({int(as_of)} - first_at AS DOUBLE) / {day} AS tenure_days",
        f"CASE WHEN orders > 1 THEN CAST(last_at - first_at AS DOUBLE) / {day}"
        " / CAST(orders - 1 AS DOUBLE) END AS mean_gap_days",
        of=nested(f"{counted}\nGROUP BY customer_id"),
    )


def _check(keep: Sequence[str]) -> None:
    for index, column in enumerate(keep):
        if column in RESULT_NAMES:
            raise BadInput.of("keep", f"{column} is what the model says: rename your column")
        if column in keep[:index]:
            raise BadInput.of("keep", f"{column} is named twice: name it once")


def _read(source: str, keep: Sequence[str]) -> str:
    """Take the columns under names of our own, so that none of the source's can be in the way."""
    kept = (f"{quoted(column)} AS kept_{index}" for index, column in enumerate(keep))
    features = (f"CAST({quoted(name)} AS DOUBLE) AS {name}" for name in FEATURE_NAMES)
    return nested(select_of(*kept, *features, of=source))


def _take_logarithms(fused: Fused, select: str) -> str:
    """Clip, impute and take logarithms; each once, as a column of its own."""
    logs = (
        f"{_logarithm(name, column)} AS {log}"
        for name, column, log in zip(FEATURE_NAMES, fused.columns, _LOGS, strict=True)
    )
    return nested(select_of("*", *logs, of=select))


def _logarithm(name: str, column: Column) -> str:
    # ln(1 + x) is as good as log1p here: both are within 2e-16 of each other for every x > -1.
    lower, upper = number(column.lower), number(column.upper)
    return (
        f"ln(1e0 + CASE WHEN {name} >= {lower} AND {name} <= {upper} THEN {name}"
        f" WHEN {name} < {lower} THEN {lower}"
        f" WHEN {name} > {upper} AND NOT isnan({name}) THEN {upper}"
        f" ELSE {number(column.imputed)} END)"
    )


def _predict(fused: Fused, select: str, wording: Wording) -> str:
    """The linear predictors, and the logarithms as far as they move a segment."""
    capped = (
        f"{_cap(log, bounds, column)} AS {name}"
        for log, bounds, column, name in zip(_LOGS, fused.caps, fused.columns, _CAPPED, strict=True)
    )
    return nested(
        select_of(
            "*",
            *capped,
            f"{wording.linear(fused.churn, _LOGS)} AS churn_logit",
            f"{wording.linear(fused.expected_orders, _LOGS)} AS log_orders",
            of=select,
        )
    )


def _cap(log: str, bounds: tuple[float, float], column: Column) -> str:
    """Leave out a bound that no clipped value reaches: asking costs a twentieth of the select."""
    lower, upper = bounds
    cases = ""
    if lower > column.log_lower:
        cases += f" WHEN {log} < {number(lower)} THEN {number(lower)}"
    if upper < column.log_upper:
        cases += f" WHEN {log} > {number(upper)} THEN {number(upper)}"
    return f"CASE{cases} ELSE {log} END" if cases else log


def _compare(fused: Fused, select: str, wording: Wording) -> str:
    """By how much each squared distance exceeds that to the first centroid."""
    first, *others = fused.centroids
    excesses = (
        f"{wording.linear(_difference(weights, first), _CAPPED)} AS excess_{index}"
        for index, weights in enumerate(others, start=1)
    )
    return nested(select_of("*", *excesses, of=select))


def _find_clear(
    fused: Fused, segments: Sequence[SegmentProfile], select: str, wording: Wording
) -> str:
    """The one segment that no other comes near, NULL where another does.

    Pair by pair and the largest first, for an engine asks the next condition of those rows alone
    that the last one left.
    """
    slack = number(fused.slack)
    near = (f"{_excess(index)} + {slack} AS near_{index}" for index in range(len(segments)))
    cases = (
        f"WHEN {' AND '.join(_all_beyond(index, len(segments)))} THEN {wording.segment(each.name)}"
        for index, each in sorted(enumerate(segments), key=lambda pair: -pair[1].share)
    )
    measured = nested(select_of("*", *near, of=select))
    return nested(select_of("*", f"CASE {' '.join(cases)} END AS clear", of=measured))


def _all_beyond(index: int, count: int) -> Sequence[str]:
    return [f"{_excess(other)} > near_{index}" for other in range(count) if other != index]


def _measure_ties(fused: Fused, select: str) -> str:
    """The distances themselves, of those rows alone where they have to decide."""
    distances = (
        f"CASE WHEN clear IS NULL THEN {_distance(centroid, fused.parameters)} END"
        f" AS distance_{index}"
        for index, centroid in enumerate(fused.parameters.centroids)
    )
    return nested(select_of("*", *distances, of=select))


def _nearest(fused: Fused, names: Sequence[str], wording: Wording) -> str:
    """The lowest index among those that are nearest by the distances themselves."""
    smallest = f"least({', '.join(f'distance_{index}' for index in range(len(names)))})"
    tie = number(fused.parameters.tie_distance)
    cases = (
        f"WHEN distance_{index} - {smallest} < {tie} THEN {wording.segment(name)}"
        for index, name in enumerate(names)
    )
    return f"CASE {' '.join(cases)} END"


def _distance(centroid: Sequence[float], parameters: PortableParameters) -> str:
    squares = (
        f"power(({capped}{plus(-mean)}) / {number(scale)}{plus(-value)}, 2e0)"
        for capped, mean, scale, value in zip(
            _CAPPED, parameters.mean, parameters.scale, centroid, strict=True
        )
    )
    return f"sqrt({' + '.join(squares)})"


def _excess(index: int) -> str:
    return f"excess_{index}" if index else "0e0"


def _difference(weights: Weights, other: Weights) -> Sequence[float]:
    return [weight - base for weight, base in zip(weights, other, strict=True)]
