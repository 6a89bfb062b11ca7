"""SQL says of a row what ``PortableScorer`` says, and of a history what ``describe`` says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import inf, isclose, nan
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import assume, example, given

from chalicelib.core.errors import BadInput
from chalicelib.core.features import FEATURE_NAMES, Features
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.scoring.document import Linear, ModelDocument, OpaqueParameters
from chalicelib.scoring.portable import PortableScorer
from chalicelib.scoring.rejections import NotPortable, SchemaViolated
from chalicelib.scoring.sql import features_select, score_select
from ops.agreement.differences import difference
from ops.agreement.engines import ask_python, nulls_of, parquet, read_answers, write_rows
from ops.agreement.rows import difficult_rows, tied_rows
from ops.training.segmentation import stack
from ops.training.snapshots import Matrix
from tests.sql_makers import (
    AS_OF,
    ORDERS,
    ROWS,
    SQL_BOUND,
    OrderRow,
    Row,
    Table,
    described,
    documents,
    feature_table,
    of_parameters,
    order_table,
)
from tests.trained import document, generated_rows, trained

TYPICAL: Row = (30.0, 3.0, 2700.0, 150.0, 65.0)
SHA256 = "0" * 64


def asked(select: str, table: Table) -> list[tuple[Any, ...]]:
    """The rows of a select over a table."""
    with duckdb.connect() as connection:
        return connection.execute(select, table.parameters).fetchall()


def scored(
    model: ModelDocument, rows: Sequence[Row], *, only_duckdb: bool = False
) -> list[tuple[str, float, float]]:
    """What SQL says of rows, in their order."""
    table = feature_table(rows)
    select = score_select(model, source=table.relation, keep=("id",), only_duckdb=only_duckdb)
    return [(row[1], row[2], row[3]) for row in sorted(asked(select, table))]


def assert_python_agrees(model: ModelDocument, rows: Sequence[Row]) -> None:
    """Same segment, and scores within the bound, in both wordings."""
    scorer = PortableScorer(model, sha256=SHA256)
    given = [*scored(model, rows), *scored(model, rows, only_duckdb=True)]
    for row, (segment, churn, orders) in zip([*rows, *rows], given, strict=True):
        expected = scorer.score(Features(*row))
        assert expected.churn is not None
        assert expected.expected_orders is not None
        assert segment == expected.segment
        assert churn == pytest.approx(expected.churn, abs=SQL_BOUND, rel=0)
        assert isclose(orders, expected.expected_orders, rel_tol=SQL_BOUND, abs_tol=SQL_BOUND), (
            orders,
            expected.expected_orders,
        )


class TestScores:
    """``score_select``."""

    @given(documents(), ROWS)
    def test_any_model_scores_any_row_as_in_python(
        self, model: ModelDocument, rows: list[Row]
    ) -> None:
        """NULL, NaN, infinities, denormals and extremes included, for one segment and for six."""
        try:
            PortableScorer(model, sha256=SHA256)
        except SchemaViolated:
            assume(False)

        assert_python_agrees(model, rows)

    @pytest.mark.parametrize("only_duckdb", [False, True])
    @pytest.mark.parametrize("rows", ["cdnow", "generated", "difficult"])
    def test_the_trained_model_scores_many_rows_as_in_python(
        self, rows: str, only_duckdb: bool, tmp_path: Path
    ) -> None:
        """CDNOW at every snapshot, rows of all magnitudes, rows at bounds and between centroids."""
        matrix = rows_called(rows)

        with duckdb.connect() as connection:
            nulls = nulls_of(matrix)
            write_rows(connection, matrix, nulls, tmp_path / "rows.parquet")
            source = parquet(tmp_path / "rows.parquet")
            select = score_select(document(), source=source, keep=("id",), only_duckdb=only_duckdb)
            given = read_answers(connection, select, document().segment_names)
        expected = ask_python(PortableScorer(document(), sha256=SHA256), matrix, nulls)

        assert difference(given, expected).within(SQL_BOUND)

    def test_the_difficult_rows_are_difficult(self) -> None:
        """Every kind of missing and of tie is among them, or the comparison would prove little."""
        matrix = rows_called("difficult")

        nulls = nulls_of(matrix)

        assert tied_rows(document(), matrix) > 500
        assert 0 < nulls.sum() < np.isnan(matrix).sum()
        assert np.isposinf(matrix).any()
        assert np.isneginf(matrix).any()
        assert ((matrix != 0) & (np.abs(matrix) < 1e-307)).any()

    def test_a_tie_goes_to_the_lowest_index(self) -> None:
        """Distances closer than 1e-9 are tied; farther apart the nearer one wins."""
        first, second, *others = document().parameters.centroids  # type: ignore[union-attr]
        nudged = tuple(value + 1e-11 for value in first)
        apart = tuple(value + 1e-6 for value in first)
        champion = (26.0, 5.0, 3155.0, 300.0, 52.0)

        tied = of_parameters({"centroids": (second, first, nudged, *others[1:])})
        nearer = of_parameters({"centroids": (second, apart, first, *others[1:])})

        names = document().segment_names
        assert scored(tied, [champion])[0][0] == names[1]
        assert_python_agrees(tied, [champion])
        assert_python_agrees(nearer, [champion])

    def test_gives_the_answers_of_the_self_test(self) -> None:
        """What the trained pipeline said stands in the document; SQL says it, too."""
        cases = document().self_test

        given = scored(document(), [case.features for case in cases])

        for (segment, churn, orders), case in zip(given, cases, strict=True):
            assert segment == case.segment
            assert churn == pytest.approx(case.churn, abs=SQL_BOUND)
            assert orders == pytest.approx(case.expected_orders, abs=SQL_BOUND)

    @pytest.mark.parametrize("kind", ["FLOAT", "BIGINT", "DECIMAL(18, 2)", "VARCHAR"])
    def test_reads_numbers_of_any_type(self, kind: str) -> None:
        """A warehouse may keep features as integers or decimals."""
        table = feature_table([TYPICAL], kind)
        select = score_select(document(), source=table.relation)

        assert asked(select, table) == scored(document(), [TYPICAL])

    def test_hands_columns_through_whatever_they_are_called(self) -> None:
        """A column named like one of the select's own, or with a quote, keeps name and value."""
        strange = ("tied", "near", "log_frequency", 'a"b', "kept_0")
        columns = {**dict.fromkeys(strange, "VARCHAR"), **dict.fromkeys(FEATURE_NAMES, "DOUBLE")}
        table = Table(
            {name.replace('"', '""'): kind for name, kind in columns.items()},
            [(*"vwxyz", *TYPICAL)],
        )
        keep = (*strange, "frequency")
        select = score_select(document(), source=table.relation, keep=keep)

        with duckdb.connect() as connection:
            result = connection.execute(select, table.parameters)
            names = [column[0] for column in result.description]
            row = result.fetchall()[0]

        assert names == [*keep, "segment", "churn", "expected_orders"]
        assert row == (*"vwxyz", 3.0, *scored(document(), [TYPICAL])[0])

    @pytest.mark.parametrize("keep", [("id", "id"), ("churn",)])
    def test_refuses_names_that_the_result_cannot_have_twice(self, keep: tuple[str, ...]) -> None:
        """A result with two columns of one name could not be stored."""
        with pytest.raises(BadInput, match=keep[-1]):
            score_select(document(), source="customers", keep=keep)

    def test_refuses_a_model_that_is_no_data(self) -> None:
        """A boosted model has no numbers to write down."""
        opaque = OpaqueParameters(kind="opaque", tie_distance=1e-9, reasons=("boosted trees",))
        model = document().model_copy(update={"parameters": opaque})

        with pytest.raises(NotPortable, match="boosted trees"):
            score_select(model, source="customers")

    def test_refuses_a_model_that_would_overflow(self) -> None:
        """What Python refuses to load is not written down either."""
        steep = of_parameters({"churn": Linear(intercept=0.0, coefficients=(0.0, 900.0, 0, 0, 0))})

        with pytest.raises(SchemaViolated, match="churn"):
            score_select(steep, source="customers")

    def test_every_number_is_a_double(self) -> None:
        """Without an exponent Spark and Trino read a decimal, and compute with its digits."""
        select = score_select(document(), source="customers")

        numbers = re.findall(r"(?<![\w.])\d[\d.]*(?:e[-+]?\d+)?(?![\w.])", select)

        assert len(numbers) > 100
        assert {number for number in numbers if "e" not in number} == set()


class TestFeatures:
    """``features_select``."""

    @given(ORDERS)
    @example([OrderRow("c-1", AS_OF + 1, 100, "USD")])
    @example([OrderRow("c-1", 5, 2**63 - 1, "USD")] * 36)
    @example([OrderRow("c-1", 5, 100, "EUR"), OrderRow("c-2", AS_OF, 0, "USD")])
    def test_any_history_is_described_as_in_python(self, orders: list[OrderRow]) -> None:
        """Counts, days and what is missing are the very same, means up to the last bit."""
        assume(orders)
        table = order_table(orders)
        select = features_select(source=table.relation, as_of=AS_OF, currency="USD")

        given = {row[0]: Features(*row[1:]) for row in asked(select, table)}

        expected = described(orders, as_of=AS_OF, currency="USD")
        assert {name: exact(of) for name, of in given.items()} == {
            name: exact(of) for name, of in expected.items()
        }
        for name, of in expected.items():
            mean, value = of.monetary_minor, given[name].monetary_minor
            if mean is not None:
                # Sums beyond 2**53 are rounded once more on their way to a double.
                rounding = 0 if mean < 2**53 / len(orders) else 4e-16
                assert value == pytest.approx(mean, rel=rounding, abs=0)

    def test_who_has_not_ordered_yet_has_a_count_and_nothing_else(self) -> None:
        """As in Python: frequency 0, and nobody is left out."""
        table = order_table([OrderRow("c-1", AS_OF + DAY_SECONDS, 100, "USD")])

        rows = asked(features_select(source=table.relation, as_of=AS_OF, currency="USD"), table)

        assert rows == [("c-1", None, 0.0, None, None, None)]

    def test_refuses_a_currency_that_is_none(self) -> None:
        """The text is part of the select, so only a known code gets in."""
        with pytest.raises(BadInput, match="currency"):
            features_select(source="orders", as_of=0, currency="US' OR 1=1 --")

    def test_what_it_gives_is_what_scores_read(self) -> None:
        """From orders to segments without a step between."""
        orders = [OrderRow("c-1", AS_OF - 30 * DAY_SECONDS, 2700, "USD")]
        table = order_table(orders)
        features = features_select(source=table.relation, as_of=AS_OF, currency="USD")

        select = score_select(document(), source=f"({features})", keep=("customer_id",))

        python = PortableScorer(document(), sha256=SHA256).score(
            described(orders, as_of=AS_OF, currency="USD")["c-1"]
        )
        assert asked(select, table) == [
            (
                "c-1",
                python.segment,
                pytest.approx(python.churn),
                pytest.approx(python.expected_orders),
            )
        ]


def exact(features: Features) -> tuple[Any, ...]:
    """All but the mean value, of which only whether there is one."""
    recency, frequency, monetary, tenure, gap = features.as_tuple()
    return recency, frequency, monetary is None, tenure, gap


def rows_called(name: str) -> Matrix:
    """The rows of a comparison."""
    match name:
        case "cdnow":
            return stack(trained().snapshots).features
        case "generated":
            rows = generated_rows(10_000, seed=20_261)
            rows[0], rows[1], rows[2] = [nan] * 5, [inf] * 5, [-inf] * 5
            return rows
        case _:
            return difficult_rows(document(), 9_000, seed=1997)
