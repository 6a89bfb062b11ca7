"""Records to typed rows: every record comes out as a row or as a reject, under its own number."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from chalicelib.files.layout import MOST_COLUMNS
from chalicelib.files.reader import Layout, Reject, Rows
from chalicelib.files.unpack import FileRefused

COLUMNS: Any = {"id": "text", "pieces": "whole", "price": "amount", "agreed": "flag"}


def layout(**changes: Any) -> Layout:
    """Four typed columns, of which the first is needed."""
    given: dict[str, Any] = {
        "format": "csv",
        "columns": COLUMNS,
        "names": {},
        "required": [["id"]],
        "identity": "id",
    }
    return Layout(**{**given, **changes})


@contextmanager
def loaded(folder: Path, text: str, how: Layout | None = None) -> Iterator[Rows]:
    """A text as rows."""
    plain = folder / "plain"
    plain.write_text(text, newline="")
    rows = Rows(plain, how or layout(), workdir=folder, memory_mb=128)
    try:
        yield rows
    finally:
        rows.close()


def test_cells_are_typed(tmp_path: Path) -> None:
    """Amounts are decimals to the last digit, consents are booleans, empty cells are nothing."""
    text = "id,pieces,price,agreed,note\n007,2,29.33,true,x\nb,,0.1,No,\nc, 3 ,,,\n"

    with loaded(tmp_path, text) as rows:
        found = list(rows.ordered_by())

    assert found == [
        (1, _row("007", Decimal(2), Decimal("29.33"), True, "x")),
        (2, _row("b", None, Decimal("0.1"), False, None)),
        (3, _row("c", Decimal(3), None, None, None)),
    ]


def test_a_fraction_is_not_rounded_to_a_whole_number(tmp_path: Path) -> None:
    """2.7 pieces stay 2.7, so that whoever reads the row can refuse it."""
    with loaded(tmp_path, "id,pieces\na,2.7\n") as rows:
        [(_, row)] = rows.ordered_by()

    assert row["pieces"] == Decimal("2.7")


def test_a_bad_cell_is_named_by_record_column_value_and_reason(tmp_path: Path) -> None:
    """Numbers hold beside quoted line breaks, blank lines, and rejects before them."""
    text = (
        'id,pieces,price\r\n"a\r\n1",many,1\r\n\r\nb,1,2\r\n"c",1,"1,000.00"\r\n'
        'd,1\r\ne,1,2,3\r\n"f"f,1,2\r\n"g\r\n\r\n",x,y\r\nh,1,5'
    )

    with loaded(tmp_path, text) as rows:
        assert rows.count == 8
        assert [record for record, _ in rows.ordered_by()] == [2, 8]
        assert list(rows.rejects) == [
            Reject(1, "pieces", "many", "must be a whole number"),
            Reject(3, "price", "1,000.00", "must be a number such as 29.33"),
            Reject(4, "", "d,1", "has fewer than 3 columns"),
            Reject(5, "", "e,1,2,3", "has more than 3 columns"),
            Reject(6, "", '"f"f,1,2', "has a quote that is not closed, or stands within a value"),
            Reject(7, "pieces", "x", "must be a whole number"),
        ]
        assert rows.spoilt["c"] == 3
        assert rows.spoilt["d"] == 4


def test_rows_come_in_the_order_that_is_asked_for(tmp_path: Path) -> None:
    """By a column, and within it as in the file."""
    with loaded(tmp_path, "id,price\nb,1\na,2\nb,0\na,1\n") as rows:
        assert [record for record, _ in rows.ordered_by("id")] == [2, 4, 1, 3]


def test_what_belongs_to_two_is_found(tmp_path: Path) -> None:
    """Values that stand with more than one owner, those without a value aside."""
    text = "id,owner\na,x\na,y\nb,x\nb,x\n,x\n,y\nc,\nc,x\n"

    with loaded(tmp_path, text) as rows:
        assert rows.contested("id", "owner") == {"a"}
        assert rows.contested("missing", "owner") == frozenset()


def test_names_that_differ_by_case_or_hold_quotes_are_names(tmp_path: Path) -> None:
    """No name in a file reaches SQL."""
    text = 'id,ID,"a\'b","c""d",record\n1,2,3,4,5\n'

    with loaded(tmp_path, text) as rows:
        [(record, row)] = rows.ordered_by("ID")

    assert record == 1
    assert row == {"id": "1", "ID": "2", "a'b": "3", 'c"d': "4", "record": "5"}


def test_a_legacy_export_keeps_its_other_columns_out_of_the_way(tmp_path: Path) -> None:
    """A column that is called like one of ours and means something else does not become ours."""
    how = layout(names={"Nr": "id", "Preis": "price"}, delimiter=";", decimal=",")

    with loaded(tmp_path, "Nr;price;Preis;;\n1;free;9,50;;\n", how) as rows:
        [(_, row)] = rows.ordered_by()

    assert (row["id"], row["price"], row["column price"]) == ("1", Decimal("9.5"), "free")


def test_positions_name_the_columns_where_no_header_does(tmp_path: Path) -> None:
    """Aligned columns, with the rows that do not fit named as anywhere else."""
    how = layout(names={1: "id", 3: "price"}, delimiter="whitespace", header=False)
    text = "4 x 29.33\n5   y  29.73\n6 z dear\n7\n"

    with loaded(tmp_path, text, how) as rows:
        assert [(n, row["id"], str(row["price"])[:5]) for n, row in rows.ordered_by()] == [
            (1, "4", "29.33"),
            (2, "5", "29.73"),
        ]
        assert [(reject.record, reject.column) for reject in rows.rejects] == [
            (3, "price"),
            (4, ""),
        ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,price\na,1\n", "lacks the column id"),
        ("id,id\na,1\n", "names column 2 like another one"),
        ("id,\na,1\n", "leaves column 2 without a name"),
        ("id,price\n", "holds no records"),
        (",".join(["id", *(f"c{n}" for n in range(MOST_COLUMNS))]) + "\n1\n", "more than 500"),
    ],
)
def test_columns_that_will_not_do_refuse_the_file(tmp_path: Path, text: str, words: str) -> None:
    """The words name our columns, or a position, and never what stood there."""
    with pytest.raises(FileRefused, match=words), loaded(tmp_path, text):
        pass


def test_json_lines_are_typed_value_by_value(tmp_path: Path) -> None:
    """Numbers and texts that spell numbers alike; null and a missing key are nothing."""
    text = (
        '{"id": 7, "pieces": "2", "price": 29.33, "agreed": true, "extra": 1}\r\n\n'
        '{"price": "0.10", "id": "b", "agreed": null}\n'
    )

    with loaded(tmp_path, text, layout(format="jsonl")) as rows:
        found = dict(rows.ordered_by())

    assert found[1] == {
        "id": "7",
        "pieces": Decimal(2),
        "price": Decimal("29.33"),
        "agreed": True,
        "extra": "1",
    }
    assert (found[2]["id"], found[2]["price"], found[2]["agreed"]) == ("b", Decimal("0.1"), None)


def test_a_bad_line_of_json_is_named_by_its_field(tmp_path: Path) -> None:
    """No object, no JSON, or a value of another kind; nested values are never text."""
    text = "\n".join(
        (
            '{"id": "a"}',
            "nonsense",
            '["id"]',
            '{"id": {"n": 1}}',
            '{"id": "e", "pieces": "many"}',
            '{"id": "f", "agreed": "perhaps"}',
            '{"id": "g", "price": [1]}',
            "[" * 2_000 + "]" * 2_000,
            r'{"id": "\ud800"}',
        )
    )

    with loaded(tmp_path, text, layout(format="jsonl")) as rows:
        assert rows.count == 9
        assert [record for record, _ in rows.ordered_by()] == [1]
        assert [(r.record, r.column, r.reason) for r in rows.rejects] == [
            (2, "", "is not a JSON object"),
            (3, "", "is not a JSON object"),
            (4, "id", "must be text"),
            (5, "pieces", "must be a whole number"),
            (6, "agreed", "must be true or false"),
            (7, "price", "must be a number such as 29.33"),
            (8, "", "is not a JSON object"),
            (9, "", "is not a JSON object"),
        ]
        assert dict(rows.spoilt) == {"e": 5, "f": 6, "g": 7}


def test_json_lines_without_a_needed_field_refuse_the_file(tmp_path: Path) -> None:
    """What no object has is what a missing column is to a CSV."""
    with (
        pytest.raises(FileRefused, match="has no field id"),
        loaded(tmp_path, '{"price": 1}\n{"price": 2}\n', layout(format="jsonl")),
    ):
        pass


def test_json_lines_of_a_thousand_fields_refuse_the_file(tmp_path: Path) -> None:
    """Keys that are data would make a column each."""
    text = "\n".join(f'{{"id": "x", "k{n}": 1}}' for n in range(MOST_COLUMNS + 1))

    with (
        pytest.raises(FileRefused, match="more than 500 different fields"),
        loaded(tmp_path, text, layout(format="jsonl")),
    ):
        pass


def test_the_database_reads_nothing_else(tmp_path: Path) -> None:
    """Whatever a file might smuggle into a query, no other file of the machine is in reach."""
    with loaded(tmp_path, "id\na\n") as rows, pytest.raises(duckdb.PermissionException):
        rows._connection.execute("SELECT * FROM read_csv('/etc/passwd')")


def _row(
    name: str, pieces: Decimal | None, price: Decimal | None, agreed: bool | None, note: str | None
) -> dict[str, Any]:
    return {"id": name, "pieces": pieces, "price": price, "agreed": agreed, "note": note}
