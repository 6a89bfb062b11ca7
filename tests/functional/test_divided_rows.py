"""A file in parts means what it means in one piece: the same people, the same rejects."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.files.reader import Layout, Rows
from chalicelib.files.rejects import Reject, RejectSpool
from chalicelib.files.shuffle import partition_of, partition_sql
from chalicelib.files.unpack import FileRefused, unpack
from chalicelib.flows.drop_layouts import plan_for
from chalicelib.flows.drop_person import Person
from chalicelib.flows.drop_rows import buyers_in, contacts_in
from tests.divided import MEMORY_MB, Divided, PeopleIn

NOW = 1_700_000_000
# Each example opens a dozen databases on disk.
_FEW = settings(max_examples=max(10, (settings.default or settings()).max_examples // 5))
BUYERS = partial(buyers_in, legacy=None, now=NOW)
# Records and rows, people, and rejects.
Found = tuple[tuple[int, int], list[Person], list[Reject]]
CONTACTS = partial(contacts_in, at=NOW)


def layout_of(key: str) -> Layout:
    """How a dropped file with this key is written."""
    return plan_for(key, lambda _: None).layout


def in_one_piece(text: str, layout: Layout, read: PeopleIn) -> Found:
    """Records and rows, people and rejects of a file that is not divided."""
    with tempfile.TemporaryDirectory() as folder:
        packed, plain = Path(folder, "packed"), Path(folder, "plain")
        packed.write_bytes(text.encode())
        unpack(packed, plain, compressed=False, encoding="utf-8", most_bytes=1 << 20)
        rows = Rows(plain, layout, workdir=Path(folder), memory_mb=MEMORY_MB)
        spool = RejectSpool(Path(folder, "rejected"))
        try:
            people = sorted_people(list(read(rows, spool)))
            return (rows.count, rows.census.rows), people, sorted_rejects([*rows.rejects, *spool])
        finally:
            rows.close()
            spool.close()


def in_parts(
    text: str, layout: Layout, read: PeopleIn, *, target_bytes: int, partitions: int
) -> Found:
    """The same of a file that is."""
    with tempfile.TemporaryDirectory() as folder:
        divided = Divided(Path(folder), layout, partitions)
        found = divided.people(text.encode(), read, target_bytes=target_bytes)
        count = (found.census.records, found.census.rows)
        return count, sorted_people(found.people), sorted_rejects(found.rejects)


def sorted_people(people: list[Person]) -> list[Person]:
    """By their ids."""
    return sorted(people, key=lambda person: person.subject.key)


def sorted_rejects(rejects: list[Reject]) -> list[Reject]:
    """By number; each record is refused once."""
    return sorted(rejects, key=lambda reject: reject.record)


def check_same(
    text: str, layout: Layout, read: PeopleIn, *, target_bytes: int, partitions: int
) -> None:
    """Either way says the same, or refuses the file for the same reason."""
    whole = outcome(partial(in_one_piece, text, layout, read))
    parts = outcome(
        partial(in_parts, text, layout, read, target_bytes=target_bytes, partitions=partitions)
    )

    assert parts == whole


def outcome(attempt: Callable[[], Found]) -> Found | str:
    """What was found, or why the file was refused."""
    try:
        return attempt()
    except FileRefused as refused:
        return str(refused)


ORDER_COLUMNS = ("order_id", "customer_id", "ordered_at", "quantity", "currency", "unit_price")
_CELLS = {
    "order_id": st.sampled_from(["o-1", "o-2", "o-3", "o-4", "", "ö\n5"]),
    "customer_id": st.sampled_from(["c-1", "c-1", "c-2", "c-3", "", "ç4"]),
    "ordered_at": st.sampled_from(["2023-01-02T03:04:05Z"] * 5 + ["yesterday", ""]),
    "quantity": st.sampled_from(["1", "2", "3", "2.7", "some", "-1"]),
    "currency": st.sampled_from(["EUR"] * 5 + ["eur"]),
    "unit_price": st.sampled_from(["9.99", "5", "0.005", "1.0", "much"]),
}


def _csv_cell(value: str, quoted: bool) -> str:
    if quoted or any(mark in value for mark in ',"\r\n'):
        return '"' + value.replace('"', '""') + '"'
    return value


@st.composite
def order_files(draw: st.DrawFn) -> str:
    """Orders as CSV, some lines of which are nothing."""
    lines = [",".join(ORDER_COLUMNS)]
    for _ in range(draw(st.integers(0, 14))):
        broken = draw(st.sampled_from([None] * 6 + ["", "  ", '"', "a,b", 'x,"y" z', ",,,,,"]))
        if broken is not None:
            lines.append(broken)
            continue
        quoted = draw(st.booleans())
        lines.append(",".join(_csv_cell(draw(_CELLS[name]), quoted) for name in ORDER_COLUMNS))
    return draw(st.sampled_from(["\n", "\r\n", "\r"])).join(lines)


@st.composite
def object_files(draw: st.DrawFn) -> str:
    """Orders as JSON Lines, whose objects do not all have the same keys."""
    lines = []
    for _ in range(draw(st.integers(0, 12))):
        said: dict[str, Any] = {name: draw(cell) for name, cell in _CELLS.items()}
        for name in draw(st.sets(st.sampled_from(["quantity", "customer_id", "order_id"]))):
            del said[name]
        said |= draw(st.dictionaries(st.sampled_from(["note", "Note", "Order_id"]), st.just("n")))
        lines.append(draw(st.sampled_from([json.dumps(said)] * 6 + ["{", "[]", "7", " "])))
    return "\n".join(lines)


@_FEW
@given(text=order_files(), target_bytes=st.integers(1, 400), partitions=st.integers(1, 4))
def test_orders_of_a_divided_csv_are_those_of_the_whole(
    text: str, target_bytes: int, partitions: int
) -> None:
    """Wherever it is cut: orders with two customers, spoilt ones and repetitions come out alike."""
    check_same(
        text, layout_of("orders/x.csv"), BUYERS, target_bytes=target_bytes, partitions=partitions
    )


@_FEW
@given(text=object_files(), target_bytes=st.integers(1, 400), partitions=st.integers(1, 4))
def test_orders_of_divided_json_lines_are_those_of_the_whole(
    text: str, target_bytes: int, partitions: int
) -> None:
    """The content of a row is the same whichever keys the objects around it have."""
    check_same(
        text, layout_of("orders/x.jsonl"), BUYERS, target_bytes=target_bytes, partitions=partitions
    )


@_FEW
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["c-1", "c-2", "c-3", ""]),
            st.sampled_from(["a@example.com", "b@example.com", "nobody", ""]),
            st.sampled_from(["true", "false", "perhaps"]),
            st.sampled_from(["1", "2.50", "", "text"]),
        ),
        max_size=12,
    ),
    target_bytes=st.integers(1, 200),
    partitions=st.integers(1, 4),
)
def test_customers_of_a_divided_file_are_those_of_the_whole(
    rows: list[tuple[str, ...]], target_bytes: int, partitions: int
) -> None:
    """The last record of a customer stands, whichever part it is in; numbers are the file's."""
    header = "customer_id,email,consent_marketing_email,points"
    text = "\n".join([header, *(",".join(row) for row in rows)])

    check_same(
        text,
        layout_of("customers/x.csv"),
        CONTACTS,
        target_bytes=target_bytes,
        partitions=partitions,
    )


def test_an_order_of_two_parts_is_judged_over_both() -> None:
    """Two customers claim one order, and a broken row spoils another, each in another part."""
    good = "2023-01-02T03:04:05Z,1,EUR,9.99"
    lines = [
        ",".join(ORDER_COLUMNS),
        f"o-1,c-1,{good}",
        f"o-2,c-1,{good}",
        f"o-1,c-2,{good}",
        "o-2,c-1,2023-01-02T03:04:05Z,some,EUR,9.99",
        f"o-3,c-2,{good}",
    ]
    count, people, rejects = in_parts(
        "\n".join(lines), layout_of("orders/x.csv"), BUYERS, target_bytes=1, partitions=3
    )

    assert count == (5, 4)
    assert [list(person.orders) for person in people] == [["o-3"]]
    assert [(each.record, each.column, each.reason) for each in rejects] == [
        (1, "order_id", "stands with more than one customer"),
        (2, "order_id", "is of an order whose record 4 was rejected"),
        (3, "order_id", "stands with more than one customer"),
        (4, "quantity", "must be a whole number"),
    ]


@pytest.mark.parametrize(("value", "partition"), [("c-1", 503), ("ç4", 8), ("", 610)])
def test_the_partition_of_a_value_never_changes(value: str, partition: int) -> None:
    """Parts may be written by one version and read by another; DuckDB and Python agree."""
    query = f"SELECT {partition_sql('$value', 1000)}"

    assert duckdb.execute(query, {"value": value}).fetchall() == [(partition,)]
    assert partition_of(value, 1000) == partition
