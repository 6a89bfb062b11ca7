"""The model as one SQL select, and what it sees of a customer as another.

The dialect is DuckDB's. Only what Spark and Trino know too is used, and only in ways that mean the
same there: every number is written with an exponent, which makes it a double everywhere; NaN is
asked for by name, because where it stands among the numbers differs; nothing that may be NULL goes
into ``least``. ``python -m ops export-sql`` writes the other dialects.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chalicelib.core.errors import BadInput
from chalicelib.core.features import FEATURE_NAMES
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.money import check_currency
from chalicelib.scoring.document import ModelDocument, PortableParameters
from chalicelib.scoring.fused import Column, Fused, Weights, fuse

RESULT_NAMES = ("segment", "churn", "expected_orders")

_LOGS = tuple(f"log_{name}" for name in FEATURE_NAMES)
_CAPPED = tuple(f"capped_{name}" for name in FEATURE_NAMES)


def score_select(document: ModelDocument, *, source: str, keep: Sequence[str] = ()) -> str:
    """Write the select that scores every row of ``source`` as ``PortableScorer`` scores a customer.

    Args:
        document: a verified model.
        source: what stands behind FROM, taken as it is: a table, or a select in parentheses. It has
            a numeric column for each of ``FEATURE_NAMES``; NULL and NaN are missing.
        keep: columns of ``source`` that the result begins with. Then come segment VARCHAR,
            churn DOUBLE and expected_orders DOUBLE, which are never NULL.

    Raises:
        NotPortable: the document was packaged for the joblib engine.
        SchemaViolated: some input within the bounds would overflow a score.
        BadInput: ``keep`` names a column twice, or one that the result has anyway.
    """
    fused = fuse(document)
    _check(keep)
    select = _read(source, keep)
    select = _take_logarithms(fused, select)
    select = _predict(fused, select)
    if len(document.segment_names) == 1:
        segment = _text(document.segment_names[0])
    else:
        select = _compare(fused, select)
        select = _measure_ties(fused, select)
        segment = _segment(fused, document.segment_names)
    columns = [f"kept_{index} AS {_name(column)}" for index, column in enumerate(keep)]
    return _select(
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
    known = _select(
        "customer_id",
        f'CASE WHEN {seen} THEN "at" END AS ordered_at',
        f"CASE WHEN {seen} AND currency = {_text(currency)}"
        " THEN CAST(amount_minor AS DECIMAL(28, 0)) END AS amount_minor",
        of=source,
    )
    counted = _select(
        "customer_id",
        "count(ordered_at) AS orders",
        "min(ordered_at) AS first_at",
        "max(ordered_at) AS last_at",
        "count(amount_minor) AS paid",
        "sum(amount_minor) AS paid_minor",
        of=_nested(known),
    )
    day = _number(DAY_SECONDS)
    return _select(
        "customer_id",
        f"CAST({int(as_of)} - last_at AS DOUBLE) / {day} AS recency_days",
        "CAST(orders AS DOUBLE) AS frequency",
        "CASE WHEN paid > 0 THEN CAST(paid_minor AS DOUBLE) / CAST(paid AS DOUBLE) END"
        " AS monetary_minor",
        f"CAST({int(as_of)} - first_at AS DOUBLE) / {day} AS tenure_days",
        f"CASE WHEN orders > 1 THEN CAST(last_at - first_at AS DOUBLE) / {day}"
        " / CAST(orders - 1 AS DOUBLE) END AS mean_gap_days",
        of=_nested(f"{counted}\nGROUP BY customer_id"),
    )


def _check(keep: Sequence[str]) -> None:
    for index, column in enumerate(keep):
        if column in RESULT_NAMES:
            raise BadInput.of("keep", f"{column} is what the model says: rename your column")
        if column in keep[:index]:
            raise BadInput.of("keep", f"{column} is named twice: name it once")


def _read(source: str, keep: Sequence[str]) -> str:
    """Take the columns under names of our own, so that none of the source's can be in the way."""
    kept = (f"{_name(column)} AS kept_{index}" for index, column in enumerate(keep))
    features = (f"CAST({_name(name)} AS DOUBLE) AS {name}" for name in FEATURE_NAMES)
    return _nested(_select(*kept, *features, of=source))


def _take_logarithms(fused: Fused, select: str) -> str:
    """Clip, impute and take logarithms; each once, as a column of its own."""
    logs = (
        f"{_logarithm(name, column)} AS {log}"
        for name, column, log in zip(FEATURE_NAMES, fused.columns, _LOGS, strict=True)
    )
    return _nested(_select("*", *logs, of=select))


def _logarithm(name: str, column: Column) -> str:
    # ln(1 + x) is as good as log1p here: both are within 2e-16 of each other for every x > -1.
    lower, upper = _number(column.lower), _number(column.upper)
    return (
        f"ln(1e0 + CASE WHEN {name} >= {lower} AND {name} <= {upper} THEN {name}"
        f" WHEN {name} < {lower} THEN {lower}"
        f" WHEN {name} > {upper} AND NOT isnan({name}) THEN {upper}"
        f" ELSE {_number(column.imputed)} END)"
    )


def _predict(fused: Fused, select: str) -> str:
    """The linear predictors, and the logarithms as far as they move a segment."""
    capped = (
        f"{_cap(log, bounds, column)} AS {name}"
        for log, bounds, column, name in zip(_LOGS, fused.caps, fused.columns, _CAPPED, strict=True)
    )
    return _nested(
        _select(
            "*",
            *capped,
            f"{_linear(fused.churn, _LOGS)} AS churn_logit",
            f"{_linear(fused.expected_orders, _LOGS)} AS log_orders",
            of=select,
        )
    )


def _cap(log: str, bounds: tuple[float, float], column: Column) -> str:
    """Leave out a bound that no clipped value reaches: asking costs a twentieth of the select."""
    lower, upper = bounds
    cases = ""
    if lower > column.log_lower:
        cases += f" WHEN {log} < {_number(lower)} THEN {_number(lower)}"
    if upper < column.log_upper:
        cases += f" WHEN {log} > {_number(upper)} THEN {_number(upper)}"
    return f"CASE{cases} ELSE {log} END" if cases else log


def _compare(fused: Fused, select: str) -> str:
    """By how much each squared distance exceeds that to the first centroid, and which are near."""
    first, *others = fused.centroids
    excesses = (
        f"{_linear(_difference(weights, first), _CAPPED)} AS excess_{index}"
        for index, weights in enumerate(others, start=1)
    )
    compared = _nested(_select("*", *excesses, of=select))
    count = len(fused.centroids)
    smallest = f"least({', '.join(_excess(index) for index in range(count))})"
    near = _nested(_select("*", f"{smallest} + {_number(fused.slack)} AS near", of=compared))
    hits = (f"CAST({_excess(index)} <= near AS INTEGER)" for index in range(count))
    return _nested(_select("*", f"{' + '.join(hits)} > 1 AS tied", of=near))


def _measure_ties(fused: Fused, select: str) -> str:
    """The distances themselves, of those rows alone where they have to decide."""
    distances = (
        f"CASE WHEN tied THEN {_distance(centroid, fused.parameters)} END AS distance_{index}"
        for index, centroid in enumerate(fused.parameters.centroids)
    )
    return _nested(_select("*", *distances, of=select))


def _segment(fused: Fused, names: Sequence[str]) -> str:
    """The lowest index among the nearest, by the distances themselves where two may be tied."""
    count = len(names)
    smallest = f"least({', '.join(f'distance_{index}' for index in range(count))})"
    tie = _number(fused.parameters.tie_distance)
    tied = _choose((f"distance_{index} - {smallest} < {tie}" for index in range(count)), names)
    clear = _choose((f"{_excess(index)} <= near" for index in range(count)), names)
    return f"CASE WHEN tied THEN {tied} ELSE {clear} END"


def _choose(conditions: Iterable[str], names: Sequence[str]) -> str:
    cases = (
        f"WHEN {condition} THEN {_text(name)}"
        for condition, name in zip(conditions, names, strict=True)
    )
    return f"CASE {' '.join(cases)} END"


def _distance(centroid: Sequence[float], parameters: PortableParameters) -> str:
    squares = (
        f"power(({capped}{_plus(-mean)}) / {_number(scale)}{_plus(-value)}, 2e0)"
        for capped, mean, scale, value in zip(
            _CAPPED, parameters.mean, parameters.scale, centroid, strict=True
        )
    )
    return f"sqrt({' + '.join(squares)})"


def _excess(index: int) -> str:
    return f"excess_{index}" if index else "0e0"


def _difference(weights: Weights, other: Weights) -> Sequence[float]:
    return [weight - base for weight, base in zip(weights, other, strict=True)]


def _linear(weights: Sequence[float], columns: Sequence[str]) -> str:
    intercept, *slopes = weights
    terms = (f"{_plus(slope)} * {column}" for slope, column in zip(slopes, columns, strict=True))
    return _number(intercept) + "".join(terms)


def _plus(value: float) -> str:
    return f" - {_number(-value)}" if value < 0 else f" + {_number(value)}"


def _number(value: float) -> str:
    """Write a double so that every dialect reads this very double, and none a decimal.

    >>> _number(86_400), _number(-0.1), _number(1e-09)
    ('86400.0e0', '-0.1e0', '1e-09')
    """
    text = repr(float(value))
    return text if "e" in text else f"{text}e0"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _select(*columns: str, of: str) -> str:
    listed = ",\n  ".join(columns)
    return f"SELECT {listed}\nFROM {of}"


def _nested(select: str) -> str:
    return f"(\n{select}\n)"
