"""What ``export-sql`` writes for Spark and Athena is the same select, in words that they know.

Spark runs it in ``test_sql_on_spark.py``. There is no Athena to ask here, so its text is read:
every function exists in Trino, every number is a double, and no NaN or NULL gets where Trino
differs.
"""

from __future__ import annotations

import pytest
import sqlglot
from sqlglot import exp

from chalicelib.core.features import FEATURE_NAMES
from ops.export_sql import exported_features, exported_scores
from ops.warehouse import DIALECTS, Dialect
from tests.trained import document

AS_OF = 1_767_225_600
# As Trino's manual lists them; aggregates below.
TRINO_FUNCTIONS = {"LN", "EXP", "SQRT", "POWER", "LEAST", "IS_NAN"}
SPARK_FUNCTIONS = {"LN", "EXP", "SQRT", "POWER", "LEAST", "ISNAN"}
AGGREGATES = {"COUNT", "MIN", "MAX", "SUM"}


def scores(dialect: Dialect) -> str:
    """The scores of the trained model."""
    return exported_scores(document(), dialect, "shop.features", ("customer_id", "Last name"))


def features(dialect: Dialect) -> str:
    """The features of the trained model."""
    return exported_features(document(), dialect, "shop.orders", AS_OF)


def parsed(text: str, dialect: Dialect) -> exp.Select:
    """The one statement of a text, as the dialect reads it."""
    (statement,) = sqlglot.parse(text, read=dialect)
    assert isinstance(statement, exp.Select)
    return statement


def functions_of(text: str, dialect: Dialect) -> set[str]:
    """The names of all functions that a text calls, as the dialect writes them."""
    calls = parsed(text, dialect).find_all(exp.Func)
    own = (exp.Case, exp.If, exp.Cast, exp.And, exp.Or)
    return {
        call.sql(dialect=dialect).partition("(")[0] for call in calls if not isinstance(call, own)
    }


@pytest.mark.parametrize(
    ("dialect", "functions"), [("spark", SPARK_FUNCTIONS), ("athena", TRINO_FUNCTIONS)]
)
class TestDialects:
    """Of either warehouse."""

    def test_calls_nothing_that_it_does_not_know(
        self, dialect: Dialect, functions: set[str]
    ) -> None:
        """DuckDB's own functions have been replaced, and no other came in."""
        assert functions_of(scores(dialect), dialect) == functions
        assert functions_of(features(dialect), dialect) == AGGREGATES

    def test_numbers_are_doubles(self, dialect: Dialect, functions: set[str]) -> None:
        """A number without an exponent would be a decimal; only whole numbers are ever so."""
        literals = [
            literal.this
            for text in (scores(dialect), features(dialect))
            for literal in parsed(text, dialect).find_all(exp.Literal)
            if not literal.is_string
        ]

        assert {one for one in literals if "e" not in one} == {"0", "1", "28", str(AS_OF)}
        assert sorted(literals) == sorted(
            literal.this
            for text in (scores("duckdb"), features("duckdb"))
            for literal in parsed(text, "duckdb").find_all(exp.Literal)
            if not literal.is_string
        )

    def test_casts_are_to_types_that_it_has(self, dialect: Dialect, functions: set[str]) -> None:
        """Doubles, and amounts as decimals that hold every sum."""
        types = {
            cast.to.sql(dialect=dialect)
            for text in (scores(dialect), features(dialect))
            for cast in parsed(text, dialect).find_all(exp.Cast)
        }

        assert types == {"DOUBLE", "DECIMAL(28, 0)"}

    def test_divides_doubles_alone(self, dialect: Dialect, functions: set[str]) -> None:
        """Trino divides integers to integers: what is divided is cast, or computed from doubles."""
        divisions = list(parsed(features(dialect), dialect).find_all(exp.Div))

        assert len(divisions) == 5
        for division in divisions:
            assert isinstance(division.left, exp.Cast | exp.Div)
            assert isinstance(division.right, exp.Cast | exp.Literal)

    def test_has_the_columns_in_their_order(self, dialect: Dialect, functions: set[str]) -> None:
        """Kept columns with their names, then the three answers; the id, then the features."""
        assert parsed(scores(dialect), dialect).named_selects == [
            *("customer_id", "Last name", "segment", "churn", "expected_orders")
        ]
        assert parsed(features(dialect), dialect).named_selects == ["customer_id", *FEATURE_NAMES]

    def test_quotes_names_in_its_own_way(self, dialect: Dialect, functions: set[str]) -> None:
        """A name with a space, and one that is a word of SQL."""
        quote = {"spark": "`", "athena": '"'}[dialect]

        assert f"{quote}Last name{quote}" in scores(dialect)
        assert f"{quote}at{quote} <= {AS_OF}" in features(dialect)

    def test_asks_for_nan_where_a_value_is_above_its_bound(
        self, dialect: Dialect, functions: set[str]
    ) -> None:
        """NaN is above everything in Spark and beside everything in Trino; both impute it."""
        name = {"spark": "ISNAN", "athena": "IS_NAN"}[dialect]

        for feature, spec in zip(FEATURE_NAMES, document().features, strict=True):
            assert f"WHEN {feature} > {spec.upper}e0 AND NOT {name}({feature})" in scores(dialect)

    def test_compares_only_what_is_never_null(self, dialect: Dialect, functions: set[str]) -> None:
        """Trino's LEAST is NULL where one of its values is, Spark's is not."""
        leasts = list(parsed(scores(dialect), dialect).find_all(exp.Least))
        names = {column.name for least in leasts for column in least.find_all(exp.Column)}

        count = len(document().segments)
        assert names == {f"distance_{n}" for n in range(count)}
        # Distances are NULL only outside of ties, and looked at only inside.
        assert (
            "WHEN clear IS NULL\n    THEN CASE\n      WHEN distance_0 - LEAST(distance_0"
            in scores(dialect)
        )


def test_says_what_it_reads() -> None:
    """Whoever finds the file knows what table it needs."""
    for dialect in DIALECTS:
        assert scores(dialect).splitlines()[0] == (
            "-- reads customer_id, Last name, recency_days, frequency, monetary_minor,"
            " tenure_days, mean_gap_days"
        )
        assert features(dialect).splitlines()[0] == (
            "-- reads customer_id, at, amount_minor, currency; as of 2026-01-01T00:00:00Z,"
            " values in USD"
        )
